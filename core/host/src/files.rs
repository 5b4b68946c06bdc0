use std::ffi::OsString;
use std::fs::{self, DirBuilder, DirEntry, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

#[cfg(target_os = "linux")]
use ee_auth_core::ShowPath as _;
use ee_auth_core::host::ACCESS_LIST_ATTRIBUTE;
use ee_auth_core::host::{
    AccessList, FileKind, FileLock, FileRead, FileReadError, FileStatus, Files, TemporaryFile, is_unfinished,
};
use tempfile::NamedTempFile;

use crate::attached::HIDDEN;
use crate::buffer::Buffer;
use crate::ending::Undo;
use crate::lock;
use crate::unfinished::{self, Readers};

/// How often is looked for a file that is replaced just then, and the pause between two looks.
const MOST_LOOKS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(5);

/// How often a program is written anew because its file was removed before it was in its place.
const MOST_ATTEMPTS: u32 = 5;

pub(crate) struct SystemFiles;

impl Files for SystemFiles {
    fn read(&self, path: &Path, limit: u64) -> Result<FileRead, FileReadError> {
        for look in 1..MOST_LOOKS {
            match read(path, limit, Links::Followed) {
                Err(error) if is_replaced(path, &error, look) => {}
                outcome => return outcome,
            }
        }
        read(path, limit, Links::Followed)
    }

    fn read_unlinked(&self, path: &Path, limit: u64) -> Result<FileRead, FileReadError> {
        read(path, limit, Links::Refused)
    }

    fn status(&self, path: &Path) -> io::Result<FileStatus> {
        let mut status = describe(&fs::metadata(path)?);
        status.access_list = access_list(&status, |bytes| attribute(path, bytes));
        Ok(status)
    }

    fn link(&self, path: &Path) -> io::Result<Option<(PathBuf, FileStatus)>> {
        let status = describe(&fs::symlink_metadata(path)?);
        if status.kind != FileKind::Link {
            return Ok(None);
        }
        Ok(Some((fs::read_link(path)?, status)))
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn write_private(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        place_private(path, bytes, || Ok(true)).map(drop)
    }

    fn replace(&self, path: &Path, old: Option<&[u8]>, new: Option<&[u8]>) -> io::Result<bool> {
        let is_old = || is_there(path, old);
        refuse_hidden(path)?;
        match new {
            Some(new) => place_private(path, new, is_old),
            None if is_old()? => {
                unfinished::remove_abandoned(parent(path), &is_unfinished);
                self.remove(path)?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn check_writable(&self, path: &Path, size: usize) -> io::Result<()> {
        refuse_hidden(path)?;
        let (file, _undo) = beside(private_parent(path)?, &vec![b' '; size], Readers::Nobody)?;
        file.close()
    }

    fn abandoned(&self, directory: &Path, named: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
        unfinished::abandoned(directory, named).map(|(path, _)| path).collect()
    }

    fn remove_abandoned(&self, directory: &Path, named: &dyn Fn(&str) -> bool) {
        unfinished::remove_abandoned(directory, named);
    }

    fn write_cache(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (file, undo) = beside(private_parent(path)?, bytes, Readers::Nobody)?;
        file.persist(path).map_err(|error| error.error)?;
        undo.forget();
        Ok(())
    }

    fn write_program(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let directory = private_parent(path)?;
        for attempt in 1.. {
            let (file, undo) = beside(directory, bytes, Readers::Nobody)?;
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                file.as_file().set_permissions(fs::Permissions::from_mode(0o500))?;
            }
            // Closed before it has its name: a file that is open for writing cannot be run. Its lock goes with that, so
            // another process may take it for abandoned.
            match file.into_temp_path().persist(path) {
                Err(error) if error.error.kind() == io::ErrorKind::NotFound && attempt < MOST_ATTEMPTS => {}
                Err(error) => return Err(error.error),
                Ok(()) => {
                    undo.forget();
                    break;
                }
            }
        }
        Ok(())
    }

    fn write_temporary(&self, path: &Path, bytes: &[u8]) -> io::Result<TemporaryFile> {
        let directory = private_parent(path)?;
        let write = || {
            let mut file = unfinished::create(directory, Readers::Nobody)?;
            file.write_all(bytes)?;
            file.persist(path).map_err(|error| error.error)
        };
        let place = path.to_owned();
        let remove = |_: &File| {
            move || match fs::remove_file(&place) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    log::warn!("{} could not be removed: {error}", place.shown());
                }
                _ => {}
            }
        };
        // The open file is its lock: without it, it is abandoned.
        Ok(Box::new(Undo::make(write, remove)?))
    }

    #[cfg(unix)]
    fn make_executable(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path)?.permissions().mode();
        // Whoever has a bit of 0444 gets the one of 0111 that belongs to it.
        fs::set_permissions(path, fs::Permissions::from_mode(mode | (mode & 0o444) >> 2))
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        create_directories(parent(path), 0o777)?;
        let (file, undo) = beside(parent(path), bytes, Readers::Usual)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|error| error.error)?;
        undo.forget();
        sync_directory(parent(path));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        refuse_hidden(path)?;
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<FileLock>> {
        let taken = lock::take(path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => private_parent(path).and_then(|_| lock::take(path)),
            _ => Err(error),
        });
        Ok(taken?.map(|lock| Box::new(lock) as FileLock))
    }
}

/// Whether a file that could not be read may be read at the next look, since it is being replaced on a network file system.
/// On a local one there is always the old file or the new one.
fn is_replaced(path: &Path, error: &FileReadError, look: u32) -> bool {
    match error {
        // It was replaced after it was opened, and the server has forgotten the old one.
        FileReadError::Io(error) => error.kind() == io::ErrorKind::StaleNetworkFileHandle,
        // Where somebody has the old one open, the clients of NFS and FUSE give it another name first, and for a moment there
        // is none of its own.
        FileReadError::NotFound if may_be_away(parent(path)) => {
            let Ok(mut names) = fs::read_dir(parent(path)) else { return false };
            let is_hidden = |entry: DirEntry| {
                let name = entry.file_name();
                let bytes = name.as_encoded_bytes();
                bytes.starts_with(b".nfs") || bytes.starts_with(b".fuse_hidden")
            };
            let is_hidden = names.any(|entry| entry.is_ok_and(is_hidden));
            if is_hidden {
                thread::sleep(PAUSE);
            }
            // It may have been done before the names were read.
            is_hidden || look == 1
        }
        _ => false,
    }
}

/// Whether files of this directory may have no name for a moment. Most files that are looked for are on a local disk and not
/// there, so this is to be quick.
fn may_be_away(directory: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        // linux/magic.h
        const NFS: u64 = 0x6969;
        const FUSE: u64 = 0x6573_5546;
        rustix::fs::statfs(directory).is_ok_and(|found| matches!(found.f_type as u64, NFS | FUSE))
    }
    #[cfg(not(target_os = "linux"))]
    directory.is_dir()
}

/// What is done with a symbolic link at a path itself.
#[derive(Clone, Copy, PartialEq)]
enum Links {
    Followed,
    Refused,
}

fn read(path: &Path, limit: u64, links: Links) -> Result<FileRead, FileReadError> {
    let file = open(path, links)?;
    // Of the open file, not of the path: what is checked is what is read.
    let mut status = describe(&file.metadata().map_err(FileReadError::Io)?);
    status.access_list = access_list(&status, |bytes| open_attribute(&file, bytes));
    if status.kind != FileKind::Regular {
        return Err(FileReadError::NotRegular(status.kind));
    }
    if status.size > limit {
        return Err(FileReadError::TooLarge { size: status.size, limit });
    }
    let limit_in_memory = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut buffer = Buffer::new(status.size as usize, limit_in_memory);
    match buffer.fill(&file).map_err(FileReadError::Io)? {
        Ok(()) => Ok(FileRead { bytes: buffer.into_bytes(), status }),
        // It grew while it was read, or its size was never true, as in /proc.
        Err(_) => {
            let size = file.metadata().map_or(0, |metadata| metadata.len());
            Err(FileReadError::TooLarge { size: size.max(limit.saturating_add(1)), limit })
        }
    }
}

/// Opens whatever is at `path` for reading, without waiting for anybody.
fn open(path: &Path, links: Links) -> Result<File, FileReadError> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        // A FIFO without a writer would wait for one; a terminal could become this process's own.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = if links == Links::Refused { flags | OFlags::NOFOLLOW } else { flags };
        options.custom_flags(flags.bits() as i32);
    }
    let is_link = || {
        links == Links::Refused
            && fs::symlink_metadata(path).is_ok_and(|status| status.file_type().is_symlink())
    };
    // Elsewhere than on Unix the link is opened through, so it is looked for first.
    if cfg!(not(unix)) && is_link() {
        return Err(FileReadError::NotRegular(FileKind::Link));
    }
    options.open(path).map_err(|error| {
        if is_link() {
            return FileReadError::NotRegular(FileKind::Link);
        }
        if error.kind() == io::ErrorKind::NotFound {
            return FileReadError::NotFound;
        }
        match fs::metadata(path) {
            // Windows opens no directories, Unix no sockets.
            Ok(metadata) if !metadata.is_file() => FileReadError::NotRegular(describe(&metadata).kind),
            _ => FileReadError::Io(error),
        }
    })
}

/// The directory of `path`, made where it is missing, with mode 0700.
fn private_parent(path: &Path) -> io::Result<&Path> {
    let directory = parent(path);
    create_directories(directory, 0o700)?;
    Ok(directory)
}

/// Makes the directories of a path that are missing. Whatever the umask, their owner can use them.
fn create_directories(directory: &Path, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    let create = || {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        DirBuilder::new().mode(mode).create(directory)?;
        let made = fs::symlink_metadata(directory)?.permissions().mode();
        if made & 0o700 == 0o700 {
            return Ok(());
        }
        fs::set_permissions(directory, fs::Permissions::from_mode(made & 0o777 | 0o700))
    };
    #[cfg(not(unix))]
    let create = || {
        let _ = mode;
        DirBuilder::new().create(directory)
    };
    match create() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = directory.parent().filter(|above| *above != Path::new("")).ok_or(error)?;
            create_directories(above, mode)?;
            create().or_else(|error| if directory.is_dir() { Ok(()) } else { Err(error) })
        }
        Err(_) if directory.is_dir() => Ok(()),
        outcome => outcome,
    }
}

/// Puts a private file at `path`, on the disk, if `may` still says so right before. Answers whether it did.
fn place_private(path: &Path, bytes: &[u8], may: impl FnOnce() -> io::Result<bool>) -> io::Result<bool> {
    refuse_hidden(path)?;
    let directory = private_parent(path)?;
    let (file, undo) = beside(directory, bytes, Readers::Nobody)?;
    file.as_file().sync_all()?;
    if !may()? {
        return Ok(false);
    }
    file.persist(path).map_err(|error| error.error)?;
    undo.forget();
    sync_directory(directory);
    Ok(true)
}

/// Refuses to change a file that `ee-auth exec` hides from this process. In a mount namespace the kernel would; but in a
/// stand-in the change would reach the link alone, or take the place of the file that nobody has read.
fn refuse_hidden(path: &Path) -> io::Result<()> {
    match fs::read_link(path) {
        Ok(target) if target == Path::new(HIDDEN) => {
            Err(io::Error::new(io::ErrorKind::ResourceBusy, "`ee-auth exec` hides it from this command"))
        }
        _ => Ok(()),
    }
}

/// Whether `path` holds this, and nothing where there is to be nothing.
fn is_there(path: &Path, content: Option<&[u8]>) -> io::Result<bool> {
    match (read(path, content.map_or(0, <[u8]>::len) as u64, Links::Followed), content) {
        (Ok(read), Some(content)) => Ok(*read.bytes == *content),
        (Err(FileReadError::NotFound), content) => Ok(content.is_none()),
        (Err(FileReadError::Io(error)), _) => Err(error),
        (Ok(_) | Err(_), _) => Ok(false),
    }
}

/// Has the names in a directory reach the disk, as far as its file system can do that: they are there all the same.
fn sync_directory(directory: &Path) {
    #[cfg(unix)]
    if let Err(error) = File::open(directory).and_then(|directory| directory.sync_all()) {
        log::debug!("{}: {error}", directory.shown());
    }
    #[cfg(not(unix))]
    let _ = directory;
}

/// A new file that is to take the place of another in its directory, and what removes it where it does not. Whatever happens
/// before it does, the old file is there, and from then on the new one. What killed writers left there is removed.
fn beside(directory: &Path, bytes: &[u8], readers: Readers) -> io::Result<(NamedTempFile, Undo)> {
    unfinished::remove_abandoned(directory, &is_unfinished);
    let (mut file, undo) = Undo::make(
        || unfinished::create(directory, readers),
        |file| {
            let path = file.path().to_owned();
            move || drop(fs::remove_file(path))
        },
    )?;
    file.write_all(bytes)?;
    Ok((file, undo))
}

/// The directory of `path`; the working directory for a bare name.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn describe(metadata: &Metadata) -> FileStatus {
    let file_type = metadata.file_type();
    let kind = if file_type.is_file() {
        FileKind::Regular
    } else if file_type.is_dir() {
        FileKind::Directory
    } else if file_type.is_symlink() {
        FileKind::Link
    } else if is_fifo(metadata) {
        FileKind::Fifo
    } else {
        FileKind::Other
    };
    #[cfg(unix)]
    let (mode, owner, group, device) = {
        use std::os::unix::fs::MetadataExt;
        (Some(metadata.mode() & 0o7777), Some(metadata.uid()), Some(metadata.gid()), Some(metadata.dev()))
    };
    #[cfg(not(unix))]
    let (mode, owner, group, device) = (None, None, None, None);
    FileStatus {
        kind,
        size: metadata.len(),
        mode,
        access_list: None,
        owner,
        group,
        device,
        modified: metadata.modified().ok(),
    }
}

/// A file's access control list, whose attribute `get` reads into a buffer. Where the bits of the group, which are its mask, are
/// none, there is nothing that it could give to anybody.
#[cfg(target_os = "linux")]
fn access_list(
    status: &FileStatus,
    get: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
) -> Option<AccessList> {
    use rustix::io::Errno;
    /// `XATTR_SIZE_MAX`, and what all lists but odd ones have room in.
    const SIZES: [usize; 2] = [1 << 10, 64 << 10];
    if status.mode.is_none_or(|mode| mode & 0o070 == 0) {
        return None;
    }
    for size in SIZES {
        let mut bytes = vec![0; size];
        match get(&mut bytes) {
            Ok(length) => return Some(AccessList::parse(bytes.get(..length).unwrap_or_default())),
            Err(Errno::RANGE) => {}
            // None, or a file system that has none.
            Err(Errno::NODATA | Errno::NOTSUP | Errno::NOSYS) => return None,
            Err(_) => break,
        }
    }
    // Unreadable, and so it may name anybody.
    Some(AccessList::parse(&[]))
}

#[cfg(not(target_os = "linux"))]
fn access_list<G>(_: &FileStatus, _: G) -> Option<AccessList>
where
    G: Fn(&mut [u8]) -> io::Result<usize>,
{
    None
}

#[cfg(target_os = "linux")]
fn attribute(path: &Path, bytes: &mut [u8]) -> rustix::io::Result<usize> {
    rustix::fs::getxattr(path, ACCESS_LIST_ATTRIBUTE, bytes)
}

#[cfg(target_os = "linux")]
fn open_attribute(file: &File, bytes: &mut [u8]) -> rustix::io::Result<usize> {
    rustix::fs::fgetxattr(file, ACCESS_LIST_ATTRIBUTE, bytes)
}

#[cfg(not(target_os = "linux"))]
fn attribute(_: &Path, _: &mut [u8]) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn open_attribute(_: &File, _: &mut [u8]) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
fn is_fifo(metadata: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_fifo(_: &Metadata) -> bool {
    false
}
