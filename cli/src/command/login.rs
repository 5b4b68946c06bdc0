//! `ee-auth login`

use std::fmt::Write as _;
use std::io::{IsTerminal, Read};

use ee_auth::host::Directory;
use ee_auth::{
    Error, ExposeSecret, Host, LoginOutcome, LoginReport, Outcome, Resolver, Secret, UnfinishedLogin,
};
use serde_json::json;

use super::warn_of;
use crate::arguments::{Global, Login};
use crate::output::{CAREFUL, GOOD, NEXT, Output, STRONG, error_json, styled};

/// The most bytes of standard input that may be a code.
const MAX_CODE: u64 = 64 * 1024;

#[inline(never)]
pub(crate) fn run(resolver: Resolver, options: Login, global: &Global, output: &Output) -> Result<(), Error> {
    let json = output.is_json()?;
    warn_of(&resolver.load_for_new_profile()?);
    let host = resolver.host().clone();
    let again = command_again(&options, global, &host);
    let mut login = resolver.login().read_only(options.read_only).quiet(options.quiet).force(options.force);
    if let Some(mode) = options.mode {
        login = login.mode(mode);
    }
    if let (Some(code), Some(verifier)) = (options.authorization_code, options.code_verifier) {
        let code = if code == "-" { read_code(&host)? } else { Secret::from(code) };
        login = login.code(code, verifier);
    }
    match login.run()? {
        LoginOutcome::Unfinished(unfinished) => print_unfinished(&unfinished, &again, json, output),
        LoginOutcome::Kept(report) => print_report(&report, true, json, output),
        LoginOutcome::LoggedIn(report) => print_report(&report, false, json, output),
        _ => Err(Error::internal("a login ended in a way that this program does not know")),
    }
}

/// The code from standard input, so that it stands in no argument list; from the person, where that is a terminal.
fn read_code(host: &Host) -> Result<Secret, Error> {
    let failed = |error: std::io::Error| {
        Error::new(
            Outcome::InteractionRequired,
            "",
            format!("no code could be read from standard input: {error}"),
        )
        .hint("pipe it in, or run the command in a terminal and paste it")
    };
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return ee_auth::ask(host, "Paste the code that the page shows at the end (Ctrl-C stops):")
            .map_err(failed);
    }
    let mut text = String::new();
    stdin.lock().take(MAX_CODE).read_to_string(&mut text).map_err(failed)?;
    Ok(Secret::from(text))
}

/// What has to be given again to finish a login, beside the verifier and the code.
fn command_again(options: &Login, global: &Global, host: &Host) -> Vec<String> {
    let mut command = vec!["ee-auth".to_owned(), "login".to_owned()];
    // The command may be run in another directory.
    let working = host.environment.directory(Directory::Working).unwrap_or_default();
    let config = global.config.as_ref().map(|path| working.join(path).to_string_lossy().into_owned());
    for (flag, value) in [
        ("--config", &config),
        ("--profile", &global.profile),
        ("--project", &global.project),
        ("--scopes", &global.scopes),
    ] {
        if let Some(value) = value {
            command.push(format!("{flag}={value}"));
        }
    }
    if options.read_only {
        command.push("--read-only".to_owned());
    }
    command
}

fn print_unfinished(
    unfinished: &UnfinishedLogin,
    again: &[String],
    json: bool,
    output: &Output,
) -> Result<(), Error> {
    let UnfinishedLogin { mode, address, verifier, .. } = unfinished;
    let verifier = verifier.expose_secret();
    let mut command = again.to_vec();
    command.push(format!("--mode={mode}"));
    command.push(format!("--code-verifier={verifier}"));
    command.push("--authorization-code=-".to_owned());
    if json {
        return output.json(&json!({
            "mode": mode, "address": address, "code_verifier": verifier, "command": command,
        }));
    }
    let what = match mode.starts_with("localhost") {
        true => "the address that the browser ends at, which begins with http://localhost",
        false => "the code that it shows at its end",
    };
    let command: Vec<_> = command.iter().map(|word| shell_word(word)).collect();
    output.data(format_args!(
        "Open this page in a browser on any machine, and follow it to its end:\n\n    {address}\n\nThen finish the login: \
         run this command, and paste {what}.\n\n    {}\n",
        command.join(" ")
    ))
}

/// A word as a POSIX shell reads it.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+~".contains(c);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

fn print_report(report: &LoginReport, kept: bool, json: bool, output: &Output) -> Result<(), Error> {
    for warning in &report.warnings {
        log::warn!("{warning}");
    }
    let project = report.project.as_ref().ok().and_then(Option::as_ref);
    if json {
        return output.json(&json!({
            "mode": report.mode,
            "kept": kept,
            "place": report.place,
            "principal": report.principal,
            "project": project.map(|project| &project.id),
            "scopes": report.scopes.iter().collect::<Vec<_>>(),
            "usable": report.usable.is_ok(),
            "problem": report.usable.as_ref().err().map(error_json),
            "warnings": report.warnings,
        }));
    }
    let mut text = match (kept, &report.principal) {
        (true, _) => {
            format!(
                "{} a login that works and has the scopes is there already; --force makes a new one\n",
                styled(GOOD, "Kept:")
            )
        }
        (false, Some(principal)) => format!("{} as {principal}\n", styled(GOOD, "Logged in")),
        (false, None) => format!("{}\n", styled(GOOD, "Logged in")),
    };
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "{}  {value}", styled(STRONG, format!("{name:12}")));
    };
    let unknown = "not known: the login lacks the scope `email`, which would tell it";
    row("Account", report.principal.as_deref().unwrap_or(unknown));
    row("Credential", &report.place);
    if !report.scopes.is_empty() {
        row("Scopes", &report.scopes.to_string());
    }
    row(
        "Project",
        &match &report.project {
            Ok(Some(project)) => format!("{} (from {})", project.id, project.origin),
            Ok(None) => "none".to_owned(),
            Err(error) => error.message().to_owned(),
        },
    );
    match &report.usable {
        Ok(()) => {
            row("Earth Engine", &format!("{} it answers to this account and project", styled(GOOD, "ready:")))
        }
        Err(error) => {
            row("Earth Engine", &format!("{} {error}", styled(CAREFUL, "not yet:")));
            if let Some(hint) = error.next_step() {
                let _ = writeln!(text, "{} {hint}", styled(NEXT, "help:"));
            }
        }
    }
    output.data(text.trim_end())
}
