use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::AccessList;

/// The most bytes that a credential file may have: 1 MiB. A real one has under 10 KiB.
pub const MAX_CREDENTIAL_FILE: u64 = 1 << 20;

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link, where links were not followed.
    Link,
    /// A named pipe.
    Fifo,
    /// A device, a socket or something else.
    Other,
}

/// What is known of a file without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// What it is.
    pub kind: FileKind,
    /// Its size in bytes.
    pub size: u64,
    /// The Unix permission bits; `None` on systems that have none.
    pub mode: Option<u32>,
    /// The POSIX access control list, where it gives others anything; `None` where there is none, or on systems that have none.
    pub access_list: Option<AccessList>,
    /// The Unix user that owns it; `None` on systems that have none.
    pub owner: Option<u32>,
    /// The Unix group that it belongs to; `None` where that is not known.
    pub group: Option<u32>,
    /// The device that holds it, so that a mount point can be told; `None` where that is not known.
    pub device: Option<u64>,
    /// When it was last written.
    pub modified: Option<SystemTime>,
}

impl FileStatus {
    /// Whether users other than the owner may read the file. Always false where there are no permission bits.
    ///
    /// Those whom an access control list names are among them: its mask is where the bits of the group are.
    pub fn readable_by_others(&self) -> bool {
        self.mode.is_some_and(|mode| mode & 0o044 != 0)
    }
}

/// A file's content and status, both taken from one open file, so that they belong together.
pub struct FileRead {
    /// The content. Overwritten in memory when dropped, since it may be a credential.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The status of what was read.
    pub status: FileStatus,
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileReadError {
    /// Nothing is there.
    #[error("no such file")]
    NotFound,
    /// Something is there that is no regular file.
    #[error("{}", match .0 {
        FileKind::Directory => "it is a directory, not a file",
        FileKind::Fifo => "it is a named pipe, not a file",
        FileKind::Link => "it is a symbolic link, not a file",
        _ => "it is not a regular file",
    })]
    NotRegular(FileKind),
    /// The file is larger than the limit; both in bytes.
    #[error("it has {size} bytes; at most {limit} are read")]
    TooLarge {
        /// The size of the file.
        size: u64,
        /// The limit that the caller gave.
        limit: u64,
    },
    /// The system refused.
    #[error("{0}")]
    Io(io::Error),
}

/// A lock of [`Files::try_lock`]; it is given back when this is dropped.
pub type FileLock = Box<dyn Send>;

/// A file of [`Files::write_temporary`]; it is removed when this is dropped.
pub type TemporaryFile = Box<dyn Send>;

/// Files. Paths are used as given; calls block, as local files do.
pub trait Files: Send + Sync {
    /// The whole content of a regular file of at most `limit` bytes, links followed. Never waits on a FIFO or a
    /// device.
    ///
    /// # Errors
    /// See [`FileReadError`].
    fn read(&self, path: &Path, limit: u64) -> Result<FileRead, FileReadError>;

    /// As [`Files::read`], of the file at `path` itself: a symbolic link there is [`FileReadError::NotRegular`].
    ///
    /// # Errors
    /// See [`FileReadError`].
    fn read_unlinked(&self, path: &Path, limit: u64) -> Result<FileRead, FileReadError>;

    /// What stands at `path`, links followed.
    ///
    /// # Errors
    /// The system's.
    fn status(&self, path: &Path) -> io::Result<FileStatus>;

    /// Where the symbolic link at `path` itself leads, as it is written in it, and the link's own status; `None` where
    /// something else is there. Links on the way to it are followed.
    ///
    /// # Errors
    /// The system's.
    fn link(&self, path: &Path) -> io::Result<Option<(std::path::PathBuf, FileStatus)>>;

    /// The path without links and `..`.
    ///
    /// # Errors
    /// The system's.
    fn canonical(&self, path: &Path) -> io::Result<std::path::PathBuf>;

    /// Puts `bytes` at `path`, whole or not at all, readable by the user alone (mode 0600). Missing directories are
    /// made with mode 0700. A symbolic link at `path` itself is replaced, never followed.
    ///
    /// # Errors
    /// The system's. The old file is then as it was.
    fn write_private(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Puts `new` at `path` as [`Files::write_private`] does, or removes what is there with `None`, if it still holds `old`
    /// (`None`: if nothing is there), which is looked at right before. Answers whether it did: for [`Host::update`], which
    /// holds the lock.
    ///
    /// # Errors
    /// The system's. The old file is then as it was.
    ///
    /// [`Host::update`]: super::Host::update
    fn replace(&self, path: &Path, old: Option<&[u8]>, new: Option<&[u8]>) -> io::Result<bool>;

    /// Makes sure that a file could be put at `path`: writes one of `size` bytes beside it, and removes it.
    ///
    /// # Errors
    /// The system's.
    fn check_writable(&self, path: &Path, size: usize) -> io::Result<()>;

    /// The files in `directory` with such a name whose writers have ended without putting them in their place or removing
    /// them. A file whose writer is alive is not among them, even if it is suspended.
    fn abandoned(&self, directory: &Path, named: &dyn Fn(&str) -> bool) -> Vec<std::path::PathBuf>;

    /// Removes the files of [`Files::abandoned`].
    fn remove_abandoned(&self, directory: &Path, named: &dyn Fn(&str) -> bool);

    /// As [`Files::write_private`], for what can be had again: after a crash of the machine there may be nothing, or
    /// something else, and so nobody waits for the disk.
    ///
    /// # Errors
    /// The system's. The old file is then as it was.
    fn write_cache(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// As [`Files::write_cache`], for a file that another program is to read for a while. It is removed when what this answers
    /// is dropped; and when a signal ends the process, in a program that has asked its host for that.
    ///
    /// # Errors
    /// The system's. The old file is then as it was.
    fn write_temporary(&self, path: &Path, bytes: &[u8]) -> io::Result<TemporaryFile>;

    /// As [`Files::write_private`], for a program that only the user may read and run (mode 0500).
    ///
    /// # Errors
    /// The system's. The old file is then as it was.
    fn write_program(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let _ = (path, bytes);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Lets everybody who may read a file run it, on systems where that is a matter of permission bits.
    ///
    /// # Errors
    /// The system's.
    fn make_executable(&self, path: &Path) -> io::Result<()> {
        let _ = path;
        Ok(())
    }

    /// Puts `bytes` at `path` as a new file with the system's usual mode, and fails where something is there already.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AlreadyExists`] where something is there.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file; nothing there is no error.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The names of what is in a directory, in any order.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::NotFound`] where there is no such directory.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;

    /// Takes the lock that `path` stands for, among all processes of this machine and all who ask in this one. `None`
    /// where somebody has it: never waits. It is given back when it is dropped, or when its process ends in any way.
    ///
    /// The file holds nothing. It is made for the lock, with missing directories as in [`Files::write_private`], and is
    /// removed with it.
    ///
    /// # Errors
    /// The system's: no such file can be made; [`io::ErrorKind::Unsupported`] where the file system has no locks.
    fn try_lock(&self, path: &Path) -> io::Result<Option<FileLock>>;
}
