//! Access tokens and how they are lent out.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::{ExposeSecret, Scopes, Secret};

/// An OAuth 2.0 access token (RFC 6749, section 1.4) with its expiry.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use ee_auth_core::Token;
/// let now = SystemTime::now();
/// let token = Token::new("secret", now, now + Duration::from_secs(3600));
/// assert_eq!(token.remaining(now), Duration::from_secs(3600));
/// assert!(token.is_valid_at(now) && !token.is_valid_at(now + Duration::from_secs(3600)));
/// assert!(!format!("{token:?}").contains("secret"));
/// ```
#[derive(Clone)]
pub struct Token {
    secret: Secret,
    obtained_at: SystemTime,
    expires_at: SystemTime,
    scopes: Option<Scopes>,
    principal: Option<String>,
    project: Option<String>,
}

impl Token {
    /// A token that was got at `obtained_at` and expires at `expires_at`.
    pub fn new(secret: impl Into<Secret>, obtained_at: SystemTime, expires_at: SystemTime) -> Self {
        Self { secret: secret.into(), obtained_at, expires_at, scopes: None, principal: None, project: None }
    }

    /// The same token with the scopes that the server says it has.
    #[must_use]
    pub fn with_scopes(mut self, scopes: Option<Scopes>) -> Self {
        self.scopes = scopes;
        self
    }

    /// The same token with the e-mail of the account it stands for, where the answer told.
    #[must_use]
    pub fn with_principal(mut self, principal: Option<String>) -> Self {
        self.principal = principal;
        self
    }

    /// The same token with the project that whoever gave it says is to be charged.
    #[must_use]
    pub fn with_project(mut self, project: Option<String>) -> Self {
        self.project = project;
        self
    }

    /// The bearer string. It goes into an `Authorization` header and nowhere else.
    #[inline]
    pub fn secret(&self) -> &str {
        self.secret.expose_secret()
    }

    /// When it was got.
    pub fn obtained_at(&self) -> SystemTime {
        self.obtained_at
    }

    /// When it stops being valid.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// Whether it has not expired at `now`.
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        now < self.expires_at
    }

    /// How long it is valid from `now`; zero where it has expired.
    pub fn remaining(&self, now: SystemTime) -> Duration {
        self.expires_at.duration_since(now).unwrap_or_default()
    }

    /// How long it is valid in all.
    pub fn lifetime(&self) -> Duration {
        self.expires_at.duration_since(self.obtained_at).unwrap_or_default()
    }

    /// The scopes that the server says it has; `None` where it did not say.
    pub fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }

    /// The e-mail of the account it stands for, where the server told.
    pub fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    /// The project that whoever gave it says is to be charged.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("expires_at", &crate::time::rfc3339(self.expires_at))
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// A token on loan from its [`Credential`](crate::Credential). Hold it for the length of a request, not longer: it
/// keeps the old token in memory after a new one has come.
pub struct TokenGuard<'a> {
    pub(crate) held: arc_swap::Guard<Option<Arc<Held>>>,
    pub(crate) cached: bool,
    pub(crate) credential: std::marker::PhantomData<&'a ()>,
}

/// A token with the moment from which it should be replaced, worked out once rather than at every reading.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) token: Token,
    /// Before this moment the clock has been set back since the token was got: whether it has expired cannot be told.
    pub(crate) known_from: SystemTime,
    /// From this moment on it is to be replaced. Not after its expiry.
    pub(crate) refresh_at: SystemTime,
    /// Whether it comes from the store.
    pub(crate) stored: bool,
}

impl TokenGuard<'_> {
    /// Whether the token was already there, and no exchange was made for it.
    pub fn was_cached(&self) -> bool {
        self.cached
    }
}

impl Deref for TokenGuard<'_> {
    type Target = Token;

    #[inline]
    #[expect(
        clippy::expect_used,
        reason = "a guard is made of what was just seen to be there, and what a guard has loaded never changes"
    )]
    fn deref(&self) -> &Token {
        &self.held.as_deref().expect("a guard holds a token").token
    }
}

impl fmt::Debug for TokenGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
