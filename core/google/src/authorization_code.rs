//! An authorization code with its verifier (RFC 6749, section 4.1.3; RFC 7636, section 4.5).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ee_auth_core::retry::Repeat;
use ee_auth_core::{
    BoxFuture, Detail, Error, Exchange, ExposeSecret, Found, Grant, OAuthClient, Scopes, Secret, Settings,
    Token, TokenSource,
};
use oauth2::basic::BasicClient;
use oauth2::{AuthType, AuthorizationCode, ClientId, ClientSecret, PkceCodeVerifier, RedirectUrl, TokenUrl};

use crate::adapter::Adapter;
use crate::authorized_user::{self, Login};
use crate::earth_engine_client;
use crate::token_endpoint::{Asker, Granted};

/// A code that a person was given, and what it was asked with.
#[derive(Debug)]
pub struct Code {
    /// The OAuth client.
    pub client: OAuthClient,
    /// The code. It can be used once.
    pub code: Secret,
    /// The PKCE verifier.
    pub verifier: Secret,
    /// The redirect; empty for a code that Earth Engine's page showed, which has none.
    pub redirect_uri: String,
}

impl Code {
    /// Ends a login: exchanges the code, for which `asked` was asked, for a refresh token.
    ///
    /// # Errors
    /// Those of [`Code::exchange`], and [`Outcome::Rejected`](ee_auth_core::Outcome::Rejected) where no refresh token came.
    pub async fn log_in(self, asked: &Scopes, exchange: &Exchange) -> Result<Grant, Error> {
        let granted = self.exchange(exchange).await?;
        let Some(refresh_token) = granted.refresh_token else {
            return Err(Error::rejected(
                "no_refresh_token",
                "Google gave an access token, and no refresh token to get more of them with",
            )
            .hint(
                "remove the app's access at https://myaccount.google.com/permissions, and log in again; an OAuth client of \
                 the type \"Desktop app\" always gets one",
            ));
        };
        // An answer without `scope` grants what was asked (RFC 6749, section 5.1).
        let scopes = granted.token.scopes().cloned().unwrap_or_else(|| asked.clone());
        Ok(Grant {
            refresh_token,
            warnings: fewer(asked, &scopes).into_iter().collect(),
            scopes,
            redirect_uri: Some(self.redirect_uri).filter(|uri| !uri.is_empty()),
            project: None,
            principal: granted.token.principal().map(str::to_owned),
            client: Some(self.client).filter(|client| client.id != earth_engine_client::ID),
        })
    }

    /// Exchanges the code. It is never sent twice.
    ///
    /// # Errors
    /// [`Outcome::Rejected`](ee_auth_core::Outcome::Rejected) for a code that was used, is too old or belongs to
    /// another verifier; [`Outcome::Unavailable`](ee_auth_core::Outcome::Unavailable) where there was no answer.
    pub async fn exchange(&self, exchange: &Exchange) -> Result<Granted, Error> {
        let endpoint = &exchange.settings.endpoints.token;
        let redirect_uri = match self.redirect_uri.as_str() {
            "" => OUT_OF_BAND,
            named => named,
        };
        let redirect = RedirectUrl::new(redirect_uri.to_owned()).map_err(|_| {
            Error::invalid("redirect_uri", "the redirect address of the authorization code is no address")
                .hint("give the address with which the code was asked for")
        })?;
        let mut client = BasicClient::new(ClientId::new(self.client.id.clone()))
            .set_token_uri(TokenUrl::from_url(endpoint.clone()))
            .set_redirect_uri(redirect)
            .set_auth_type(AuthType::RequestBody);
        if let Some(secret) = &self.client.secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
        }
        let adapter = Adapter::new(exchange, endpoint, Repeat::UntilSent, &Asker::Code);
        // The adapter keeps what this came to.
        let _ = client
            .exchange_code(AuthorizationCode::new(self.code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(self.verifier.expose_secret().to_owned()))
            .request_async(&adapter)
            .await;
        adapter.into_outcome()
    }
}

/// The redirect that stands for "the page shows the code" (`REDIRECT_URI` of earthengine-api's `oauth.py`).
const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";

/// What a person should know where less was granted than asked.
pub fn fewer(asked: &Scopes, granted: &Scopes) -> Option<String> {
    let missing = asked.missing_in(granted);
    (!missing.is_empty())
        .then(|| format!("not granted: {missing}. Log in again with --force and tick every box to have them"))
}

/// A code as something that was found. The first exchange uses it up; from then on the refresh token that came with
/// it gets the tokens, and where somebody asks for scopes, it gets the first one, too.
pub fn found(code: Code, settings: &Settings) -> Found {
    let client_id = code.client.id.clone();
    let mut found = Found::new(
        Redeemed { code, state: Mutex::new(State::Unused) },
        "an authorization code passed by the caller",
    );
    found.client_id = Some(client_id);
    found.scopes = settings.scope_limit().cloned().unwrap_or_default();
    found
}

#[derive(Debug)]
struct Redeemed {
    code: Code,
    state: Mutex<State>,
}

/// What has become of a code.
#[derive(Clone, Debug)]
enum State {
    Unused,
    /// It was sent: whatever came of it, it is never sent again.
    Spent,
    /// A refresh token came of it.
    Login(Arc<Found>),
}

impl Redeemed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The login that came with the answer, where there is one.
    fn login(&self, granted: &Granted, settings: &Settings) -> Result<Option<Arc<Found>>, Error> {
        let Some(refresh_token) = granted.refresh_token.clone() else { return Ok(None) };
        let login = Login {
            client_id: self.code.client.id.clone(),
            client_secret: self.code.client.secret.clone(),
            refresh_token,
            scopes: granted.token.scopes().cloned(),
            token_uri: None,
            place: "an authorization code passed by the caller".to_owned(),
            file: None,
            log_in: crate::credential::EARTH_ENGINE_LOGIN,
            copy_again: None,
        };
        let found = authorized_user::found(login, settings)?;
        found.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        Ok(Some(Arc::new(found)))
    }
}

impl TokenSource for Redeemed {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let state = std::mem::replace(&mut *self.state(), State::Spent);
            match state {
                State::Login(login) => {
                    *self.state() = State::Login(login.clone());
                    return login.source.exchange(exchange).await;
                }
                State::Spent => {
                    return Err(Error::rejected(
                        "code_spent",
                        "the authorization code passed by the caller has been used, and no refresh token came of it",
                    )
                    .hint("log in again: a code is good for one exchange"));
                }
                State::Unused => {}
            }
            match self.code.exchange(exchange).await {
                Ok(granted) => {
                    let Some(login) = self.login(&granted, &exchange.settings)? else {
                        return Ok(granted.token);
                    };
                    *self.state() = State::Login(login.clone());
                    // The token of a code has all that the person granted.
                    let is_limited = exchange.settings.scope_limit().is_some();
                    let is_within =
                        granted.token.scopes().is_some() && exchange.settings.allows(&granted.token);
                    if is_limited && !is_within {
                        return login.source.exchange(exchange).await;
                    }
                    Ok(granted.token)
                }
                Err(error) => {
                    // Nothing was sent, so it is as good as before.
                    if matches!(error.detail(), Detail::Connect | Detail::Tls | Detail::Client) {
                        *self.state() = State::Unused;
                    }
                    Err(error)
                }
            }
        })
    }

    /// Without a refresh token nothing can take the token's place before it expires.
    fn refresh_ahead(&self, lifetime: Duration) -> Duration {
        match &*self.state() {
            State::Login(login) => login.source.refresh_ahead(lifetime),
            _ => Duration::ZERO,
        }
    }
}
