//! A command that has this process's terminal.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
#[cfg(windows)]
use std::io;
use std::io::ErrorKind;
use std::process::{Command, ExitCode, ExitStatus};

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::shortage;

#[cfg(target_os = "linux")]
mod hidden;
#[cfg(unix)]
mod unix;

/// Where the link leads that stands for a file which is hidden from a command: nowhere, since nothing can be created in /proc.
/// Whoever lists the directory sees why.
pub const HIDDEN: &str = "/proc/hidden by ee-auth exec/see --isolate";

#[cfg(target_os = "linux")]
pub use hidden::HiddenFiles;
#[cfg(not(target_os = "linux"))]
pub use not_hidden::HiddenFiles;
#[cfg(unix)]
use unix::run;

/// How a command ended.
#[derive(Debug)]
#[must_use = "this process is to end in the same way"]
pub struct Ended {
    /// As a shell has it: 128 + n where signal n ended the command, 127 where there is no such program, 126 where it cannot be
    /// run.
    status: i32,
    /// Whether it was by a Ctrl-C at the terminal.
    interrupted: bool,
}

impl Ended {
    /// What `main` is to return, so that this process ends as the command did: with the exit status that a shell would have of
    /// it. Does not return where a Ctrl-C at the terminal was the end: a shell goes on with its script, or its loop, after any
    /// exit status, and gives it up where the signal has ended what it waited for. So all that is to be tidied up has to be
    /// by then.
    pub fn exit_code(self) -> ExitCode {
        if self.interrupted {
            // Where the signal does not end this process after all, the status is as good as can be.
            #[cfg(unix)]
            let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGINT);
        }
        // A status that does not fit is one of Windows's.
        ExitCode::from(u8::try_from(self.status).unwrap_or(1))
    }
}

/// Runs a command to its end with this process's standard streams, its variables with `set` on top and without `removed`.
///
/// To whoever started this process it looks as if they had started the command. On Unix both are in one process group, so
/// that what the terminal sends reaches the command by itself; what is sent to this process alone is passed on (SIGHUP,
/// SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH, SIGTSTP, SIGCONT), and signals that were ignored stay
/// so. When the command stops, this process stops as well, and they go on together. On Linux the command gets SIGTERM
/// when this process is killed.
///
/// The command does not see the files in `hidden`.
///
/// To be called from a thread that lives as long as the process, since the command's life is tied to that thread's.
pub fn run_attached(
    program: &OsStr,
    arguments: &[OsString],
    set: &BTreeMap<String, OsString>,
    removed: &[String],
    hidden: Option<&HiddenFiles>,
) -> Ended {
    let mut command = Command::new(program);
    command.args(arguments);
    for name in removed {
        command.env_remove(name);
    }
    match run(command.envs(set), hidden) {
        Ok((status, interrupted)) => Ended { status: shell_status(status), interrupted },
        Err(error) => {
            let help = shortage(&error).map(|help| format!("; {help}")).unwrap_or_default();
            log::error!("{} could not be run: {error}{help}", std::path::Path::new(program).shown());
            let status = if error.kind() == ErrorKind::NotFound { 127 } else { 126 };
            Ended { status, interrupted: false }
        }
    }
}

/// A Ctrl-C reaches the command as it reaches this process, which only must not end of it.
#[cfg(windows)]
fn run(command: &mut Command, _hidden: Option<&HiddenFiles>) -> io::Result<(ExitStatus, bool)> {
    // Once somebody listens for it, it no longer ends the process.
    ee_auth_core::host::Tasks::spawn(
        &crate::tasks::PrivateThread,
        Box::pin(async {
            if let Ok(mut pressed) = tokio::signal::windows::ctrl_c() {
                while pressed.recv().await.is_some() {}
            }
        }),
    );
    crate::ending::own_signals();
    Ok((command.status()?, false))
}

fn shell_status(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 + signal;
    }
    status.code().unwrap_or(1)
}

#[cfg(not(target_os = "linux"))]
mod not_hidden {
    use std::io;
    use std::path::PathBuf;

    /// Files that a command cannot see. Only Linux can do that: elsewhere there is no such value.
    #[derive(Clone, Debug)]
    pub enum HiddenFiles {}

    impl HiddenFiles {
        /// Hides the files at `paths`.
        ///
        /// # Errors
        /// [`io::ErrorKind::Unsupported`]
        pub fn new(_paths: Vec<PathBuf>) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// How they are hidden.
        pub fn mechanism(&self) -> &'static str {
            match *self {}
        }
    }
}
