//! The program `ee-auth`. It parses, calls the library and prints; what it knows of credentials is in `ee-auth`.

mod arguments;
mod command;
mod logger;
mod output;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::arguments::Arguments;
use crate::output::Output;

/// A mistake on the command line, for programs.
fn usage_error(error: &clap::Error) -> ee_auth::Error {
    let words = error.to_string();
    let first = words.lines().next().unwrap_or_default();
    ee_auth::Error::new(ee_auth::Outcome::Usage, "", first.strip_prefix("error: ").unwrap_or(first))
        .hint("`ee-auth --help` lists the commands and flags")
}

fn main() -> ExitCode {
    let host = ee_auth_host::system();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and the version are answers; everything else is a mistake on the command line.
            let usage = !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            if usage && output::asks_for_json(std::env::args_os()) {
                return Output::json_errors().fail(&usage_error(&error));
            }
            let _ = error.print();
            return ExitCode::from(if usage { 2 } else { 0 });
        }
    };
    let output = Output::new(&arguments.global);
    if let Err(error) = logger::start(&arguments.global, &host, &output) {
        return output.fail(&error);
    }
    match command::run(arguments, host, &output) {
        Ok(status) => status,
        Err(error) => output.fail(&error),
    }
}
