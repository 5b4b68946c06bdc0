//! `isolation = "in_process"`: the library's functions are called in this process.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::Host;
use ee_auth_core::time::later;
use ee_auth_core::{BoxFuture, Error, ExposeSecret, Look};
use ee_auth_plugin_host::services::Services as HostServices;
use ee_auth_plugin_host::trust::Pin;
use ee_auth_plugin_host::{Answer, Op, Request, Transport};
use futures_util::future::{self, Either};
use serde_json::Value;
use tokio::sync::{Mutex, oneshot};
use zeroize::Zeroizing;

use crate::call::Call;
use crate::fault::breach;
use crate::instance::{Created, Instance};
use crate::library::Library;
use crate::look;
use crate::services::Services;

/// How many calls may be abandoned before the library is given up: each keeps a thread.
const MOST_ABANDONED: usize = 4;

/// A library whose functions are called in this process. Its instance is made at the first call, and asked for as long as
/// this lives.
#[derive(Debug)]
pub struct InProcess {
    name: String,
    path: PathBuf,
    pin: Pin,
    /// Held while the instance is made, and during a call of one that is not thread-safe.
    instance: Mutex<Option<Arc<Instance>>>,
    abandoned: AtomicUsize,
}

impl InProcess {
    /// The library at `path` with that SHA-256, as the provider called `name`.
    pub fn new(name: &str, path: &Path, pin: Pin) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            pin,
            instance: Mutex::default(),
            abandoned: AtomicUsize::new(0),
        }
    }

    async fn ask(&self, host: &Host, request: &Request) -> Result<Answer, Error> {
        let library = Library::load(host, &self.path, &self.pin)?;
        if request.op == Op::Describe {
            return Ok(Answer::Manifest(library.manifest.clone()));
        }
        let deadline = later(host.clock.now(), request.deadline);
        let services: Arc<dyn Services> = Arc::new(Direct {
            name: self.name.clone(),
            services: HostServices::new(host.clone(), &self.name, &self.path.shown(), request.deadline)
                .with_http_hosts(&library.manifest.http_hosts)
                .interactive(request.interactive),
        });
        let mut slot = self.instance.lock().await;
        let instance = match slot.as_ref().filter(|instance| !instance.is_abandoned()) {
            Some(instance) => instance.clone(),
            None => {
                let instance = match self.create(library, request, &services).await? {
                    Created::Instance(instance) => Arc::new(instance),
                    Created::Refused(answer) => return Answer::parse(request.op, &answer, host.clock.now()),
                };
                *slot = Some(instance.clone());
                instance
            }
        };
        // The others wait their turn, unless there is none to wait for.
        let turn = (!instance.is_thread_safe()).then_some(slot);
        let call = Arc::new(Call::new(services));
        let waiting = self.wait(&call, Some(&instance));
        let line = request.to_line();
        let remaining = deadline.duration_since(host.clock.now()).unwrap_or_default();
        let answer = on_thread(move || instance.call(line.expose_secret(), remaining, &call)).await;
        waiting.end();
        drop(turn);
        Answer::parse(request.op, &answer??, host.clock.now())
    }

    fn wait(&self, call: &Arc<Call>, instance: Option<&Arc<Instance>>) -> Waiting<'_> {
        Waiting { call: call.clone(), instance: instance.cloned(), abandoned: &self.abandoned, over: false }
    }

    async fn create(
        &self,
        library: Arc<Library>,
        request: &Request,
        services: &Arc<dyn Services>,
    ) -> Result<Created, Error> {
        if self.abandoned.load(Ordering::Relaxed) >= MOST_ABANDONED {
            let message = format!(
                "{MOST_ABANDONED} of its calls did not end in time, and it is not asked again in this process"
            );
            return Err(breach("timeout", message));
        }
        let call = Arc::new(Call::new(services.clone()));
        let waiting = self.wait(&call, None);
        let config = Zeroizing::new(Value::Object(request.config.0.clone()).to_string());
        let services = services.clone();
        let created = on_thread(move || Instance::create(&library, &config, services, &call)).await;
        waiting.end();
        created?
    }
}

impl Transport for InProcess {
    fn place(&self) -> String {
        self.path.shown()
    }

    fn file(&self, _host: &Host) -> Option<PathBuf> {
        Some(self.path.clone())
    }

    fn look(&self, host: &Host) -> Look {
        look(host, &self.path)
    }

    /// Runs on a thread of its own. Past the deadline that thread is left alone, and the instance with it.
    fn call<'a>(&'a self, host: &'a Host, request: &'a Request) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            let work = pin!(self.ask(host, request));
            match future::select(work, host.clock.sleep(request.deadline)).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => Err(crate::timeout(request.deadline)),
            }
        })
    }
}

/// Gives a call up when whoever waits for it goes away.
struct Waiting<'a> {
    call: Arc<Call>,
    instance: Option<Arc<Instance>>,
    abandoned: &'a AtomicUsize,
    over: bool,
}

impl Waiting<'_> {
    fn end(mut self) {
        self.over = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.call.give_up();
        let count = match &self.instance {
            Some(instance) => {
                instance.abandon();
                1
            }
            // `create` is called once at a time, and this one has not returned.
            None => MOST_ABANDONED,
        };
        self.abandoned.fetch_add(count, Ordering::Relaxed);
    }
}

/// The outcome of `work` on a thread of its own, which is left alone when this future is dropped.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let (sender, receiver) = oneshot::channel();
    let started =
        thread::Builder::new().name("ee-auth plugin".to_owned()).spawn(move || drop(sender.send(work())));
    started.map_err(|error| Error::internal(format!("no thread can be started: {error}")))?;
    receiver.await.map_err(|_| Error::internal("a bug: the call of a plugin ended in a panic"))
}

/// The host's services for one call in this process.
struct Direct {
    name: String,
    services: HostServices,
}

impl Services for Direct {
    fn log(&self, level: &'static str, message: &str) {
        crate::log(&self.name, level, message);
    }

    fn ask(&self, event: Value) -> Value {
        let Value::Object(event) = event else { return Value::Null };
        let reply = pollster::block_on(self.services.reply(&event));
        serde_json::from_str(reply.expose_secret()).unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        false
    }
}
