//! The process apart in which a library runs: the other side of [`Isolated`](crate::Isolated).
#![allow(
    clippy::disallowed_methods,
    reason = "a process of its own, whose standard streams, time and end are its business"
)]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ee_auth_core::{Error, Host};
use ee_auth_plugin_host::trust::Pin;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::call::Call;
use crate::instance::{Created, Instance};
use crate::library::Library;
use crate::services::{Services, add};
use crate::{fault, process};

/// Runs the library at `path` with the SHA-256 `pin` for one request, which it reads from standard input, and writes the answer
/// to standard output. Never returns: the process ends without the library's last words, which could change what was said.
///
/// For the program `ee-auth`, under the name [`COMMAND`](crate::COMMAND). Nothing that the library does to standard input or
/// output reaches the one who asked: before it is loaded, these are moved out of its way, and what it writes to standard output
/// goes to standard error.
pub fn serve(host: &Host, path: &Path, pin: &str) -> ! {
    let started = Instant::now();
    let (input, output) = match process::take_streams() {
        Ok(streams) => streams,
        Err(_) => process::end(1),
    };
    let mut input = BufReader::new(input);
    let mut line = Zeroizing::new(String::new());
    let request = match input.read_line(&mut line).map(|_| serde_json::from_str::<Request>(&line)) {
        Ok(Ok(request)) => request,
        // Somebody has typed the name of this command.
        _ => process::end(2),
    };
    let deadline = Duration::from_millis(request.deadline_ms);
    let relay = Arc::new(Relay {
        input: Mutex::new(input),
        output: Mutex::new(Some(output)),
        http_hosts: Mutex::default(),
        ends: started + deadline,
    });
    let watch = relay.clone();
    let watching = thread::Builder::new().name("ee-auth deadline".to_owned()).spawn(move || {
        thread::sleep(deadline.saturating_sub(started.elapsed()));
        watch.finish(&fault::to_line(&crate::timeout(deadline)))
    });
    let answer = match watching {
        Ok(_) => answer(host, path, pin, &request, &line, &relay),
        Err(error) => Err(Error::internal(format!("no thread can be started: {error}"))),
    };
    match answer {
        // Only this process says what is wrong with a library, in words that are taken for ee-auth's.
        Ok(answer) if fault::from_line(&answer).is_some() => relay
            .finish(&fault::to_line(&fault::breach("silent", "it answered a `fault`, which is no answer"))),
        Ok(answer) => relay.finish(&String::from_utf8_lossy(&answer)),
        // A plugin that saw the deadline pass may have answered nothing for that reason.
        Err(_) if relay.is_over() => relay.finish(&fault::to_line(&crate::timeout(deadline))),
        Err(error) => relay.finish(&fault::to_line(&error)),
    }
}

/// What this process has to know of a request; the plugin gets the whole.
#[derive(Deserialize)]
struct Request {
    op: String,
    deadline_ms: u64,
    #[serde(default)]
    config: Map<String, Value>,
}

fn answer(
    host: &Host,
    path: &Path,
    pin: &str,
    request: &Request,
    line: &str,
    relay: &Arc<Relay>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let library = Library::load(host, path, &Pin::parse(pin)?)?;
    if request.op == "describe" {
        return Ok(Zeroizing::new(describe(&library)));
    }
    *lock(&relay.http_hosts) = Some(library.manifest.http_hosts.clone());
    let call = Arc::new(Call::new(relay.clone()));
    let config = Zeroizing::new(Value::Object(request.config.clone()).to_string());
    let instance = match Instance::create(&library, &config, relay.clone(), &call)? {
        Created::Instance(instance) => instance,
        Created::Refused(answer) => return Ok(answer),
    };
    let call = Arc::new(Call::new(relay.clone()));
    let answer = instance.call(line.trim_end(), relay.remaining(), &call);
    drop(instance);
    answer
}

/// The manifest as an answer, which has two keys more that a library may leave out.
fn describe(library: &Library) -> Vec<u8> {
    let mut manifest: Map<String, Value> = serde_json::from_str(&library.manifest_json).unwrap_or_default();
    manifest.insert("version".to_owned(), json!(1));
    manifest.insert("success".to_owned(), json!(true));
    Value::Object(manifest).to_string().into_bytes()
}

/// The way to the one who asked.
struct Relay {
    input: Mutex<BufReader<File>>,
    /// `None` when the last line has been written.
    output: Mutex<Option<File>>,
    /// The hosts of the manifest, until they have been sent.
    http_hosts: Mutex<Option<Vec<String>>>,
    ends: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Relay {
    fn remaining(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Writes the last line, unless another thread has, and ends the process.
    fn finish(&self, line: &str) -> ! {
        let output = lock(&self.output).take();
        if let Some(mut output) = output {
            let _ = output.write_all(format!("{line}\n").as_bytes()).and_then(|()| output.flush());
            process::end(0);
        }
        // The other thread ends the process.
        loop {
            thread::park();
        }
    }

    fn exchange(&self, event: &Value) -> io::Result<Value> {
        // From here to the reply nobody else asks.
        let mut input = lock(&self.input);
        match &mut *lock(&self.output) {
            Some(output) => output.write_all(format!("{event}\n").as_bytes())?,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        let mut line = Zeroizing::new(String::new());
        input.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Services for Relay {
    fn log(&self, level: &'static str, message: &str) {
        let _ = self.exchange(&json!({"event": "log", "level": level, "message": message}));
    }

    fn ask(&self, mut event: Value) -> Value {
        if let Some(hosts) = lock(&self.http_hosts).take() {
            add(&mut event, "http_hosts", hosts);
        }
        self.exchange(&event).unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.ends
    }
}
