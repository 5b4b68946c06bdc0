//! What a plugin is asked.

use std::time::Duration;

use ee_auth_core::{Scopes, Secret};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::VERSION;

/// What a plugin is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Hand out a token, and ask nobody for it.
    Get,
    /// Let the person sign in.
    Login,
    /// Forget what a login has stored.
    Logout,
    /// Say what it is: see [`Manifest`](crate::Manifest).
    Describe,
}

impl Op {
    /// The name in a request and in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Describe => "describe",
        }
    }
}

/// Why a token is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There was none yet.
    #[default]
    Initial,
    /// The one before has expired, or is about to.
    Expired,
    /// A server did not accept the one before, though it had not expired: a plugin that keeps tokens gets a new one.
    Rejected,
}

impl Reason {
    /// The name in a request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
        }
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to do.
    pub op: Op,
    /// The scopes that the token is to have, in their long spelling.
    pub scopes: Scopes,
    /// The audience of the workload identity pool, for plugins whose ID tokens are exchanged.
    pub audience: Option<String>,
    /// The project that the person named, if any.
    pub project: Option<String>,
    /// Whether a person may be asked.
    pub interactive: bool,
    /// How long the plugin has.
    pub deadline: Duration,
    /// Why.
    pub reason: Reason,
    /// `config` of the provider's table. It may hold secrets, so it is never shown.
    pub config: Config,
    /// Keys in the place of those above, or beside them: for requests that a later version might send, by which it is seen
    /// whether a plugin keeps to the protocol ([`conformance`](crate::conformance)).
    pub other: Map<String, Value>,
}

/// `config` of a provider's table. `Debug` shows its keys alone.
#[derive(Clone, Default, PartialEq)]
pub struct Config(pub Map<String, Value>);

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Request {
    /// A request that asks what the plugin is.
    pub fn describe(deadline: Duration, config: Map<String, Value>) -> Self {
        Self {
            op: Op::Describe,
            scopes: Scopes::default(),
            audience: None,
            project: None,
            interactive: false,
            deadline,
            reason: Reason::Initial,
            config: Config(config),
            other: Map::new(),
        }
    }

    /// One line of JSON, without its end.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ee_auth_core::ExposeSecret;
    /// use ee_auth_plugin_host::Request;
    /// let line = Request::describe(Duration::from_secs(10), Default::default()).to_line();
    /// assert_eq!(
    ///     line.expose_secret(),
    ///     r#"{"v":[1],"op":"describe","scopes":[],"audience":null,"project":null,"interactive":false,"deadline_ms":10000,"reason":"initial","config":{}}"#
    /// );
    /// ```
    pub fn to_line(&self) -> Secret {
        #[derive(Serialize)]
        struct Line<'a> {
            v: [u64; 1],
            op: &'a str,
            scopes: Vec<&'a str>,
            audience: Option<&'a str>,
            project: Option<&'a str>,
            interactive: bool,
            deadline_ms: u64,
            reason: &'a str,
            config: &'a Map<String, Value>,
        }
        let line = Line {
            v: [VERSION],
            op: self.op.name(),
            scopes: self.scopes.iter().collect(),
            audience: self.audience.as_deref(),
            project: self.project.as_deref(),
            interactive: self.interactive,
            deadline_ms: u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX),
            reason: self.reason.name(),
            config: &self.config.0,
        };
        if self.other.is_empty() {
            return Secret::from(serde_json::to_string(&line).unwrap_or_default());
        }
        let mut line = match serde_json::to_value(&line) {
            Ok(Value::Object(line)) => line,
            _ => Map::new(),
        };
        line.extend(self.other.clone());
        Secret::from(serde_json::to_string(&line).unwrap_or_default())
    }
}
