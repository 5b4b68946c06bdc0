//! A directory of links that replaces the home directory for one command, where no mount namespace can be had.
//!
//! Everything in it is a link to what is in the real one, but for the files that are hidden, each of which is a link that
//! leads nowhere. So what the command does in a directory that was there is done in the real one. What it creates beside the
//! links is moved to the real directory afterwards, file by file: directories are merged, however many commands create the
//! same ones at once, and no file is replaced by an older one.
//!
//! Each step of that leaves every file in one of the two places, at least. If the process is killed, the next `ee-auth exec`
//! or `ee-auth doctor` does the rest, once no process has the directory any more.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Directory, Host};
use ee_auth_host::{HIDDEN, Undo};

use crate::left_behind::{hold, is_free, tidy_up};
use crate::logins::{path_variable, stored_logins};

/// How the names of these directories begin.
const PREFIX: &str = ".ee-auth-home-";

/// How often a directory is gone through into which a process still writes.
const ROUNDS: usize = 3;

/// A directory that replaces another for a command. Dropping it gives back what was created in it.
#[derive(Debug)]
pub(crate) struct StandIn {
    path: PathBuf,
    _undo: Undo,
}

impl StandIn {
    /// Makes one in `real`, without the files `hidden`, which are relative to it.
    pub(crate) fn new(real: &Path, hidden: &[&Path]) -> io::Result<Self> {
        let files: Vec<_> = hidden.iter().map(|file| real.join(file)).collect();
        let make = || {
            // In the directory itself: so files can be moved, and where nothing can be created the command is not to
            // believe that it could.
            let path = tempfile::Builder::new().prefix(PREFIX).tempdir_in(real)?.keep();
            let lock = File::open(&path).inspect(|directory| hold(directory, true)).ok();
            match link_all(real, &path, Path::new(""), hidden) {
                Ok(()) => Ok((path, Arc::new(Mutex::new(lock)))),
                Err(error) => {
                    GiveBack { in_use: false, hidden: &files }.run(&path, real);
                    Err(error)
                }
            }
        };
        let ((path, _), undo) = Undo::make(make, |(path, lock)| {
            let (path, real, files, lock) = (path.clone(), real.to_owned(), files.clone(), lock.clone());
            move || {
                // What the command has started may go on without it. Whoever holds the lock now is such a process.
                drop(lock.lock().unwrap_or_else(PoisonError::into_inner).take());
                let (in_use, _lock) = is_free(&path).map_or((true, None), |lock| (false, lock));
                GiveBack { in_use, hidden: &files }.run(&path, &real);
            }
        })?;
        Ok(Self { path, _undo: undo })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Gives back what commands have created in stand-ins that were left behind by a killed process. Returns these stand-ins.
pub fn give_back_left(host: &Host) -> Vec<PathBuf> {
    let environment = &*host.environment;
    let working = environment.directory(Directory::Working).unwrap_or_default();
    let home = environment.directory(Directory::Home);
    let gcloud = path_variable(environment, "CLOUDSDK_CONFIG").map(|directory| working.join(directory));
    let hidden = stored_logins(host);
    let mut given_back = Vec::new();
    for real in home.into_iter().chain(gcloud) {
        tidy_up(&real, PREFIX, "", |left| {
            GiveBack { in_use: false, hidden: &hidden }.run(left, &real);
            given_back.push(left.to_owned());
        });
    }
    given_back
}

/// Fills `stand_in` with links to what is in `real`. What leads to a hidden file is a directory of its own.
fn link_all(real: &Path, stand_in: &Path, relative: &Path, hidden: &[&Path]) -> io::Result<()> {
    for entry in fs::read_dir(real)? {
        let name = entry?.file_name();
        let (source, target, relative) = (real.join(&name), stand_in.join(&name), relative.join(&name));
        if is_stand_in(&name) {
            continue;
        }
        if hidden.contains(&&*relative) {
            link(Path::new(HIDDEN), &target)?;
        } else if hidden.iter().any(|hidden| hidden.starts_with(&relative)) && source.is_dir() {
            private_directory(&target)?;
            link_all(&source, &target, &relative, hidden)?;
        } else {
            link(&source, &target)?;
        }
    }
    Ok(())
}

fn is_stand_in(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

/// Moves what was created in a stand-in to the real directory.
#[derive(Clone, Copy)]
struct GiveBack<'a> {
    /// Whether processes still use the stand-in. Then a link to each file is left in its place.
    in_use: bool,
    /// What the command could not see. So nothing of it takes their place, however new it is.
    hidden: &'a [PathBuf],
}

impl GiveBack<'_> {
    fn run(self, stand_in: &Path, real: &Path) {
        // Of an `ee-auth exec` in an `ee-auth exec`.
        tidy_up(stand_in, PREFIX, "", |nested| self.run(nested, stand_in));
        self.directory(stand_in, real);
        if self.in_use {
            log::info!("processes that the command started still use {}", stand_in.shown());
        } else if stand_in.symlink_metadata().is_ok() {
            log::warn!("some of what a command wrote to its home directory is still in {}", stand_in.shown());
        }
    }

    /// Everything in `from`, and `from` itself.
    fn directory(self, from: &Path, to: &Path) {
        for _ in 0..ROUNDS {
            let _ = make_writable(from);
            for entry in fs::read_dir(from).into_iter().flatten().flatten() {
                if is_stand_in(&entry.file_name()) {
                    continue;
                }
                let (source, target) = (entry.path(), to.join(entry.file_name()));
                match self.entry(&source, &target) {
                    // Another `ee-auth` was faster, or the process that made it.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => {
                        log::warn!("{} was not moved to {}: {error}", source.shown(), target.shown());
                    }
                    Ok(()) => {}
                }
            }
            // It may not be empty: something was created in it meanwhile.
            if self.in_use || fs::remove_dir(from).is_ok() {
                return;
            }
        }
    }

    fn entry(self, source: &Path, target: &Path) -> io::Result<()> {
        let kind = source.symlink_metadata()?.file_type();
        if kind.is_symlink() {
            let to = fs::read_link(source)?;
            if to == target || to == Path::new(HIDDEN) {
                // It is still needed where the directory is.
                return if self.in_use { Ok(()) } else { fs::remove_file(source) };
            }
        }
        if kind.is_dir() {
            return self.merge(source, target);
        }
        let moved_to = self.move_file(source, target)?;
        if self.in_use {
            let _ = link(&moved_to, source);
        }
        Ok(())
    }

    /// Moves a directory into the one that is there, or to a new one.
    fn merge(self, source: &Path, target: &Path) -> io::Result<()> {
        let mut names = names(target);
        let (target, is_new) = loop {
            let target = names.next().unwrap_or_default();
            match fs::create_dir(&target) {
                Ok(()) => break (target, true),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            if target.is_dir() {
                break (target, false);
            }
        };
        let permissions = source.metadata()?.permissions();
        self.directory(source, &target);
        if is_new {
            fs::set_permissions(&target, permissions)?;
        }
        Ok(())
    }

    /// Moves what is no directory: where it is then. Of two files with one name, the one that was changed last keeps it, as in a
    /// home directory that both had used. The other is kept beside it, as is what has the name of a hidden file.
    fn move_file(self, source: &Path, target: &Path) -> io::Result<PathBuf> {
        for name in names(target) {
            match place(source, &name, false) {
                Ok(()) => {
                    if name != target {
                        log::warn!(
                            "{} is another process's: what the command wrote under that name is {}",
                            target.shown(),
                            name.shown()
                        );
                    }
                    return Ok(name);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            if is_same(source, &name)? {
                fs::remove_file(source)?;
                return Ok(name);
            }
            if name == target && self.may_replace(&name)? && changed(source)? > modified(&name)? {
                place(source, &name, true)?;
                return Ok(name);
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    fn may_replace(self, target: &Path) -> io::Result<bool> {
        let is_hidden = self.hidden.iter().any(|hidden| hidden == target)
            || fs::read_link(target).is_ok_and(|to| to == Path::new(HIDDEN));
        Ok(!is_hidden && !target.symlink_metadata()?.is_dir())
    }
}

/// The name `target`, and others for what cannot have it.
fn names(target: &Path) -> impl Iterator<Item = PathBuf> {
    let other = |number: u32| {
        let mut name = target.as_os_str().to_owned();
        name.push(format!(".ee-auth-exec-{number}"));
        PathBuf::from(name)
    };
    std::iter::once(target.to_owned()).chain((1..).map(other))
}

/// Whether both are one file, or files of the same content.
fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let (first, second) = (one.symlink_metadata()?, other.symlink_metadata()?);
    if !first.is_file() || !second.is_file() || first.len() != second.len() {
        return Ok(false);
    }
    Ok(identity(&first) == identity(&second) || fs::read(one)? == fs::read(other)?)
}

/// Moves a file to `target`, in one step: replacing what is there, or not.
fn place(source: &Path, target: &Path, replace: bool) -> io::Result<()> {
    let moved = if replace {
        fs::rename(source, target)
    } else {
        // Unlike a rename, this replaces nothing, on every system.
        fs::hard_link(source, target).and_then(|()| fs::remove_file(source))
    };
    match moved {
        Err(error) if [ErrorKind::AlreadyExists, ErrorKind::NotFound].contains(&error.kind()) => Err(error),
        // On another file system, or one without hard links.
        Err(_) => {
            copy(source, target, replace)?;
            fs::remove_file(source)
        }
        Ok(()) => Ok(()),
    }
}

fn copy(source: &Path, target: &Path, replace: bool) -> io::Result<()> {
    let kind = source.symlink_metadata()?;
    if kind.is_symlink() {
        if replace {
            fs::remove_file(target)?;
        }
        return link(&fs::read_link(source)?, target);
    }
    if !kind.is_file() {
        return Err(ErrorKind::Unsupported.into());
    }
    let directory = target.parent().ok_or(ErrorKind::InvalidInput)?;
    let mut copy = tempfile::Builder::new().prefix(".ee-auth-copy-").tempfile_in(directory)?;
    io::copy(&mut File::open(source)?, &mut copy)?;
    copy.as_file().set_permissions(kind.permissions())?;
    copy.as_file()
        .set_times(fs::FileTimes::new().set_accessed(kind.accessed()?).set_modified(kind.modified()?))?;
    copy.as_file().sync_all()?;
    let placed = if replace { copy.persist(target) } else { copy.persist_noclobber(target) };
    placed.map(drop).map_err(|error| error.error)
}

#[cfg(unix)]
fn identity(status: &fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((status.dev(), status.ino()))
}

/// When a file that has not been moved was last changed. Unlike the time of its modification, no program can set that, as
/// those do that unpack an archive.
#[cfg(unix)]
fn changed(path: &Path) -> io::Result<(i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    path.symlink_metadata().map(|status| (status.ctime(), status.ctime_nsec()))
}

/// When a file was last written to, which moving it leaves as it is.
#[cfg(unix)]
fn modified(path: &Path) -> io::Result<(i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    path.symlink_metadata().map(|status| (status.mtime(), status.mtime_nsec()))
}

/// What was left read-only could not be moved.
#[cfg(unix)]
fn make_writable(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = directory.metadata()?.permissions().mode();
    if mode & 0o700 == 0o700 {
        return Ok(());
    }
    fs::set_permissions(directory, fs::Permissions::from_mode(mode | 0o700))
}

#[cfg(unix)]
fn link(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(not(unix))]
fn identity(_status: &fs::Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(not(unix))]
fn changed(path: &Path) -> io::Result<std::time::SystemTime> {
    path.symlink_metadata()?.modified()
}

#[cfg(not(unix))]
fn modified(path: &Path) -> io::Result<std::time::SystemTime> {
    path.symlink_metadata()?.modified()
}

#[cfg(not(unix))]
fn make_writable(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// Most users of Windows may not make links.
#[cfg(not(unix))]
fn link(_to: &Path, _at: &Path) -> io::Result<()> {
    Err(io::Error::new(
        ErrorKind::Unsupported,
        "it takes symbolic links, which this system does not let you make",
    ))
}
