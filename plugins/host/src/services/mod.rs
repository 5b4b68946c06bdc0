//! What a plugin may ask of the host while it works on an answer: `log`, `prompt`, `http`, `store`.
//!
//! An event is a JSON object with the key `event`; each is replied to with one object:
//! `{"event": "…", "ok": true, …}` or `{"event": "…", "ok": false, "code": "…", "message": "…"}`, with the event's `id` where
//! it has one. Over standard streams an object is a line (`protocol = "events"`); over the C ABI the same objects pass through
//! the extensions `prompt/1`, `http/1` and `store/1`. `docs/plugins.md` has the keys of each.

mod http;
mod prompt;
mod store;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ee_auth_core::Secret;
use ee_auth_core::host::Host;
use ee_auth_core::time::later;
use serde_json::{Map, Value, json};
use url::Url;

use crate::{RefusalCode, words};

/// The most bytes that an event may have: 1 MiB.
pub const MAX_EVENT: usize = 1 << 20;

/// The most events before an answer.
pub const MAX_EVENTS: u32 = 1000;

/// What the host does for one plugin, during one call.
#[derive(Clone)]
pub struct Services {
    host: Host,
    provider: String,
    namespace: String,
    http_hosts: Vec<String>,
    interactive: bool,
    deadline: SystemTime,
    /// The secrets that were handed over: what a person typed unseen, and what was kept. Shared by all copies.
    handed: Arc<Mutex<Vec<Secret>>>,
}

impl Services {
    /// Services for the provider called `provider`, whose plugin is the file at `place`, until `timeout` has passed. Nothing
    /// may be asked of a person, and no host be reached, unless it is said afterwards.
    pub fn new(host: Host, provider: &str, place: &str, timeout: Duration) -> Self {
        let deadline = later(host.clock.now(), timeout);
        Self {
            host,
            provider: provider.to_owned(),
            namespace: store::namespace(provider, place),
            http_hosts: Vec::new(),
            interactive: false,
            deadline,
            handed: Arc::default(),
        }
    }

    /// The secrets that the plugin has had through these services or their copies: its standard error must not show them.
    pub fn handed(&self) -> Vec<Secret> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hands(&self, secret: &str) {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner).push(Secret::from(secret));
    }

    /// The same services, with requests to these hosts, as [`Manifest::http_hosts`](crate::Manifest::http_hosts) names them.
    #[must_use]
    pub fn with_http_hosts(mut self, hosts: &[String]) -> Self {
        self.http_hosts = hosts.to_vec();
        self
    }

    /// The same services; whether the person may be asked.
    #[must_use]
    pub fn interactive(mut self, interactive: bool) -> Self {
        self.interactive = interactive;
        self
    }

    /// The reply to an event: an object in one line.
    pub async fn reply(&self, event: &Map<String, Value>) -> Secret {
        let name = event.get("event").and_then(Value::as_str).unwrap_or_default();
        let outcome = match name {
            "log" => self.log(event),
            "prompt" => self.prompt(event).await,
            "http" => self.http(event).await,
            "store" => self.store(event).await,
            _ => Err(Refused::new(
                RefusalCode::Invalid,
                "no service has this name; there are log, prompt, http, store",
            )),
        };
        let mut reply = match outcome {
            Ok(mut reply) => {
                reply.insert("ok".to_owned(), json!(true));
                reply
            }
            Err(refused) => {
                log::debug!("{}: {name}: {}", self.provider, refused.message);
                let mut reply = Map::new();
                reply.insert("ok".to_owned(), json!(false));
                reply.insert("code".to_owned(), json!(refused.code.name()));
                reply.insert("message".to_owned(), json!(refused.message));
                reply
            }
        };
        reply.insert("event".to_owned(), json!(name));
        if let Some(id) = event.get("id") {
            reply.insert("id".to_owned(), id.clone());
        }
        Secret::from(Value::Object(reply).to_string())
    }

    /// `{"event": "log", "level": "error|warn|info|debug", "message": "…"}`
    fn log(&self, event: &Map<String, Value>) -> Reply {
        let message = words::said(&self.provider, text(event, "message")?);
        match event.get("level").and_then(Value::as_str).unwrap_or("info") {
            "error" => log::error!("{message}"),
            "warn" => log::warn!("{message}"),
            "debug" | "trace" => log::debug!("{message}"),
            _ => log::info!("{message}"),
        }
        Ok(Map::new())
    }

    /// How much time there is.
    fn left(&self) -> Duration {
        self.deadline.duration_since(self.host.clock.now()).unwrap_or_default()
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("provider", &self.provider).finish_non_exhaustive()
    }
}

type Reply = Result<Map<String, Value>, Refused>;

/// Why the host does not do it.
struct Refused {
    code: RefusalCode,
    message: String,
}

impl Refused {
    fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(RefusalCode::Invalid, message)
    }
}

/// A text that an event must have.
fn text<'a>(event: &'a Map<String, Value>, key: &str) -> Result<&'a str, Refused> {
    event
        .get(key)
        .and_then(Value::as_str)
        .ok_or_else(|| Refused::invalid(format!("`{key}` is missing, or is no string")))
}

/// A host as it is compared: its name in lower case, with its port where it is not the scheme's own.
pub(crate) fn host_name(url: &Url) -> Option<String> {
    let name = url.host_str()?.to_ascii_lowercase();
    Some(match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name,
    })
}

/// Whether a request may go there at all: over TLS, or to this machine.
fn is_protected(url: &Url) -> bool {
    let plain = url.username().is_empty() && url.password().is_none();
    let local = url.host().is_some_and(|host| ee_auth_core::is_loopback(&host));
    plain && (url.scheme() == "https" || (url.scheme() == "http" && local))
}

#[cfg(test)]
mod tests;
