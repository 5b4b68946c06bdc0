//! A machine that does not exist: every part of [`Host`] in memory, for tests.
//!
//! A [`Fake`] starts as a machine on which nothing is set up: no variables, no files, nobody in front of it, a server
//! for nothing. A test puts there what it needs, hands [`Fake::host`] to the code under test and looks afterwards at
//! what was asked of the machine.
//!
//! ```
//! use ee_auth_core::host::{Method, Request, variable};
//! use ee_auth_fake::{Fake, answer};
//!
//! let fake = Fake::new()
//!     .with_variable("EE_AUTH_PROJECT", "my-project")
//!     .with_file("/home/user/.config/earthengine/credentials", "{}")
//!     .with_response(answer(200, r#"{"access_token":"t"}"#));
//! let host = fake.host();
//!
//! assert_eq!(variable(&*host.environment, "EE_AUTH_PROJECT").as_deref(), Some("my-project"));
//! let url = url::Url::parse("https://oauth2.googleapis.com/token").unwrap();
//! let response = pollster::block_on(host.http.send(Request::new(Method::Post, url))).unwrap();
//! assert_eq!(response.status, 200);
//! assert_eq!(fake.requests().len(), 1);
//! fake.assert_all_used();
//! ```
//!
//! A whole machine can be kept in a directory, and the network as recorded traffic: see [`Fake::load`] and
//! [`Fake::with_traffic`].
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "it stands in for the world in tests, and what it is given is theirs"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "Fake::load reads the directories in which tests keep machines"
)]

mod clock;
mod environment;
mod files;
mod http;
mod keyring;
mod load;
mod loopback;
mod person;
mod processes;
mod traffic;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ee_auth_core::Host;
use ee_auth_core::host::{BoxFuture, Tasks};

pub use files::{Change, Entry, Node};
pub use http::{answer, failure};

/// A machine in memory. Clones are the same machine.
///
/// Its user has the id 1000, the home directory `/home/user` with the XDG directories in it, and works in `/project`. Its
/// clock stands still at 2026-01-01T00:00:00Z until it is moved or somebody sleeps.
#[derive(Clone, Default)]
pub struct Fake(Arc<State>);

#[derive(Default)]
struct State {
    environment: Mutex<environment::State>,
    files: Mutex<files::State>,
    clock: Mutex<clock::State>,
    http: Mutex<http::State>,
    keyring: Mutex<keyring::State>,
    loopback: Mutex<loopback::State>,
    processes: Mutex<processes::State>,
    person: Mutex<person::State>,
}

impl Fake {
    /// A machine on which nothing is set up.
    pub fn new() -> Self {
        Self::default()
    }

    /// The machine as providers see it.
    pub fn host(&self) -> Host {
        let this = Arc::new(self.clone());
        Host {
            environment: this.clone(),
            files: this.clone(),
            clock: this.clone(),
            http: this.clone(),
            loopback: this.clone(),
            processes: this.clone(),
            person: this.clone(),
            keyring: this.clone(),
            tasks: this,
        }
    }
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

/// Every task has a thread of its own, which ends with it.
impl Tasks for Fake {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        std::thread::spawn(move || pollster::block_on(task));
    }
}

/// A panic in one test thread must not hide behind a poisoned lock in another.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
