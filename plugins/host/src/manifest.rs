//! What a plugin says that it is.

use ee_auth_core::{Error, Outcome};
use serde::Deserialize;

use crate::words;

/// The answer to [`Op::Describe`](crate::Op::Describe).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manifest {
    /// What its author calls it.
    pub name: String,
    /// Its own version.
    pub plugin_version: Option<String>,
    /// What it can be asked, as its author wrote it: `get`, `login`, `logout`, `describe`, and names of later versions.
    pub ops: Vec<String>,
    /// Whether it may be called from several threads at once. Concerns shared libraries alone.
    pub thread_safe: bool,
    /// The hosts that it may send requests to through the host: names in lower case, with a port where it is not 443.
    pub http_hosts: Vec<String>,
    /// What it does, in one line.
    pub description: Option<String>,
}

/// The most hosts that a manifest may name, and the most operations.
const MOST: usize = 64;

#[derive(Deserialize)]
pub(crate) struct Raw {
    name: Option<String>,
    plugin_version: Option<String>,
    ops: Option<Vec<String>>,
    #[serde(default)]
    thread_safe: bool,
    #[serde(default)]
    http_hosts: Vec<String>,
    description: Option<String>,
}

impl Manifest {
    /// The manifest in a JSON object: the text that a shared library exports, or the answer of an executable without what
    /// every answer has. Texts are made fit to show.
    ///
    /// # Errors
    /// [`Outcome::Protocol`] where a key has the wrong type, `name` or `ops` is missing, or a host is none.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let raw: Raw = ee_auth_core::json::object(json).map_err(|error| {
            breach(format!("its manifest is not as it must be, at column {}", error.column()))
        })?;
        Self::from_raw(raw)
    }

    pub(crate) fn from_raw(raw: Raw) -> Result<Self, Error> {
        let name = raw.name.map(|name| words::line(&name)).filter(|name| !name.is_empty());
        let Some(name) = name else { return Err(breach("its manifest has no `name`".to_owned())) };
        let Some(ops) = raw.ops else { return Err(breach("its manifest has no `ops`".to_owned())) };
        if raw.http_hosts.len() > MOST || ops.len() > MOST {
            return Err(breach(format!("its manifest names more than {MOST} hosts or operations")));
        }
        let http_hosts = raw.http_hosts.iter().map(|host| checked_host(host)).collect::<Result<_, _>>()?;
        Ok(Self {
            name,
            plugin_version: raw.plugin_version.map(|version| words::line(&version)),
            ops: ops.iter().map(|op| words::line(op)).collect(),
            thread_safe: raw.thread_safe,
            http_hosts,
            description: raw.description.map(|text| words::line(&text)),
        })
    }

    /// Whether it says that it can be asked this.
    pub fn has(&self, op: crate::Op) -> bool {
        self.ops.iter().any(|name| name == op.name())
    }
}

/// A host as it is compared: `example.com`, `127.0.0.1:8200`.
fn checked_host(text: &str) -> Result<String, Error> {
    let wrong = || {
        breach(format!(
            "its manifest names {} among `http_hosts`, which must be names like \"vault.example.com\" or \
             \"vault.example.com:8200\"",
            ee_auth_core::quoted(text)
        ))
    };
    let url = url::Url::parse(&format!("https://{text}/")).map_err(|_| wrong())?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && !text.contains(['/', '*', '?', '#', '\\'])
        && !text.trim().is_empty();
    if !plain {
        return Err(wrong());
    }
    crate::services::host_name(&url).ok_or_else(wrong)
}

fn breach(message: String) -> Error {
    Error::new(Outcome::Protocol, "manifest", message)
        .hint("its author corrects it; `ee-auth plugin check` names every fault")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Manifest, Error> {
        Manifest::parse(json.as_bytes())
    }

    #[test]
    fn a_manifest_is_read_and_what_it_does_not_know_is_passed_over() {
        let manifest = parse(
            r#"{"name": "Vault\u001b[31m", "plugin_version": "1.2", "ops": ["get", "fly"], "thread_safe": true,
                "http_hosts": ["VAULT.example.com:8200", "a.example:443"], "description": "x", "colour": 1}"#,
        )
        .unwrap();
        assert_eq!(manifest.name, r"Vault\u{1b}[31m");
        assert_eq!(manifest.http_hosts, ["vault.example.com:8200", "a.example"]);
        assert!(manifest.has(crate::Op::Get) && !manifest.has(crate::Op::Login) && manifest.thread_safe);
    }

    #[test]
    fn what_is_no_manifest_is_a_breach() {
        for json in [
            "",
            "[]",
            "{}",
            r#"{"name": "x"}"#,
            r#"{"name": "\n", "ops": []}"#,
            r#"{"name": 1, "ops": []}"#,
            r#"{"name": "x", "ops": ["get"], "http_hosts": ["*.example.com"]}"#,
            r#"{"name": "x", "ops": ["get"], "http_hosts": ["https://example.com"]}"#,
            r#"{"name": "x", "ops": ["get"], "http_hosts": ["user@example.com"]}"#,
            r#"{"name": "x", "ops": ["get"], "http_hosts": [""]}"#,
        ] {
            let error = parse(json).expect_err(json);
            assert_eq!(error.code(), "protocol.manifest", "{json}");
        }
    }
}
