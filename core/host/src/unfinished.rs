//! Files on their way to their place, and what is left of them when their writer was killed.
//!
//! A writer holds a lock (`flock(2)`) on the file that it writes, from before there is anything in it. So a file that is not
//! locked was abandoned, and one of a writer that is alive, even suspended, is left alone.

use ee_auth_core::ShowPath as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// How often another file is made because somebody took the last for abandoned before it was locked.
const MOST_ATTEMPTS: u32 = 100;

/// Who may read a new file, besides its owner.
#[derive(Clone, Copy)]
pub(crate) enum Readers {
    Nobody,
    /// Those whom the umask allows.
    Usual,
}

/// A new file in `directory`, locked while it is open. Its owner can read and write it, whatever the umask.
pub(crate) fn create(directory: &Path, readers: Readers) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".ee-auth-");
    #[cfg(unix)]
    if let Readers::Usual = readers {
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    }
    #[cfg(not(unix))]
    let _ = readers;
    for _ in 0..MOST_ATTEMPTS {
        let file = builder.tempfile_in(directory)?;
        if hold(file.as_file())? {
            return Ok(file);
        }
    }
    Err(io::Error::other("every file was removed before it could be locked"))
}

/// The files in `directory` with such a name that were abandoned, each with its lock.
pub(crate) fn abandoned<'a>(
    directory: &'a Path,
    named: &'a dyn Fn(&str) -> bool,
) -> impl Iterator<Item = (PathBuf, File)> + 'a {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.filter(move |entry| entry.file_name().to_str().is_some_and(named));
    named.filter_map(|entry| {
        let path = entry.path();
        match take(&path) {
            Ok(lock) => Some((path, lock?)),
            Err(error) => {
                log::debug!("{}: {error}", path.shown());
                None
            }
        }
    })
}

/// Removes the files in `directory` with such a name that were abandoned.
pub(crate) fn remove_abandoned(directory: &Path, named: &dyn Fn(&str) -> bool) {
    for (path, lock) in abandoned(directory, named) {
        // Windows removes no file that is open for nobody else.
        #[cfg(not(unix))]
        drop(lock);
        match fs::remove_file(&path) {
            Ok(()) => log::debug!("{}: removed, since its writer was killed", path.shown()),
            Err(error) => log::debug!("{} could not be removed: {error}", path.shown()),
        }
        #[cfg(unix)]
        drop(lock);
    }
}

#[cfg(unix)]
use unix::{hold, take};
#[cfg(not(unix))]
use windows::{hold, take};

#[cfg(unix)]
mod unix {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
    use std::time::{Duration, SystemTime};

    use rustix::fs::{FlockOperation, OFlags, flock};
    use rustix::io::Errno;
    use rustix::process::geteuid;

    use super::*;
    use crate::lock::is_unsupported;

    /// On a file system without locks, how old a file must be to count as abandoned. No writer needs so long; one that was
    /// suspended fails.
    const OLD: Duration = Duration::from_secs(3600);

    /// Locks a file that was just created, and lets its owner use it whatever the umask is. Answers whether it is still there:
    /// somebody may have taken it for abandoned before it was locked.
    pub(super) fn hold(file: &File) -> io::Result<bool> {
        match rustix::io::retry_on_intr(|| flock(file, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(error) if is_unsupported(error) => {}
            Err(error) => return Err(error.into()),
        }
        let status = file.metadata()?;
        if status.mode() & 0o600 != 0o600 {
            file.set_permissions(Permissions::from_mode(status.mode() & 0o777 | 0o600))?;
        }
        Ok(status.nlink() > 0)
    }

    /// The lock of an abandoned file; `None` where it is somebody's, or is no file of this user.
    pub(super) fn take(path: &Path) -> io::Result<Option<File>> {
        let status = fs::symlink_metadata(path)?;
        if !status.is_file() || status.uid() != geteuid().as_raw() {
            return Ok(None);
        }
        if status.mode() & 0o400 == 0 {
            // Its writer was killed before it could undo what the umask did.
            fs::set_permissions(path, Permissions::from_mode(0o600))?;
        }
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::options().read(true).custom_flags(flags.bits() as i32).open(path)?;
        let status = file.metadata()?;
        if !status.is_file() || status.uid() != geteuid().as_raw() {
            return Ok(None);
        }
        let is_old = |at| SystemTime::now().duration_since(at).is_ok_and(|age| age > OLD);
        match rustix::io::retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive)) {
            // It was put in its place, or removed, before it was locked here.
            Ok(()) if fs::symlink_metadata(path)?.ino() != status.ino() => Ok(None),
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) if is_unsupported(error) => Ok(status.modified().is_ok_and(is_old).then_some(file)),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(not(unix))]
mod windows {
    use super::*;

    /// Nothing to do: an open file is known as such.
    pub(super) fn hold(_file: &File) -> io::Result<bool> {
        Ok(true)
    }

    /// The file, if nobody has it open.
    pub(super) fn take(path: &Path) -> io::Result<Option<File>> {
        let mut options = File::options();
        options.read(true);
        #[cfg(windows)]
        std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, 0);
        Ok(options.open(path).ok().filter(|file| file.metadata().is_ok_and(|status| status.is_file())))
    }
}
