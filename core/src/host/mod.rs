//! What a provider may touch outside the process.
//!
//! [`Host`] is a struct of small traits, one per concern, each easy to fake. `ee-auth-host` has the system's; tests
//! build others. Futures are boxed and know no runtime: whoever polls one may be on any executor or on none.

mod access_list;
mod clock;
mod environment;
mod files;
mod http;
mod keyring;
mod loopback;
mod path_guard;
mod person;
mod processes;
mod shortage;
mod update;

use crate::ShowPath as _;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

pub use access_list::{ACCESS_LIST_ATTRIBUTE, AccessList, Grantee};
pub use clock::Clock;
pub use environment::{Directory, Environment, variable};
pub use files::{
    FileKind, FileLock, FileRead, FileReadError, FileStatus, Files, MAX_CREDENTIAL_FILE, TemporaryFile,
};
pub use http::{Body, ClientCertificate, Http, HttpError, HttpErrorKind, Limit, Method, Request, Response};
pub use keyring::{Keyring, KeyringError, KeyringErrorKind, NoKeyring, patiently};
pub use loopback::{Loopback, Page, Visit, Visits};
pub use path_guard::{PathGuard, PathRisk};
pub use person::{Nobody, Person, Presence};
pub use processes::{Command, Conversation, Output, ProcessError, Processes, Reply, Variables};
pub use shortage::shortage;
pub use update::{Edit, LOCK_TIMEOUT, LockedFile, UpdateError, is_unfinished};

/// A future that any executor can poll, on any thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs futures to their end beside whoever asked for them: the one private thread on which exchanges happen, so that
/// dropping a caller loses nothing.
pub trait Tasks: Send + Sync {
    /// Starts the thread, unless it runs already. [`Tasks::spawn`] does that by itself; a caller that asks first can say why it
    /// cannot be started.
    ///
    /// # Errors
    /// The system's.
    fn start(&self) -> io::Result<()> {
        Ok(())
    }

    /// Starts `task` and returns at once. The thread is started by the first call.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Differs from before where tasks that were started before do not run any more: in the child after a fork, which has
    /// none of its parent's threads.
    fn generation(&self) -> u64 {
        0
    }
}

/// Everything outside the process, one trait per concern. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    /// Variables and the user's directories.
    pub environment: Arc<dyn Environment>,
    /// Files.
    pub files: Arc<dyn Files>,
    /// The time of day, and waiting.
    pub clock: Arc<dyn Clock>,
    /// HTTP requests.
    pub http: Arc<dyn Http>,
    /// Waiting for a browser.
    pub loopback: Arc<dyn Loopback>,
    /// Other programs.
    pub processes: Arc<dyn Processes>,
    /// Whoever sits in front of the machine, if anybody does.
    pub person: Arc<dyn Person>,
    /// The system's keyring.
    pub keyring: Arc<dyn Keyring>,
    /// The private thread of exchanges.
    pub tasks: Arc<dyn Tasks>,
}

impl Host {
    /// Whether a file that nobody named counts as absent, since it could not be read for this reason: nothing is there, or it
    /// is closed to this user, as another user's home directory is. A file of the user's own counts, readable or not.
    pub fn counts_as_absent(&self, path: &Path, error: &FileReadError) -> bool {
        let refused = match error {
            FileReadError::NotFound => return true,
            FileReadError::Io(error) => error.kind(),
            _ => return false,
        };
        match refused {
            // A file stands where a directory of the path would be: `HOME=/dev/null`, say.
            io::ErrorKind::NotADirectory => true,
            io::ErrorKind::PermissionDenied => {
                let owner = self.files.status(path).ok().and_then(|status| status.owner);
                let closed = owner.is_none() || owner != self.environment.user_id();
                if closed {
                    log::info!("{} is closed to this user, so it counts as absent", path.shown());
                }
                closed
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}
