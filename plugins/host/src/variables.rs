//! Which variables the process of a plugin gets.

use std::ffi::OsString;

use ee_auth_core::host::Environment;
use ee_auth_core::{Error, quoted};

/// The variables that every plugin gets where they are set: what a program needs to find its way, and to get through a
/// proxy. Nothing that makes a loader take other code, and no credential.
const ALLOWED: &[&str] = &[
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// Without these no program starts on Windows, or none finds a place for its files.
#[cfg(windows)]
const ALLOWED_BY_SYSTEM: &[&str] =
    &["SystemRoot", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP", "PATHEXT"];
#[cfg(not(windows))]
const ALLOWED_BY_SYSTEM: &[&str] = &[];

/// Checks the names in the option `env`.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) for what no variable is called, and for one that makes a loader take
/// other code.
pub fn check(names: &[String]) -> Result<(), Error> {
    for name in names {
        let upper = name.to_ascii_uppercase();
        if upper.starts_with("LD_") || upper.starts_with("DYLD_") {
            return Err(Error::invalid(
                "env",
                format!("`env` names {name}, which makes a program load other code than its own"),
            )
            .hint("take it out; let the plugin set what it needs for the programs that it starts"));
        }
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = format!("`env` names {}, which cannot be the name of a variable", quoted(name));
            return Err(Error::invalid("env", message).hint("write names alone: `env = [\"VAULT_ADDR\"]`"));
        }
    }
    Ok(())
}

/// The allow-list, and those that `names` adds, each once and where it is set.
pub fn passed_on<'a>(
    environment: &dyn Environment,
    names: impl IntoIterator<Item = &'a str>,
) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<(OsString, OsString)> = Vec::new();
    for name in ALLOWED.iter().chain(ALLOWED_BY_SYSTEM).copied().chain(names) {
        let is_new = variables.iter().all(|(known, _)| known != name);
        if let Some(value) = environment.variable_os(name).filter(|_| is_new) {
            variables.push((OsString::from(name), value));
        }
    }
    variables
}
