//! The answer of an executable that hands out subject tokens: version 1 of the response of
//! [AIP-4117](https://google.aip.dev/auth/4117).
//!
//! Both `credential_source.executable` and plugins with `protocol = "google-executable"` read their answers here.

use std::time::{Duration, SystemTime};

use ee_auth_core::{Secret, redact};
use serde_json::{Map, Value};
use zeroize::Zeroize;

use crate::access_token::is_bearer_token;

/// The most bytes that an answer may have: 1 MiB. A token has a few KiB.
pub const MAX_ANSWER: usize = 1 << 20;

/// An expiry further off than this is a time in milliseconds: a thousand years. Some executables write "never" as a time in a
/// far year.
const FURTHEST: Duration = Duration::from_secs(1000 * 366 * 86_400);

/// What an executable answers.
#[derive(Debug)]
pub enum ExecutableAnswer {
    /// A subject token that is valid now.
    Token(SubjectToken),
    /// There is no token, in the executable's own words, made fit to show.
    Failure {
        /// The executable's own code, such as `401`.
        code: String,
        /// Why there is no token.
        message: String,
    },
}

/// A token to exchange at the STS (RFC 8693).
#[derive(Clone, Debug)]
pub struct SubjectToken {
    /// What it is.
    pub kind: SubjectTokenKind,
    /// The token.
    pub secret: Secret,
    /// When it expires; `None` where the executable does not say.
    pub expires_at: Option<SystemTime>,
}

/// The kinds of subject token that an executable may hand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectTokenKind {
    /// A JWT, an ID token included.
    IdToken,
    /// A SAML 2.0 response in base64.
    SamlResponse,
}

/// How an answer breaks the contract. The message never shows a value of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// For programs: the part of a code after `protocol.`.
    pub detail: &'static str,
    /// For people; the program that answered is its subject, as "it" or "its answer".
    pub message: String,
}

impl ExecutableAnswer {
    /// Reads `written` at the time `now`. Members that the contract does not have are ignored.
    ///
    /// `expiration_time` may be a fraction, as Python's `time.time()` is, and is rounded down.
    ///
    /// # Errors
    /// What breaks the contract: anything but one JSON object, another version, a success without a known `token_type` and its
    /// token, a token that has expired, a failure without `code` or `message`.
    pub fn read(written: &[u8], now: SystemTime) -> Result<Self, Breach> {
        let members = Members::read(written)?;
        match members.0.get("version") {
            Some(version) if version.as_u64() == Some(1) => {}
            Some(Value::Number(_)) => {
                return Err(breach("version", "its answer has another `version` than 1"));
            }
            _ => return Err(breach("version", "its answer has no `version`, which is 1")),
        }
        match members.0.get("success") {
            Some(Value::Bool(true)) => members.token(now).map(Self::Token),
            Some(Value::Bool(false)) => Ok(Self::Failure {
                code: redact(members.required("code", "fields")?),
                message: redact(members.required("message", "fields")?),
            }),
            _ => Err(breach("success", "its answer has no `success`: true or false")),
        }
    }
}

/// The members of an answer. Looked at one by one, so that an error names the member; overwritten in memory when dropped.
struct Members(Map<String, Value>);

impl Drop for Members {
    fn drop(&mut self) {
        for value in self.0.values_mut() {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
}

impl Members {
    fn read(written: &[u8]) -> Result<Self, Breach> {
        if written.len() > MAX_ANSWER {
            return Err(breach("too_large", format!("it wrote more than {MAX_ANSWER} bytes")));
        }
        if written.trim_ascii().is_empty() {
            return Err(breach("silent", "it answered nothing"));
        }
        match serde_json::from_slice(written) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(breach("malformed", "its answer is not a JSON object")),
            Err(error) if error.is_eof() => {
                Err(breach("truncated", "its answer is JSON that breaks off before its end"))
            }
            Err(_) => Err(breach("malformed", "its answer is not one JSON object and nothing else")),
        }
    }

    /// A text with something in it; `null` counts as missing.
    fn required(&self, name: &str, detail: &'static str) -> Result<&str, Breach> {
        match self.0.get(name) {
            None | Some(Value::Null) => Err(breach(detail, format!("its answer has no `{name}`"))),
            Some(Value::String(text)) if text.trim().is_empty() => {
                Err(breach(detail, format!("`{name}` in its answer is empty")))
            }
            Some(Value::String(text)) => Ok(text.trim()),
            Some(_) => Err(breach(detail, format!("`{name}` in its answer must be a string"))),
        }
    }

    fn token(&self, now: SystemTime) -> Result<SubjectToken, Breach> {
        const TYPE: &str = "urn:ietf:params:oauth:token-type:";
        let (kind, name) = match self.required("token_type", "token_type")?.strip_prefix(TYPE) {
            Some("jwt" | "id_token") => (SubjectTokenKind::IdToken, "id_token"),
            Some("saml2") => (SubjectTokenKind::SamlResponse, "saml_response"),
            _ => {
                return Err(breach(
                    "token_type",
                    format!(
                        "`token_type` in its answer is not one that can be exchanged: {TYPE}id_token, …:jwt or …:saml2"
                    ),
                ));
            }
        };
        let token = self.required(name, "no_token")?;
        let is_token = match kind {
            SubjectTokenKind::IdToken => is_bearer_token(token),
            // Base64 may go over several lines (RFC 2045).
            SubjectTokenKind::SamlResponse => token.split_ascii_whitespace().all(is_bearer_token),
        };
        if !is_token {
            return Err(breach("token", format!("`{name}` in its answer has characters that no token has")));
        }
        Ok(SubjectToken { kind, secret: Secret::from(token), expires_at: self.expires_at(now)? })
    }

    fn expires_at(&self, now: SystemTime) -> Result<Option<SystemTime>, Breach> {
        let seconds = match self.0.get("expiration_time") {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value.as_f64().filter(|seconds| *seconds >= 0.0),
        };
        let Some(seconds) = seconds else {
            return Err(breach(
                "expiration_time",
                "`expiration_time` in its answer must be a number: seconds since 1970",
            ));
        };
        let at = Duration::try_from_secs_f64(seconds.floor()).ok();
        match at.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(at)) {
            Some(at) if at <= now => Err(breach("expired", "the token in its answer has expired")),
            Some(at) if at.duration_since(now).is_ok_and(|left| left <= FURTHEST) => Ok(Some(at)),
            _ => Err(breach(
                "expiration_time",
                "`expiration_time` in its answer is more than a thousand years off: it is in seconds, not in milliseconds",
            )),
        }
    }
}

fn breach(detail: &'static str, message: impl Into<String>) -> Breach {
    Breach { detail, message: message.into() }
}

#[cfg(test)]
mod tests;
