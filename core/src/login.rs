//! Logins: how a person obtains a credential.

use std::fmt;

use url::Url;

use crate::host::{BoxFuture, Presence};
use crate::{Error, Exchange, Found, Outcome, Scopes, Secret};

/// A way in which a person obtains a credential.
///
/// A login speaks with the person through [`Host::person`](crate::Host::person) and stores nothing: whoever asked for it
/// does, so that nothing is replaced before there is something better.
pub trait Login: Send + Sync {
    /// Runs the login to its end; with [`LoginRequest::quiet`], as far as it goes without waiting for anybody.
    fn log_in<'a>(&'a self, request: &'a LoginRequest) -> BoxFuture<'a, Result<LoggedIn, Error>>;

    /// Forgets the credential where the login keeps it itself, as a plugin's does; `false` where whoever asked for the login
    /// stored it, and so removes it.
    fn log_out<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<bool, Error>> {
        let _ = exchange;
        Box::pin(std::future::ready(Ok(false)))
    }

    /// Finishes a login that ended [`LoggedIn::Unfinished`], perhaps in another process: with what the person was given to
    /// paste, and the verifier.
    fn finish<'a>(
        &'a self,
        request: &'a LoginRequest,
        pasted: Secret,
        verifier: Secret,
    ) -> BoxFuture<'a, Result<LoggedIn, Error>> {
        let _ = (request, pasted, verifier);
        Box::pin(async {
            Err(Error::new(Outcome::Usage, "authorization_code", "this login is not finished with a code")
                .hint("`--mode notebook` and `--mode localhost` are"))
        })
    }
}

/// What is asked of a login.
#[derive(Clone, Debug)]
pub struct LoginRequest {
    /// The machine and the endpoints.
    pub exchange: Exchange,
    /// The scopes to ask for.
    pub scopes: Scopes,
    /// The person's own OAuth client; `None` for the one that the login uses by itself.
    pub client: Option<OAuthClient>,
    /// Waits for nobody: what a person has to do is in the answer.
    pub quiet: bool,
}

impl LoginRequest {
    /// A login with Earth Engine's scopes and the client that the login uses by itself, for which somebody may be waited.
    pub fn new(exchange: Exchange) -> Self {
        Self { exchange, scopes: Scopes::earth_engine(), client: None, quiet: false }
    }

    /// Makes sure that somebody could be waited for.
    ///
    /// # Errors
    /// [`Outcome::InteractionRequired`] where less than `needed` can be had of the person, with the command to run.
    pub fn require(&self, needed: Presence, mode: &str) -> Result<(), Error> {
        if self.exchange.host.person.presence() >= needed {
            return Ok(());
        }
        let why = match self.exchange.host.person.presence() {
            Presence::Absent => "a person would have to sign in, and nobody is to be asked",
            _ => "a person would have to paste a code, and there is no terminal to paste it into",
        };
        let profile = self.exchange.settings.profile.as_ref();
        let profile = profile.map(|name| format!(" --profile {name}")).unwrap_or_default();
        let command = format!("ee-auth login{profile} --mode {mode}");
        Err(Error::new(Outcome::InteractionRequired, "", why).hint(format!(
            "run `{command}` in a terminal, or `{command} --quiet`, which prints an address and the command that finishes \
             the login"
        )))
    }
}

/// What a login came to.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoggedIn {
    /// A refresh token, to be stored.
    Granted(Grant),
    /// Another program or the machine keeps the credential, and the provider finds it there; where, for a person.
    Elsewhere(String),
    /// There is a credential already, and nothing is to be stored. The provider that finds it may be another.
    Found(Box<Found>),
    /// A person has to go on: only where nobody was to be waited for.
    Unfinished(Unfinished),
}

/// A refresh token, and what belongs to it.
#[derive(Debug)]
pub struct Grant {
    /// The OAuth client that it was issued to; `None` for Earth Engine's own.
    pub client: Option<OAuthClient>,
    /// The refresh token.
    pub refresh_token: Secret,
    /// The scopes that were granted.
    pub scopes: Scopes,
    /// The redirect with which it was asked for, where there was one.
    pub redirect_uri: Option<String>,
    /// The project that was chosen at the login, where one was: a number or an id.
    pub project: Option<String>,
    /// The account's e-mail, where it is known.
    pub principal: Option<String>,
    /// What a person should know though it worked.
    pub warnings: Vec<String>,
}

/// What a person has to do to finish a login.
#[derive(Clone)]
pub struct Unfinished {
    /// The address to open.
    pub address: Url,
    /// What has to be given back together with the code (RFC 7636, and the nonces of Earth Engine's page).
    pub verifier: Secret,
}

impl fmt::Debug for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unfinished").finish_non_exhaustive()
    }
}

/// An OAuth client (RFC 6749, section 2).
#[derive(Clone, Debug)]
pub struct OAuthClient {
    /// `client_id`
    pub id: String,
    /// `client_secret`; `None` for clients that have none.
    pub secret: Option<Secret>,
    /// The redirects that are registered for it; empty where any loopback address will do, as for desktop clients.
    pub redirect_uris: Vec<String>,
    /// Where it was read, for a person.
    pub origin: String,
}
