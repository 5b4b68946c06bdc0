use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use ee_auth_core::host::{
    AccessList, Directory, FileKind, FileLock, FileRead, FileReadError, FileStatus, Files, TemporaryFile,
};
use zeroize::Zeroizing;

use crate::{Fake, lock};

/// The most links that one path may lead through, as on Linux.
const MAX_LINKS: usize = 40;

/// What stands at a path of a [`Fake`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub node: Node,
    /// The Unix permission bits; `None` as on systems that have none.
    pub mode: Option<u32>,
    /// The POSIX access control list.
    pub access_list: Option<AccessList>,
    /// The Unix user that owns it; `None` means the user of the machine.
    pub owner: Option<u32>,
    /// The device that holds it. Every other entry is on device 1.
    pub device: u64,
    /// When it was last written; `None` means now, whenever that is.
    pub modified: Option<SystemTime>,
}

impl Entry {
    /// An entry of the machine's user: mode 0755 for a directory, else 0600.
    pub fn new(node: Node) -> Self {
        let mode = if node == Node::Directory { 0o755 } else { 0o600 };
        Self { node, mode: Some(mode), access_list: None, owner: None, device: 1, modified: None }
    }
}

/// The kinds of thing that stand at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A regular file with this content.
    File(Vec<u8>),
    /// A regular file of so many zero bytes, which take no memory until they are read.
    Zeros(u64),
    /// A directory, closed where its mode lacks 0100. Those above another entry need not be put there.
    Directory,
    /// A symbolic link to this path.
    Link(PathBuf),
    /// A named pipe.
    Fifo,
    /// A device, a socket or something else that is no regular file.
    Device,
    /// A file that can be seen and not read.
    Unreadable(io::ErrorKind),
}

/// A change to the files of a [`Fake`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// [`Files::write_private`] or [`Files::write_cache`].
    WrittenPrivate(PathBuf),
    /// [`Files::write_new`].
    WrittenNew(PathBuf),
    /// [`Files::remove`] of something that was there.
    Removed(PathBuf),
}

#[derive(Default)]
pub(crate) struct State {
    entries: BTreeMap<PathBuf, Entry>,
    read: Vec<PathBuf>,
    changes: Vec<Change>,
    refusal: Option<io::ErrorKind>,
    locks: BTreeSet<PathBuf>,
    lock_refusal: Option<io::ErrorKind>,
}

/// A lock that somebody holds.
struct Lock {
    fake: Fake,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = lock(&self.fake.0.files);
        state.locks.remove(&self.path);
        // One that a process left behind when it was killed.
        state.entries.remove(&self.path);
    }
}

impl Fake {
    /// The same machine with a private file (mode 0600).
    #[must_use]
    pub fn with_file(self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        self.set_file(path, content);
        self
    }

    /// Puts a private file (mode 0600) there.
    pub fn set_file(&self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) {
        self.set_entry(path, Entry::new(Node::File(content.into())));
    }

    /// The same machine with a file that has these permission bits.
    #[must_use]
    pub fn with_file_mode(self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>, mode: u32) -> Self {
        self.with_entry(path, Entry { mode: Some(mode), ..Entry::new(Node::File(content.into())) })
    }

    /// The same machine with anything at a path.
    #[must_use]
    pub fn with_entry(self, path: impl Into<PathBuf>, entry: Entry) -> Self {
        self.set_entry(path, entry);
        self
    }

    /// Puts anything at a path.
    pub fn set_entry(&self, path: impl Into<PathBuf>, entry: Entry) {
        let path = self.absolute(&path.into());
        lock(&self.0.files).entries.insert(path, entry);
    }

    /// Takes away what stands at a path, and all below it.
    pub fn remove_entry(&self, path: impl AsRef<Path>) {
        let path = self.absolute(path.as_ref());
        lock(&self.0.files).entries.retain(|known, _| !known.starts_with(&path));
    }

    /// Makes every write and removal fail in this way; `None`: none any more.
    pub fn refuse_changes(&self, kind: Option<io::ErrorKind>) {
        lock(&self.0.files).refusal = kind;
    }

    /// Makes every lock fail in this way, as on file systems that have none; `None`: none any more.
    pub fn refuse_locks(&self, kind: Option<io::ErrorKind>) {
        lock(&self.0.files).lock_refusal = kind;
    }

    /// The paths whose locks are held, by [`Files::try_lock`].
    pub fn locks(&self) -> Vec<PathBuf> {
        lock(&self.0.files).locks.iter().cloned().collect()
    }

    /// What stands at a path, links not followed.
    pub fn entry(&self, path: impl AsRef<Path>) -> Option<Entry> {
        let path = self.absolute(path.as_ref());
        lock(&self.0.files).entries.get(&path).cloned()
    }

    /// The content of a regular file, as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    pub fn file(&self, path: impl AsRef<Path>) -> Option<String> {
        match self.entry(path)?.node {
            Node::File(content) => Some(String::from_utf8(content).expect("the file holds text")),
            _ => None,
        }
    }

    /// The paths of which the content was asked for, there or not, in order.
    pub fn files_read(&self) -> Vec<PathBuf> {
        lock(&self.0.files).read.clone()
    }

    /// What was written and removed through the host, in order.
    pub fn changes(&self) -> Vec<Change> {
        lock(&self.0.files).changes.clone()
    }

    /// `path` from the root, seen from the working directory, with neither `.` nor `..`.
    fn absolute(&self, path: &Path) -> PathBuf {
        let working = lock(&self.0.environment).directory(Directory::Working);
        normal(&working.unwrap_or_else(|| PathBuf::from("/")).join(path))
    }

    /// Where the links of `path` lead, those in directories included, and what stands there.
    fn follow(&self, path: &Path) -> io::Result<(PathBuf, Entry)> {
        let known: Vec<PathBuf> = lock(&self.0.environment).directories().cloned().collect();
        let mut wanted = self.absolute(path);
        let state = lock(&self.0.files);
        'links: for _ in 0..=MAX_LINKS {
            let mut reached = PathBuf::new();
            let mut components = wanted.components();
            while let Some(component) = components.next() {
                reached.push(component);
                let Some(Entry { node: Node::Link(target), .. }) = state.entries.get(&reached) else {
                    continue;
                };
                let parent = reached.parent().unwrap_or(Path::new("/"));
                wanted = normal(&parent.join(target).join(components.as_path()));
                continue 'links;
            }
            // As for every user but root.
            let is_closed = |directory: &Path| {
                state.entries.get(directory).is_some_and(|entry| {
                    entry.node == Node::Directory && entry.mode.is_some_and(|mode| mode & 0o100 == 0)
                })
            };
            if wanted.ancestors().skip(1).any(is_closed) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            if let Some(entry) = state.entries.get(&wanted) {
                return Ok((wanted, entry.clone()));
            }
            let implied = state.entries.keys().chain(&known).any(|known| known.starts_with(&wanted));
            if implied || wanted == Path::new("/") {
                return Ok((wanted, Entry::new(Node::Directory)));
            }
            return Err(io::ErrorKind::NotFound.into());
        }
        Err(io::Error::other("too many levels of symbolic links"))
    }

    fn describe(&self, entry: &Entry) -> FileStatus {
        let (kind, size) = match &entry.node {
            Node::File(content) => (FileKind::Regular, content.len() as u64),
            Node::Zeros(size) => (FileKind::Regular, *size),
            Node::Unreadable(_) => (FileKind::Regular, 0),
            Node::Directory => (FileKind::Directory, 0),
            Node::Link(_) => (FileKind::Link, 0),
            Node::Fifo => (FileKind::Fifo, 0),
            Node::Device => (FileKind::Other, 0),
        };
        FileStatus {
            kind,
            size,
            mode: entry.mode,
            access_list: entry.access_list.clone(),
            owner: entry.owner.or_else(|| lock(&self.0.environment).user_id()),
            // Every user has a group of their own, of the same number.
            group: entry.owner.or_else(|| lock(&self.0.environment).user_id()),
            device: Some(entry.device),
            modified: entry.modified.or_else(|| Some(self.time())),
        }
    }

    /// Puts a file at `path` and notes `change`, if the machine takes writes.
    fn put(&self, path: PathBuf, bytes: &[u8], mode: u32, change: Change) -> io::Result<()> {
        let modified = Some(self.time());
        let mut state = lock(&self.0.files);
        if let Some(kind) = state.refusal {
            return Err(kind.into());
        }
        let entry = Entry { mode: Some(mode), modified, ..Entry::new(Node::File(bytes.to_vec())) };
        state.entries.insert(path, entry);
        state.changes.push(change);
        Ok(())
    }

    /// `path` itself, behind the links of its directory.
    fn place(&self, path: &Path) -> PathBuf {
        let path = self.absolute(path);
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => {
                self.follow(parent).map_or_else(|_| parent.to_owned(), |(parent, _)| parent).join(name)
            }
            _ => path,
        }
    }
}

/// A file that goes when this is dropped.
struct Temporary {
    machine: Fake,
    path: PathBuf,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = self.machine.remove(&self.path);
    }
}

impl Files for Fake {
    fn read(&self, path: &Path, limit: u64) -> Result<FileRead, FileReadError> {
        lock(&self.0.files).read.push(path.to_owned());
        let (_, entry) = self.follow(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => FileReadError::NotFound,
            _ => FileReadError::Io(error),
        })?;
        let status = self.describe(&entry);
        if status.kind != FileKind::Regular {
            return Err(FileReadError::NotRegular(status.kind));
        }
        if status.size > limit {
            return Err(FileReadError::TooLarge { size: status.size, limit });
        }
        let bytes = match entry.node {
            Node::File(content) => content,
            Node::Unreadable(kind) => return Err(FileReadError::Io(kind.into())),
            // Smaller than a limit that somebody means to hold in memory.
            _ => vec![0; usize::try_from(status.size).unwrap_or(usize::MAX)],
        };
        Ok(FileRead { bytes: Zeroizing::new(bytes), status })
    }

    fn read_unlinked(&self, path: &Path, limit: u64) -> Result<FileRead, FileReadError> {
        match self.entry(self.place(path)) {
            Some(Entry { node: Node::Link(_), .. }) => Err(FileReadError::NotRegular(FileKind::Link)),
            _ => self.read(path, limit),
        }
    }

    fn status(&self, path: &Path) -> io::Result<FileStatus> {
        Ok(self.describe(&self.follow(path)?.1))
    }

    fn link(&self, path: &Path) -> io::Result<Option<(PathBuf, FileStatus)>> {
        let place = self.place(path);
        match self.entry(&place) {
            Some(entry @ Entry { node: Node::Link(_), .. }) => {
                let status = self.describe(&entry);
                let Node::Link(target) = entry.node else { return Ok(None) };
                Ok(Some((target, status)))
            }
            _ => self.follow(&place).map(|_| None),
        }
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(self.follow(path)?.0)
    }

    fn write_private(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let place = self.place(path);
        if self.entry(&place).is_some_and(|entry| entry.node == Node::Directory) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.put(place.clone(), bytes, 0o600, Change::WrittenPrivate(place))
    }

    fn replace(&self, path: &Path, old: Option<&[u8]>, new: Option<&[u8]>) -> io::Result<bool> {
        let there = self.follow(path).ok().map(|(_, entry)| entry.node);
        let is_old = match (&there, old) {
            (None, None) => true,
            (Some(Node::File(content)), Some(old)) => content == old,
            _ => false,
        };
        if !is_old {
            return Ok(false);
        }
        match new {
            Some(new) => self.write_private(path, new)?,
            None => self.remove(path)?,
        }
        Ok(true)
    }

    fn check_writable(&self, path: &Path, _size: usize) -> io::Result<()> {
        let _ = self.place(path);
        lock(&self.0.files).refusal.map_or(Ok(()), |kind| Err(kind.into()))
    }

    /// Nobody but a test writes here, so whatever has such a name was abandoned.
    fn abandoned(&self, directory: &Path, named: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
        let names = self.list(directory).unwrap_or_default();
        let named = names.into_iter().filter(|name| name.to_str().is_some_and(named));
        named.map(|name| directory.join(name)).collect()
    }

    fn remove_abandoned(&self, directory: &Path, named: &dyn Fn(&str) -> bool) {
        for path in self.abandoned(directory, named) {
            let _ = self.remove(&path);
        }
    }

    fn write_cache(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write_private(path, bytes)
    }

    fn write_temporary(&self, path: &Path, bytes: &[u8]) -> io::Result<TemporaryFile> {
        self.write_private(path, bytes)?;
        Ok(Box::new(Temporary { machine: self.clone(), path: path.to_owned() }))
    }

    fn write_program(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let place = self.place(path);
        self.put(place.clone(), bytes, 0o500, Change::WrittenPrivate(place))
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let place = self.place(path);
        if self.entry(&place).is_some() || self.follow(&place).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.put(place.clone(), bytes, 0o644, Change::WrittenNew(place))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let place = self.place(path);
        let mut state = lock(&self.0.files);
        if let Some(kind) = state.refusal {
            return Err(kind.into());
        }
        if state.entries.remove(&place).is_some() {
            state.changes.push(Change::Removed(place));
        }
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let (directory, entry) = self.follow(directory)?;
        if entry.node != Node::Directory {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let state = lock(&self.0.files);
        let below = state.entries.keys().filter_map(|path| path.strip_prefix(&directory).ok());
        let names: BTreeSet<_> = below.filter_map(|path| path.iter().next().map(OsString::from)).collect();
        Ok(names.into_iter().collect())
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<FileLock>> {
        let path = self.place(path);
        let mut state = lock(&self.0.files);
        if let Some(kind) = state.lock_refusal.or(state.refusal) {
            return Err(kind.into());
        }
        if !state.locks.insert(path.clone()) {
            return Ok(None);
        }
        Ok(Some(Box::new(Lock { fake: self.clone(), path })))
    }
}

/// An absolute path with neither `.` nor `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused() {
        let fake = Fake::new()
            .with_file("/home/user/key.json", "{}")
            .with_entry("/pipe", Entry::new(Node::Fifo))
            .with_entry("/big", Entry::new(Node::Zeros(11)))
            .with_entry("/locked", Entry::new(Node::Unreadable(io::ErrorKind::PermissionDenied)));
        let files = fake.host().files;
        assert!(matches!(
            files.read(Path::new("/home/user"), 10),
            Err(FileReadError::NotRegular(FileKind::Directory))
        ));
        assert!(matches!(files.read(Path::new("/pipe"), 10), Err(FileReadError::NotRegular(FileKind::Fifo))));
        assert!(matches!(
            files.read(Path::new("/big"), 10),
            Err(FileReadError::TooLarge { size: 11, limit: 10 })
        ));
        assert!(matches!(files.read(Path::new("/locked"), 10), Err(FileReadError::Io(_))));
        assert!(matches!(files.read(Path::new("/none"), 10), Err(FileReadError::NotFound)));
        assert_eq!(files.read(Path::new("../home/user/./key.json"), 10).unwrap().bytes[..], *b"{}");
    }

    #[test]
    fn links_are_followed_and_replaced() {
        let fake = Fake::new()
            .with_file("/data/real", "old")
            .with_entry("/home/user/dir", Entry::new(Node::Link("/data".into())))
            .with_entry("/data/link", Entry::new(Node::Link("real".into())))
            .with_entry("/loop", Entry::new(Node::Link("/loop".into())));
        let files = fake.host().files;
        let path = Path::new("/home/user/dir/link");
        assert_eq!(files.read(path, 10).unwrap().bytes[..], *b"old");
        assert_eq!(files.canonical(path).unwrap(), Path::new("/data/real"));
        assert!(files.status(Path::new("/loop")).is_err());

        files.write_private(path, b"new").unwrap();
        assert_eq!(fake.file("/data/real").unwrap(), "old");
        assert_eq!(fake.file("/data/link").unwrap(), "new");
        assert_eq!(files.write_new(path, b"").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        files.remove(path).unwrap();
        files.remove(path).unwrap();
        let link = PathBuf::from("/data/link");
        assert_eq!(fake.changes(), [Change::WrittenPrivate(link.clone()), Change::Removed(link)]);
    }

    #[test]
    fn a_lock_is_had_once() {
        let fake = Fake::new().with_file("/data/notes", "").with_file("/data/below/deep", "");
        let files = fake.host().files;
        let path = Path::new("/data/lock");
        let held = files.try_lock(path).unwrap();
        assert!(held.is_some() && files.try_lock(path).unwrap().is_none());
        assert_eq!(fake.locks(), [path]);
        drop(held);
        assert!(files.try_lock(path).unwrap().is_some());
        fake.refuse_locks(Some(io::ErrorKind::Unsupported));
        assert!(files.try_lock(path).is_err());

        assert_eq!(files.list(Path::new("/data")).unwrap(), ["below", "notes"]);
        assert_eq!(files.list(Path::new("/none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(files.list(Path::new("/data/notes")).is_err());
    }
}
