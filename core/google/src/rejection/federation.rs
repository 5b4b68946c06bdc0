//! What it means when the STS does not take a subject token.

/// The code after the dot, what it means, what to do; by the STS's own words, as observed.
pub(super) fn words(description: &str, audience: &str, place: &str) -> (&'static str, String, String) {
    let says = |words: &[&str]| {
        let description = description.to_ascii_lowercase();
        words.iter().any(|word| description.contains(word))
    };
    let provider = audience.rsplit('/').next().unwrap_or(audience);
    let (code, meaning, hint) = if says(&["attribute condition"]) {
        (
            "attribute_condition",
            format!("The provider's condition does not let this identity in ({audience})"),
            "compare the token's claims with the provider's `attributeCondition`: `gcloud iam workload-identity-pools \
             providers describe`"
                .to_owned(),
        )
    } else if says(&["audience in", "expected audience"]) {
        (
            "invalid_grant",
            "The subject token was issued for another audience than the provider expects".to_owned(),
            format!(
                "have the token issued for `https:{audience}`, or add its audience to the provider's allowed audiences"
            ),
        )
    } else if says(&["stale", "expired", "lifetime"]) {
        (
            "invalid_grant",
            "The subject token has expired".to_owned(),
            format!(
                "see whether what makes the token for {place} still runs; a CI job's token lasts some minutes"
            ),
        )
    } else if says(&["issuer"]) {
        (
            "invalid_grant",
            "The subject token's issuer is not the provider's, or Google cannot reach it".to_owned(),
            format!("compare the token's `iss` with the issuer of the provider {provider}"),
        )
    } else if says(&["mapped", "google.subject", "attribute"]) {
        (
            "invalid_grant",
            "The provider's attribute mapping makes nothing of the subject token".to_owned(),
            format!("correct the attribute mapping of the provider {provider}"),
        )
    } else {
        (
            "invalid_grant",
            format!("Google does not take the subject token for {audience}"),
            format!("see whether {place} names the provider that trusts the token's issuer"),
        )
    };
    (code, meaning, hint)
}
