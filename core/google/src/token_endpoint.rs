//! Asking a token endpoint (RFC 6749, section 3.2), and what its answers mean.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ee_auth_core::host::{Body, Method, Request, Response};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{Error, Exchange, IdToken, Scopes, Secret, Token, json};
use serde::Deserialize;
use url::Url;

use crate::access_token::is_bearer_token;
use crate::id_token;
use crate::rejection::{self, Refused};
use crate::service_account::is_email;

pub use crate::rejection::Asker;

/// A successful answer (RFC 6749, section 5.1).
pub struct Granted {
    /// The access token, with its expiry reckoned from when it was asked for.
    pub token: Token,
    /// A refresh token, where one was granted (RFC 6749, section 6).
    pub refresh_token: Option<Secret>,
}

/// Posts a form to a token endpoint and reads the answer.
///
/// # Errors
/// [`Outcome::Rejected`](ee_auth_core::Outcome::Rejected) for an error that the endpoint gives, explained for
/// whoever is asking; [`Outcome::Unavailable`](ee_auth_core::Outcome::Unavailable) where there was no answer, or none
/// that makes sense.
pub async fn post(
    exchange: &Exchange,
    url: &Url,
    form: Body,
    repeat: Repeat,
    asker: &Asker<'_>,
) -> Result<Granted, Error> {
    send(exchange, Request::new(Method::Post, url.clone()).with_body(form), repeat, asker).await
}

/// As [`post`], for a request that has more than a form: headers, or a client's certificate.
///
/// # Errors
/// As [`post`].
pub async fn send(
    exchange: &Exchange,
    request: Request,
    repeat: Repeat,
    asker: &Asker<'_>,
) -> Result<Granted, Error> {
    let asked_at = exchange.host.clock.now();
    let url = &request.url.clone();
    let response = answer(exchange, request, repeat, asker).await?;
    read(&response.body, url, asked_at)
}

/// Posts a form that asks for an ID token for `audience`, and reads the answer. It may be sent twice.
///
/// # Errors
/// As [`post`].
pub async fn post_for_id_token(
    exchange: &Exchange,
    url: &Url,
    form: Body,
    audience: &str,
    asker: &Asker<'_>,
) -> Result<IdToken, Error> {
    #[derive(Deserialize)]
    struct Answer {
        id_token: String,
    }
    let asked_at = exchange.host.clock.now();
    let request = Request::new(Method::Post, url.clone()).with_body(form);
    let response = answer(exchange, request, Repeat::Safe, asker).await?;
    let answer: Answer =
        json::object(&response.body).map_err(|_| malformed(url, "not with an ID token's JSON"))?;
    id_token::read(answer.id_token, audience, asked_at, response.date, url)
}

/// A successful answer.
async fn answer(
    exchange: &Exchange,
    request: Request,
    repeat: Repeat,
    asker: &Asker<'_>,
) -> Result<Response, Error> {
    let url = request.url.clone();
    let request = request.with_header("accept", "application/json");
    let response = retry::send(&exchange.host, request, repeat)
        .await
        .map_err(|error| error.explain(&format!("asking {} for a token", shown(&url))))?;
    match response.status {
        200..=299 => Ok(response),
        _ => Err(refusal(exchange, &url, &response, asker)),
    }
}

/// What a successful answer says.
///
/// # Errors
/// [`Outcome::Unavailable`](ee_auth_core::Outcome::Unavailable): an answer that holds no token is a fault of the server,
/// or of something between here and there.
pub fn read(body: &[u8], url: &Url, asked_at: SystemTime) -> Result<Granted, Error> {
    let malformed = |what| malformed(url, what);
    let answer: Answer = match json::object(body) {
        Ok(answer) => answer,
        Err(_) if body.trim_ascii().is_empty() => return Err(malformed("with nothing")),
        Err(_) if body.trim_ascii_start().starts_with(b"<") => return Err(malformed("with a web page")),
        Err(_) => return Err(malformed("not with a token's JSON")),
    };
    let Some(access_token) = answer.access_token.filter(|token| !token.trim().is_empty()) else {
        return Err(malformed("without an access token"));
    };
    if !is_bearer_token(&access_token) {
        return Err(malformed("with an access token that is damaged"));
    }
    if answer.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(malformed("with a token that is not a bearer token"));
    }
    if answer.issued_token_type.is_some_and(|kind| kind != ACCESS_TOKEN_TYPE) {
        return Err(malformed("with a token that is not an access token (`issued_token_type`)"));
    }
    let Some(lifetime) = answer.expires_in.and_then(ExpiresIn::seconds) else {
        return Err(malformed("did not say how long the token is valid (`expires_in`)"));
    };
    let Some(expires_at) = asked_at.checked_add(lifetime) else {
        return Err(malformed("with a token that never expires"));
    };
    let token = Token::new(access_token, asked_at, expires_at)
        .with_scopes(
            answer.scope.and_then(|scope| scope.parse::<Scopes>().ok()).filter(|scopes| !scopes.is_empty()),
        )
        .with_principal(answer.id_token.as_deref().and_then(email_of));
    Ok(Granted { token, refresh_token: answer.refresh_token.map(Secret::from) })
}

/// The type of an access token (RFC 8693, section 3).
pub(crate) const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    token_type: Option<String>,
    /// RFC 8693, section 2.2.1.
    issued_token_type: Option<String>,
    expires_in: Option<ExpiresIn>,
    scope: Option<String>,
    id_token: Option<String>,
    refresh_token: Option<String>,
}

/// Seconds, as a number or, as some servers write it, as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum ExpiresIn {
    Number(f64),
    Text(String),
}

impl ExpiresIn {
    /// Ten years are as good as for ever; more is no answer.
    const LONGEST: f64 = 10.0 * 366.0 * 86_400.0;

    fn seconds(self) -> Option<Duration> {
        let seconds = match self {
            Self::Number(seconds) => seconds,
            Self::Text(text) => text.trim().parse().ok()?,
        };
        (1.0..=Self::LONGEST).contains(&seconds).then(|| Duration::from_secs(seconds as u64))
    }
}

/// The e-mail in an ID token that came straight from its issuer over TLS, so that its signature need not be looked at
/// (OpenID Connect Core, section 3.1.3.7).
fn email_of(id_token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        email: Option<String>,
    }
    let payload = id_token.split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let email = serde_json::from_slice::<Claims>(&json).ok()?.email?;
    is_email(&email).then_some(email)
}

/// What an answer that is not a success means.
fn refusal(exchange: &Exchange, url: &Url, response: &Response, asker: &Asker<'_>) -> Error {
    response.unavailable(&shown(url)).unwrap_or_else(|| {
        let ahead = response.date.map(|date| skew(exchange.host.clock.now(), date));
        rejection::explain(&Refused::read(response.status, &response.body), asker, url, ahead)
    })
}

/// By how many seconds this machine's clock is ahead of the server's.
fn skew(here: SystemTime, there: SystemTime) -> i64 {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match here.duration_since(there) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}

/// The error for a success that makes no sense.
pub(crate) fn malformed(url: &Url, what: &str) -> Error {
    Error::unavailable("malformed", format!("{} answered, but {what}", shown(url))).hint(
        "a proxy or login page of the network may stand between here and Google; try again, or from another network",
    )
}

/// An address fit to show: without a query, which may hold anything.
pub(crate) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(body: &str) -> Result<Granted, Error> {
        let url = Url::parse("https://oauth2.googleapis.com/token").unwrap();
        read(body.as_bytes(), &url, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_token_says_how_long_it_lives() {
        for body in [
            r#"{"access_token":"a","expires_in":3599,"token_type":"Bearer"}"#,
            r#"{"access_token":"a","expires_in":"3599","token_type":"bearer"}"#,
            r#"{"access_token":"a","expires_in":3599.7}"#,
        ] {
            let token = granted(body).unwrap().token;
            assert_eq!(token.lifetime(), Duration::from_secs(3599), "{body}");
        }
    }

    #[test]
    fn what_is_no_token_is_the_servers_fault() {
        for body in [
            "",
            "<html>Sign in to the network</html>",
            "{",
            "[]",
            r#"{"expires_in":3599}"#,
            r#"{"access_token":"","expires_in":3599}"#,
            r#"{"access_token":"hunter 2","expires_in":3599}"#,
            r#"{"access_token":"a"}"#,
            r#"{"access_token":"a","expires_in":0}"#,
            r#"{"access_token":"a","expires_in":-1}"#,
            r#"{"access_token":"a","expires_in":"soon"}"#,
            r#"{"access_token":"a","expires_in":1e300}"#,
            r#"{"access_token":"a","expires_in":3599,"token_type":"mac"}"#,
        ] {
            let error = granted(body).err().unwrap_or_else(|| panic!("{body} should be refused"));
            assert_eq!(error.code(), "unavailable.malformed", "{body}");
            assert!(!error.message().contains("hunter"));
        }
    }

    #[test]
    fn the_email_is_read_from_an_id_token() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"email":"ada@example.com"}"#);
        let body = format!(r#"{{"access_token":"a","expires_in":60,"id_token":"x.{claims}.y"}}"#);
        assert_eq!(granted(&body).unwrap().token.principal(), Some("ada@example.com"));
    }
}
