//! The system's [`Host`]: what `ee-auth` touches outside its own process, it touches here.
//!
//! [`system`] costs next to nothing: the thread, the HTTP client and the certificates each come into being at their
//! first use, so that reading a stored token starts none of them.
//!
//! | concern | how |
//! | --- | --- |
//! | environment | the process's variables, the directories of the platform ([`dirs`]) |
//! | files | regular files only, read whole; written whole or not at all |
//! | clock | the system's |
//! | HTTP | hyper with rustls and ring; the system's proxies and trust store; no redirects, no retries, 1 MiB |
//! | processes | a process group each, killed whole; when this process ends, too, if the program asks for it ([`EndOfProcess`]) |
//! | person | the terminal; [`Notebook`] |
//! | keyring | keyring-core with the system's own store, in builds with the feature `keyring` |
//! | loopback | a listener that answers pages, one request per connection |
//! | tasks | one thread called `ee-auth` for the whole process |
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this crate is the one place that touches the world outside the process"
)]

mod attached;
mod browser;
mod buffer;
mod clock;
mod conversation;
mod core_dumps;
mod ending;
mod environment;
mod failure;
mod files;
mod http;
#[cfg(feature = "keyring")]
mod keyring;
mod line;
mod lock;
mod loopback;
mod notebook;
pub mod peer;
mod person;
mod processes;
#[cfg(unix)]
mod proxy_probe;
mod route;
mod signals;
mod tasks;
mod tls;
mod unfinished;

use std::sync::{Arc, LazyLock};

use ee_auth_core::Host;
use ee_auth_core::host::Person;

pub use attached::{Ended, HIDDEN, HiddenFiles, run_attached};
pub use core_dumps::disable_core_dumps;
pub use ending::{EndOfProcess, Undo, own_signals};
pub use notebook::Notebook;

static SYSTEM: LazyLock<Host> = LazyLock::new(|| Host {
    environment: Arc::new(environment::SystemEnvironment),
    files: Arc::new(files::SystemFiles),
    clock: Arc::new(clock::SystemClock),
    http: Arc::new(http::SystemHttp::default()),
    loopback: Arc::new(loopback::SystemLoopback),
    processes: Arc::new(processes::SystemProcesses),
    person: Arc::new(person::Terminal),
    #[cfg(feature = "keyring")]
    keyring: Arc::new(keyring::SystemKeyring),
    #[cfg(not(feature = "keyring"))]
    keyring: Arc::new(ee_auth_core::host::NoKeyring),
    tasks: Arc::new(tasks::PrivateThread),
});

/// The system as it is, with the terminal's person. All hosts of a process share one HTTP client and one thread.
///
/// ```
/// let host = ee_auth_host::system();
/// assert!(host.clock.now() > std::time::SystemTime::UNIX_EPOCH);
/// ```
pub fn system() -> Host {
    SYSTEM.clone()
}

/// The system with somebody else to talk to: nobody, with `--no-input`; a [`Notebook`].
pub fn system_with_person(person: Arc<dyn Person>) -> Host {
    Host { person, ..system() }
}
