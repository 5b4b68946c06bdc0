//! A command that has this process's terminal.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::process::{Command, ExitStatus};

/// Runs a command to its end with this process's standard streams, its variables with `set` on top and without
/// `removed`, and answers the exit status that a shell would: 128 + n where signal n ended it, 127 where there is no
/// such program, 126 where it cannot be run.
pub fn run_attached(
    program: &OsStr,
    arguments: &[OsString],
    set: &BTreeMap<String, OsString>,
    removed: &[String],
) -> i32 {
    let mut command = Command::new(program);
    command.args(arguments);
    for name in removed {
        command.env_remove(name);
    }
    match command.envs(set).status() {
        Ok(status) => shell_status(status),
        Err(error) => {
            log::error!("{} could not be run: {error}", std::path::Path::new(program).display());
            if error.kind() == ErrorKind::NotFound { 127 } else { 126 }
        }
    }
}

fn shell_status(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 + signal;
    }
    status.code().unwrap_or(1)
}
