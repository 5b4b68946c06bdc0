//! What Google says of a token.

use ee_auth_core::host::{Body, Method, Request};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{Credential, Error, Outcome, Scopes, json};
use serde::Deserialize;

/// Whose a token is and what it may do, as Google's tokeninfo endpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// The account's e-mail; `None` where the token has no scope that shows it.
    pub email: Option<String>,
    /// The scopes that the token has.
    pub scopes: Scopes,
}

/// Gets a token of `credential` and asks Google whose it is. Blocks.
///
/// # Errors
/// Those of the exchange; [`Outcome::Rejected`] where Google does not accept the
/// token, [`Outcome::Unavailable`] where it cannot be asked.
pub fn token_info(credential: &Credential) -> Result<TokenInfo, Error> {
    pollster::block_on(token_info_async(credential))
}

/// As [`token_info`], without blocking the thread.
///
/// # Errors
/// As [`token_info`].
pub async fn token_info_async(credential: &Credential) -> Result<TokenInfo, Error> {
    let token = credential.token_async().await?;
    match ask(credential, token.secret()).await {
        // One that was kept from before may have been taken back since. Whether a new one can be had is what matters.
        Err(error) if error.outcome() == Outcome::Rejected && token.was_cached() => {
            credential.invalidate(&token);
            ask(credential, credential.token_async().await?.secret()).await
        }
        answer => answer,
    }
}

async fn ask(credential: &Credential, token: &str) -> Result<TokenInfo, Error> {
    let exchange = credential.exchange();
    let url = exchange.settings.endpoints.tokeninfo.clone();
    // In the body: an address ends up in logs.
    let request = Request::new(Method::Post, url.clone()).with_body(Body::form([("access_token", token)]));
    let response = retry::send(&exchange.host, request, Repeat::Safe)
        .await
        .map_err(|error| error.explain(&format!("asking {url} about the token")))?;
    if let Some(unavailable) = response.unavailable(url.as_str()) {
        return Err(unavailable);
    }
    match response.status {
        200 => {}
        status => {
            return Err(Error::rejected(
                "token",
                format!("{url} answered {status}: Google does not accept the token"),
            )
            .hint("`ee-auth explain` shows where the credential comes from"));
        }
    }
    let answer: Answer = json::object(&response.body).map_err(|_| {
        Error::unavailable("malformed", format!("{url} answered, but not with a token's description"))
            .hint("a proxy or login page of the network may stand between here and Google")
    })?;
    Ok(TokenInfo { email: answer.email, scopes: answer.scope.unwrap_or_default().parse()? })
}

#[derive(Deserialize)]
struct Answer {
    email: Option<String>,
    scope: Option<String>,
}
