//! A person's refresh token and the OAuth client it was issued to (RFC 6749, section 6; AIP-4113).

use ee_auth_core::retry::Repeat;
use ee_auth_core::{
    BoxFuture, Error, Exchange, ExposeSecret, Found, Scopes, Secret, Settings, Token, TokenKey, TokenSource,
};
use oauth2::basic::BasicClient;
use oauth2::{AuthType, ClientId, ClientSecret, RefreshToken, Scope, TokenUrl};

use crate::adapter::Adapter;
use crate::token_endpoint::Asker;

/// A login: what is needed to get tokens for a person.
#[derive(Debug)]
pub struct Login {
    /// The OAuth client.
    pub client_id: String,
    /// The client's secret; `None` for clients that have none.
    pub client_secret: Option<Secret>,
    /// The refresh token.
    pub refresh_token: Secret,
    /// The scopes that were granted, where the file tells; asking for more is `invalid_scope`.
    pub scopes: Option<Scopes>,
    /// The token endpoint, where the file names one.
    pub token_uri: Option<String>,
    /// Where the login is stored, for a person.
    pub place: String,
    /// The command that makes a new one, for when it has ended.
    pub log_in: &'static str,
}

/// A login as something that was found. Tokens are asked with the scopes of its file, or with fewer where somebody
/// asks for fewer; without a `scope` parameter where the file has none.
///
/// # Errors
/// [`Outcome::Untrusted`](ee_auth_core::Outcome::Untrusted) where the file names a token endpoint that is not
/// Google's.
pub fn found(login: Login, settings: &Settings) -> Result<Found, Error> {
    let endpoint = settings
        .endpoints
        .token_for(login.token_uri.as_deref(), &settings.trusted_hosts)
        .map_err(|error| error.in_place(&login.place))?;
    let granted = login.scopes.clone().unwrap_or_default();
    let mut warnings = Vec::new();
    let scopes = match &settings.scopes {
        Some(asked) if !granted.is_empty() && asked.is_subset_of(&granted) => asked.clone(),
        Some(asked) if !granted.is_empty() => {
            warnings.push(format!(
                "the login in {} was granted {granted}; {asked} cannot be had from it",
                login.place
            ));
            granted
        }
        _ => granted,
    };
    let client_id = login.client_id.clone();
    let origin = format!("refresh token in {}", login.place);
    let mut found = Found::new(AuthorizedUser { login, endpoint, scopes: scopes.clone() }, origin);
    found.scopes = scopes;
    found.client_id = Some(client_id);
    found.warnings = warnings;
    Ok(found)
}

#[derive(Debug)]
struct AuthorizedUser {
    login: Login,
    endpoint: url::Url,
    scopes: Scopes,
}

impl TokenSource for AuthorizedUser {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let mut client = BasicClient::new(ClientId::new(self.login.client_id.clone()))
                .set_token_uri(TokenUrl::from_url(self.endpoint.clone()))
                // Google's documented form: the client's credentials as parameters (RFC 6749, section 2.3.1).
                .set_auth_type(AuthType::RequestBody);
            if let Some(secret) = &self.login.client_secret {
                client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
            }
            let refresh_token = RefreshToken::new(self.login.refresh_token.expose_secret().to_owned());
            let asker = Asker::User { place: &self.login.place, log_in: self.login.log_in };
            let adapter = Adapter::new(exchange, &self.endpoint, Repeat::Safe, &asker);
            // The adapter keeps what this came to.
            let _ = client
                .exchange_refresh_token(&refresh_token)
                .add_scopes(self.scopes.iter().map(|scope| Scope::new(scope.to_owned())))
                .request_async(&adapter)
                .await;
            adapter.into_outcome().map(|granted| granted.token)
        })
    }

    fn key(&self) -> Option<TokenKey> {
        let Login { client_id, client_secret, refresh_token, .. } = &self.login;
        let mut key = TokenKey::new("refresh_token");
        key.add("client_id", client_id)
            .add(
                "client_secret",
                client_secret.as_ref().map(|secret| secret.expose_secret()).unwrap_or_default(),
            )
            .add("refresh_token", refresh_token.expose_secret())
            .add("scope", self.scopes.to_parameter())
            .add("endpoint", self.endpoint.as_str());
        Some(key)
    }
}
