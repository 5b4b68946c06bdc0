//! Locks between processes, for which a file stands.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(unix)]
pub(crate) use unix::{is_unsupported, take};
#[cfg(windows)]
pub(crate) use windows::take;

#[cfg(unix)]
mod unix {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
    use std::path::PathBuf;

    use rustix::fs::{FlockOperation, OFlags, flock};
    use rustix::io::Errno;

    use super::*;

    /// A lock of `flock(2)`, which the system takes back when its process ends.
    pub(crate) struct Lock {
        path: PathBuf,
        _file: File,
    }

    pub(crate) fn take(path: &Path) -> io::Result<Option<Lock>> {
        let file = match open(path) {
            // An umask of 0777 was in force when it was created, and its creator was killed before it could undo that.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_closed(path) => {
                fs::set_permissions(path, Permissions::from_mode(0o600))?;
                open(path)?
            }
            opened => opened?,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(None),
            Err(error) if is_unsupported(error) => {
                return Err(io::Error::new(io::ErrorKind::Unsupported, io::Error::from(error)));
            }
            Err(error) => return Err(error.into()),
        }
        // Whoever had the lock has removed its file meanwhile, perhaps: then others take turns at another by now.
        let (taken, there) = (file.metadata()?, fs::symlink_metadata(path));
        if taken.mode() & 0o600 != 0o600 {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        match there {
            Ok(there) if (there.dev(), there.ino()) == (taken.dev(), taken.ino()) => {
                Ok(Some(Lock { path: path.to_owned(), _file: file }))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32)
            .open(path)
    }

    /// Whether it is a file of this user that its own owner cannot open.
    fn is_closed(path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|status| {
            status.is_file()
                && status.uid() == rustix::process::geteuid().as_raw()
                && status.mode() & 0o600 != 0o600
        })
    }

    /// Whether this error of `flock` says that the file system has no locks.
    pub(crate) fn is_unsupported(error: Errno) -> bool {
        matches!(error, Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL)
    }

    impl Drop for Lock {
        fn drop(&mut self) {
            // While the lock is held: thereafter the file may be somebody else's.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(windows)]
mod windows {
    use std::os::windows::fs::OpenOptionsExt;

    use super::*;

    /// `FILE_FLAG_DELETE_ON_CLOSE`: the file goes with its last handle, however its process ends.
    const DELETE_ON_CLOSE: u32 = 0x0400_0000;
    /// `ERROR_SHARING_VIOLATION`: of a file that somebody has open.
    const SHARING_VIOLATION: i32 = 32;

    /// A file that nobody else can open.
    pub(crate) struct Lock {
        _file: File,
    }

    pub(crate) fn take(path: &Path) -> io::Result<Option<Lock>> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .share_mode(0)
            .custom_flags(DELETE_ON_CLOSE)
            .open(path);
        match opened {
            Ok(file) => Ok(Some(Lock { _file: file })),
            Err(error) if error.raw_os_error() == Some(SHARING_VIOLATION) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
