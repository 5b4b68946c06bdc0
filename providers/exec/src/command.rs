//! What runs.

use std::path::{Path, PathBuf};

use ee_auth_core::host::{Directory, Host};
use ee_auth_core::{Error, quoted};

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
