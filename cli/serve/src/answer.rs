//! Answers as they are sent.

use bytes::Bytes;
use ee_auth_core::Error;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::guard::{METADATA_FLAVOR, Refusal, oauth_error};

pub(crate) type Answer = Response<Full<Bytes>>;

const GOOGLE: HeaderValue = HeaderValue::from_static("Google");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("application/text");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// JSON. What holds a token is kept nowhere on the way (RFC 6749, section 5.1).
pub(crate) fn json(body: Bytes) -> Answer {
    answer(StatusCode::OK, JSON, body)
}

/// Plain text, as the metadata server has it.
pub(crate) fn text(body: Bytes) -> Answer {
    answer(StatusCode::OK, TEXT, body)
}

/// A refusal, in words that a person who meets it can do something with.
pub(crate) fn refused(refusal: Refusal) -> Answer {
    if refusal == Refusal::Secret {
        let description =
            "this is not the refresh token that ee-auth made for this run: read the credential file again";
        return oauth(refusal.status(), "invalid_grant", description);
    }
    let reason = format!("ee-auth refuses requests {}\n", refusal.reason());
    answer(refusal.status(), TEXT, Bytes::from(reason))
}

/// An exchange that failed, as a token endpoint says it.
pub(crate) fn failed(error: &Error) -> Answer {
    let (status, code) = oauth_error(error);
    oauth(status, code, &words(error))
}

/// An exchange that failed, as the metadata server says it.
pub(crate) fn failed_text(error: &Error) -> Answer {
    let (status, _) = oauth_error(error);
    // 400 would say that the client asked wrongly.
    let status = if status == StatusCode::BAD_REQUEST { StatusCode::FORBIDDEN } else { status };
    answer(status, TEXT, Bytes::from(words(error)))
}

/// What Compute Engine's server says to whoever names no audience.
pub(crate) fn no_audience() -> Answer {
    answer(StatusCode::BAD_REQUEST, TEXT, Bytes::from_static(b"non-empty audience parameter required\n"))
}

/// A credential without ID tokens, as Compute Engine's server says that something is not there.
pub(crate) fn no_identity(error: &Error) -> Answer {
    let body = format!("The requested URL was not found on this server: {}\n", words(error));
    answer(StatusCode::NOT_FOUND, TEXT, Bytes::from(body))
}

fn words(error: &Error) -> String {
    match error.next_step() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}

fn oauth(status: StatusCode, code: &str, description: &str) -> Answer {
    let body = json!({ "error": code, "error_description": description });
    answer(status, JSON, Bytes::from(body.to_string()))
}

/// Every answer says that it comes from a metadata server: google-auth-library takes no other. None says anything of
/// CORS, so that no page in a browser can read one.
fn answer(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(METADATA_FLAVOR, GOOGLE);
    headers.insert(CACHE_CONTROL, NO_STORE);
    answer
}
