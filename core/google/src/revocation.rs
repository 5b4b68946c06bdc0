//! Taking a login back (RFC 7009).

use ee_auth_core::host::{Body, Method, Request};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{Error, Exchange, ExposeSecret, Secret, json};
use serde::Deserialize;

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
    let refused = || json::object::<Refusal>(&response.body).ok();
    match response.status {
        // Whatever the body: RFC 7009, section 2.2.
        200..=299 => Ok(true),
        400 if refused().is_some_and(|refusal| refusal.error == "invalid_token") => Ok(false),
        status => Err(Error::unavailable(
            "status",
            format!("{} answered {status}, so the login was not revoked", shown(&url)),
        )
        .hint("try again in a minute, or remove the access at https://myaccount.google.com/permissions")),
    }
}

/// RFC 6749, section 5.2.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}
