//! `prompt/1`: the host asks the person.

use std::io;

use ee_auth_core::ExposeSecret;
use ee_auth_core::host::Presence;
use serde_json::{Map, Value, json};
use url::Url;

use super::{Refused, Reply, Services, is_protected, text};
use crate::{RefusalCode, words};

/// The longest code that a person is to type in somewhere else.
const MAX_CODE: usize = 64;

impl Services {
    /// `{"event": "prompt", "kind": "show|open|code|text|secret", "message": "…", "url": "https://…", "code": "…"}`. `show`
    /// says something; `open` shows an address; `code` shows an address and the code to enter there; `text` and `secret` ask
    /// for a line, which is replied as `answer`.
    pub(super) async fn prompt(&self, event: &Map<String, Value>) -> Reply {
        let kind = text(event, "kind")?;
        let needed = match kind {
            "show" | "open" | "code" => Presence::Watching,
            "text" | "secret" => Presence::Answering,
            _ => return Err(Refused::invalid("`kind` must be show, open, code, text or secret")),
        };
        if !self.interactive || self.host.person.presence() < needed {
            let message = if self.interactive {
                "there is nobody who could answer"
            } else {
                "nobody may be asked in this call; a `login` may ask"
            };
            return Err(Refused::new(RefusalCode::InteractionRequired, message));
        }
        let message = words::said(&self.provider, text(event, "message")?);
        let person = &self.host.person;
        let mut reply = Map::new();
        match kind {
            "show" => person.tell(&message),
            "open" => person.show(&message, &self.address(event)?),
            "code" => {
                let code = text(event, "code")?;
                let fits = code.chars().count() <= MAX_CODE
                    && code.chars().all(|c| c.is_alphanumeric() || c == '-' || c == ' ')
                    && !code.trim().is_empty();
                if !fits {
                    return Err(Refused::invalid(format!(
                        "`code` must have at most {MAX_CODE} letters, digits, hyphens and spaces"
                    )));
                }
                person.show(&format!("{message} (the code to enter: {code})"), &self.address(event)?);
            }
            _ => {
                let asking =
                    if kind == "secret" { person.ask_secret(&message) } else { person.ask(&message) };
                let answer = asking.await.map_err(|error| {
                    let message = match error.kind() {
                        io::ErrorKind::Unsupported => {
                            "what is typed here cannot be hidden, so nobody was asked"
                        }
                        _ => "the person gave no answer",
                    };
                    Refused::new(RefusalCode::InteractionRequired, message)
                })?;
                if kind == "secret" {
                    self.hands(answer.expose_secret());
                }
                reply.insert("answer".to_owned(), json!(answer.expose_secret()));
            }
        }
        Ok(reply)
    }

    fn address(&self, event: &Map<String, Value>) -> Result<Url, Refused> {
        let url = Url::parse(text(event, "url")?).map_err(|_| Refused::invalid("`url` is no address"))?;
        if !is_protected(&url) {
            return Err(Refused::invalid("`url` must begin with https://, and have no user name"));
        }
        Ok(url)
    }
}
