//! What a file or an answer that has a subject token in it looks like.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ee_auth_core::{Error, ExposeSecret, Secret, TokenKey, redact};
use serde_json::Value;

use crate::Document;

/// `credential_source.format`: how a token stands in a file or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Alone.
    Text,
    /// In a field of a JSON object.
    Json {
        /// `subject_token_field_name`
        field: String,
    },
}

impl Format {
    pub(super) fn from_section(source: &Document) -> Result<Self, Error> {
        let Some(format) = source.object("format")? else { return Ok(Self::Text) };
        match format.text("type")?.as_deref() {
            None | Some("text") => Ok(Self::Text),
            Some("json") => {
                format.require(
                    &["subject_token_field_name"],
                    "name the field of the JSON that holds the token, often `access_token` or `id_token`",
                )?;
                Ok(Self::Json { field: format.text("subject_token_field_name")?.unwrap_or_default() })
            }
            Some(other) => Err(Error::invalid(
                "format",
                format!("{}: `type` is \"{}\"; it can be text or json", format.place(), redact(other)),
            )
            .hint("correct `format`, or leave it out for a token that stands alone")),
        }
    }

    /// The token in `bytes`. Google's own libraries keep the white space around it; no token has any, and a line break at
    /// the end of a file is the rule.
    ///
    /// # Errors
    /// What is wrong with it, without a word of it.
    pub(super) fn token(&self, bytes: &[u8]) -> Result<Secret, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?.trim();
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        let Self::Json { field } = self else { return Ok(Secret::from(text)) };
        let json: Value = serde_json::from_str(text).map_err(|_| "it is not JSON".to_owned())?;
        match json.get(field).and_then(Value::as_str).map(str::trim).filter(|token| !token.is_empty()) {
            Some(token) => Ok(Secret::from(token)),
            None => Err(format!("its JSON has no text in the field `{}`", redact(field))),
        }
    }

    pub(super) fn add_to(&self, key: &mut TokenKey) {
        match self {
            Self::Text => key.add("format", "text"),
            Self::Json { field } => key.add("format", "json").add("field", field),
        };
    }
}

/// Whose token it is: a JWT's issuer and subject, which stay the same when the token is replaced (RFC 7519, sections 4.1.1
/// and 4.1.2); of any other the whole.
pub(super) fn add_identity(token: &Secret, key: &mut TokenKey) {
    let token = token.expose_secret();
    let claims = || -> Option<(String, String)> {
        let mut parts = token.split('.');
        let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
            return None;
        };
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let claim = |name: &str| Some(claims.get(name)?.as_str()?.to_owned());
        Some((claim("iss")?, claim("sub")?))
    };
    match claims() {
        Some((issuer, subject)) => key.add("iss", issuer).add("sub", subject),
        None => key.add("subject_token", token),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_alone_or_in_a_field() {
        let json = Format::Json { field: "a".to_owned() };
        for (format, text, expected) in [
            (&Format::Text, "token\n", Ok("token")),
            (&Format::Text, " \n", Err("it is empty")),
            (&Format::Text, "{\"a\":\"x\"}", Ok("{\"a\":\"x\"}")),
            (&json, "{\"a\":\" x \"}", Ok("x")),
            (&json, "{\"a\":\"\"}", Err("its JSON has no text in the field `a`")),
            (&json, "{\"b\":\"x\"}", Err("its JSON has no text in the field `a`")),
            (&json, "{\"a\":1}", Err("its JSON has no text in the field `a`")),
            (&json, "[]", Err("its JSON has no text in the field `a`")),
            (&json, "x", Err("it is not JSON")),
        ] {
            let token = format.token(text.as_bytes());
            assert_eq!(
                token.as_ref().map(|token| token.expose_secret()),
                expected.map_err(str::to_owned).as_ref().copied(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_rotated_token_is_of_the_same_identity() {
        let key = |token: &str| {
            let mut key = TokenKey::new("x");
            add_identity(&Secret::from(token), &mut key);
            key
        };
        let jwt = |claims: &str| format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
        let one = jwt(r#"{"iss":"i","sub":"s","iat":1}"#);
        assert!(key(&one) == key(&jwt(r#"{"iss":"i","sub":"s","iat":2}"#)));
        for other in
            [jwt(r#"{"iss":"i","sub":"t"}"#), jwt(r#"{"iss":"j","sub":"s"}"#), jwt("{}"), "x".to_owned()]
        {
            assert!(key(&one) != key(&other), "{other}");
        }
        assert!(key("x") != key("y"));
    }
}
