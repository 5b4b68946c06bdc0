//! Exchanging what a plugin gave for an access token (RFC 8693).

use ee_auth_core::host::Body;
use ee_auth_core::retry::Repeat;
use ee_auth_core::{Error, Exchange, ExposeSecret, Scopes, Token};
use ee_auth_google::token_endpoint::{self, Asker};

use crate::Subject;

/// Asks the STS for an access token with the identity that `subject` shows. `place` is where it is from, for a person.
pub(crate) async fn exchange(
    exchange: &Exchange,
    subject: &Subject,
    audience: &str,
    place: &str,
    scopes: &Scopes,
) -> Result<Token, Error> {
    let (kind, secret) = match subject {
        Subject::AccessToken(secret) => ("access_token", secret),
        Subject::IdToken(secret) => ("id_token", secret),
        Subject::SamlResponse(secret) => ("saml2", secret),
    };
    let scope = scopes.to_parameter();
    let form = Body::form([
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", audience),
        ("scope", &scope),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token_type", &format!("urn:ietf:params:oauth:token-type:{kind}")),
        ("subject_token", secret.expose_secret()),
    ]);
    let asker = Asker::Federation { audience, place };
    let url = &exchange.settings.endpoints.sts;
    Ok(token_endpoint::post(exchange, url, form, Repeat::Safe, &asker).await?.token)
}
