//! Taking a login back (RFC 7009).

use ee_auth_core::host::{Body, Method, Request};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{Error, Exchange, ExposeSecret, Secret};
use serde_json::Value;

use crate::token_endpoint::shown;

/// Takes back a refresh token, and with it all tokens that came of it. `false` where Google says that it was not good any
/// more.
///
/// # Errors
/// [`Outcome::Unavailable`](ee_auth_core::Outcome::Unavailable) where Google cannot be asked, or does not answer as it
/// should.
pub async fn revoke(exchange: &Exchange, refresh_token: &Secret) -> Result<bool, Error> {
    let url = exchange.settings.endpoints.revoke.clone();
    // In the body: an address ends up in logs.
    let request = Request::new(Method::Post, url.clone())
        .with_body(Body::form([("token", refresh_token.expose_secret())]));
    let response = retry::send(&exchange.host, request, Repeat::Safe)
        .await
        .map_err(|error| error.explain(&format!("asking {} to revoke the login", shown(&url))))?;
    let error = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
    let error = error.get("error").cloned().unwrap_or_default();
    match (response.status, error.as_str()) {
        (200..=299, _) => Ok(true),
        (400, Some("invalid_token")) => Ok(false),
        (status, _) => Err(Error::unavailable(
            "status",
            format!("{} answered {status}, so the login was not revoked", shown(&url)),
        )
        .hint("try again in a minute, or remove the access at https://myaccount.google.com/permissions")),
    }
}
