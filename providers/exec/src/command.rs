//! What runs, and with which variables.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ee_auth_core::host::{Directory, Environment, Host};
use ee_auth_core::{Error, Secret, quoted};

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

/// The directory in which a bare name in `command` is looked for: `ee-auth/plugins` in the user's data directory.
pub fn directory(host: &Host) -> Option<PathBuf> {
    Some(host.environment.directory(Directory::Data)?.join("ee-auth").join("plugins"))
}

/// The names of the files in that directory, in order.
pub fn installed(host: &Host) -> Vec<String> {
    let listed = directory(host).and_then(|directory| host.files.list(&directory).ok());
    let mut names: Vec<_> =
        listed.unwrap_or_default().into_iter().filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    names
}

/// Checks what can be checked of `command` before anything runs.
pub(crate) fn check(command: &[String]) -> Result<(), Error> {
    let Some(program) = command.first().filter(|program| !program.trim().is_empty()) else {
        return Err(Error::invalid("command", "`command` is missing or empty, and says what runs")
            .hint("write `command = [\"/usr/local/bin/ee-auth-vault\", \"--role\", \"ee\"]`"));
    };
    if Path::new(program).is_absolute() || is_bare(program) {
        return Ok(());
    }
    Err(Error::invalid(
        "command",
        format!("`command` names {}, which is neither an absolute path nor a bare name", quoted(program)),
    )
    .hint("write the whole path; nothing is looked for in the working directory, and `~` means nothing here"))
}

/// The file that `command` names. Neither `PATH` nor the working directory is looked at.
pub(crate) fn program(command: &str, host: &Host) -> Option<PathBuf> {
    if is_bare(command) { Some(directory(host)?.join(command)) } else { Some(PathBuf::from(command)) }
}

fn is_bare(program: &str) -> bool {
    !program.contains(['/', '\\', ':', '\0']) && !matches!(program, "" | "." | "..")
}

/// Checks the names in `env`.
pub(crate) fn check_names(names: &[String]) -> Result<(), Error> {
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

/// The variables of a plugin: the allow-list, and those that `names` adds.
pub(crate) fn variables(environment: &dyn Environment, names: &[String]) -> Vec<(OsString, OsString)> {
    let names = ALLOWED.iter().chain(ALLOWED_BY_SYSTEM).copied().chain(names.iter().map(String::as_str));
    let mut variables: Vec<(OsString, OsString)> = Vec::new();
    for name in names {
        let is_new = variables.iter().all(|(known, _)| known != name);
        if let Some(value) = environment.variable_os(name).filter(|_| is_new) {
            variables.push((OsString::from(name), value));
        }
    }
    variables
}

/// The values of the variables that `env` adds, where they may be secret: addresses and paths are not, and are of use in an
/// error.
pub(crate) fn secrets(environment: &dyn Environment, names: &[String]) -> Vec<Secret> {
    let values = names.iter().filter_map(|name| environment.variable_os(name)?.into_string().ok());
    values.filter(|value| may_be_secret(value)).map(Secret::from).collect()
}

/// Whether a text may be a secret: one that is neither a path nor an address without a password.
pub(crate) fn may_be_secret(value: &str) -> bool {
    let is_address =
        (value.starts_with("https://") || value.starts_with("http://")) && !value.contains(['@', '?', '#']);
    !(is_address || Path::new(value).is_absolute())
}
