//! Error bodies in the words that Google's servers use.

use hyper::header::{HeaderName, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use crate::message::Reply;

/// An error of an OAuth endpoint: RFC 6749, section 5.2.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OAuthError {
    /// By which a fault names it.
    pub(crate) name: &'static str,
    pub(crate) status: u16,
    pub(crate) error: &'static str,
    pub(crate) description: &'static str,
    /// Google's `error_subtype`; empty for most.
    pub(crate) subtype: &'static str,
    /// What it means, for a list of faults.
    pub(crate) meaning: &'static str,
}

impl OAuthError {
    pub(crate) fn reply(&self) -> Reply {
        let mut body = json!({"error": self.error, "error_description": self.description});
        if !self.subtype.is_empty() {
            body["error_subtype"] = self.subtype.into();
        }
        Reply::json(self.status, &body)
    }
}

macro_rules! oauth_errors {
    ($($constant:ident = $name:literal, $status:literal, $error:literal, $description:literal, $subtype:literal, $meaning:literal;)*) => {
        $(pub(crate) const $constant: OAuthError = OAuthError {
            name: $name, status: $status, error: $error, description: $description, subtype: $subtype, meaning: $meaning,
        };)*
        /// All of them, each by its name.
        pub(crate) static OAUTH_ERRORS: &[OAuthError] = &[$($constant),*];
    };
}

oauth_errors! {
    INVALID_GRANT = "invalid_grant", 400, "invalid_grant", "Bad Request", "",
        "the assertion, code or refresh token is not accepted";
    EXPIRED_GRANT = "expired", 400, "invalid_grant", "Token has been expired or revoked.", "",
        "the refresh token was revoked or has expired";
    BAD_SIGNATURE = "bad-signature", 400, "invalid_grant", "Invalid JWT Signature.", "",
        "the key was deleted, or is another account's";
    BAD_TIME = "bad-time", 400, "invalid_grant",
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.", "",
        "the clock of this machine is wrong";
    BAD_AUDIENCE = "bad-audience", 400, "invalid_grant", "Invalid JWT: Failed audience check.", "",
        "the assertion was made for another server";
    ACCOUNT_NOT_FOUND = "account-not-found", 400, "invalid_grant", "Invalid grant: account not found", "",
        "the service account was deleted";
    UNKNOWN_SUBJECT = "unknown-subject", 400, "invalid_grant", "Invalid email or User ID", "",
        "the person to act for is not in the organisation";
    INVALID_RAPT = "invalid_rapt", 400, "invalid_grant", "reauth related error (invalid_rapt)", "invalid_rapt",
        "the organisation asks the person to log in again";
    MALFORMED_CODE = "malformed-code", 400, "invalid_grant", "Malformed auth code.", "",
        "the code is not one of this server's";
    BAD_VERIFIER = "bad-verifier", 400, "invalid_grant", "Invalid code verifier.", "",
        "the code belongs to another login";
    MISSING_VERIFIER = "missing-verifier", 400, "invalid_grant", "Missing code verifier.", "",
        "the code was asked for with PKCE";
    INVALID_SCOPE = "invalid_scope", 400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.", "",
        "no scope, an unknown one, or more than was granted";
    SCOPE_NOT_GRANTED = "scope-not-granted", 400, "invalid_scope", "Bad Request", "",
        "more scopes than the person granted";
    INVALID_CLIENT = "invalid_client", 401, "invalid_client", "The OAuth client was not found.", "",
        "the client id is unknown";
    BAD_CLIENT_SECRET = "bad-client-secret", 401, "invalid_client", "The provided client secret is invalid.", "",
        "the client secret is wrong";
    DELETED_CLIENT = "deleted_client", 401, "deleted_client", "The OAuth client was deleted.", "",
        "the client was deleted";
    DISABLED_CLIENT = "disabled_client", 401, "disabled_client", "The OAuth client was disabled.", "",
        "the client was disabled";
    UNAUTHORIZED_CLIENT = "unauthorized_client", 401, "unauthorized_client",
        "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.", "",
        "no domain-wide delegation for these scopes";
    FOREIGN_CLIENT = "foreign-client", 401, "unauthorized_client", "Unauthorized", "",
        "the refresh token was given to another client";
    REDIRECT_MISMATCH = "redirect_uri_mismatch", 400, "redirect_uri_mismatch", "Bad Request", "",
        "the redirect address is not the one of the authorization request";
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type", 400, "unsupported_grant_type", "Invalid grant_type", "",
        "the kind of grant is unknown";
    INVALID_REQUEST = "invalid_request", 400, "invalid_request", "Bad Request", "",
        "a parameter is missing or malformed";
    INVALID_TARGET = "invalid_target", 400, "invalid_target",
        "The target service indicated by the \"audience\" parameters is invalid. This might either be because the pool or provider is disabled or deleted or because it doesn't exist.", "",
        "the workload identity pool does not exist";
    INVALID_TOKEN = "invalid_token", 400, "invalid_token", "Invalid Value", "",
        "the token is unknown, expired or revoked";
    ACCESS_DENIED = "access_denied", 403, "access_denied", "The developer hasn't given you access to this app.", "",
        "the person, or an administrator, refused";
    ADMIN_POLICY = "admin_policy_enforced", 400, "admin_policy_enforced",
        "Access to your account data is restricted by policies within your organization. Please contact the administrator of your organization for more information.", "",
        "an administrator blocks this client";
    RATE_LIMIT = "rate_limit_exceeded", 403, "rate_limit_exceeded", "Rate Limit Exceeded", "",
        "too many requests, in Google's older form";
    SERVER_ERROR = "server_error", 500, "server_error", "Internal error", "",
        "a passing fault, by its OAuth name";
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable", 503, "temporarily_unavailable", "Service Unavailable", "",
        "a passing fault, by its OAuth name";
}

/// An `invalid_request` that says what is missing or wrong.
pub(crate) fn bad_request(description: &str) -> Reply {
    Reply::json(400, &json!({"error": "invalid_request", "error_description": description}))
}

/// An error of a Google API: AIP-193.
pub(crate) fn api(code: u16, status: &str, message: &str) -> Reply {
    api_with(code, status, message, json!([]))
}

/// As [`api`], with `details`.
pub(crate) fn api_with(code: u16, status: &str, message: &str, details: Value) -> Reply {
    let mut error = json!({"code": code, "message": message, "status": status});
    if details.as_array().is_some_and(|details| !details.is_empty()) {
        error["details"] = details;
    }
    Reply::json(code, &json!({"error": error}))
}

/// A `google.rpc.ErrorInfo`.
pub(crate) fn error_info(reason: &str, domain: &str, metadata: Value) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": metadata,
    })
}

/// 401: no access token, or one that is not valid.
pub(crate) fn unauthenticated(reason: &str, service: &str) -> Reply {
    let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other \
                   valid authentication credential. See \
                   https://developers.google.com/identity/sign-in/web/devconsole-project.";
    let details = json!([error_info(reason, "googleapis.com", json!({"service": service}))]);
    api_with(401, "UNAUTHENTICATED", message, details)
        .header(WWW_AUTHENTICATE, "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"")
}

/// 403: the access token is valid, and lacks the scope.
pub(crate) fn insufficient_scope(service: &str) -> Reply {
    let details =
        json!([error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "googleapis.com", json!({"service": service}))]);
    let message = "Request had insufficient authentication scopes.";
    api_with(403, "PERMISSION_DENIED", message, details).header(
        WWW_AUTHENTICATE,
        "Bearer realm=\"https://accounts.google.com/\", error=\"insufficient_scope\"",
    )
}

/// The page that Google's front end shows where there is nothing behind it.
pub(crate) fn page(status: u16) -> Reply {
    let name = status_name(status);
    Reply::html(
        status,
        format!(
            "<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n<title>Error {status} ({name})!!1</title>\n\
             <p><b>{status}.</b> <ins>That’s an error.</ins>\n<p>{name}. <ins>That’s all we know.</ins>\n"
        ),
    )
}

/// A page of the authorization endpoint: nothing can be redirected to, so the person is told.
pub(crate) fn authorization_page(status: u16, error: &str, explanation: &str) -> Reply {
    Reply::html(
        status,
        format!(
            "<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n<title>Error {status}: {error}</title>\n\
             <h1>Access blocked: Authorization Error</h1>\n<p>{explanation}\n<p>Error {status}: {error}\n"
        ),
    )
}

/// The reason phrase of a status.
pub(crate) fn status_name(status: u16) -> &'static str {
    hyper::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("Unknown")
}

/// The canonical code (AIP-193) that goes with an HTTP status.
pub(crate) fn canonical_code(status: u16) -> &'static str {
    match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        _ => "UNAVAILABLE",
    }
}

/// `Metadata-Flavor`, which the metadata server puts on every answer.
pub(crate) const METADATA_FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
