//! The program `ee-auth`. It parses, calls the library and prints; what it knows of credentials is in `ee-auth`.

mod arguments;
mod command;
mod logger;
mod output;
mod panics;

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use ee_auth::{Error, Outcome, looks_like_credential, visible};

use crate::arguments::{Arguments, Format};
use crate::output::Output;

/// Ends where the command line asks for help or the version, which are answers, or cannot be parsed.
fn without_arguments(error: &clap::Error, words: &[OsString]) -> ExitCode {
    let usage = !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let output = Output::for_usage(words);
    // What clap says of these repeats the names of flags and nothing that was given for them.
    let names_only = matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict);
    if usage && !names_only && words.iter().any(|word| looks_like_credential(&word.to_string_lossy())) {
        return output.fail(&misplaced_credential());
    }
    if usage && output.format() == Some(Format::Json) {
        return output.fail(&usage_error(error));
    }
    // Clap repeats what was given, which may have been put together from anything: it is asked again with words that may be shown.
    let harmless = words.iter().map(|word| visible(&word.to_string_lossy()).into_owned());
    let again = Arguments::try_parse_from(harmless).err().filter(|again| again.kind() == error.kind());
    let error = again.as_ref().unwrap_or(error);
    let text = error.render().ansi().to_string();
    if usage {
        output.stderr(text.trim_end());
        return ExitCode::from(2);
    }
    match output.data(text.trim_end()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output.fail(&error),
    }
}

/// A mistake on the command line, for programs.
fn usage_error(error: &clap::Error) -> Error {
    let words = error.to_string();
    // The flags that it is about stand on lines of their own.
    let lines = words.lines().map(str::trim).take_while(|line| !line.is_empty());
    let message = lines.collect::<Vec<_>>().join(" ");
    Error::new(Outcome::Usage, "", message.strip_prefix("error: ").unwrap_or(&message))
        .hint("`ee-auth --help` lists the commands and flags")
}

/// A mistake on the command line that would be shown with a credential in it.
fn misplaced_credential() -> Error {
    Error::new(Outcome::Usage, "credential", "what looks like a credential stands on the command line, where none is taken")
        .hint(
            "others on this machine can see command lines: put the credential into EE_AUTH_CREDENTIALS; `ee-auth --help` \
             lists the commands and flags",
        )
}

fn main() -> ExitCode {
    ee_auth_host::disable_core_dumps();
    panics::report();
    let host = ee_auth_host::system();
    let words: Vec<_> = std::env::args_os().collect();
    if let [_, command, path, pin] = &words[..] {
        if command == ee_auth::dynamic::COMMAND {
            // This process is there for one plugin, and for no person: it has no other arguments.
            ee_auth::dynamic::serve(&host, path.as_ref(), &pin.to_string_lossy());
        }
    }
    // Held to the end: what it starts, and what lies on the disk for a moment, goes with it.
    let _end = ee_auth_host::EndOfProcess::watch();
    let arguments = match Arguments::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(error) => return without_arguments(&error, &words),
    };
    let output = Output::new(&arguments.global);
    if let Err(error) = logger::start(&arguments.global, &host, &output) {
        return output.fail(&error);
    }
    // What a panic left half done is not used any more: the hook has reported it, and this process ends.
    match panic::catch_unwind(AssertUnwindSafe(|| command::run(arguments, host, &output))) {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => output.fail(&error),
        Err(_) => ExitCode::from(Outcome::Internal.exit_status()),
    }
}
