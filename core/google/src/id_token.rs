//! ID tokens as Google's endpoints give them (OpenID Connect Core, section 2).

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ee_auth_core::{Error, IdToken};
use serde::Deserialize;
use url::Url;

use crate::access_token::is_bearer_token;
use crate::impersonation::here;
use crate::token_endpoint;

/// The ID token that `url` gave when it was asked at `asked_at` for one for `audience`. Its signature is for its audience to
/// look at: it came from its issuer over TLS (OpenID Connect Core, section 3.1.3.7). `server_now` is the server's time,
/// where the answer told.
///
/// # Errors
/// [`Outcome::Unavailable`](ee_auth_core::Outcome::Unavailable) where it is no JWT, is for another audience or has expired.
pub fn read(
    jwt: String,
    audience: &str,
    asked_at: SystemTime,
    server_now: Option<SystemTime>,
    url: &Url,
) -> Result<IdToken, Error> {
    let malformed = |what| token_endpoint::malformed(url, what);
    let jwt = jwt.trim();
    let claims = claims(jwt).filter(|_| is_bearer_token(jwt));
    let Some(claims) = claims else { return Err(malformed("not with an ID token")) };
    if claims.aud != audience {
        return Err(malformed("with an ID token for another audience"));
    }
    let expires_at = SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(claims.exp))
        .map(|expires_at| here(expires_at, server_now, asked_at));
    match expires_at {
        Some(expires_at) if expires_at > asked_at => Ok(IdToken::new(jwt, audience, expires_at)),
        _ => Err(malformed("with an ID token that has expired")),
    }
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    exp: u64,
}

fn claims(jwt: &str) -> Option<Claims> {
    let parts: Vec<_> = jwt.split('.').collect();
    let [_, payload, _] = parts[..] else { return None };
    let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_id_token_for_the_audience_is_refused() {
        let asked_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let url = Url::parse("https://oauth2.googleapis.com/token").unwrap();
        let jwt = |claims: &str| format!("x.{}.y", URL_SAFE_NO_PAD.encode(claims));
        let read = |jwt: String| read(jwt, "https://a.example", asked_at, None, &url);
        let good = read(jwt(r#"{"aud":"https://a.example","exp":4600}"#)).unwrap();
        assert_eq!(good.expires_at(), asked_at + Duration::from_secs(3600));
        for bad in [
            String::new(),
            "<html>".to_owned(),
            "a.b.c".to_owned(),
            jwt(r#"{"aud":"https://b.example","exp":4600}"#),
            jwt(r#"{"aud":"https://a.example","exp":1000}"#),
            jwt(r#"{"aud":"https://a.example"}"#),
            jwt(r#"{"aud":"https://a.example","exp":4600}"#) + "\"",
            jwt(r#"{"aud":"https://a.example","exp":4600}"#) + ".z",
        ] {
            assert_eq!(read(bad.clone()).unwrap_err().code(), "unavailable.malformed", "{bad}");
        }
    }
}
