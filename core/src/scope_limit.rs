//! The promise that a token which is handed out has no scope that was not asked for.
//!
//! It is kept in two places that every kind of provider passes: where a credential is found ([`Member::find`]), and where a
//! token is accepted from an exchange or from a store ([`Credential`](crate::Credential)).
//!
//! [`Member::find`]: crate::Member::find

use crate::{Error, Found, Scopes, Settings, Token, redact};

impl Settings {
    /// The scopes that a token may have at most; `None` where nobody asked for scopes, or the token goes no further than to
    /// the next step.
    pub fn scope_limit(&self) -> Option<&Scopes> {
        self.scopes.as_ref().filter(|_| !self.is_step)
    }

    /// Whether a token may be handed out: `false` where it is known to have a scope that was not asked for.
    pub fn allows(&self, token: &Token) -> bool {
        match (self.scope_limit(), token.scopes()) {
            (Some(limit), Some(scopes)) => scopes.beyond(limit).is_empty(),
            _ => true,
        }
    }

    /// Refuses a credential whose tokens are known to have more scopes than were asked for, and warns where the scopes of its
    /// tokens are not known.
    ///
    /// # Errors
    /// [`Outcome::Rejected`](crate::Outcome::Rejected), code `scopes`.
    pub(crate) fn limit(&self, found: &mut Found) -> Result<(), Error> {
        let Some(limit) = self.scope_limit() else { return Ok(()) };
        if found.scopes.is_empty() || found.scopes_assumed {
            let origin = &found.origin;
            found
                .warnings
                .push(format!("{origin}: could not check the scopes of its tokens; asked for: {limit}"));
            return Ok(());
        }
        refuse_beyond(limit, &found.scopes, &found.origin)
    }

    /// Refuses a token with more scopes than were asked for.
    ///
    /// # Errors
    /// [`Outcome::Rejected`](crate::Outcome::Rejected), code `scopes`.
    pub(crate) fn accept(&self, token: Token, found: &Found) -> Result<Token, Error> {
        if let Some(limit) = self.scope_limit() {
            let known = found.scopes_of(&token);
            refuse_beyond(limit, known.unwrap_or(&Scopes::default()), &found.origin)?;
        }
        Ok(token)
    }
}

fn refuse_beyond(limit: &Scopes, scopes: &Scopes, origin: &str) -> Result<(), Error> {
    let beyond = scopes.beyond(limit);
    if beyond.is_empty() {
        return Ok(());
    }
    let beyond = redact(&beyond.to_string());
    Err(Error::rejected(
        "scopes",
        format!("{origin}: its tokens have scopes that were not asked for: {beyond}"),
    )
    .hint(format!(
        "use a login, a service account's key or a provider of the kind `impersonate`, whose tokens can be limited to {limit}; \
         under `ee-auth exec`, give these --scopes to it; or add {beyond} to --scopes, EE_AUTH_SCOPES or `scopes` in ee-auth.toml"
    )))
}
