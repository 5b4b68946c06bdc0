use std::time::{Duration, Instant};

use serde::Deserialize;

/// What is asked of a provider.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The OAuth scopes that the token should have, as full addresses.
    pub scopes: Vec<String>,
    /// Whom an ID token or a SAML response is for, where the configuration says; it is then exchanged for an access token.
    pub audience: Option<String>,
    /// The project that the caller means to use, where it is known.
    pub project: Option<String>,
    /// Whether a person may be asked, with [`Host::open`](crate::Host::open) and the like.
    pub interactive: bool,
    /// Why this is asked.
    pub reason: Reason,
    deadline: Instant,
}

/// Why a credential is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// There is none as yet.
    #[default]
    Initial,
    /// The last one has expired, or will soon.
    Expired,
    /// The last one was refused: one that was kept somewhere should not be given again.
    Rejected,
    /// One that is newer than this crate.
    #[serde(other)]
    Other,
}

impl Request {
    /// How long the answer may still take; zero when nobody waits for it any longer.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// A request for the tests of a provider: Earth Engine's scope, nobody to be asked, 30 s.
    pub fn for_test() -> Self {
        Self {
            scopes: vec!["https://www.googleapis.com/auth/earthengine".to_owned()],
            audience: None,
            project: None,
            interactive: false,
            reason: Reason::Initial,
            deadline: Instant::now() + Duration::from_secs(30),
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Op {
    Get,
    Login,
    Logout,
    Describe,
    #[serde(other)]
    Unknown,
}

/// A request as it is sent. Keys that are not known are ignored.
#[derive(Deserialize)]
pub(crate) struct Wire {
    /// The versions of the protocol that the host speaks.
    #[serde(rename = "v")]
    pub(crate) versions: Vec<u32>,
    pub(crate) op: Op,
    #[serde(default)]
    scopes: Vec<String>,
    audience: Option<String>,
    project: Option<String>,
    #[serde(default)]
    interactive: bool,
    deadline_ms: Option<u64>,
    #[serde(default)]
    reason: Reason,
    #[serde(default)]
    pub(crate) config: serde_json::Map<String, serde_json::Value>,
}

impl Wire {
    /// Whether only the manifest is asked for.
    pub(crate) fn describes(&self) -> bool {
        self.op == Op::Describe
    }

    /// How long the answer may take. Nothing is asked without a deadline: 30 s is what a host takes where nobody
    /// configures another.
    pub(crate) fn remaining(&self) -> Duration {
        Duration::from_millis(self.deadline_ms.unwrap_or(30_000).min(86_400_000))
    }

    /// The part that a provider sees. The clock of its deadline starts now.
    pub(crate) fn into_request(self) -> Request {
        let deadline = Instant::now() + self.remaining();
        Request {
            scopes: self.scopes,
            audience: self.audience,
            project: self.project,
            interactive: self.interactive,
            reason: self.reason,
            deadline,
        }
    }
}
