//! Locks between processes, for which a file stands.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(unix)]
pub(crate) use unix::take;
#[cfg(windows)]
pub(crate) use windows::take;

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
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
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32)
            .open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // Whoever had the lock has removed its file meanwhile, perhaps: then others take turns at another by now.
        let (taken, there) = (file.metadata()?, fs::symlink_metadata(path));
        match there {
            Ok(there) if (there.dev(), there.ino()) == (taken.dev(), taken.ino()) => {
                Ok(Some(Lock { path: path.to_owned(), _file: file }))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
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
