//! The IAM credentials API, `https://iamcredentials.googleapis.com`: service-account impersonation.

use serde_json::{Value, json};

use crate::errors::{self, api, api_with, error_info};
use crate::message::{Answer, Reply, Request, percent_decode};
use crate::world::{World, holds_any, is_scope, timestamp};

const SERVICE: &str = "iamcredentials.googleapis.com";

/// The longest life of an access token, in seconds, unless an organisation allows 12 hours.
const MAX_LIFETIME: u32 = 3600;

/// `projects.serviceAccounts.generateAccessToken`.
pub(crate) fn generate_access_token(world: &mut World, request: &Request) -> Answer {
    let (target, body) = authorize(world, request, "iam.serviceAccounts.getAccessToken")?;
    let scopes: Option<Vec<_>> = body["scope"]
        .as_array()
        .and_then(|scopes| scopes.iter().map(|scope| scope.as_str().map(str::to_owned)).collect());
    let scopes = scopes.filter(|scopes| !scopes.is_empty() && scopes.iter().all(|scope| is_scope(scope)));
    let scopes = scopes.ok_or_else(|| invalid("Request contains an invalid argument: scope."))?;
    let lifetime = match &body["lifetime"] {
        Value::Null => i64::from(MAX_LIFETIME),
        lifetime => parse_lifetime(lifetime)?,
    };
    let lifetime = lifetime.min(world.token_lifetime);
    let expires_at = world.now().saturating_add(lifetime);
    let unique_id = world.subject_number(&target);
    let token = world.issue_once(&target, &unique_id, scopes, lifetime);
    Ok(Reply::json(200, &json!({"accessToken": token, "expireTime": timestamp(expires_at)})))
}

/// `projects.serviceAccounts.generateIdToken`.
pub(crate) fn generate_id_token(world: &mut World, request: &Request) -> Answer {
    let (target, body) = authorize(world, request, "iam.serviceAccounts.getOpenIdToken")?;
    let audience = body["audience"].as_str().filter(|audience| !audience.is_empty());
    let audience = audience.ok_or_else(|| invalid("Request contains an invalid argument: audience."))?;
    let email = body["includeEmail"].as_bool().unwrap_or(false).then_some(target.as_str());
    let unique_id = world.subject_number(&target);
    Ok(Reply::json(200, &json!({"token": world.issue_id_token(audience, &unique_id, email)})))
}

/// Who may: the caller must be allowed to act as the first delegate, each delegate as the next, and the last as the
/// target. Returns the target and the request's body.
fn authorize(world: &World, request: &Request, permission: &str) -> Result<(String, Value), Reply> {
    let caller = world.caller(request).map_err(|reason| errors::unauthenticated(reason, SERVICE))?;
    if !holds_any(&caller.scopes, &["cloud-platform", "iam"]) {
        return Err(errors::insufficient_scope(SERVICE));
    }
    let body = request.json().filter(Value::is_object);
    let body = body.ok_or_else(|| invalid("Invalid JSON payload received. Unexpected token."))?;
    let target = account_name(&request.path).ok_or_else(|| errors::page(404))?;

    let delegates = match &body["delegates"] {
        Value::Null => Vec::new(),
        Value::Array(delegates) => delegates
            .iter()
            .map(|delegate| delegate.as_str().and_then(delegate_name))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| invalid("Request contains an invalid argument: delegates."))?,
        _ => return Err(invalid("Request contains an invalid argument: delegates.")),
    };
    let mut actor = caller.principal.clone();
    for next in delegates.into_iter().chain([target.clone()]) {
        if !world.service_accounts.contains_key(&next) {
            return Err(api(404, "NOT_FOUND", &format!("Not found; Gaia id not found for email {next}")));
        }
        if !world.impersonators.contains(&(actor, next.clone())) {
            let message = format!("Permission '{permission}' denied on resource (or it may not exist).");
            let details = json!([error_info(
                "IAM_PERMISSION_DENIED",
                "iam.googleapis.com",
                json!({"permission": permission})
            )]);
            return Err(api_with(403, "PERMISSION_DENIED", &message, details));
        }
        actor = next;
    }
    Ok((target, body))
}

fn invalid(message: &str) -> Reply {
    api(400, "INVALID_ARGUMENT", message)
}

/// The address in `/v1/projects/-/serviceAccounts/ADDRESS:METHOD`.
fn account_name(path: &str) -> Option<String> {
    let (name, _) = path.strip_prefix("/v1/projects/-/serviceAccounts/")?.rsplit_once(':')?;
    Some(name.to_owned())
}

/// The address in `projects/-/serviceAccounts/ADDRESS`.
fn delegate_name(delegate: &str) -> Option<String> {
    delegate.strip_prefix("projects/-/serviceAccounts/").map(percent_decode)
}

/// A duration as protobuf writes it in JSON: `3600s`.
fn parse_lifetime(lifetime: &Value) -> Result<i64, Reply> {
    let seconds =
        lifetime.as_str().and_then(|text| text.strip_suffix('s')).and_then(|text| text.parse::<u32>().ok());
    match seconds {
        Some(seconds @ 1..=MAX_LIFETIME) => Ok(i64::from(seconds)),
        Some(_) => Err(invalid(
            "The access token lifetime cannot exceed 3600 seconds, unless it is allowed by the organization policy \
             constraint constraints/iam.allowServiceAccountCredentialLifetimeExtension.",
        )),
        None => Err(invalid("Request contains an invalid argument: lifetime.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_seconds_and_at_most_an_hour() {
        assert_eq!(parse_lifetime(&json!("3600s")).ok(), Some(3600));
        for lifetime in [json!("3601s"), json!("0s"), json!("60"), json!(60), json!("-1s"), json!("1.5s")] {
            assert!(parse_lifetime(&lifetime).is_err(), "{lifetime}");
        }
    }
}
