//! What a program answers: version 1 of the response of AIP-4117.

use std::time::{Duration, SystemTime};

use ee_auth_core::{Error, Outcome, Secret, redact};
use serde::Deserialize;

const JWT: [&str; 2] = ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"];
const SAML: &str = "urn:ietf:params:oauth:token-type:saml2";

/// One answer. Unknown fields are passed over.
#[derive(Deserialize)]
pub(super) struct Answer {
    version: Option<u64>,
    success: Option<bool>,
    token_type: Option<String>,
    id_token: Option<Secret_>,
    saml_response: Option<Secret_>,
    /// Seconds since 1970.
    expiration_time: Option<i64>,
    code: Option<String>,
    message: Option<String>,
}

/// A text that becomes a secret.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Secret_(Secret);

impl From<String> for Secret_ {
    fn from(text: String) -> Self {
        Self(Secret::from(text))
    }
}

impl Answer {
    /// The answer in `bytes`.
    ///
    /// # Errors
    /// What is wrong with it, without a word of it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|_| "answered, but not with the JSON of a token".to_owned())
    }

    /// Whether it says why there is no token.
    pub(super) fn is_failure(&self) -> bool {
        self.success == Some(false)
    }

    /// The token, where one is there that says how long it is valid and is so at `now`.
    pub(super) fn kept_token(self, now: SystemTime) -> Option<Secret> {
        self.expiration_time?;
        self.token(now).ok()
    }

    /// The token.
    ///
    /// # Errors
    /// [`Outcome::Rejected`] where the program says that there is none; [`Outcome::Protocol`] where the answer breaks the
    /// contract, or holds a token that has expired.
    pub(super) fn token(self, now: SystemTime) -> Result<Secret, Error> {
        match self.version {
            Some(1) => {}
            Some(_) => {
                return Err(broken("the answer is of a version that nobody knows: `version` must be 1"));
            }
            None => return Err(broken("the answer has no `version`")),
        }
        match self.success {
            Some(true) => {}
            Some(false) => return Err(refused(self.code.as_deref(), self.message.as_deref())),
            None => return Err(broken("the answer has no `success`")),
        }
        let token = match self.token_type.as_deref() {
            Some(kind) if JWT.contains(&kind) => self.id_token.ok_or("the answer has no `id_token`"),
            Some(SAML) => self.saml_response.ok_or("the answer has no `saml_response`"),
            Some(_) => Err("`token_type` is none that can be exchanged: a JWT, an ID token or SAML 2.0"),
            None => Err("the answer has no `token_type`"),
        };
        let token = token.map_err(broken)?.0;
        if ee_auth_core::ExposeSecret::expose_secret(&token).trim().is_empty() {
            return Err(broken("the token is empty"));
        }
        let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let expired = |at: i64| Duration::from_secs(u64::try_from(at).unwrap_or(0)) <= since_1970;
        if self.expiration_time.is_some_and(expired) {
            return Err(broken("the token has expired"));
        }
        Ok(token)
    }
}

fn broken(what: &str) -> Error {
    Error::new(Outcome::Protocol, "executable", what)
        .hint("the program has to answer as https://google.aip.dev/auth/4117 says; tell whoever wrote it")
}

fn refused(code: Option<&str>, message: Option<&str>) -> Error {
    let said: Vec<_> = [code, message].into_iter().flatten().map(redact).collect();
    let said = if said.is_empty() { "it does not say why".to_owned() } else { said.join(": ") };
    Error::rejected("executable", format!("there is no subject token: {said}"))
        .hint("do what the program asks for; a new login with your identity provider, as a rule")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(json: &str) -> Result<Secret, Error> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        Answer::read(json.as_bytes()).map_err(|_| broken("no JSON"))?.token(now)
    }

    #[test]
    fn each_type_of_token_is_taken() {
        for (kind, field) in [
            ("urn:ietf:params:oauth:token-type:jwt", "id_token"),
            ("urn:ietf:params:oauth:token-type:id_token", "id_token"),
            ("urn:ietf:params:oauth:token-type:saml2", "saml_response"),
        ] {
            let json = format!(
                r#"{{"version":1,"success":true,"token_type":"{kind}","{field}":"x","expiration_time":1001,"more":[]}}"#
            );
            assert!(token(&json).is_ok(), "{json}");
            let expired = json.replace("1001", "1000");
            assert!(token(&expired).unwrap_err().message().contains("expired"));
        }
    }

    #[test]
    fn what_breaks_the_contract_is_told() {
        const TYPE: &str = r#""token_type":"urn:ietf:params:oauth:token-type:jwt""#;
        for (json, code, words) in [
            (r#"{"success":true}"#.to_owned(), "protocol.executable", "no `version`"),
            (r#"{"version":2,"success":true}"#.to_owned(), "protocol.executable", "must be 1"),
            (r#"{"version":1}"#.to_owned(), "protocol.executable", "no `success`"),
            (r#"{"version":1,"success":true}"#.to_owned(), "protocol.executable", "no `token_type`"),
            (format!(r#"{{"version":1,"success":true,{TYPE}}}"#), "protocol.executable", "no `id_token`"),
            (
                format!(r#"{{"version":1,"success":true,{TYPE},"id_token":" "}}"#),
                "protocol.executable",
                "empty",
            ),
            (
                r#"{"version":1,"success":true,"token_type":"x","id_token":"y"}"#.to_owned(),
                "protocol.executable",
                "none that can be exchanged",
            ),
            (
                r#"{"version":1,"success":false,"code":"401","message":"not logged in"}"#.to_owned(),
                "rejected.executable",
                "401: not logged in",
            ),
            (r#"{"version":1,"success":false}"#.to_owned(), "rejected.executable", "does not say why"),
        ] {
            let error = token(&json).expect_err(&json);
            assert_eq!(error.code(), code, "{json}");
            assert!(error.message().contains(words), "{json}: {error}");
        }
    }

    #[test]
    fn a_kept_answer_must_say_how_long_it_is_valid() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let kept = |rest: &str| {
            let json = format!(
                r#"{{"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:jwt","id_token":"x"{rest}}}"#
            );
            Answer::read(json.as_bytes()).unwrap().kept_token(now)
        };
        assert!(kept("").is_none());
        assert!(kept(r#","expiration_time":1000"#).is_none());
        assert!(kept(r#","expiration_time":1001"#).is_some());
    }
}
