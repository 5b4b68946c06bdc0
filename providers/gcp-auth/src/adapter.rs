//! Our credential as `gcp_auth` has them.

use std::sync::Arc;

use async_trait::async_trait;
use ee_auth_core::{Credential, Error, Scopes};
use gcp_auth::{Token, TokenProvider};
use serde_json::json;

/// A [`Credential`] for every crate that takes a `gcp_auth::TokenProvider`.
///
/// `gcp_auth` asks for scopes at each token; a credential has those that it was resolved with. Where these are known and are
/// not enough, that is an error at once, rather than a refusal by whatever the token is sent to; `cloud-platform` is taken to
/// be enough for all.
#[derive(Clone, Debug)]
pub struct GcpAuth(Credential);

impl From<Credential> for GcpAuth {
    fn from(credential: Credential) -> Self {
        Self(credential)
    }
}

#[async_trait]
impl TokenProvider for GcpAuth {
    async fn token(&self, scopes: &[&str]) -> Result<Arc<Token>, gcp_auth::Error> {
        self.covers(scopes).map_err(explained)?;
        let token = self.0.token_async().await.map_err(explained)?;
        // `gcp_auth` has no other way to make one; it reckons the expiry from now.
        let seconds = token.remaining(self.0.exchange().host.clock.now()).as_secs();
        let json = json!({ "access_token": token.secret(), "expires_in": seconds });
        serde_json::from_value(json)
            .map(Arc::new)
            .map_err(|error| gcp_auth::Error::Json("a token of ee-auth", error))
    }

    async fn project_id(&self) -> Result<Arc<str>, gcp_auth::Error> {
        match self.0.project() {
            Some(project) => Ok(project.id.as_str().into()),
            None => {
                Err(gcp_auth::Error::Str("no project: set EARTHENGINE_PROJECT, or `project` in ee-auth.toml"))
            }
        }
    }
}

impl GcpAuth {
    fn covers(&self, scopes: &[&str]) -> Result<(), Error> {
        let (asked, granted) = (Scopes::new(scopes)?, self.0.scopes());
        if granted.is_empty() || asked.is_subset_of(granted) || Scopes::cloud_platform().is_subset_of(granted)
        {
            return Ok(());
        }
        Err(Error::invalid(
            "scope",
            format!("{}: its tokens have the scopes {granted}, and {asked} is asked for", self.0.origin()),
        )
        .hint("resolve the credential with these scopes: `Resolver::scopes`, EE_AUTH_SCOPES or `scopes` in ee-auth.toml"))
    }
}

fn explained(error: Error) -> gcp_auth::Error {
    gcp_auth::Error::Other("ee-auth has no token", Box::new(error))
}
