//! What a process leaves behind that was killed before it could tidy up.
//!
//! Whoever puts something down for as long as the process lives locks it first (`flock(2)`) and fills it then. So what has
//! something in it and is not locked belongs to nobody any more. Where files cannot be locked, nothing is taken for left
//! behind.

use ee_auth_core::ShowPath as _;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Locks a file or directory that is empty still, for as long as it is open. `shared` says that programs which are started
/// from now on keep it locked as well.
#[cfg(unix)]
pub(crate) fn hold(file: &File, shared: bool) {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::{FdFlags, fcntl_setfd};
    // Somebody who looks whether it was left behind has it for a moment.
    let locked = flock(file, FlockOperation::LockExclusive);
    let locked = locked.and_then(|()| if shared { fcntl_setfd(file, FdFlags::empty()) } else { Ok(()) });
    if let Err(error) = locked {
        log::debug!("what is left behind if this process is killed will not be known as such: {error}");
    }
}

#[cfg(not(unix))]
pub(crate) fn hold(_file: &File, _shared: bool) {}

/// Hands everything in `directory` to `tidy` that was left behind by a process of the same user, and whose name begins and
/// ends like this.
#[cfg(unix)]
pub(crate) fn tidy_up(directory: &Path, prefix: &str, suffix: &str, mut tidy: impl FnMut(&Path)) {
    let ours = |name: &OsStr| {
        let name = name.as_encoded_bytes();
        name.starts_with(prefix.as_bytes()) && name.ends_with(suffix.as_bytes())
    };
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let paths: Vec<PathBuf> =
        entries.flatten().filter(|entry| ours(&entry.file_name())).map(|entry| entry.path()).collect();
    for path in paths {
        match take(&path) {
            Ok(Some(_lock)) => tidy(&path),
            Ok(None) => {}
            Err(error) => log::debug!("{}: {error}", path.shown()),
        }
    }
}

/// The lock of something that was left behind; `None` where it is somebody's.
#[cfg(unix)]
fn take(path: &Path) -> io::Result<Option<File>> {
    use std::os::unix::fs::MetadataExt;

    let file = open(path)?;
    let status = file.metadata()?;
    if status.uid() != rustix::process::geteuid().as_raw() || !lock(&file)? {
        return Ok(None);
    }
    let is_filled =
        if status.is_dir() { std::fs::read_dir(path)?.next().is_some() } else { file.metadata()?.len() > 0 };
    Ok(is_filled.then_some(file))
}

/// Whether something that this process made is held by no other any more, such as a program that it started: then its lock,
/// where it can have one.
#[cfg(unix)]
pub(crate) fn is_free(path: &Path) -> Option<Option<File>> {
    let locked = open(path).and_then(|file| Ok((lock(&file)?, file)));
    match locked {
        Ok((true, file)) => Some(Some(file)),
        Ok((false, _)) => None,
        Err(_) => Some(None),
    }
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;

    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    File::options().read(true).custom_flags(flags.bits() as i32).open(path)
}

/// Whether it could be locked; not where another process has done so.
#[cfg(unix)]
fn lock(file: &File) -> io::Result<bool> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;

    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
pub(crate) fn is_free(_path: &Path) -> Option<Option<File>> {
    Some(None)
}

#[cfg(not(unix))]
pub(crate) fn tidy_up(_directory: &Path, _prefix: &str, _suffix: &str, _tidy: impl FnMut(&Path)) {}
