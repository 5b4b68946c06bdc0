//! A subject token that a program gives out (AIP-4117, "Determining the subject token in executable-sourced credentials").

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Command, Directory, MAX_CREDENTIAL_FILE, Presence, ProcessError, Variables};
use ee_auth_core::{Error, Exchange, Outcome, Search, Secret, TokenKey, redact};

use super::super::NEW_FILE;
use crate::Document;
use crate::executable_answer::{Breach, ExecutableAnswer, MAX_ANSWER};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// What Google's libraries allow.
const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(120));
const INTERACTIVE_TIMEOUTS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(1800));

/// A program that gives out a token: `credential_source.executable`.
#[derive(Debug)]
pub(super) struct Executable {
    program: PathBuf,
    arguments: Vec<String>,
    timeout: Duration,
    /// How long a person may take who speaks with it; `None` where it speaks with nobody.
    interactive_timeout: Option<Duration>,
    /// Where it keeps its answer.
    output_file: Option<PathBuf>,
    audience: String,
    token_type: String,
    email: Option<String>,
    place: String,
}

impl Executable {
    pub(super) fn from_section(
        source: &Document,
        audience: &str,
        token_type: &str,
        search: &Search,
    ) -> Result<Self, Error> {
        let section = source.object("executable")?;
        let section = section.ok_or_else(|| Error::internal("`executable` was there a moment ago"))?;
        section.require(&["command"], NEW_FILE)?;
        let place = section.place();
        if !search.settings().allow_executables {
            return Err(Error::untrusted(
                "executable",
                format!("{place} names a program to run, and you have not allowed that; nothing was run"),
            )
            .hint(
                "if the file is yours and you know the program, set `allow_executables = true` under `[security]` in \
                 your own ee-auth.toml, or GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1",
            ));
        }
        let command = section.text("command")?.unwrap_or_default();
        let (program, arguments) = parse(&command, place, search)?;
        let working = search.host().environment.directory(Directory::Working).unwrap_or_default();
        let output_file = section.text("output_file")?.map(|path| working.join(path));
        let timeout = milliseconds(&section, "timeout_millis", TIMEOUTS)?;
        let interactive_timeout = milliseconds(&section, "interactive_timeout_millis", INTERACTIVE_TIMEOUTS)?;
        if interactive_timeout.is_some() && output_file.is_none() {
            return Err(Error::invalid(
                "missing_field",
                format!("{place}: `interactive_timeout_millis` needs an `output_file`, which is how the program answers"),
            )
            .hint(NEW_FILE));
        }
        Ok(Self {
            program,
            arguments,
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
            interactive_timeout,
            output_file,
            audience: audience.to_owned(),
            token_type: token_type.to_owned(),
            email: None,
            place: place.to_owned(),
        })
    }

    pub(super) fn for_service_account(&mut self, email: &str) {
        self.email = Some(email.to_owned());
    }

    /// The file that is run.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    pub(super) async fn get(&self, exchange: &Exchange) -> Result<Secret, Error> {
        match self.output(exchange) {
            // In the file an answer without an expiry does not count: nothing says how old it is.
            Some(Ok(ExecutableAnswer::Token(token))) if token.expires_at.is_some() => {
                log::debug!("{}: its output file has a token that is still valid", self.program.shown());
                return Ok(token.secret);
            }
            _ => {}
        }
        let present = exchange.host.person.presence() == Presence::Answering;
        let answer = match self.interactive_timeout.filter(|_| present) {
            Some(timeout) => self.run_with_person(exchange, timeout).await?,
            None => self.run(exchange).await?,
        };
        match answer {
            ExecutableAnswer::Token(token) => Ok(token.secret),
            ExecutableAnswer::Failure { code, message } => Err(Error::rejected(
                "executable",
                format!("{}: there is no subject token: {code}: {message}", self.program.shown()),
            )
            .hint("do what the program asks for; a new login with your identity provider, as a rule")),
        }
    }

    /// What the program wrote into its output file; `None` where there is no such file.
    fn output(&self, exchange: &Exchange) -> Option<Result<ExecutableAnswer, Breach>> {
        let read = exchange.host.files.read(self.output_file.as_deref()?, MAX_CREDENTIAL_FILE).ok()?;
        Some(ExecutableAnswer::read(&read.bytes, exchange.host.clock.now()))
    }

    /// The answer of a program that ended well and wrote nothing to its standard output.
    fn written(&self, exchange: &Exchange, missing: &str) -> Result<ExecutableAnswer, Error> {
        match self.output(exchange) {
            Some(answer) => answer.map_err(|breach| self.protocol(&breach.message)),
            None => Err(self.protocol(missing)),
        }
    }

    async fn run(&self, exchange: &Exchange) -> Result<ExecutableAnswer, Error> {
        let output = exchange.host.processes.run(self.command(self.timeout, false)).await;
        let output = output.map_err(|error| self.not_run(&error))?;
        let stdout = output.stdout.trim_ascii();
        if stdout.is_empty() && output.status == Some(0) {
            return self.written(exchange, "it ended well, but wrote no answer to its standard output");
        }
        match (ExecutableAnswer::read(stdout, exchange.host.clock.now()), output.status) {
            (Ok(answer), Some(0)) => Ok(answer),
            // A program that fails says why, and ends with a status that is not 0.
            (Ok(failure @ ExecutableAnswer::Failure { .. }), _) => Ok(failure),
            (Err(breach), Some(0)) => Err(self.protocol(&breach.message)),
            (_, status) => {
                let ended = match status {
                    Some(status) => format!("it ended with status {status}"),
                    None => "it was ended by a signal".to_owned(),
                };
                let said = redact(&output.stderr);
                Err(self.protocol(&if said.is_empty() { ended } else { format!("{ended}: {said}") }))
            }
        }
    }

    /// Runs a program that speaks with the person, and answers in its output file.
    async fn run_with_person(
        &self,
        exchange: &Exchange,
        timeout: Duration,
    ) -> Result<ExecutableAnswer, Error> {
        let status = exchange.host.processes.run_with_person(self.command(timeout, true)).await;
        match status.map_err(|error| self.not_run(&error))? {
            Some(0) => self.written(exchange, "it ended well, but wrote no answer into its `output_file`"),
            Some(status) => Err(self.protocol(&format!("it ended with status {status}"))),
            None => Err(self.protocol("it was ended by a signal")),
        }
    }

    /// The command with the variables of the contract, on top of the process's own as Google's libraries have it.
    fn command(&self, timeout: Duration, interactive: bool) -> Command {
        let mut variables = vec![
            ("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE", self.audience.clone().into()),
            ("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE", self.token_type.clone().into()),
            ("GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE", OsString::from(if interactive { "1" } else { "0" })),
            ("GOOGLE_EXTERNAL_ACCOUNT_REVOKE", OsString::from("0")),
        ];
        if let Some(email) = &self.email {
            variables.push(("GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL", email.into()));
        }
        if let Some(path) = &self.output_file {
            variables.push(("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE", path.into()));
        }
        Command {
            program: self.program.clone(),
            arguments: self.arguments.iter().map(OsString::from).collect(),
            variables: Variables::Inherit(
                variables.into_iter().map(|(name, value)| (OsString::from(name), value)).collect(),
            ),
            input: None,
            timeout,
            output_limit: MAX_ANSWER,
        }
    }

    fn not_run(&self, error: &ProcessError) -> Error {
        let message = format!("{} {error}", self.program.shown());
        match error {
            ProcessError::Start(_) => Error::invalid("executable", message)
                .hint(format!("see whether it can be run, or correct `command` in {}", self.place)),
            ProcessError::Timeout(_) => Error::unavailable("timeout", message).hint(format!(
                "see what it waits for, or give it more time with `timeout_millis` in {} (120000 at the most)",
                self.place
            )),
            _ => self.protocol(&error.to_string()),
        }
    }

    fn protocol(&self, what: &str) -> Error {
        Error::new(Outcome::Protocol, "executable", format!("{}: {what}", self.program.shown())).hint(
            "run it by hand and see what it says; it has to write one JSON object to its standard output: \
             https://google.aip.dev/auth/4117",
        )
    }

    pub(super) fn add_to(&self, key: &mut TokenKey) {
        key.add("source", "executable").add("program", self.program.to_string_lossy().as_bytes());
        for argument in &self.arguments {
            key.add("argument", argument);
        }
        key.add("email", self.email.as_deref().unwrap_or_default());
        if let Some(path) = &self.output_file {
            key.add("output_file", path.to_string_lossy().as_bytes());
        }
    }
}

/// The program and its arguments, split as a POSIX shell would and google-auth does; there is no shell.
fn parse(command: &str, place: &str, search: &Search) -> Result<(PathBuf, Vec<String>), Error> {
    let wrong = |what: &str| {
        Err(Error::invalid("executable", format!("{place}: `command` {what}")).hint(
            "write the program's full path and its arguments; quote what has spaces in it as in a POSIX shell, where a \
             backslash quotes too",
        ))
    };
    let Some(mut words) = shlex::split(command).filter(|words| !words.is_empty()) else {
        return wrong("has a quote that does not end, or is empty");
    };
    let name = words.remove(0);
    let path = PathBuf::from(&name);
    if path.is_absolute() {
        return Ok((path, words));
    }
    if path.file_name().is_none_or(|file| file != path.as_os_str()) {
        return wrong(
            "names the program by a relative path, so that it depends on the working directory what is run",
        );
    }
    match search.host().processes.find(&name) {
        Some(path) => Ok((path, words)),
        None => wrong(&format!("names the program {}, which is not on the PATH", redact(&name))),
    }
}

fn milliseconds(
    section: &Document,
    field: &str,
    (least, most): (Duration, Duration),
) -> Result<Option<Duration>, Error> {
    let Some(time) = section.number(field)?.map(Duration::from_millis) else { return Ok(None) };
    if time < least || time > most {
        let (least, most) = (least.as_millis(), most.as_millis());
        return Err(Error::invalid(
            "timeout",
            format!("{}: `{field}` must be from {least} to {most}", section.place()),
        )
        .hint("it is in milliseconds"));
    }
    Ok(Some(time))
}
