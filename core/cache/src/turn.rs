//! Turns at making an exchange.

use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Directory, Host};
use ee_auth_core::{TokenKey, Turn};

use crate::{DiskCache, directory, entry, machine};

/// The pauses between two looks at a lock. They grow with the time that was waited, so that nobody waits much longer
/// than has to be, and a hundred that wait for long do not keep the machine busy.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// After so long a person is told what is waited for.
const UNTOLD: Duration = Duration::from_secs(3);

/// Where the tokens are whose turns these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// In files of the same directory, which can be written or not.
    Beside,
    /// Somewhere else.
    Elsewhere,
}

/// The turn of `key`, when it comes. `None` where no turn can be had, or it does not come in good time.
pub(crate) async fn take(cache: &DiskCache, key: &TokenKey, keeps: Keeps) -> Option<Turn> {
    let digest = entry::digest(key);
    let host = cache.host();
    // Beside the tokens only where it has to be: that may be a network's file system, whose locks are slow or none.
    for path in
        in_session(host, &digest).into_iter().chain(iter::once_with(|| beside(host, &digest)).flatten())
    {
        match wait(cache, &path, keeps).await {
            Ok(turn) => return turn,
            Err(error) => cache.tell(format!(
                "{}: {error}; no lock can be had there, so that several processes may get a token at a time",
                path.shown()
            )),
        }
    }
    None
}

/// Waits for the lock at `path`.
///
/// # Errors
/// Where there can be none.
async fn wait(cache: &DiskCache, path: &Path, keeps: Keeps) -> io::Result<Option<Turn>> {
    let host = cache.host();
    // The sum of the pauses rather than a time of day, which may jump.
    let mut waited = Duration::ZERO;
    loop {
        if let Some(lock) = host.files.try_lock(path)? {
            return Ok(Some(lock));
        }
        if waited.is_zero() && keeps == Keeps::Beside && !directory::is_writable(host) {
            // What the others get cannot be kept: to wait for them would be to do the same, one after another.
            return Ok(None);
        }
        if waited >= cache.patience() {
            cache.tell(format!(
                "another process has held {} for too long, and is not waited for any longer; it may have been \
                 stopped: resume it or end it",
                path.shown()
            ));
            return Ok(None);
        }
        let pause = (waited / 4).clamp(SHORTEST_PAUSE, LONGEST_PAUSE).min(cache.patience() - waited);
        host.clock.sleep(pause).await;
        if waited < UNTOLD && waited + pause >= UNTOLD {
            host.person.tell_progress(&format!(
                "waiting for another ee-auth process, which is getting the same token (at most {} s)",
                cache.patience().as_secs()
            ));
        }
        waited += pause;
    }
}

/// Where the lock of `digest` is, in the directory that ends with the session.
fn in_session(host: &Host, digest: &str) -> Option<PathBuf> {
    Some(host.environment.directory(Directory::Runtime)?.join("ee-auth").join(format!("{digest}.lock")))
}

/// Where it is beside the tokens. Each machine has its own: the lock of one that is dead, or cut off from the server of
/// their common home directory, may stay for long.
fn beside(host: &Host, digest: &str) -> Option<PathBuf> {
    Some(directory::directory(host)?.join(machine::file_name(host, digest, "lock")))
}
