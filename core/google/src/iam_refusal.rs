//! What it means when the IAM credentials API says no, and what to do about it.

use ee_auth_core::host::Response;
use ee_auth_core::{Error, redact};
use serde_json::Value;
use url::Url;

use crate::impersonation::Caller;
use crate::quota_project::{self, ErrorInfo};
use crate::token_endpoint::shown;

/// The code of the error for a caller whose token was not accepted.
pub(crate) const NOT_ACCEPTED: &str = "rejected.token";

/// The error for an answer that is no success (AIP-193), for whoever wants to stand for `target` by way of `delegates`.
pub(crate) fn explain(
    response: &Response,
    url: &Url,
    caller: &Caller<'_>,
    target: &str,
    delegates: &[String],
) -> Error {
    let status = response.status;
    if let Some(unavailable) = response.unavailable(&shown(url)) {
        return unavailable;
    }
    let json: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let error = json.get("error").unwrap_or(&Value::Null);
    let text = |value: &Value| value.as_str().map(redact).unwrap_or_default();
    let (code, message) = (text(&error["status"]), text(&error["message"]));
    if code.is_empty() && message.is_empty() {
        return Error::unavailable(
            "malformed",
            format!("{} answered {status}, and not as Google's APIs do", shown(url)),
        )
        .hint("a proxy or login page of the network may stand between here and Google; see what it blocks");
    }
    let info = ErrorInfo::of(error);
    let reason = &info.reason;
    let who = match principal(caller) {
        None => "the source credential",
        Some(federated) if federated.starts_with("principal") => "the federated identity",
        Some(account) => account,
    };
    let said = format!(
        "{who} standing for {target}: {} answered {status}: {}{}",
        shown(url),
        message.trim_end_matches('.'),
        if code.is_empty() { String::new() } else { format!(" ({code})") }
    );
    if info.is_user_project(&message) {
        return quota_project::denied(&said, info.project.as_deref(), &member(caller));
    }
    let (name, meaning, hint) = match (status, reason.as_str()) {
        (401, _) => (
            "token",
            "The source's token was not accepted",
            "see with `ee-auth explain` where the source comes from, and log in or make a key again".to_owned(),
        ),
        (403, "SERVICE_DISABLED") => (
            "api_disabled",
            "The IAM Service Account Credentials API is turned off in that project",
            turn_on(info.project.as_deref()),
        ),
        (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT") => (
            "scope",
            "The source's token lacks the scope `cloud-platform`, which standing for another account needs",
            "log in again and grant `cloud-platform`; a machine has to be started with that scope".to_owned(),
        ),
        (403, _) if message.contains("iam.serviceAccounts.get") || reason == "IAM_PERMISSION_DENIED" => (
            "permission",
            match is_workload(caller) {
                true => "The role Workload Identity User is missing, or the account does not exist",
                false => "The role Service Account Token Creator is missing, or the account does not exist",
            },
            grant(caller, target, delegates),
        ),
        (404, _) => (
            "no_account",
            "There is no such service account, or it was deleted",
            "correct the target and the delegates: https://console.cloud.google.com/iam-admin/serviceaccounts".to_owned(),
        ),
        (400, _) if message.contains("lifetime") => (
            "lifetime",
            "Tokens that live longer than an hour need the organisation's permission",
            format!(
                "ask for 1 hour or less, or have {target} added to the organisation policy \
                 constraints/iam.allowServiceAccountCredentialLifetimeExtension"
            ),
        ),
        (400, _) if message.contains("scope") || message.contains("audience") => (
            "invalid_scope",
            "The API does not know one of the scopes, or the audience",
            "correct `scopes` in ee-auth.toml, EE_AUTH_SCOPES, --scopes or --audience".to_owned(),
        ),
        (400, _) if message.contains("disabled") => (
            "disabled",
            "The service account is disabled",
            format!("enable it: `gcloud iam service-accounts enable {target}`"),
        ),
        (400, _) => (
            "invalid_request",
            "The API does not accept the request",
            format!(
                "see whether {target} and the delegates are e-mails of service accounts of that project, and whether the \
                 scopes and the lifetime are right: `ee-auth config show --origin`"
            ),
        ),
        _ => (
            "refused",
            "The API refused",
            "see whether the account is enabled: https://console.cloud.google.com/iam-admin/serviceaccounts".to_owned(),
        ),
    };
    Error::rejected(name, format!("{said}. {meaning}")).hint(hint)
}

/// Whoever the caller is, as far as it is known, and only what can stand in a command.
fn principal<'a>(caller: &Caller<'a>) -> Option<&'a str> {
    let plain = |text: &&str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._@/:%+".contains(&b));
    caller.principal.or(caller.token.principal()).filter(plain)
}

/// How the caller is called in an IAM policy.
fn member(caller: &Caller<'_>) -> String {
    match principal(caller) {
        None => "user:YOUR-EMAIL".to_owned(),
        Some(federated) if federated.starts_with("principal") => federated.to_owned(),
        Some(account) if account.ends_with("gserviceaccount.com") => format!("serviceAccount:{account}"),
        Some(person) => format!("user:{person}"),
    }
}

/// Whether the caller is an identity of a workload identity pool, for which there is a role of its own.
fn is_workload(caller: &Caller<'_>) -> bool {
    member(caller).contains("/workloadIdentityPools/")
}

/// The commands that grant what is missing. Which link of a chain it is, the API does not say.
fn grant(caller: &Caller<'_>, target: &str, delegates: &[String]) -> String {
    let command = |account: &str, member: &str| {
        let role = match member.contains("/workloadIdentityPools/") {
            true => "workloadIdentityUser",
            false => "serviceAccountTokenCreator",
        };
        format!(
            "`gcloud iam service-accounts add-iam-policy-binding {account} --member={member} --role=roles/iam.{role}`"
        )
    };
    let mut actor = member(caller);
    let mut commands = Vec::new();
    for account in delegates.iter().map(String::as_str).chain([target]) {
        commands.push(command(account, &actor));
        actor = format!("serviceAccount:{account}");
    }
    match &commands[..] {
        [one] if is_workload(caller) => format!(
            "whoever administers {target} grants it with {one}, where SUBJECT is what the provider maps to \
             `google.subject`; it takes effect within minutes"
        ),
        [one] => format!("whoever administers {target} grants it with {one}; it takes effect within minutes"),
        all => format!("each account has to grant it to the one before: {}", all.join(", ")),
    }
}

/// How the API is turned on in the project.
fn turn_on(project: Option<&str>) -> String {
    const ENABLE: &str = "gcloud services enable iamcredentials.googleapis.com";
    match project {
        Some(project) => {
            format!("turn it on with `{ENABLE} --project={project}`, and try again in a few minutes")
        }
        None => format!("turn it on with `{ENABLE}`, and try again in a few minutes"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use ee_auth_core::Token;

    use super::*;

    fn explained(status: u16, body: &str, principal: Option<&str>, delegates: &[&str]) -> Error {
        let token = Token::new("t", SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH);
        let response = Response {
            status,
            content_type: None,
            retry_after: None,
            metadata_flavor: None,
            date: None,
            body: body.as_bytes().to_vec().into(),
        };
        let url = Url::parse("https://iamcredentials.googleapis.com/v1/x").unwrap();
        let delegates: Vec<_> = delegates.iter().map(|&delegate| delegate.to_owned()).collect();
        explain(
            &response,
            &url,
            &Caller { token: &token, principal },
            "robot@p.iam.gserviceaccount.com",
            &delegates,
        )
    }

    const DENIED: &str = r#"{"error":{"code":403,"status":"PERMISSION_DENIED",
        "message":"Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
        "details":[{"reason":"IAM_PERMISSION_DENIED","metadata":{"permission":"iam.serviceAccounts.getAccessToken"}}]}}"#;

    #[test]
    fn a_missing_role_comes_with_the_command_that_grants_it() {
        let error = explained(403, DENIED, Some("ada@example.com"), &[]);
        assert_eq!(error.code(), "rejected.permission");
        assert!(error.next_step().unwrap().contains(
            "gcloud iam service-accounts add-iam-policy-binding robot@p.iam.gserviceaccount.com \
             --member=user:ada@example.com --role=roles/iam.serviceAccountTokenCreator"
        ));
        for (principal, member) in [
            (None, "--member=user:YOUR-EMAIL"),
            (Some("a`b`@c"), "--member=user:YOUR-EMAIL"),
            (Some("a@p.iam.gserviceaccount.com"), "--member=serviceAccount:a@p.iam.gserviceaccount.com"),
            (Some("principal://iam.googleapis.com/x"), "--member=principal://iam.googleapis.com/x"),
            (
                Some(
                    "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/subject/SUBJECT",
                ),
                "/workloadIdentityPools/ci/subject/SUBJECT --role=roles/iam.workloadIdentityUser",
            ),
        ] {
            let error = explained(403, DENIED, principal, &[]);
            assert!(error.next_step().unwrap().contains(member), "{error:?}");
        }
    }

    #[test]
    fn a_quota_project_that_may_not_be_used_comes_with_googles_remedy() {
        const MESSAGE: &str = "Caller does not have required permission to use project my-quota. Grant the caller the \
                               roles/serviceusage.serviceUsageConsumer role";
        for body in [
            format!(r#"{{"error":{{"status":"PERMISSION_DENIED","message":"{MESSAGE}"}}}}"#),
            r#"{"error":{"status":"PERMISSION_DENIED","message":"no",
                "details":[{"reason":"USER_PROJECT_DENIED","metadata":{"consumer":"projects/my-quota"}}]}}"#
                .to_owned(),
        ] {
            let error = explained(403, &body, Some("ada@example.com"), &[]);
            assert_eq!(error.code(), "rejected.user_project");
            assert!(error.next_step().unwrap().contains(
                "`gcloud projects add-iam-policy-binding my-quota --member=user:ada@example.com \
                 --role=roles/serviceusage.serviceUsageConsumer`"
            ));
        }
    }

    #[test]
    fn with_delegates_each_link_is_named() {
        let error = explained(403, DENIED, Some("ada@example.com"), &["a@p.iam.gserviceaccount.com"]);
        let hint = error.next_step().unwrap();
        assert!(hint.contains("binding a@p.iam.gserviceaccount.com --member=user:ada@example.com"), "{hint}");
        assert!(
            hint.contains(
                "binding robot@p.iam.gserviceaccount.com --member=serviceAccount:a@p.iam.gserviceaccount.com"
            ),
            "{hint}"
        );
    }

    #[test]
    fn each_refusal_has_its_code_and_a_next_step() {
        for (status, body, code) in [
            (401, r#"{"error":{"status":"UNAUTHENTICATED","message":"no"}}"#, "rejected.token"),
            (
                403,
                r#"{"error":{"status":"PERMISSION_DENIED","message":"IAM Service Account Credentials API has not been used",
                    "details":[{"reason":"SERVICE_DISABLED","metadata":{"consumer":"projects/12"}}]}}"#,
                "rejected.api_disabled",
            ),
            (
                403,
                r#"{"error":{"status":"PERMISSION_DENIED","message":"no",
                    "details":[{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}"#,
                "rejected.scope",
            ),
            (
                404,
                r#"{"error":{"status":"NOT_FOUND","message":"Not found; Gaia id not found"}}"#,
                "rejected.no_account",
            ),
            (
                400,
                r#"{"error":{"status":"INVALID_ARGUMENT","message":"The access token lifetime cannot exceed 3600 seconds"}}"#,
                "rejected.lifetime",
            ),
            (
                400,
                r#"{"error":{"status":"INVALID_ARGUMENT","message":"Invalid OAuth scope or ID token audience provided."}}"#,
                "rejected.invalid_scope",
            ),
            (400, r#"{"error":{"status":"FAILED_PRECONDITION","message":"no"}}"#, "rejected.invalid_request"),
            (
                400,
                r#"{"error":{"status":"FAILED_PRECONDITION","message":"Service account is disabled"}}"#,
                "rejected.disabled",
            ),
            (403, r#"{"error":{"status":"RESOURCE_EXHAUSTED","message":"slower"}}"#, "unavailable.status"),
            (409, r#"{"error":{"status":"ABORTED","message":"no"}}"#, "rejected.refused"),
            (403, "<html>", "unavailable.malformed"),
            (503, "", "unavailable.status"),
        ] {
            let error = explained(status, body, None, &[]);
            assert_eq!(error.code(), code, "{body}");
            assert!(error.next_step().is_some(), "{body}");
        }
        let error = explained(403, r#"{"error":{"status":"X","message":"a ya29.secret b"}}"#, None, &[]);
        assert!(!format!("{error:?}").contains("secret"));
    }
}
