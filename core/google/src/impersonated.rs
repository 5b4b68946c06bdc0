//! Tokens of a service account that another credential stands for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ee_auth_core::{
    BoxFuture, Error, Exchange, Found, IdToken, Impersonates, Scopes, Token, TokenKey, TokenSource,
};

use crate::iam_refusal;
use crate::impersonation::{Caller, Impersonation};

/// What `source` is as the service account of `impersonation`, with tokens that have `scopes`. The source is to be asked
/// for [`Scopes::cloud_platform`], not for these.
///
/// Of what is known of the source only the warnings go over. The project is the one that the account belongs to, as its
/// e-mail says.
pub fn found(source: Found, impersonation: Impersonation, scopes: Scopes) -> Found {
    let origin =
        format!("{}, standing for {} ({})", source.origin, impersonation.target(), impersonation.place());
    let principal = impersonation.target().to_owned();
    let project = project_of(&principal);
    let named_by = impersonation.place().to_owned();
    let impersonated = Impersonated {
        source: source.source,
        caller: source.principal,
        held: Mutex::default(),
        impersonation,
        scopes: scopes.clone(),
    };
    let mut found = Found::new(impersonated, origin);
    found.principal = Some(principal.clone());
    found.impersonates = Some(Impersonates { account: principal, named_by });
    found.scopes = scopes;
    found.project = project;
    found.warnings = source.warnings;
    found
}

/// The project that a service account belongs to: `NAME@PROJECT.iam.gserviceaccount.com`, in old projects of an
/// organisation `NAME@PROJECT.ORGANISATION.iam.gserviceaccount.com`. `None` for Google's own and for numbers.
fn project_of(account: &str) -> Option<String> {
    let (_, domain) = account.split_once('@')?;
    let project = domain.strip_suffix(".iam.gserviceaccount.com")?;
    Some(match project.split_once('.') {
        Some((project, organisation)) => format!("{organisation}:{project}"),
        None => project.to_owned(),
    })
}

#[derive(Debug)]
struct Impersonated {
    source: Box<dyn TokenSource>,
    /// The source's principal, where it is known.
    caller: Option<String>,
    /// The source's token: a new one of the target's does not need a new one of the source's.
    held: Mutex<Option<Token>>,
    impersonation: Impersonation,
    scopes: Scopes,
}

impl Impersonated {
    fn held(&self) -> MutexGuard<'_, Option<Token>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token of the source's, and whether it is the one that was held: unless it is about to expire and another can be
    /// had.
    async fn source_token(&self, exchange: &Exchange) -> Result<(Token, bool), Error> {
        let now = exchange.host.clock.now();
        let held = self.held().clone().filter(|token| token.is_valid_at(now));
        let fresh = |token: &Token| token.remaining(now) > self.source.refresh_ahead(token.lifetime());
        if let Some(token) = held.as_ref().filter(|token| fresh(token)) {
            return Ok((token.clone(), true));
        }
        match (self.source.exchange(exchange).await, held) {
            (Ok(token), _) => {
                *self.held() = Some(token.clone());
                Ok((token, false))
            }
            (Err(error), Some(still_valid)) => {
                log::warn!("refreshing a source's token that is still valid failed: {error}");
                Ok((still_valid, true))
            }
            (Err(error), None) => Err(error),
        }
    }

    fn caller<'a>(&'a self, token: &'a Token) -> Caller<'a> {
        Caller { token, principal: self.caller.as_deref() }
    }

    /// Another token of the source's, where the one that was `held` was not accepted: it may have been taken back
    /// meanwhile. `None` where there is no point in asking again.
    async fn another(&self, refused: &Error, held: bool, exchange: &Exchange) -> Option<Token> {
        if !held || refused.code() != iam_refusal::NOT_ACCEPTED {
            return None;
        }
        *self.held() = None;
        self.source_token(exchange).await.ok().map(|(token, _)| token)
    }
}

impl TokenSource for Impersonated {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let (token, held) = self.source_token(exchange).await?;
            let answer = self.impersonation.access_token(exchange, &self.caller(&token), &self.scopes).await;
            let Err(refused) = answer else { return answer };
            match self.another(&refused, held, exchange).await {
                Some(token) => {
                    self.impersonation.access_token(exchange, &self.caller(&token), &self.scopes).await
                }
                None => Err(refused),
            }
        })
    }

    fn id_token<'a>(
        &'a self,
        exchange: &'a Exchange,
        audience: &'a str,
    ) -> BoxFuture<'a, Result<IdToken, Error>> {
        Box::pin(async move {
            let (token, held) = self.source_token(exchange).await?;
            let answer = self.impersonation.id_token(exchange, &self.caller(&token), audience).await;
            let Err(refused) = answer else { return answer };
            match self.another(&refused, held, exchange).await {
                Some(token) => self.impersonation.id_token(exchange, &self.caller(&token), audience).await,
                None => Err(refused),
            }
        })
    }

    fn service_account(&self) -> Option<&str> {
        Some(self.impersonation.target())
    }

    fn key(&self) -> Option<TokenKey> {
        let source = self.source.key()?;
        let mut key = TokenKey::new("impersonation");
        key.add("source", source.bytes()).add("scope", self.scopes.to_parameter());
        self.impersonation.add_to(&mut key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_email_tells_the_project() {
        for (account, project) in [
            ("robot@my-project.iam.gserviceaccount.com", Some("my-project")),
            ("robot@my-project.example.com.iam.gserviceaccount.com", Some("example.com:my-project")),
            ("1234-compute@developer.gserviceaccount.com", None),
            ("ada@example.com", None),
            ("123456789", None),
        ] {
            assert_eq!(project_of(account).as_deref(), project, "{account}");
        }
    }
}
