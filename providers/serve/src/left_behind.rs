//! What a process leaves behind that was killed before it could tidy up.
//!
//! Whoever puts something down for as long as the process lives locks it first (`flock(2)`) and fills it then. So what has
//! something in it and is not locked belongs to nobody any more. Where files cannot be locked, nothing is taken for left
//! behind.

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
            Err(error) => log::debug!("{}: {error}", path.display()),
        }
    }
}

/// The lock of something that was left behind; `None` where it is somebody's.
#[cfg(unix)]
fn take(path: &Path) -> io::Result<Option<File>> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

    use rustix::fs::{FlockOperation, OFlags, flock};

    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits() as i32).open(path)?;
    let status = file.metadata()?;
    if status.uid() != rustix::process::geteuid().as_raw() {
        return Ok(None);
    }
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(None);
    }
    let is_filled =
        if status.is_dir() { std::fs::read_dir(path)?.next().is_some() } else { file.metadata()?.len() > 0 };
    Ok(is_filled.then_some(file))
}

#[cfg(not(unix))]
pub(crate) fn tidy_up(_directory: &Path, _prefix: &str, _suffix: &str, _tidy: impl FnMut(&Path)) {}
