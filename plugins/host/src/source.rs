//! The tokens of a plugin.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ee_auth_core::time::later;
use ee_auth_core::{BoxFuture, Error, Exchange, Scopes, Token, TokenKey, TokenSource};
use std::sync::Arc;

use crate::provider::Plugin;
use crate::{Answer, Cache, Granted, Reason, Subject, sts};

/// How long a token is taken to be valid whose plugin does not say: five minutes. Google gives an hour, and how much of it
/// has passed nobody knows; so the plugin is asked often.
pub const ASSUMED_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Hands out what was found, and asks the plugin again once that is used up.
#[derive(Debug)]
pub(crate) struct PluginSource {
    plugin: Arc<Plugin>,
    scopes: Scopes,
    principal: Option<String>,
    key: Option<TokenKey>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What finding got, and when it was asked for, until it is handed out.
    found: Option<(Granted, SystemTime)>,
    /// When the token that was handed out last should be replaced, so that being asked before means that it was refused.
    replaced_at: Option<SystemTime>,
    cache: Cache,
}

impl PluginSource {
    pub(crate) fn new(
        plugin: Arc<Plugin>,
        scopes: Scopes,
        granted: Granted,
        asked_at: SystemTime,
        key: Option<TokenKey>,
    ) -> Self {
        let state = State { cache: granted.cache, replaced_at: None, found: None };
        let principal = granted.principal.clone();
        let source = Self { plugin, scopes, principal, key, state: Mutex::new(state) };
        source.state().found = Some((granted, asked_at));
        source
    }

    /// The source of a token that is in the store, and that the store hands out.
    pub(crate) fn of_kept(plugin: Arc<Plugin>, scopes: Scopes, token: &Token, key: Option<TokenKey>) -> Self {
        let state = State { cache: Cache::Expires, replaced_at: Some(token.expires_at()), found: None };
        let principal = token.principal().map(str::to_owned);
        Self { plugin, scopes, principal, key, state: Mutex::new(state) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be handed out now: what was found, or a new answer.
    async fn granted(&self, exchange: &Exchange) -> Result<(Granted, SystemTime), Error> {
        let now = exchange.host.clock.now();
        let (found, replaced_at) = {
            let mut state = self.state();
            (state.found.take(), state.replaced_at)
        };
        let is_fresh = |(granted, asked_at): &(Granted, SystemTime)| {
            now < granted.expires_at.unwrap_or(later(*asked_at, ASSUMED_LIFETIME))
        };
        if let Some(found) = found.filter(is_fresh) {
            return Ok(found);
        }
        let reason = match replaced_at {
            Some(at) if now < at => Reason::Rejected,
            _ => Reason::Expired,
        };
        let request = self.plugin.get(&self.scopes, exchange.settings.project.as_deref(), reason);
        let granted = match self.plugin.call(&exchange.host, &request).await? {
            Answer::Granted(granted) => granted,
            answer => return Err(self.plugin.failed(answer)),
        };
        exchangeable(&self.plugin, &granted)?;
        self.check_principal(&granted)?;
        Ok((granted, now))
    }

    /// A credential stays whose it is.
    fn check_principal(&self, granted: &Granted) -> Result<(), Error> {
        match (&self.principal, &granted.principal) {
            (Some(before), Some(now)) if before != now => Err(Error::rejected(
                "unexpected",
                format!(
                    "{}: it first answered with a token of {before}, and now with one of {now}",
                    self.plugin.declaration.name
                ),
            )
            .hint(format!(
                "a credential does not change hands while it is used; see what the plugin {} takes its identity from",
                self.plugin.declaration.name
            ))),
            _ => Ok(()),
        }
    }
}

impl TokenSource for PluginSource {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let (granted, asked_at) = self.granted(exchange).await?;
            let audience = self.plugin.declaration.audience.as_deref();
            let place = format!("`audience` of the provider {}", self.plugin.declaration.name);
            let token = match &granted.subject {
                Subject::AccessToken(token) => {
                    let expires_at = granted.expires_at.unwrap_or(later(asked_at, ASSUMED_LIFETIME));
                    Token::new(token.clone(), asked_at, expires_at)
                }
                subject => {
                    let audience = audience.unwrap_or_default();
                    let token = sts::exchange(exchange, subject, audience, &place, &self.scopes).await?;
                    // Where the STS does not say, its token has what it was asked for (RFC 6749, section 5.1).
                    let scopes = token.scopes().unwrap_or(&self.scopes).clone();
                    token.with_scopes(Some(scopes))
                }
            };
            let scopes = token.scopes().or(granted.scopes.as_ref()).cloned();
            let token = token
                .with_scopes(scopes)
                .with_principal(granted.principal.clone())
                .with_project(granted.project.clone());
            let mut state = self.state();
            state.cache = granted.cache;
            state.replaced_at = token.expires_at().checked_sub(self.refresh_ahead(token.lifetime()));
            Ok(token)
        })
    }

    fn key(&self) -> Option<TokenKey> {
        // A plugin that does not say when its token expires does not know whether it is of use to the next process.
        let state = self.state();
        let expires = state.found.as_ref().is_none_or(|(granted, _)| granted.expires_at.is_some());
        self.key.clone().filter(|_| state.cache == Cache::Expires && expires)
    }

    fn is_kept(&self) -> bool {
        self.state().cache != Cache::Never
    }
}

/// Makes sure that something can be done with what a plugin gave.
pub(crate) fn exchangeable(plugin: &Plugin, granted: &Granted) -> Result<(), Error> {
    let what = match granted.subject {
        Subject::AccessToken(_) => return Ok(()),
        Subject::IdToken(_) => "an ID token",
        Subject::SamlResponse(_) => "a SAML response",
    };
    if plugin.declaration.audience.is_some() {
        return Ok(());
    }
    let name = &plugin.declaration.name;
    Err(Error::invalid(
        "audience",
        format!(
            "{}: it answered with {what}, which has to be exchanged for an access token, and no `audience` is set",
            plugin.declaration.name
        ),
    )
    .hint(format!(
        "set `audience` under `[providers.{name}]` to the workload identity provider: \
         //iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
    )))
}

#[cfg(test)]
mod tests;
