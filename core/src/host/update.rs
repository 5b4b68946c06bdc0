//! Changing a file that other processes change too.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::{FileLock, FileRead, FileReadError, Host};
use crate::Error;
use crate::ShowPath as _;

/// How long a change waits for the lock. A change takes milliseconds; an owner that needs longer is suspended, or its disk is
/// busy.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The pauses between two attempts at a lock. They grow with the time waited, so that a short change costs little and many
/// waiting processes do not keep the machine busy.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// How often a change starts again because a program that takes no lock has written the file meanwhile.
const MOST_ATTEMPTS: u32 = 20;

/// What a change does with a file.
pub enum Edit {
    /// Leaves it as it is.
    Keep,
    /// Writes this as its whole content.
    Write(Zeroizing<Vec<u8>>),
    /// Removes it.
    Remove,
}

/// Why a file was not changed. It is then as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum UpdateError {
    /// The lock at this path was not released in time.
    Locked(PathBuf),
    /// The file cannot be read.
    Read(FileReadError),
    /// The file or its lock cannot be written.
    Write(io::Error),
    /// The change itself failed.
    Change(Error),
}

impl UpdateError {
    /// The error for a person. The caller says what it means that the file cannot be read or written.
    pub fn explain(
        self,
        read: impl FnOnce(&FileReadError) -> Error,
        write: impl FnOnce(&io::Error) -> Error,
    ) -> Error {
        match self {
            Self::Locked(lock) => Error::unavailable(
                "locked",
                format!("timed out waiting for the lock {}; its owner may be suspended", lock.shown()),
            )
            .hint("nothing was changed; resume the other ee-auth or end it, then try again"),
            Self::Read(error) => read(&error),
            Self::Write(error) => write(&error),
            Self::Change(error) => error,
        }
    }
}

/// A file that this process may change and no other does, until this is dropped.
pub struct LockedFile<'a> {
    host: &'a Host,
    path: PathBuf,
    /// `None` on file systems without locks.
    _lock: Option<FileLock>,
}

impl Host {
    /// Locks a file against changes by other processes: `.NAME.lock` beside it. On a file system without locks there is
    /// none, and [`LockedFile::update`] alone notices another's change.
    ///
    /// # Errors
    /// [`UpdateError::Locked`] after `timeout`; [`UpdateError::Write`] where the lock's file cannot be created.
    pub async fn lock_file(&self, path: &Path, timeout: Duration) -> Result<LockedFile<'_>, UpdateError> {
        let lock = lock_path(path);
        // The sum of the pauses rather than a time of day, which may jump.
        let mut waited = Duration::ZERO;
        let lock = loop {
            match self.files.try_lock(&lock) {
                Ok(Some(lock)) => break Some(lock),
                Ok(None) if waited < timeout => {
                    let pause = (waited / 4).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
                    self.clock.sleep(pause).await;
                    waited += pause;
                }
                Ok(None) => return Err(UpdateError::Locked(lock)),
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    log::info!("{}: {error}; this file system has no locks", lock.shown());
                    break None;
                }
                Err(error) => return Err(UpdateError::Write(error)),
            }
        };
        Ok(LockedFile { host: self, path: path.to_owned(), _lock: lock })
    }

    /// Reads a file of at most `limit` bytes, changes it and writes it, under its lock from the first to the last: no other
    /// change is lost, and the file is the old one or the new one at any instant.
    ///
    /// # Errors
    /// As [`Host::lock_file`], with [`LOCK_TIMEOUT`], and [`LockedFile::update`].
    pub async fn update<T>(
        &self,
        path: &Path,
        limit: u64,
        change: impl FnMut(Option<&FileRead>) -> Result<(Edit, T), Error>,
    ) -> Result<T, UpdateError> {
        self.lock_file(path, LOCK_TIMEOUT).await?.update(limit, change)
    }

    /// As [`Host::update`], for callers without a future: blocks for as long as another process holds the lock.
    ///
    /// # Errors
    /// As [`Host::update`].
    pub fn update_blocking<T>(
        &self,
        path: &Path,
        limit: u64,
        change: impl FnMut(Option<&FileRead>) -> Result<(Edit, T), Error>,
    ) -> Result<T, UpdateError> {
        pollster::block_on(self.update(path, limit, change))
    }
}

impl LockedFile<'_> {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The host whose file it is.
    pub fn host(&self) -> &Host {
        self.host
    }

    /// Reads the file, if it is there, and does what `change` makes of it. `change` is asked again where a program that takes
    /// no lock has changed the file meanwhile.
    ///
    /// # Errors
    /// [`UpdateError::Read`], [`UpdateError::Write`], and [`UpdateError::Change`] where `change` fails.
    pub fn update<T>(
        &self,
        limit: u64,
        mut change: impl FnMut(Option<&FileRead>) -> Result<(Edit, T), Error>,
    ) -> Result<T, UpdateError> {
        let files = &self.host.files;
        for _ in 0..MOST_ATTEMPTS {
            let old = match files.read(&self.path, limit) {
                Ok(read) => Some(read),
                Err(FileReadError::NotFound) => None,
                // A file is where a directory of the path would be. Writing says so.
                Err(FileReadError::Io(error)) if error.kind() == io::ErrorKind::NotADirectory => None,
                Err(error) => return Err(UpdateError::Read(error)),
            };
            let (edit, result) = change(old.as_ref()).map_err(UpdateError::Change)?;
            let new = match &edit {
                Edit::Keep => return Ok(result),
                Edit::Write(bytes) => Some(bytes.as_slice()),
                Edit::Remove => None,
            };
            let old = old.as_ref().map(|old| old.bytes.as_slice());
            if files.replace(&self.path, old, new).map_err(UpdateError::Write)? {
                return Ok(result);
            }
            log::debug!("{}: changed by another program meanwhile; reading it again", self.path.shown());
        }
        Err(UpdateError::Write(io::Error::other("another program keeps changing it")))
    }

    /// Removes the file, whatever is in it, and what killed writers left beside it.
    ///
    /// # Errors
    /// [`UpdateError::Write`].
    pub fn remove(&self) -> Result<(), UpdateError> {
        let files = &self.host.files;
        if let Some(directory) = self.path.parent() {
            files.remove_abandoned(directory, &is_unfinished);
        }
        files.remove(&self.path).map_err(UpdateError::Write)
    }
}

/// Whether a file is on its way to its place, as its name says: `.ee-auth-` and six letters or digits.
pub fn is_unfinished(name: &str) -> bool {
    let random = name.strip_prefix(".ee-auth-");
    random.is_some_and(|random| random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Where the lock of a file is.
fn lock_path(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".lock");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_beside_its_file() {
        assert_eq!(lock_path(Path::new("/a/trust.json")), Path::new("/a/.trust.json.lock"));
        assert_eq!(lock_path(Path::new("credentials")), Path::new(".credentials.lock"));
    }

    #[test]
    fn unfinished_files_are_known_by_their_names() {
        assert!(is_unfinished(".ee-auth-Ab3dE9"));
        for other in
            [".ee-auth-home-Ab3dE9", ".ee-auth-home", ".ee-auth-", "ee-auth-Ab3dE9", ".ee-auth-Ab3d.9"]
        {
            assert!(!is_unfinished(other), "{other}");
        }
    }
}
