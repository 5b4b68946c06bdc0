use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use ee_auth_core::host::{BoxFuture, Command, Conversation, Output, ProcessError, Processes, Variables};
use ee_auth_core::{ExposeSecret, Secret};
use futures_util::future::{self, Either};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::buffer::{Buffer, Full};
use crate::ending::Undo;
use crate::{conversation, tasks};
#[cfg(target_os = "linux")]
use crate::{ending, signals};

/// How long the output of a program is waited for that has ended and left another behind which still holds it: what the
/// program itself wrote is there already.
pub(crate) const AFTERMATH: Duration = Duration::from_secs(1);

/// How long a killed program may take to be gone.
pub(crate) const LAST_RITES: Duration = Duration::from_secs(1);

pub(crate) struct SystemProcesses;

impl Processes for SystemProcesses {
    fn find(&self, name: &str) -> Option<PathBuf> {
        find_in(std::env::var_os("PATH")?, std::env::var("PATHEXT").ok().as_deref(), name)
    }

    fn run(&self, command: Command) -> BoxFuture<'static, Result<Output, ProcessError>> {
        Box::pin(async move {
            tasks::run(run(command)).await.unwrap_or_else(|error| Err(ProcessError::Start(error.to_string())))
        })
    }

    fn converse(
        &self,
        command: Command,
        with: Option<Box<dyn Conversation>>,
    ) -> BoxFuture<'static, Result<Output, ProcessError>> {
        Box::pin(async move {
            let converse = tasks::run(conversation::converse(command, with)).await;
            converse.unwrap_or_else(|error| Err(ProcessError::Start(error.to_string())))
        })
    }

    fn run_with_person(&self, command: Command) -> BoxFuture<'static, Result<Option<i32>, ProcessError>> {
        Box::pin(async move {
            let run = tasks::run(run_with_person(command)).await;
            run.unwrap_or_else(|error| Err(ProcessError::Start(error.to_string())))
        })
    }
}

/// The first file of that name in the directories of `path` that may be executed. Relative directories, the working
/// directory among them, belong to whoever wrote what lies there and not to the user.
pub(crate) fn find_in(path: OsString, endings: Option<&str>, name: &str) -> Option<PathBuf> {
    let bare = !name.is_empty() && Path::new(name).file_name().is_some_and(|file| file == name);
    if !bare {
        return None;
    }
    let names = names(name, endings);
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .flat_map(|directory| names.iter().map(move |name| directory.join(name)).collect::<Vec<_>>())
        .find(|file| is_executable(file))
}

#[cfg(unix)]
fn names(name: &str, _endings: Option<&str>) -> Vec<String> {
    vec![name.to_owned()]
}

#[cfg(unix)]
pub(crate) fn is_executable(file: &Path) -> bool {
    file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(windows)]
fn names(name: &str, endings: Option<&str>) -> Vec<String> {
    let endings = endings.filter(|endings| !endings.is_empty()).unwrap_or(".COM;.EXE;.BAT;.CMD");
    let lower = name.to_ascii_lowercase();
    if endings.split(';').any(|ending| !ending.is_empty() && lower.ends_with(&ending.to_ascii_lowercase())) {
        return vec![name.to_owned()];
    }
    endings.split(';').filter(|ending| !ending.is_empty()).map(|ending| format!("{name}{ending}")).collect()
}

#[cfg(windows)]
pub(crate) fn is_executable(file: &Path) -> bool {
    file.is_file()
}

async fn run(command: Command) -> Result<Output, ProcessError> {
    let (mut child, mut group) = start(&command)?;
    let mut stdout = Buffer::new(0, command.output_limit);
    let mut stderr = Buffer::new(0, command.output_limit);
    let status = {
        let input = child.stdin.take();
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let talk = async {
            let output = future::try_join(collect(out, &mut stdout, true), collect(err, &mut stderr, false));
            future::join(feed(input, command.input), output).await.1
        };
        let mut talk = pin!(talk);
        let run = async {
            match future::select(pin!(child.wait()), talk.as_mut()).await {
                Either::Left((status, _)) => status.map(Either::Left).map_err(io_error),
                Either::Right((said, waiting)) => {
                    said.map_err(|trouble| trouble.into_error(command.output_limit))?;
                    waiting.await.map(Either::Right).map_err(io_error)
                }
            }
        };
        let ended = match timeout(command.timeout, run).await {
            Ok(ended) => ended,
            Err(_) => Err(ProcessError::Timeout(command.timeout)),
        };
        match ended {
            Ok(Either::Right(status)) => Ok(status),
            Ok(Either::Left(status)) => {
                // It has been waited for: its number may be another's from now on.
                group.release();
                match timeout(AFTERMATH, talk).await {
                    Ok(said) => {
                        said.map_err(|trouble| trouble.into_error(command.output_limit)).map(|_| status)
                    }
                    Err(_) => Ok(status),
                }
            }
            Err(error) => Err(error),
        }
    };
    match status {
        Ok(status) => {
            group.release();
            Ok(Output {
                status: status.code(),
                stdout: stdout.into_bytes(),
                stderr: String::from_utf8_lossy(&stderr.into_bytes()).into_owned(),
            })
        }
        Err(error) => {
            drop(group);
            let _ = timeout(LAST_RITES, child.wait()).await;
            Err(error)
        }
    }
}

/// It stays in our process group, so that Ctrl-C and job control reach it as they reach us. For the same reason it alone
/// is killed when its time is over, and not what it started.
async fn run_with_person(command: Command) -> Result<Option<i32>, ProcessError> {
    let mut process = prepare(&command)?;
    process.stdin(Stdio::inherit()).stdout(stderr().map_err(io_error)?).stderr(Stdio::inherit());
    let (mut child, undo) = spawn(process, Whole::No)?;
    let ended = match timeout(command.timeout, child.wait()).await {
        Ok(status) => status.map(|status| status.code()).map_err(io_error),
        Err(_) => {
            let _ = child.start_kill();
            let _ = timeout(LAST_RITES, child.wait()).await;
            Err(ProcessError::Timeout(command.timeout))
        }
    };
    undo.forget();
    ended
}

/// Our standard error, for a child's standard output.
fn stderr() -> std::io::Result<Stdio> {
    #[cfg(unix)]
    return Ok(std::os::fd::AsFd::as_fd(&std::io::stderr()).try_clone_to_owned()?.into());
    #[cfg(windows)]
    return Ok(std::os::windows::io::AsHandle::as_handle(&std::io::stderr()).try_clone_to_owned()?.into());
}

/// Starts a program in a process group of its own.
pub(crate) fn start(command: &Command) -> Result<(Child, Group), ProcessError> {
    let mut process = prepare(command)?;
    process.stdin(if command.input.is_some() { Stdio::piped() } else { Stdio::null() });
    process.stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    process.process_group(0);
    #[cfg(windows)]
    process.creation_flags(0x0800_0000); // CREATE_NO_WINDOW: no console window flashes up.
    let (child, undo) = spawn(process, Whole::Yes)?;
    Ok((child, Group(Some(undo))))
}

/// Starts a program that goes when this process goes.
fn spawn(mut process: tokio::process::Command, whole: Whole) -> Result<(Child, Undo), ProcessError> {
    #[cfg(unix)]
    crate::core_dumps::restore_for(process.as_std_mut());
    #[cfg(target_os = "linux")]
    if ending::is_watched() {
        // The private thread starts it, and lives as long as the process.
        signals::end_with_this_process(process.as_std_mut(), whole.signal());
    }
    Undo::make(
        || process.spawn(),
        |child| {
            let id = child.id();
            move || kill(id, whole)
        },
    )
    .map_err(|error| ProcessError::Start(error.to_string()))
}

/// What all programs have in common: the file, arguments and variables.
fn prepare(command: &Command) -> Result<tokio::process::Command, ProcessError> {
    if command.program.parent().is_none_or(|parent| parent == Path::new("")) {
        return Err(ProcessError::Start("the program must be given by its path".to_owned()));
    }
    let mut process = tokio::process::Command::new(&command.program);
    process.args(&command.arguments);
    match &command.variables {
        Variables::Inherit(more) => process.envs(more.iter().map(|(name, value)| (name, value))),
        Variables::Only(all) => process.env_clear().envs(all.iter().map(|(name, value)| (name, value))),
    };
    process.kill_on_drop(true);
    Ok(process)
}

/// Writes what the program reads, then closes it. A program that does not read it is free not to.
pub(crate) async fn feed(to: Option<ChildStdin>, input: Option<Secret>) {
    if let (Some(mut to), Some(input)) = (to, input) {
        let _ = to.write_all(input.expose_secret().as_bytes()).await;
        let _ = to.shutdown().await;
    }
}

/// What can go wrong while a program writes.
pub(crate) enum Trouble {
    TooMuch,
    Io(std::io::Error),
}

impl Trouble {
    pub(crate) fn into_error(self, limit: usize) -> ProcessError {
        match self {
            Self::TooMuch => ProcessError::TooMuchOutput(limit),
            Self::Io(error) => io_error(error),
        }
    }
}

/// Reads to the end. What is more than the buffer holds is an error where the whole is `needed`, else it is dropped.
pub(crate) async fn collect(
    from: Option<impl AsyncRead + Unpin>,
    into: &mut Buffer,
    needed: bool,
) -> Result<(), Trouble> {
    let Some(mut from) = from else { return Ok(()) };
    let mut chunk = Zeroizing::new([0; 8192]);
    loop {
        let count = from.read(&mut *chunk).await.map_err(Trouble::Io)?;
        if count == 0 {
            return Ok(());
        }
        if into.push(chunk.get(..count).unwrap_or_default()) == Err(Full) && needed {
            return Err(Trouble::TooMuch);
        }
    }
}

pub(crate) fn io_error(error: std::io::Error) -> ProcessError {
    ProcessError::Io(error.to_string())
}

/// A program and all that it started. Killed when dropped, unless released before.
pub(crate) struct Group(Option<Undo>);

impl Group {
    /// To be called before the leader has been waited for: its number may be another's afterwards.
    pub(crate) fn kill(&mut self) {
        drop(self.0.take());
    }

    fn release(&mut self) {
        if let Some(undo) = self.0.take() {
            undo.forget();
        }
    }
}

/// Whether a process is ended with all that it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

#[cfg(unix)]
impl Whole {
    /// What ends it: all of them at once; one alone as a person would, since it has the terminal and may have to put that
    /// right.
    fn signal(self) -> rustix::process::Signal {
        match self {
            Self::Yes => rustix::process::Signal::KILL,
            Self::No => rustix::process::Signal::TERM,
        }
    }
}

/// Ends a process that has not been waited for, so that the number is still its own.
#[cfg(unix)]
fn kill(process: Option<u32>, whole: Whole) {
    use rustix::process::{Pid, kill_process, kill_process_group};
    let Some(process) = process.and_then(|id| Pid::from_raw(id as i32)) else { return };
    let _ = match whole {
        Whole::Yes => kill_process_group(process, whole.signal()),
        Whole::No => kill_process(process, whole.signal()),
    };
}

#[cfg(windows)]
fn kill(process: Option<u32>, whole: Whole) {
    // The tree below a process can be had only while the process lives; the system's own program walks it.
    if let (Some(id), Some(root)) = (process, std::env::var_os("SystemRoot")) {
        let tree: &[&str] = if whole == Whole::Yes { &["/T"] } else { &[] };
        let _ = std::process::Command::new(Path::new(&root).join("System32").join("taskkill.exe"))
            .args(tree)
            .args(["/F", "/PID", &id.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn programs_are_found_in_absolute_directories_alone() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, mode: u32| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        put("first/tool", 0o644);
        fs::create_dir(directory.path().join("first/other")).unwrap();
        let tool = put("second/tool", 0o755);
        let other = put("second/other", 0o755);
        let path = |list: &[&str]| {
            std::env::join_paths(list.iter().map(|entry| match entry.strip_prefix('=') {
                Some(relative) => PathBuf::from(relative),
                None => directory.path().join(entry),
            }))
            .unwrap()
        };
        assert_eq!(find_in(path(&["first", "second"]), None, "tool"), Some(tool));
        assert_eq!(find_in(path(&["first", "second"]), None, "other"), Some(other));
        assert_eq!(find_in(path(&["first"]), None, "tool"), None);
        // Cargo runs tests in the directory of the package, where `src` is.
        for relative in ["=", "=.", "=src"] {
            assert_eq!(find_in(path(&[relative]), None, "Cargo.toml"), None);
        }
        for name in ["", ".", "..", "second/tool", "/bin/sh", "tool/"] {
            assert_eq!(find_in(path(&["first", "second"]), None, name), None, "{name}");
        }
    }
}
