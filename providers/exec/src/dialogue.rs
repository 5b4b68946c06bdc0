//! What is replied to the events of an executable that speaks `events`.

use ee_auth_core::host::{Conversation, Host, Reply};
use ee_auth_core::{BoxFuture, Secret};
use ee_auth_plugin_host::services::{MAX_EVENTS, Services};
use ee_auth_plugin_host::{Request, Transport};
use serde_json::{Map, Value};

use crate::executable::Executable;

/// One call's events.
#[derive(Clone)]
pub(crate) struct Dialogue {
    executable: Executable,
    host: Host,
    request: Request,
    services: Services,
    knows_hosts: bool,
    events: u32,
}

impl Dialogue {
    pub(crate) fn new(executable: Executable, host: &Host, request: &Request) -> Self {
        let services = Services::new(host.clone(), executable.name(), &executable.place(), request.deadline)
            .interactive(request.interactive);
        Self {
            executable,
            host: host.clone(),
            request: request.clone(),
            services,
            knows_hosts: false,
            events: 0,
        }
    }

    /// The secrets that the executable has had in replies, also of copies of this.
    pub(crate) fn handed(&self) -> Vec<Secret> {
        self.services.handed()
    }

    async fn reply(&mut self, event: &Map<String, Value>) -> Reply {
        // The manifest says which hosts may be asked. It is had by running the file once more, so only where it is needed.
        if event.get("event").and_then(Value::as_str) == Some("http") && !self.knows_hosts {
            self.knows_hosts = true;
            match self.executable.manifest(&self.host, &self.request).await {
                Ok(manifest) => {
                    self.services = self.services.clone().with_http_hosts(&manifest.http_hosts);
                }
                Err(error) => log::warn!("{}: {error}", self.executable.name()),
            }
        }
        Reply::Line(self.services.reply(event).await)
    }
}

impl Conversation for Dialogue {
    fn line<'a>(&'a mut self, line: &'a [u8]) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            // Whatever is no event is the answer, or taken for it and refused as such.
            match serde_json::from_slice(line) {
                Ok(Value::Object(event)) if event.contains_key("event") && self.events < MAX_EVENTS => {
                    self.events += 1;
                    self.reply(&event).await
                }
                _ => Reply::Last,
            }
        })
    }
}
