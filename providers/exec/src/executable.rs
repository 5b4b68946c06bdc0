//! Running an executable for one answer.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Command, Conversation, Host, Output, ProcessError, Variables};
use ee_auth_core::{BoxFuture, Error, ExposeSecret, Look, Options, Outcome, Saw, Secret, TokenKey};
use ee_auth_plugin_host::trust::{self, Pin};
use ee_auth_plugin_host::{
    Answer, MAX_ANSWER, Manifest, Op, Refusal, RefusalCode, Request, Transport, variables, words,
};
use serde_json::Value;

use crate::command;
use crate::dialogue::Dialogue;
use crate::protocol::Protocol;

/// How often a file is tried that cannot be started because it is being written: another thread of this process that starts
/// a program at the same moment holds it open until that program runs (`ETXTBSY`).
const BUSY_ATTEMPTS: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// An executable, as a table declares it.
#[derive(Clone, Debug)]
pub struct Executable(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    command: Vec<String>,
    protocol: Protocol,
    pin: Option<Pin>,
    in_place: bool,
    env: Vec<String>,
    manifest: OnceLock<Manifest>,
}

impl Executable {
    /// What the options of the provider called `name` say.
    ///
    /// # Errors
    /// [`Outcome::Invalid`] for a command that is no path, an unknown protocol, a pin that is none.
    pub fn from_options(name: &str, options: &Options) -> Result<Self, Error> {
        let command = options.strings("command").unwrap_or_default();
        command::check(&command)?;
        let env = options.strings("env").unwrap_or_default();
        variables::check(&env)?;
        Ok(Self(Arc::new(Inner {
            name: name.to_owned(),
            command,
            protocol: options
                .string("protocol")
                .as_deref()
                .map_or(Ok(Protocol::default()), Protocol::named)?,
            pin: options.string("sha256").as_deref().map(Pin::parse).transpose()?,
            in_place: options.bool("in_place").unwrap_or_default(),
            env,
            manifest: OnceLock::new(),
        })))
    }

    /// How it speaks.
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// The first word of the command, which has one: it was checked.
    fn program(&self) -> &str {
        self.0.command.first().map(String::as_str).unwrap_or_default()
    }

    /// The provider's name.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// What it says that it is; asked once.
    pub(crate) async fn manifest(&self, host: &Host, request: &Request) -> Result<Manifest, Error> {
        if let Some(manifest) = self.0.manifest.get() {
            return Ok(manifest.clone());
        }
        let describe = Request::describe(request.deadline, request.config.0.clone());
        match self.run(host, &describe, None).await? {
            Answer::Manifest(manifest) => Ok(self.0.manifest.get_or_init(|| manifest).clone()),
            _ => Err(Error::new(Outcome::Protocol, "manifest", "it has no manifest")
                .hint("its author makes it answer to `describe`")),
        }
    }

    /// The file to run, after it was looked at.
    fn vouch(&self, host: &Host) -> Result<PathBuf, Error> {
        let Some(path) = self.file(host) else {
            return Err(Error::invalid("no_such_file", "no directory for plugins is known")
                .hint("set HOME, or write the plugin's whole path"));
        };
        let vouched =
            trust::vouch(host, &path, self.0.pin.as_ref()).map_err(|error| match path.to_string_lossy() {
                // A bare name does not say where it was looked for.
                whole if whole != self.place() => error.in_place(&whole),
                _ => error,
            })?;
        if self.0.in_place {
            return Ok(path);
        }
        trust::private_copy(host, &vouched)
    }

    async fn run(&self, host: &Host, request: &Request, with: Option<Dialogue>) -> Result<Answer, Error> {
        let protocol = self.0.protocol;
        let mut variables = variables::passed_on(&*host.environment, self.0.env.iter().map(String::as_str));
        if protocol == Protocol::GoogleExecutable {
            variables.extend(google_variables(request));
        }
        let command = Command {
            program: self.vouch(host)?,
            arguments: self.0.command.iter().skip(1).map(OsString::from).collect(),
            variables: Variables::Only(variables),
            // A dialogue ends its lines itself.
            input: protocol.is_own().then(|| match with {
                Some(_) => request.to_line(),
                None => Secret::from(format!("{}\n", request.to_line().expose_secret())),
            }),
            timeout: request.deadline,
            output_limit: MAX_ANSWER,
        };
        let program = command.program.shown();
        let is_copy = Some(&command.program) != self.file(host).as_ref();
        let mut output = start(host, command, with.clone()).await.map_err(|error| {
            if !is_copy || !error.message().contains("os error 13") {
                return error;
            }
            error.in_place(&format!("its private copy, {program}")).hint(
                "see whether the file system of the copy allows programs to run (`noexec` does not): set XDG_CACHE_HOME to a \
                 directory on one that does, or `in_place = true` in the plugin's table",
            )
        })?;
        // A person knows the file that they named, and not its copy.
        output.stderr = output.stderr.replace(&program, &self.place());
        let mut secrets = self.secrets(host, request, &output.stdout);
        secrets.extend(with.iter().flat_map(Dialogue::handed));
        words::note(&self.0.name, &output.stderr, &secrets);
        let answer = match protocol {
            Protocol::EeAuth | Protocol::Events => {
                Answer::parse(request.op, &output.stdout, host.clock.now())
            }
            Protocol::GoogleExecutable => Answer::parse_google(&output.stdout, host.clock.now()),
            Protocol::TokenStdout => Answer::parse_token(&output.stdout),
        };
        match answer {
            // A "no" goes with any exit status: many programs end with another one than 0 then.
            Ok(answer @ Answer::Refused(_)) => Ok(answer),
            Ok(answer) if output.status == Some(0) => Ok(answer),
            _ if protocol == Protocol::EeAuth && begins_with_event(&output.stdout) => {
                Err(undeclared_events())
            }
            Err(error) if output.status == Some(0) => Err(with_complaint(error, &output.stderr, &secrets)),
            _ => Err(with_complaint(crashed(output.status), &output.stderr, &secrets)),
        }
    }

    /// What its standard error must not show: what it was given, and what it gave.
    fn secrets(&self, host: &Host, request: &Request, stdout: &[u8]) -> Vec<Secret> {
        let mut secrets = words::secrets(&*host.environment, &self.0.env, &request.config.0, stdout);
        if self.0.protocol == Protocol::TokenStdout {
            secrets.extend(std::str::from_utf8(stdout).ok().map(|text| Secret::from(text.trim())));
        }
        secrets
    }
}

impl Transport for Executable {
    fn place(&self) -> String {
        self.program().to_owned()
    }

    fn file(&self, host: &Host) -> Option<PathBuf> {
        command::program(self.program(), host)
    }

    fn look(&self, host: &Host) -> Look {
        let program = self.file(host);
        let is_there = program.as_ref().is_some_and(|program| host.files.status(program).is_ok());
        let shown = program.map_or_else(|| self.place(), |program| program.shown());
        Look::Program(shown, if is_there { Saw::Present } else { Saw::Missing })
    }

    fn may_log_in(&self) -> bool {
        self.0.protocol.is_own()
    }

    fn add_to_key(&self, host: &Host, key: &mut TokenKey) -> bool {
        let Inner { command, protocol, pin, env, .. } = &*self.0;
        key.add("protocol", protocol.name());
        for word in command {
            key.add("command", word);
        }
        match pin {
            Some(pin) => key.add("sha256", pin.to_string()),
            // As good as can be had without reading the file.
            None => {
                let status =
                    command::program(self.program(), host).and_then(|path| host.files.status(&path).ok());
                key.add("file", format!("{:?}", status.map(|status| (status.size, status.modified))))
            }
        };
        for (name, value) in variables::passed_on(&*host.environment, env.iter().map(String::as_str)) {
            key.add("variable", name.as_encoded_bytes()).add("value", value.as_encoded_bytes());
        }
        true
    }

    fn call<'a>(&'a self, host: &'a Host, request: &'a Request) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            match (self.0.protocol, request.op) {
                (protocol, op) if !protocol.is_own() && op != Op::Get => Ok(self.without_running(op)),
                (Protocol::Events, Op::Get | Op::Login | Op::Logout) => {
                    let dialogue = Dialogue::new(self.clone(), host, request);
                    self.run(host, request, Some(dialogue)).await
                }
                _ => self.run(host, request, None).await,
            }
        })
    }
}

impl Executable {
    /// The answer of an executable that can hand out a token and nothing else.
    fn without_running(&self, op: Op) -> Answer {
        if op == Op::Describe {
            let name = Path::new(self.program()).file_name().unwrap_or_default().to_string_lossy();
            let mut manifest = Manifest::default();
            manifest.name = words::line(&name);
            manifest.ops = vec![Op::Get.name().to_owned()];
            return Answer::Manifest(manifest);
        }
        let message = format!("the protocol `{}` knows no {}", self.0.protocol.name(), op.name());
        Answer::Refused(Refusal { code: RefusalCode::NotApplicable, message })
    }
}

/// Runs it; again only while it cannot be started because it is being written.
async fn start(host: &Host, command: Command, with: Option<Dialogue>) -> Result<Output, Error> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let with = with.clone().map(|dialogue| Box::new(dialogue) as Box<dyn Conversation>);
        match host.processes.converse(command.clone(), with).await {
            Ok(output) => return Ok(output),
            Err(ProcessError::Start(why)) if why.contains("os error 26") && attempts < BUSY_ATTEMPTS => {
                host.clock.sleep(BUSY_PAUSE).await;
            }
            Err(error) => return Err(explain(error)),
        }
    }
}

/// What an executable for Google's executable-sourced credentials is given (AIP-4117, and `google.auth.pluggable`). `config`
/// may name `token_type` and `impersonated_email`.
fn google_variables(request: &Request) -> Vec<(OsString, OsString)> {
    let config = |key: &str| request.config.0.get(key).and_then(Value::as_str);
    let kind = config("token_type").unwrap_or("urn:ietf:params:oauth:token-type:id_token");
    let mut variables = vec![
        ("ALLOW_EXECUTABLES", "1"),
        ("AUDIENCE", request.audience.as_deref().unwrap_or_default()),
        ("TOKEN_TYPE", kind),
        ("INTERACTIVE", "0"),
        ("REVOKE", "0"),
    ];
    variables.extend(config("impersonated_email").map(|email| ("IMPERSONATED_EMAIL", email)));
    variables
        .into_iter()
        .map(|(name, value)| {
            (OsString::from(format!("GOOGLE_EXTERNAL_ACCOUNT_{name}")), OsString::from(value))
        })
        .collect()
}

fn crashed(status: Option<i32>) -> Error {
    let how = match status {
        Some(status) => format!("it ended with status {status} and no answer that counts"),
        None => "it was ended by a signal before it had answered".to_owned(),
    };
    Error::new(Outcome::Protocol, "crash", how)
        .hint("run it by hand to see what is wrong; `ee-auth plugin check` runs it as ee-auth does")
}

/// Whether it has asked its host for something, in the words of another protocol.
fn begins_with_event(stdout: &[u8]) -> bool {
    let first = stdout.split(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<Value>(first).is_ok_and(|line| line.get("event").is_some())
}

fn undeclared_events() -> Error {
    let message = "it writes an event before it answers, which `protocol = \"ee-auth\"` does not know";
    Error::new(Outcome::Protocol, "events", message)
        .hint("set `protocol = \"events\"` in its table; on the command line of `plugin`, --protocol events")
}

/// The same error with what the program left on standard error.
fn with_complaint(error: Error, stderr: &str, secrets: &[Secret]) -> Error {
    let Some(complaint) = words::complaint(stderr, secrets) else { return error };
    let message = format!("{}; on standard error it says: {complaint}", error.message());
    let same = Error::new(error.outcome(), error.detail().clone(), message);
    match error.next_step() {
        Some(hint) => same.hint(hint),
        None => same,
    }
}

fn explain(error: ProcessError) -> Error {
    match error {
        ProcessError::Start(why) => Error::invalid("start", format!("it could not be started: {why}")).hint(
            "make it executable (`chmod u+x FILE`); a script begins with `#!` and its interpreter's path",
        ),
        ProcessError::Timeout(after) => Error::unavailable(
            "timeout",
            format!("it gave no answer within {} s, and was stopped", after.as_secs_f64()),
        )
        .hint("see what it waits for, or give it more time: `timeout = \"60s\"`"),
        ProcessError::TooMuchOutput(bytes) => Error::new(
            Outcome::Protocol,
            "too_large",
            format!("it wrote more than {bytes} bytes, and an answer is one line"),
        )
        .hint("this is a fault of the plugin; `ee-auth plugin check` says what its author has to mend"),
        other => Error::new(Outcome::Protocol, "crash", format!("speaking with it failed: {other}"))
            .hint("run it by hand to see what is wrong"),
    }
}
