//! An authorization code with its verifier (RFC 6749, section 4.1.3; RFC 7636, section 4.5).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ee_auth_core::retry::Repeat;
use ee_auth_core::{BoxFuture, Error, Exchange, ExposeSecret, Found, Secret, Settings, Token, TokenSource};
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
    pub client_id: String,
    /// The client's secret; `None` for clients that have none.
    pub client_secret: Option<Secret>,
    /// The code. It can be used once.
    pub code: Secret,
    /// The PKCE verifier.
    pub verifier: Secret,
    /// The redirect.
    pub redirect_uri: String,
}

impl Code {
    /// A code that was asked for by Earth Engine's own client.
    pub fn of_earth_engine(code: Secret, verifier: Secret, redirect_uri: String) -> Self {
        Self {
            client_id: earth_engine_client::ID.to_owned(),
            client_secret: Some(Secret::from(earth_engine_client::SECRET)),
            code,
            verifier,
            redirect_uri,
        }
    }

    /// Exchanges the code. It is never sent twice.
    ///
    /// # Errors
    /// [`Outcome::Rejected`](ee_auth_core::Outcome::Rejected) for a code that was used, is too old or belongs to
    /// another verifier; [`Outcome::Unavailable`](ee_auth_core::Outcome::Unavailable) where there was no answer.
    pub async fn exchange(&self, exchange: &Exchange) -> Result<Granted, Error> {
        let endpoint = &exchange.settings.endpoints.token;
        let redirect = RedirectUrl::new(self.redirect_uri.clone()).map_err(|_| {
            Error::invalid("redirect_uri", "the redirect address of the authorization code is no address")
                .hint("give the address with which the code was asked for")
        })?;
        let mut client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_token_uri(TokenUrl::from_url(endpoint.clone()))
            .set_redirect_uri(redirect)
            .set_auth_type(AuthType::RequestBody);
        if let Some(secret) = &self.client_secret {
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

/// A code as something that was found. The first exchange uses it up; from then on the refresh token that came with
/// it gets the tokens.
pub fn found(code: Code) -> Found {
    let client_id = code.client_id.clone();
    let mut found =
        Found::new(Redeemed { code, login: Mutex::new(None) }, "an authorization code passed by the caller");
    found.client_id = Some(client_id);
    found
}

#[derive(Debug)]
struct Redeemed {
    code: Code,
    login: Mutex<Option<Arc<Found>>>,
}

impl Redeemed {
    fn login(&self) -> MutexGuard<'_, Option<Arc<Found>>> {
        self.login.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, granted: &Granted, settings: &Settings) -> Result<(), Error> {
        let Some(refresh_token) = granted.refresh_token.clone() else { return Ok(()) };
        let login = Login {
            client_id: self.code.client_id.clone(),
            client_secret: self.code.client_secret.clone(),
            refresh_token,
            scopes: granted.token.scopes().cloned(),
            token_uri: None,
            place: "an authorization code passed by the caller".to_owned(),
        };
        *self.login() = Some(Arc::new(authorized_user::found(login, settings)?));
        Ok(())
    }
}

impl TokenSource for Redeemed {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let login = self.login().clone();
            if let Some(login) = login {
                return login.source.exchange(exchange).await;
            }
            let granted = self.code.exchange(exchange).await?;
            self.keep(&granted, &exchange.settings)?;
            Ok(granted.token)
        })
    }
}
