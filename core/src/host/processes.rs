use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::BoxFuture;
use crate::Secret;

/// The variables that a child process gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variables {
    /// This process's own, with these on top.
    Inherit(Vec<(OsString, OsString)>),
    /// These and no others.
    Only(Vec<(OsString, OsString)>),
}

/// A program to run, with an argument array: there is no shell.
#[derive(Clone, Debug)]
pub struct Command {
    /// The file to run; a path, never a bare name.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its variables.
    pub variables: Variables,
    /// What it reads from standard input, which then closes.
    pub input: Option<Secret>,
    /// How long it may take; then its whole process group is killed.
    pub timeout: Duration,
    /// The most bytes that are kept of each of standard output and standard error.
    pub output_limit: usize,
}

/// What a program left behind.
pub struct Output {
    /// The exit status; `None` where a signal ended it.
    pub status: Option<i32>,
    /// Standard output. Overwritten in memory when dropped.
    pub stdout: Zeroizing<Vec<u8>>,
    /// Standard error, as far as it was kept.
    pub stderr: String,
}

/// Why a program could not be run to its end.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// It could not be started.
    #[error("could not be started: {0}")]
    Start(String),
    /// It took too long and was killed.
    #[error("did not end within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// It wrote more to standard output than is kept, in bytes.
    #[error("wrote more than {0} bytes")]
    TooMuchOutput(usize),
    /// Reading from it or writing to it failed.
    #[error("{0}")]
    Io(String),
}

/// Other programs.
pub trait Processes: Send + Sync {
    /// The file that `PATH` names for a bare program name; on Windows with the endings of `PATHEXT`. The working
    /// directory is never searched.
    fn find(&self, name: &str) -> Option<PathBuf>;

    /// Runs a program to its end.
    fn run(&self, command: Command) -> BoxFuture<'static, Result<Output, ProcessError>>;

    /// Runs a program that speaks with the person itself: it reads what this process would read, and all that it writes
    /// goes to standard error, since standard output carries data. A Ctrl-C reaches it as it reaches this process. Its
    /// `input` and `output_limit` mean nothing. Answers the exit status; `None` where a signal ended it.
    fn run_with_person(&self, command: Command) -> BoxFuture<'static, Result<Option<i32>, ProcessError>>;

    /// Runs a program that speaks line by line: it reads the command's input and a line break, then what `with` replies to
    /// each of its lines, until `with` says that a line was the last that needs a reply. Then what it reads ends. The output
    /// begins with that line. With `None`, what it reads ends after the command's input, and all that it writes is output.
    ///
    /// Unlike after [`Processes::run`], what it leaves behind in its process group is killed when it ends.
    ///
    /// Unless a host knows better, the program is run to its end, and reads no reply.
    fn converse(
        &self,
        command: Command,
        with: Option<Box<dyn Conversation>>,
    ) -> BoxFuture<'static, Result<Output, ProcessError>> {
        let run = self.run(command);
        Box::pin(async move {
            let mut output = run.await?;
            let Some(mut with) = with else { return Ok(output) };
            let mut rest = output.stdout.as_slice();
            while let Some(length) = rest.iter().position(|byte| *byte == b'\n') {
                let (line, after) = rest.split_at(length);
                if let Reply::Last = with.line(line).await {
                    break;
                }
                rest = after.get(1..).unwrap_or_default();
            }
            output.stdout = Zeroizing::new(rest.to_vec());
            Ok(output)
        })
    }
}

/// The other side of a program that speaks line by line.
pub trait Conversation: Send {
    /// What is replied to a line of the program, which is given without its end.
    fn line<'a>(&'a mut self, line: &'a [u8]) -> BoxFuture<'a, Reply>;
}

/// What is replied to a line.
#[derive(Debug)]
pub enum Reply {
    /// This line.
    Line(Secret),
    /// Nothing, and nothing will be: the line and what follows it is the program's output.
    Last,
}
