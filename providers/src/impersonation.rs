//! Impersonation by one word: `--as`, `EE_AUTH_AS`, `impersonate` in ee-auth.toml, and the variables of gcloud and terraform.
//!
//! Whatever provider the chain resolves to is the source, as with `kind = "impersonate"`.

use ee_auth_config::{Config, Located};
use ee_auth_core::{Error, Finding, Found, Impersonate, Member, Scopes, Search};

/// Whom a configuration has the resolved credential impersonate.
pub(crate) struct Impersonation<'a> {
    account: &'a str,
    delegates: &'a [String],
    #[cfg_attr(
        not(feature = "impersonate"),
        expect(dead_code, reason = "such a build refuses to impersonate")
    )]
    origin: &'a ee_auth_config::Origin,
}

impl<'a> Impersonation<'a> {
    /// The one that is configured, if any.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where this build cannot impersonate: running as the credential
    /// itself would give away more than was meant.
    pub(crate) fn of(config: &'a Config) -> Result<Option<Self>, Error> {
        let Some(Located { value: Impersonate::Account { email, delegates }, origin }) = &config.impersonate
        else {
            return Ok(None);
        };
        if !cfg!(feature = "impersonate") {
            return Err(Error::invalid(
                "feature",
                format!("{origin}: impersonation needs a build with the feature `impersonate`"),
            )
            .hint("use a build that has it, or `none` to impersonate nobody"));
        }
        Ok(Some(Self { account: email, delegates, origin }))
    }

    /// The search for the credential that impersonates.
    pub(crate) fn source_search(&self, search: &Search) -> Search {
        search.asking_for(Scopes::cloud_platform())
    }

    /// What `member` found, as the service account.
    ///
    /// A key of that account and a file that impersonates it are used as they are: an account may impersonate itself only
    /// with a role that hardly any has, and every other client acts as that account here. What a credential merely says
    /// about its account does not count.
    ///
    /// # Errors
    /// Those of finding it again.
    pub(crate) async fn apply(&self, member: &Member, found: Found, search: &Search) -> Result<Found, Error> {
        if self.delegates.is_empty() && found.source.service_account() == Some(self.account) {
            // For the scopes that were asked for, this time.
            match member.find(search).await {
                Finding::Found(found) if found.source.service_account() == Some(self.account) => {
                    return Ok(*found);
                }
                Finding::Failed(error) => return Err(error.of_provider(&member.name)),
                _ => {}
            }
        }
        self.wrap(found, search)
    }

    #[cfg(feature = "impersonate")]
    fn wrap(&self, found: Found, search: &Search) -> Result<Found, Error> {
        use ee_auth_config::Origin;
        let place = self.origin.to_string();
        // Whoever wrote the flag knows how to leave it out.
        let way_out = match self.origin {
            Origin::Flag(_) => None,
            _ => Some(format!("{place} names the account, and `--as none` uses the credential itself")),
        };
        ee_auth_impersonate::impersonate(found, self.account, self.delegates, &place, way_out, search)
    }

    #[cfg(not(feature = "impersonate"))]
    fn wrap(&self, _: Found, _: &Search) -> Result<Found, Error> {
        Err(Error::internal("this build cannot impersonate"))
    }
}

/// What whoever logs in should know: the login itself is stored, and commands impersonate with it.
pub(crate) fn warning_of_login(config: &Config) -> Option<String> {
    use ee_auth_config::Origin;
    let Some(Located { value: Impersonate::Account { email, .. }, origin }) = &config.impersonate else {
        return None;
    };
    Some(match origin {
        Origin::Flag(flag) => format!(
            "{flag} does not change a login: it is stored as it is; give {flag} to the commands that use it, or set EE_AUTH_AS"
        ),
        origin => format!(
            "{origin} makes commands impersonate {email} with this login; `--as none` uses the login itself"
        ),
    })
}
