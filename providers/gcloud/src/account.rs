//! Which account gcloud would use, without running it.

use std::fmt;
use std::path::Path;

use ee_auth_core::{Error, Look, Saw, Search};

/// Variables that give gcloud a credential of their own, in whose place no account counts.
const OVERRIDES: [&str; 3] = [
    "CLOUDSDK_AUTH_ACCESS_TOKEN",
    "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
    "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
];

/// gcloud's stores of credentials; the second holds tokens alone. Neither is read: they are gcloud's own.
const STORES: [&str; 2] = ["credentials.db", "access_tokens.db"];

/// What gcloud would use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// The account's e-mail, or what a federated one has in its place; `None` where a variable gives the credential.
    pub(crate) name: Option<String>,
    /// Where it is named, for a person.
    place: String,
}

impl Account {
    /// The account that gcloud's variables and active configuration name, where gcloud keeps credentials in `directory`.
    pub(crate) fn active(search: &Search, directory: &Path) -> Result<Option<Self>, Error> {
        for name in OVERRIDES {
            if search.secret_variable(name)?.is_some() {
                return Ok(Some(Self { name: None, place: name.to_owned() }));
            }
        }
        if !STORES.iter().any(|name| is_there(search, &directory.join(name))) {
            return Ok(None);
        }
        if let Some(account) = search.variable("CLOUDSDK_CORE_ACCOUNT")? {
            return Ok(Some(Self { name: Some(account), place: "CLOUDSDK_CORE_ACCOUNT".to_owned() }));
        }
        let configuration = active_configuration(search, directory)?;
        if !is_configuration_name(&configuration) {
            return Ok(None);
        }
        let path = directory.join("configurations").join(format!("config_{configuration}"));
        let account = text(search, &path).and_then(|text| property(&text, "core", "account"));
        Ok(account.map(|account| Self {
            name: Some(account),
            place: format!("gcloud's configuration `{configuration}`"),
        }))
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} (from {})", self.place),
            None => write!(f, "the credential of {}", self.place),
        }
    }
}

/// The variable beats the file; gcloud's first configuration is called `default`.
fn active_configuration(search: &Search, directory: &Path) -> Result<String, Error> {
    if let Some(name) = search.variable("CLOUDSDK_ACTIVE_CONFIG_NAME")? {
        return Ok(name);
    }
    let name = text(search, &directory.join("active_config")).filter(|name| !name.is_empty());
    Ok(name.unwrap_or_else(|| "default".to_owned()))
}

/// gcloud's own rule, so that no name leads out of the directory. `NONE`, which means that there is no configuration, is
/// no such name.
fn is_configuration_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_there(search: &Search, path: &Path) -> bool {
    let there = search.host().files.status(path).is_ok();
    search.looked_at(Look::File(path.to_owned(), if there { Saw::Present } else { Saw::Missing }));
    there
}

/// The text of a file of gcloud's. One that cannot be read names nobody; gcloud has more to say about it than we have.
fn text(search: &Search, path: &Path) -> Option<String> {
    let read = search.read(path).ok()?;
    Some(std::str::from_utf8(&read.bytes).ok()?.trim().to_owned())
}

/// The value of `key` in `[section]`, in the format of Python's `configparser`.
fn property(text: &str, section: &str, key: &str) -> Option<String> {
    let mut inside = false;
    let mut value = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name == section;
        } else if let Some((name, text)) = line.split_once(['=', ':']).filter(|_| inside) {
            if name.trim().eq_ignore_ascii_case(key) {
                value = Some(text.trim().to_owned());
            }
        }
    }
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_read_as_gcloud_writes_it() {
        let text = "# core\n[compute]\naccount = other\n\n[core]\n#account = old\naccount = ada@example.com\nproject=p\n";
        assert_eq!(property(text, "core", "account").as_deref(), Some("ada@example.com"));
        assert_eq!(property(text, "core", "project").as_deref(), Some("p"));
        assert_eq!(property("[core]\naccount =\n", "core", "account"), None);
        assert_eq!(property("account = a\n", "core", "account"), None);
    }

    #[test]
    fn a_configuration_is_no_path() {
        for name in ["default", "work-2"] {
            assert!(is_configuration_name(name), "{name}");
        }
        for name in ["", "NONE", "../x", "a/b", "2a", "Work"] {
            assert!(!is_configuration_name(name), "{name}");
        }
    }
}
