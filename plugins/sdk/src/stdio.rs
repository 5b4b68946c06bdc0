//! A provider as an executable: a request in a line on standard input, an answer in a line on standard output.

use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

use crate::guard::guarded;
use crate::host::{Body, HttpRequest, HttpResponse, Level, Prompt, Services, StoreOp};
use crate::respond::{Response, create, parse, respond};
use crate::{Failure, Host, Provider};

/// Serves a provider as an executable, for `protocol = "ee-auth"`: the whole `main` of it.
///
/// Nothing else may write to standard output; standard error is shown to a person when the call fails. The services of the
/// host are those of [`Host::none`], log lines aside, which go to standard error.
///
/// ```no_run
/// # use ee_auth_plugin::*;
/// # struct MyProvider;
/// # impl Provider for MyProvider {
/// #     type Config = serde_json::Value;
/// #     const MANIFEST: Manifest = Manifest::new("my", "1.0.0");
/// #     fn create(_: Self::Config, _: &Host<'_>) -> Result<Self, Failure> { Ok(Self) }
/// #     fn get(&self, _: &Request, _: &Host<'_>) -> Result<Answer, Failure> { Err(Failure::not_found("")) }
/// # }
/// fn main() -> std::process::ExitCode {
///     ee_auth_plugin::serve_stdio::<MyProvider>()
/// }
/// ```
pub fn serve_stdio<P: Provider>() -> ExitCode {
    exit_code(serve::<P, _, _>(BufReader::new(io::stdin()), io::stdout(), false))
}

/// As [`serve_stdio`], for `protocol = "events"`: the services of the host can be had.
pub fn serve_events<P: Provider>() -> ExitCode {
    exit_code(serve::<P, _, _>(BufReader::new(io::stdin()), io::stdout(), true))
}

/// Whether the answer could be written: whatever it says, that is a success.
fn exit_code(written: io::Result<()>) -> ExitCode {
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn serve<P: Provider, R, W>(mut from: R, to: W, events: bool) -> io::Result<()>
where
    R: BufRead + Send,
    W: Write + Send,
{
    let started = Instant::now();
    let mut line = String::new();
    from.read_line(&mut line)?;
    let streams = Mutex::new((from, to));
    let response = answer::<P, _, _>(&line, &streams, events, started);
    let mut streams = streams.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(streams.1, "{}", response.json)?;
    streams.1.flush()
}

fn answer<P: Provider, R, W>(line: &str, streams: &Mutex<(R, W)>, events: bool, started: Instant) -> Response
where
    R: BufRead + Send,
    W: Write + Send,
{
    let mut wire = match parse(line) {
        Ok(wire) => wire,
        Err(failure) => return failure.into(),
    };
    if wire.describes() {
        return Response { json: P::MANIFEST.to_string(), success: true };
    }
    let deadline = started + wire.remaining();
    let services = StdioServices { streams, events, deadline };
    let host = Host(&services);
    let config = Value::Object(std::mem::take(&mut wire.config));
    let answered = guarded(|| match create::<P>(config, &host) {
        Ok(provider) => respond(&provider, wire, &host),
        Err(failure) => failure.into(),
    });
    answered.unwrap_or_else(|place| Failure::invalid(format!("the plugin panicked at {place}")).into())
}

/// The services of a host at the other end of standard input and output.
struct StdioServices<'a, R, W> {
    streams: &'a Mutex<(R, W)>,
    events: bool,
    deadline: Instant,
}

impl<R: BufRead, W: Write> StdioServices<'_, R, W> {
    /// Sends an event, and waits for the reply: `{"ok":true,…}` or `{"ok":false,"message":"…"}`.
    fn ask(&self, event: &Value, refused: fn(String) -> Failure) -> Result<Value, Failure> {
        if !self.events {
            return Err(Failure::invalid(
                "the services of the host need `protocol = \"events\"`, and a plugin that serves it",
            ));
        }
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, to) = &mut *streams;
        let mut line = String::new();
        let exchanged =
            writeln!(to, "{event}").and_then(|()| to.flush()).and_then(|()| from.read_line(&mut line));
        let reply = exchanged.ok().and_then(|_| serde_json::from_str::<Value>(&line).ok());
        match reply {
            Some(reply) if reply.get("ok") == Some(&Value::Bool(true)) => Ok(reply),
            Some(reply) => {
                Err(refused(text(&reply, "message").unwrap_or_else(|| "the host refused".to_owned())))
            }
            None => Err(Failure::unavailable("the host did not reply")),
        }
    }
}

/// A text of a reply.
fn text(reply: &Value, name: &str) -> Option<String> {
    reply.get(name)?.as_str().map(str::to_owned)
}

impl<R: BufRead + Send, W: Write + Send> Services for StdioServices<'_, R, W> {
    fn log(&self, level: Level, message: &str) {
        let event = json!({"event": "log", "level": level.name(), "message": message});
        if self.events {
            let _ = self.ask(&event, Failure::invalid);
        } else {
            let _ = writeln!(io::stderr(), "{}: {message}", level.name());
        }
    }

    fn is_cancelled(&self) -> bool {
        Instant::now() >= self.deadline
    }

    fn http(&self, request: &HttpRequest) -> Result<HttpResponse, Failure> {
        let map = |pairs: &[(String, String)]| -> Value {
            pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
        };
        let mut event = json!({
            "event": "http",
            "method": request.method,
            "url": request.url,
            "headers": map(&request.headers),
        });
        let body = match &request.body {
            Body::None => None,
            Body::Json(text) => Some(("json", serde_json::from_str(text).unwrap_or_default())),
            Body::Form(fields) => Some(("form", map(fields))),
        };
        if let (Value::Object(event), Some((name, body))) = (&mut event, body) {
            event.insert(name.to_owned(), body);
        }
        let reply = self.ask(&event, Failure::unavailable)?;
        let status =
            reply.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        let status = status.ok_or_else(|| Failure::unavailable("the host's reply has no status"))?;
        let Some(body) = text(&reply, "body") else {
            return Err(Failure::unavailable("the answer to a request is not UTF-8 text"));
        };
        Ok(HttpResponse { status, content_type: text(&reply, "content_type").unwrap_or_default(), body })
    }

    fn prompt(&self, prompt: Prompt<'_>) -> Result<Option<String>, Failure> {
        let event = match prompt {
            Prompt::Show { message } => json!({"event": "prompt", "kind": "show", "message": message}),
            Prompt::Open { message, url, code: "" } => {
                json!({"event": "prompt", "kind": "open", "message": message, "url": url})
            }
            Prompt::Open { message, url, code } => {
                json!({"event": "prompt", "kind": "code", "message": message, "url": url, "code": code})
            }
            Prompt::Text { question } => json!({"event": "prompt", "kind": "text", "message": question}),
            Prompt::Secret { question } => json!({"event": "prompt", "kind": "secret", "message": question}),
        };
        let reply = self.ask(&event, Failure::interaction_required)?;
        Ok(text(&reply, "answer"))
    }

    fn store(&self, op: StoreOp<'_>) -> Result<Option<String>, Failure> {
        let event = match op {
            StoreOp::Get { key } => json!({"event": "store", "op": "get", "key": key}),
            StoreOp::Set { key, value } => json!({"event": "store", "op": "set", "key": key, "value": value}),
            StoreOp::Delete { key } => json!({"event": "store", "op": "delete", "key": key}),
        };
        let reply = self.ask(&event, Failure::unavailable)?;
        Ok(text(&reply, "value"))
    }
}

#[cfg(test)]
#[path = "stdio_tests.rs"]
mod tests;
