//! What a provider found, and how tokens are got from it.

use std::fmt;
use std::time::Duration;

use crate::host::{BoxFuture, Host};
use crate::{Error, IdToken, Scopes, Settings, Token, TokenKey};

/// A credential as a provider found it: a source of tokens, and what is known of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found {
    /// Gets tokens.
    pub source: Box<dyn TokenSource>,
    /// Where it was found and what it is, for a person: `service account key in /home/ada/key.json`.
    pub origin: String,
    /// The account's e-mail; `None` where it is not known.
    pub principal: Option<String>,
    /// The scopes that its tokens are asked with, or are known to have; empty where neither is known.
    pub scopes: Scopes,
    /// Whether `scopes` is only what its tokens are expected to have, since whoever issues them chooses their scopes and
    /// does not say which.
    pub scopes_assumed: bool,
    /// The project that the credential says is to be charged (`quota_project_id`).
    pub quota_project: Option<String>,
    /// The project that the credential belongs to (`project_id` of a service account).
    pub project: Option<String>,
    /// The service account that it impersonates.
    pub impersonates: Option<Impersonates>,
    /// The OAuth client that it was issued to.
    pub client_id: Option<String>,
    /// What a person should know though it works: a key file that others can read.
    pub warnings: Vec<String>,
}

impl Found {
    /// A credential of which nothing is known but where it comes from.
    pub fn new(source: impl TokenSource + 'static, origin: impl Into<String>) -> Self {
        Self {
            source: Box::new(source),
            origin: origin.into(),
            principal: None,
            scopes: Scopes::default(),
            scopes_assumed: false,
            quota_project: None,
            project: None,
            impersonates: None,
            client_id: None,
            warnings: Vec::new(),
        }
    }

    /// The scopes that `token` is known to have; `None` where neither it nor the credential says so.
    pub fn scopes_of<'a>(&'a self, token: &'a Token) -> Option<&'a Scopes> {
        // Without `scope` in the answer, the token has what it was asked with (RFC 6749, section 5.1).
        let asked = Some(&self.scopes).filter(|scopes| !self.scopes_assumed && !scopes.is_empty());
        token.scopes().or(asked)
    }
}

/// The service account that a credential impersonates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impersonates {
    /// Its e-mail, or its number.
    pub account: String,
    /// What names it, for a person: a flag, a variable, a line of a file, a credential file.
    pub named_by: String,
}

/// What an exchange may use.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The machine.
    pub host: Host,
    /// Endpoints, trusted hosts, scopes.
    pub settings: Settings,
}

/// Turns a credential into tokens.
pub trait TokenSource: Send + Sync + fmt::Debug {
    /// Gets a new token. Runs on the private thread, so it awaits and never blocks: another credential's token is got
    /// with [`Credential::token_async`](crate::Credential::token_async).
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>>;

    /// Gets a new ID token for `audience` (OpenID Connect Core, section 2). Never kept. Runs wherever the caller is, and
    /// awaits as [`TokenSource::exchange`] does.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](crate::Outcome::Invalid), code `id_token`, for a credential that has none: a person's login,
    /// whose ID tokens are for its own OAuth client alone, and whatever is but an access token. Else as an exchange.
    fn id_token<'a>(
        &'a self,
        exchange: &'a Exchange,
        audience: &'a str,
    ) -> BoxFuture<'a, Result<IdToken, Error>> {
        let _ = (exchange, audience);
        Box::pin(std::future::ready(Err(Error::invalid(
            "id_token",
            "this credential has no ID tokens for an audience of one's choice",
        )
        .hint(
            "a service account's key, an impersonated service account and the metadata server have them; a person's \
             login has one for its own OAuth client alone: wrap it with a provider of the kind `impersonate`",
        ))))
    }

    /// What makes its tokens differ from others, for a [`TokenStore`](crate::TokenStore). `None`, unless told otherwise, for
    /// tokens that are not to be kept: those that belong to a machine or to another program.
    fn key(&self) -> Option<TokenKey> {
        None
    }

    /// Returns the service account that its tokens are of by construction: that of a key, or the one that is impersonated.
    /// What a file, a server or a plugin merely says about the account does not count.
    fn service_account(&self) -> Option<&str> {
        None
    }

    /// Whether the token that the last exchange got may be lent again. One that may not is lent to those who wait for that
    /// exchange, and to nobody after them.
    fn is_kept(&self) -> bool {
        true
    }

    /// How long before its expiry a token should be replaced, given how long it lives in all. A caller with a valid
    /// token never waits for it.
    fn refresh_ahead(&self, lifetime: Duration) -> Duration {
        // Google's client libraries begin 225 s (Python) to 300 s (Node, gcloud) before; a short-lived token is
        // replaced in the last quarter of its life, so that it is not replaced all the time.
        Duration::from_secs(225).min(lifetime / 4)
    }
}
