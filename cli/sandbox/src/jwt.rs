//! JSON web tokens signed with RS256: RFC 7515, and RFC 7518, section 3.3.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::keys::Key;

/// Google takes padding that RFC 7515, section 2, leaves out, and some clients write it.
fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()
}

/// Signs `claims` as Google does: `alg`, `kid` and `typ` in the header.
pub(crate) fn sign(key: &Key, kid: &str, claims: &Value) -> String {
    let header = json!({"alg": "RS256", "kid": kid, "typ": "JWT"});
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let mut signature = vec![0; key.pair.public().modulus_len()];
    key.pair
        .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .expect("a key of 2048 bits signs with SHA-256");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A token as it came, its signature not yet verified.
pub(crate) struct Jwt<'a> {
    header: Value,
    pub(crate) claims: Value,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    /// `None` for what is not three parts of base64url, the first two of them JSON objects.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let object = |part: &str| {
            let value: Value = serde_json::from_slice(&decode(part)?).ok()?;
            value.is_object().then_some(value)
        };
        Some(Self { header: object(header)?, claims: object(claims)?, signed, signature: decode(signature)? })
    }

    pub(crate) fn algorithm(&self) -> Option<&str> {
        self.header["alg"].as_str()
    }

    pub(crate) fn key_id(&self) -> Option<&str> {
        self.header["kid"].as_str()
    }

    /// A claim that is text.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims[claim].as_str()
    }

    /// A claim that is a whole number, as RFC 7519's dates are here.
    pub(crate) fn number(&self, claim: &str) -> Option<i64> {
        self.claims[claim].as_i64()
    }

    pub(crate) fn is_signed_by(&self, key: &Key) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public())
            .verify(self.signed.as_bytes(), &self.signature)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::key;

    #[test]
    fn a_token_is_verified_by_its_own_key_alone() {
        let text = sign(&key(1), "k", &json!({"iss": "me", "exp": 5}));
        let jwt = Jwt::parse(&text).unwrap();
        assert_eq!((jwt.algorithm(), jwt.key_id()), (Some("RS256"), Some("k")));
        assert_eq!((jwt.text("iss"), jwt.number("exp")), (Some("me"), Some(5)));
        assert!(jwt.is_signed_by(&key(1)));
        assert!(!jwt.is_signed_by(&key(2)));
        let changed = text.replacen('.', ".e30", 1);
        assert!(Jwt::parse(&changed).is_none_or(|jwt| !jwt.is_signed_by(&key(1))));
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in ["", "a.b", "a.b.c", "bm9wZQ.e30.e30", "e30.e30.!"] {
            assert!(Jwt::parse(text).is_none(), "{text}");
        }
    }
}
