//! ID tokens: who somebody is, said to one audience.

use std::fmt;
use std::time::SystemTime;

use crate::{ExposeSecret, Secret};

/// An ID token (OpenID Connect Core, section 2): it tells the service that is its audience who asks, as Cloud Run and
/// Identity-Aware Proxy want it. It is no access token, and Google's APIs do not take it.
#[derive(Clone)]
pub struct IdToken {
    secret: Secret,
    audience: String,
    expires_at: SystemTime,
}

impl IdToken {
    /// A token for `audience` that expires at `expires_at`.
    pub fn new(secret: impl Into<Secret>, audience: impl Into<String>, expires_at: SystemTime) -> Self {
        Self { secret: secret.into(), audience: audience.into(), expires_at }
    }

    /// The JWT. It goes into an `Authorization` header and nowhere else.
    pub fn secret(&self) -> &str {
        self.secret.expose_secret()
    }

    /// Whom it is meant for: most often the address of a service.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// When it stops being valid.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdToken")
            .field("audience", &self.audience)
            .field("expires_at", &crate::time::rfc3339(self.expires_at))
            .finish_non_exhaustive()
    }
}
