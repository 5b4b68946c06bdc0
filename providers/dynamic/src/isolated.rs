//! `isolation = "process"`: the library's functions are called in a process of its own, of the program `ee-auth`.
//!
//! That process reads the request and answers it as an executable with `protocol = "events"` does, so a plugin that crashes,
//! ends its process or never answers is no more to the one who asked than an executable that does so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Command, Conversation, Host, Output, ProcessError, Reply, Variables};
use ee_auth_core::{BoxFuture, Error, Look, Secret, TokenKey};
use ee_auth_plugin_host::services::{MAX_EVENTS, Services as HostServices};
use ee_auth_plugin_host::trust::{self, Pin};
use ee_auth_plugin_host::{Answer, MAX_ANSWER, Request, Transport, variables, words};
use serde_json::{Map, Value};

use crate::fault::{self, breach};
use crate::look;

/// The command of the program `ee-auth` that [`serve`](crate::serve())s a library. It is not for people.
pub const COMMAND: &str = "__plugin-host";

/// How much later than the deadline the process is killed: it ends by itself before, and says so.
const GRACE: Duration = Duration::from_millis(500);

/// Where the process puts the copy of the library that it loads.
const CACHE: &str = "XDG_CACHE_HOME";

/// The program that runs libraries in a process of their own: `ee-auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The program that asks: it runs already, and nobody looks at its file.
    Own(PathBuf),
    /// What `plugins.host` says: only what nobody else could have written is run.
    Named(PathBuf),
}

/// A library that is run by another process.
#[derive(Debug)]
pub struct Isolated {
    name: String,
    path: PathBuf,
    pin: Pin,
    program: Option<Program>,
    environment: Vec<String>,
}

impl Isolated {
    /// The library at `path` with that SHA-256, as the provider called `name`, run by `program`, which is `ee-auth`, with these
    /// variables beside the usual ones.
    pub fn new(
        name: &str,
        path: &Path,
        pin: Pin,
        program: Option<Program>,
        environment: Vec<String>,
    ) -> Self {
        Self { name: name.to_owned(), path: path.to_owned(), pin, program, environment }
    }

    fn command(&self, host: &Host, request: &Request, program: PathBuf) -> Command {
        let names = [CACHE].into_iter().chain(self.environment.iter().map(String::as_str));
        Command {
            program,
            arguments: vec![COMMAND.into(), self.path.clone().into(), self.pin.to_string().into()],
            variables: Variables::Only(variables::passed_on(&*host.environment, names)),
            input: Some(request.to_line()),
            timeout: request.deadline.saturating_add(GRACE),
            output_limit: MAX_ANSWER,
        }
    }

    /// The program that isolates the library, which is trusted as the library is.
    fn program(&self, host: &Host) -> Result<PathBuf, Error> {
        let program = match &self.program {
            Some(Program::Own(program)) => return Ok(program.clone()),
            Some(Program::Named(program)) => program,
            None => return Err(Error::untrusted(
                "plugins_host",
                "it would have to run in a process of its own, and `plugins.host` does not say which program is ee-auth",
            )
            .hint(
                "set `host = \"/path/to/ee-auth\"` under `[plugins]` in ee-auth.toml; or, if the library may end this \
                 process with itself, `isolation = \"in_process\"` for this provider",
            )),
        };
        trust::vouch(host, program, None)
            .map_err(|error| error.in_place(&format!("`plugins.host`, {}", program.shown())))?;
        Ok(program.clone())
    }

    fn answer(
        &self,
        request: &Request,
        output: Output,
        host: &Host,
        handed: Vec<Secret>,
    ) -> Result<Answer, Error> {
        let mut secrets =
            words::secrets(&*host.environment, &self.environment, &request.config.0, &output.stdout);
        secrets.extend(handed);
        words::note(&self.name, &output.stderr, &secrets);
        let complaint = words::complaint(&output.stderr, &secrets);
        let with_complaint = |message: String| match &complaint {
            Some(complaint) => format!("{message}; it wrote: {complaint}"),
            None => message,
        };
        if let Some(error) = fault::from_line(&output.stdout) {
            return Err(error);
        }
        match output.status {
            None => Err(breach("crash", with_complaint("it crashed: a signal ended its process".to_owned()))),
            Some(status) if output.stdout.trim_ascii().is_empty() => Err(breach(
                "exit",
                with_complaint(format!("it ended its process (exit status {status}) before it answered")),
            )),
            Some(_) => Answer::parse(request.op, &output.stdout, host.clock.now()),
        }
    }
}

impl Transport for Isolated {
    fn place(&self) -> String {
        self.path.shown()
    }

    fn file(&self, _host: &Host) -> Option<PathBuf> {
        Some(self.path.clone())
    }

    fn look(&self, host: &Host) -> Look {
        look(host, &self.path)
    }

    fn add_to_key(&self, host: &Host, key: &mut TokenKey) -> bool {
        key.add("path", self.path.as_os_str().as_encoded_bytes()).add("sha256", self.pin.to_string());
        for name in std::iter::once("HOME").chain(self.environment.iter().map(String::as_str)) {
            let value = host.environment.variable_os(name).unwrap_or_default();
            key.add("variable", name).add("value", value.as_encoded_bytes());
        }
        true
    }

    fn call<'a>(&'a self, host: &'a Host, request: &'a Request) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            // The other process looks again, at the bytes that it loads.
            trust::vouch(host, &self.path, Some(&self.pin))?;
            let program = self.program(host)?;
            let services = HostServices::new(host.clone(), &self.name, &self.path.shown(), request.deadline)
                .interactive(request.interactive);
            let events = Box::new(Events { services: services.clone(), events: 0 });
            match host.processes.converse(self.command(host, request, program.clone()), Some(events)).await {
                Ok(output) => self.answer(request, output, host, services.handed()),
                Err(ProcessError::Timeout(_)) => Err(crate::timeout(request.deadline)),
                Err(ProcessError::TooMuchOutput(most)) => {
                    Err(breach("too_large", format!("it wrote more than {most} bytes")))
                }
                Err(error) => {
                    let message = format!("its process, {}, {error}", program.shown());
                    Err(Error::internal(message).hint("see whether `plugins.host` is the program ee-auth"))
                }
            }
        })
    }
}

/// What the plugin asks of the host, line by line.
struct Events {
    services: HostServices,
    events: u32,
}

impl Conversation for Events {
    fn line<'a>(&'a mut self, line: &'a [u8]) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            match serde_json::from_slice::<Map<String, Value>>(line) {
                Ok(mut event) if event.contains_key("event") && self.events < MAX_EVENTS => {
                    self.events += 1;
                    // The hosts that its manifest names, which only the process that loaded it knows.
                    if let Some(Value::Array(hosts)) = event.remove("http_hosts") {
                        let hosts: Vec<_> =
                            hosts.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                        self.services = self.services.clone().with_http_hosts(&hosts);
                    }
                    Reply::Line(self.services.reply(&event).await)
                }
                _ => Reply::Last,
            }
        })
    }
}
