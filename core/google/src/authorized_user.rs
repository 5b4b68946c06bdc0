//! A person's refresh token and the OAuth client it was issued to (RFC 6749, section 6; AIP-4113).

use std::path::PathBuf;
use std::time::Duration;

use ee_auth_core::retry::Repeat;
use ee_auth_core::{
    BoxFuture, Error, Exchange, ExposeSecret, Found, ProfileName, Scopes, Secret, Settings, Token, TokenKey,
    TokenSource,
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
    /// The file, where it is in one: a login is at least as old as its file.
    pub file: Option<PathBuf>,
    /// The command that makes a new one, for when it has ended.
    pub log_in: &'static str,
    /// What has to be done after that command, where the login is a copy of what it writes.
    pub copy_again: Option<String>,
}

/// A login as something that was found. Tokens are asked with the scopes of its file, or with those of them that somebody
/// asks for. Where the file has none, they are asked with what somebody asks for, or without a `scope` parameter.
///
/// # Errors
/// [`Outcome::Untrusted`](ee_auth_core::Outcome::Untrusted) where the file names a token endpoint that is not
/// Google's; [`Outcome::Rejected`](ee_auth_core::Outcome::Rejected), code `scopes`, where nothing of what somebody asks for
/// was granted.
pub fn found(login: Login, settings: &Settings) -> Result<Found, Error> {
    let endpoint = settings
        .endpoints
        .token_for(login.token_uri.as_deref(), &settings.trusted_hosts)
        .map_err(|error| error.in_place(&login.place))?;
    let mut warnings = Vec::new();
    let scopes = login.scopes_to_ask(settings, &mut warnings)?;
    let client_id = login.client_id.clone();
    let origin = format!("refresh token in {}", login.place);
    let mut found = Found::new(AuthorizedUser { login, endpoint, scopes: scopes.clone() }, origin);
    found.scopes = scopes;
    found.client_id = Some(client_id);
    found.warnings = warnings;
    Ok(found)
}

impl Login {
    /// The scopes that its tokens are asked with; empty for all that was granted.
    fn scopes_to_ask(&self, settings: &Settings, warnings: &mut Vec<String>) -> Result<Scopes, Error> {
        let place = &self.place;
        let (asked, granted) = match (&settings.scopes, &self.scopes) {
            (None, granted) => return Ok(granted.clone().unwrap_or_default()),
            // What a step needs is not worth a refusal by Google: what is granted to gcloud has it.
            (Some(asked), None) => {
                return Ok(if settings.is_step { Scopes::default() } else { asked.clone() });
            }
            (Some(asked), Some(granted)) => (asked, granted),
        };
        let scopes = asked.granted_by(granted);
        let missing = asked.missing_in(granted);
        if settings.is_step && scopes.is_empty() {
            // The next step says what it lacks.
            warnings
                .push(format!("the login in {place} was granted {granted}; {asked} cannot be had from it"));
            return Ok(granted.clone());
        }
        if scopes.is_empty() {
            return Err(Error::rejected(
                "scopes",
                format!("{asked}: not granted to the login in {place}, which was granted {granted}"),
            )
            .hint(obtain(asked, settings.profile.as_ref())));
        }
        if !missing.is_empty() {
            warnings.push(format!(
                "the login in {place} was granted {granted}, and not {missing}, which its tokens lack"
            ));
        }
        Ok(scopes)
    }
}

/// How to obtain a login with `scopes`, and how to use it, wherever the login of `profile` is: a profile that is named
/// comes first.
pub fn obtain(scopes: &Scopes, profile: Option<&ProfileName>) -> String {
    let read_only = is_read_only(scopes);
    let suffix = if read_only { "ro" } else { "scoped" };
    let name = match profile.map(ProfileName::as_str) {
        None => suffix.to_owned(),
        Some(name) if name == suffix || name.ends_with(&format!("-{suffix}")) => name.to_owned(),
        Some(name) => format!("{name}-{suffix}"),
    };
    let choice =
        if read_only { "--read-only".to_owned() } else { format!("--scopes {} --force", names(scopes)) };
    format!("run `ee-auth login {choice} --profile {name}`, then add `--profile {name}` to your command")
}

/// As [`obtain`], where the login is the one that `ee-auth login` stores: it is replaced, unless what is asked for can only
/// read.
pub fn obtain_stored(scopes: &Scopes, profile: Option<&ProfileName>) -> String {
    if is_read_only(scopes) {
        return obtain(scopes, profile);
    }
    let profile = profile.map(|profile| format!(" --profile {profile}")).unwrap_or_default();
    format!("log in again with these scopes: `ee-auth login --scopes {} --force{profile}`", names(scopes))
}

fn is_read_only(scopes: &Scopes) -> bool {
    scopes.is_subset_of(&Scopes::earth_engine_read_only())
}

fn names(scopes: &Scopes) -> String {
    scopes.short_names().collect::<Vec<_>>().join(",")
}

#[derive(Debug)]
struct AuthorizedUser {
    login: Login,
    endpoint: url::Url,
    scopes: Scopes,
}

impl AuthorizedUser {
    /// How old the login is at least.
    fn age(&self, exchange: &Exchange) -> Option<Duration> {
        let written = exchange.host.files.status(self.login.file.as_ref()?).ok()?.modified?;
        exchange.host.clock.now().duration_since(written).ok()
    }
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
            let asker = Asker::User {
                place: &self.login.place,
                log_in: self.login.log_in,
                client_id: &self.login.client_id,
                age: self.age(exchange),
            };
            let adapter = Adapter::new(exchange, &self.endpoint, Repeat::Safe, &asker);
            // The adapter keeps what this came to.
            let _ = client
                .exchange_refresh_token(&refresh_token)
                .add_scopes(self.scopes.iter().map(|scope| Scope::new(scope.to_owned())))
                .request_async(&adapter)
                .await;
            let outcome = adapter.into_outcome().map(|granted| granted.token);
            outcome.map_err(|error| match (&self.login.copy_again, error.next_step()) {
                (Some(copy_again), Some(hint))
                    if matches!(error.detail().name(), "invalid_grant" | "invalid_rapt") =>
                {
                    let hint = format!("{hint}; {copy_again}");
                    error.hint(hint)
                }
                _ => error,
            })
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
