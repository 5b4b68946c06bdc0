//! Files that a command cannot see, though everything else about the file system is the same for it.
//!
//! The command gets a mount namespace of its own (`mount_namespaces(7)`), in which a symbolic link that leads nowhere is
//! mounted over each of the files. So for the command and whatever it starts there is no such file: opening it is `ENOENT`,
//! as is creating it, and removing or replacing it is `EBUSY`. An empty file instead would be one that clients read, and
//! complain about.
//!
//! No other process sees that, and it is gone with the last process in the namespace, however that ends. There is nothing
//! to give back, and nothing to tidy up.
#![allow(unsafe_code, reason = "std has no safe way to do something between fork and exec")]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, inotify, open, openat, readlinkat_raw, symlinkat};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
};
use rustix::process::{DumpableBehavior, dumpable_behavior, getegid, geteuid, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, ThreadNameSpaceType, UnshareFlags, capabilities, move_into_thread_name_spaces,
    unshare_unsafe,
};

use super::HIDDEN;

/// How often it is looked whether another machine has replaced a hidden file, which no event tells of (NFS).
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// How long to wait after a file has been replaced, so that a burst of changes is one.
const SETTLE: Duration = Duration::from_millis(5);

/// Files that a command started by [`run_attached`](crate::run_attached) cannot see.
#[derive(Clone, Debug)]
pub struct HiddenFiles(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    paths: Vec<PathBuf>,
    files: Vec<HiddenFile>,
    /// What they were when they were hidden.
    identities: Vec<Option<Identity>>,
    namespaces: Namespaces,
}

/// What tells whether a file is still the same: device, inode and the time of its last change. Inodes are used again.
type Identity = (u64, u64, i64, i64);

/// What the child needs, made before the fork: nothing may be allocated after it.
#[derive(Debug)]
struct HiddenFile {
    path: CString,
    directory: CString,
}

/// What the command gets of its own.
#[derive(Debug)]
enum Namespaces {
    /// A mount namespace. This process may make one.
    Mount,
    /// A user namespace as well, in which it may: with the same user and group, and no others.
    UserAndMount { user: String, group: String },
}

impl HiddenFiles {
    /// Hides the files at `paths`. Those that do not exist are passed over.
    ///
    /// # Errors
    /// Where this system does not let the user do so, which is tried out.
    pub fn new(paths: Vec<PathBuf>) -> io::Result<Self> {
        let text = |path: &Path| CString::new(path.as_os_str().as_bytes());
        let files = paths.iter().map(|path| {
            let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
            Ok(HiddenFile { path: text(path)?, directory: text(directory)? })
        });
        let files = files.collect::<io::Result<_>>()?;
        let may_mount = capabilities(None)?.effective.contains(CapabilitySet::SYS_ADMIN);
        let namespaces = if may_mount {
            Namespaces::Mount
        } else {
            let (user, group) = (geteuid(), getegid());
            Namespaces::UserAndMount { user: format!("{user} {user} 1"), group: format!("{group} {group} 1") }
        };
        let identities = identities(&paths);
        let hidden = Self(Arc::new(Inner { paths, files, identities, namespaces }));
        let inner = hidden.0.clone();
        in_a_child(move || inner.enter_and_hide())?;
        Ok(hidden)
    }

    /// How they are hidden.
    pub fn mechanism(&self) -> &'static str {
        match self.0.namespaces {
            Namespaces::Mount => "a mount namespace",
            Namespaces::UserAndMount { .. } => "a user and mount namespace",
        }
    }

    /// Hides them from what `command` will start.
    pub(super) fn hide_from(&self, command: &mut Command) {
        let inner = self.0.clone();
        // SAFETY: between fork and exec, `enter_and_hide` makes system calls only; it neither allocates nor takes a lock.
        unsafe { command.pre_exec(move || inner.enter_and_hide()) };
    }

    /// Keeps them hidden from the process `child` as long as this process lives. Whatever is mounted over a file goes when
    /// somebody outside replaces or removes the file, as `ee-auth login` does (`rename(2)` and `unlink(2)` on a mount point
    /// of another namespace), and the new file would be seen.
    pub(super) fn keep_hidden_from(&self, child: u32) {
        let watch = || -> io::Result<()> {
            let namespace = |name| File::open(format!("/proc/{child}/ns/{name}"));
            let user = match self.0.namespaces {
                Namespaces::Mount => None,
                Namespaces::UserAndMount { .. } => Some(namespace("user")?.into()),
            };
            let joined = Arc::new(Joined { user, mount: namespace("mnt")?.into(), inner: self.0.clone() });
            let events = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
            std::thread::Builder::new()
                .name("ee-auth-hidden".to_owned())
                .spawn(move || joined.watch(&events))
                .map(drop)
        };
        if let Err(error) = watch() {
            log::debug!("a login that is replaced while the command runs will be visible to it: {error}");
        }
    }
}

impl Inner {
    /// Moves this process, which must have one thread, to namespaces of its own, and hides the files there.
    fn enter_and_hide(&self) -> io::Result<()> {
        let flags = match &self.namespaces {
            Namespaces::Mount => UnshareFlags::NEWNS,
            Namespaces::UserAndMount { .. } => UnshareFlags::NEWNS | UnshareFlags::NEWUSER,
        };
        // SAFETY: no file descriptors are unshared, which is what could break I/O safety.
        unsafe { unshare_unsafe(flags)? };
        if let Namespaces::UserAndMount { user, group } = &self.namespaces {
            // The files below belong to root where this process must not be dumped. A program that is executed may be again.
            if dumpable_behavior()? != DumpableBehavior::Dumpable {
                set_dumpable_behavior(DumpableBehavior::Dumpable)?;
            }
            // Supplementary groups stay in force; `setgroups` must be given up for a group to be mapped (user_namespaces(7)).
            for (file, content) in [
                (c"/proc/self/setgroups", "deny"),
                (c"/proc/self/uid_map", user),
                (c"/proc/self/gid_map", group),
            ] {
                File::from(open(file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?)
                    .write_all(content.as_bytes())?;
            }
        }
        // What is mounted outside appears here (automounted home directories), and not the other way round.
        mount_change(c"/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
        self.hide()
    }

    /// Hides those files that are visible in the mount namespace of this process.
    fn hide(&self) -> io::Result<()> {
        let mut result = Ok(());
        for file in &self.files {
            // Of the others, as many as can be.
            result = result.and(file.hide().map_err(io::Error::from));
        }
        result
    }
}

fn identities(paths: &[PathBuf]) -> Vec<Option<Identity>> {
    let identity = |path: &PathBuf| {
        let status = path.symlink_metadata().ok()?;
        Some((status.dev(), status.ino(), status.ctime(), status.ctime_nsec()))
    };
    paths.iter().map(identity).collect()
}

impl HiddenFile {
    /// Mounts a link that leads nowhere over the file, or over the link that is there, if it is not hidden yet.
    fn hide(&self) -> Result<(), Errno> {
        let place = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target = match open(&*self.path, place, Mode::empty()) {
            Ok(target) => target,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => return Ok(()),
            Err(error) => return Err(error),
        };
        if leads_nowhere(target.as_fd()) {
            return Ok(());
        }
        // The link has to be on some file system; its directory is covered by one for a moment. The link outlives that.
        mount(c"tmpfs", &*self.directory, c"tmpfs", MountFlags::empty(), c"mode=0755,size=64k")?;
        let hide = || {
            let directory = open(&*self.directory, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            symlinkat(HIDDEN, &directory, c"link")?;
            let link = openat(&directory, c"link", place, Mode::empty())?;
            // By descriptors, a link is mounted, and mounted upon, as what it is. By paths it would be followed.
            let (mut from, mut to) = ([0; 32], [0; 32]);
            mount_bind(path_of(link.as_fd(), &mut from), path_of(target.as_fd(), &mut to))
        };
        let hidden = hide();
        unmount(&*self.directory, UnmountFlags::DETACH)?;
        hidden
    }
}

/// Whether this is a link that hides a file.
fn leads_nowhere(link: BorrowedFd<'_>) -> bool {
    let mut target = [MaybeUninit::uninit(); 64];
    readlinkat_raw(link, c"", &mut target).is_ok_and(|(target, _)| target == HIDDEN.as_bytes())
}

/// `/proc/self/fd/N`, without an allocation.
fn path_of<'b>(descriptor: BorrowedFd<'_>, buffer: &'b mut [u8; 32]) -> &'b CStr {
    let mut rest = &mut buffer[..31];
    let number = rustix::path::DecInt::from_fd(descriptor);
    // It has room for every number.
    let _ = rest.write_all(b"/proc/self/fd/").and_then(|()| rest.write_all(number.as_bytes()));
    CStr::from_bytes_until_nul(buffer).unwrap_or_default()
}

/// The namespaces of a command that runs.
struct Joined {
    user: Option<OwnedFd>,
    mount: OwnedFd,
    inner: Arc<Inner>,
}

impl Joined {
    /// Hides the files again whenever they have been replaced.
    fn watch(self: Arc<Self>, events: &OwnedFd) {
        let mut seen = self.inner.identities.clone();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        loop {
            self.add_watches(events);
            let now = identities(&self.inner.paths);
            if now != seen {
                if now.iter().any(Option::is_some) {
                    self.hide_again();
                    std::thread::sleep(SETTLE);
                }
                seen = now;
                continue;
            }
            let _ = poll(&mut [PollFd::new(events, PollFlags::IN)], Some(&LOOK_AGAIN));
            let mut reader = inotify::Reader::new(events, &mut buffer);
            while reader.next().is_ok() {}
        }
    }

    /// The directories, and those in which they may be created anew.
    fn add_watches(&self, events: &OwnedFd) {
        use inotify::WatchFlags;
        let changes = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE | WatchFlags::ONLYDIR;
        for path in &self.inner.paths {
            for directory in path.ancestors().skip(1).take(2) {
                let _ = inotify::add_watch(events, directory, changes);
            }
        }
    }

    fn hide_again(self: &Arc<Self>) {
        let joined = self.clone();
        let hidden = in_a_child(move || {
            if let Some(user) = &joined.user {
                move_into_thread_name_spaces(user.as_fd(), ThreadNameSpaceType::USER)?;
            }
            move_into_thread_name_spaces(joined.mount.as_fd(), ThreadNameSpaceType::MOUNT)?;
            joined.inner.hide()
        });
        if let Err(error) = hidden {
            log::warn!(
                "a stored login was replaced while the command runs, and may be visible to it: {error}"
            );
        }
    }
}

/// Runs `act` in a child of this process with one thread, which then ends. `act` must make system calls only, as after any
/// `fork(2)` of a process with threads: no allocation, no lock.
fn in_a_child(act: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> io::Result<()> {
    // No program is run: std takes down a child whose preparation fails, and answers with the error.
    const DONE: Errno = Errno::CANCELED;
    let mut command = Command::new("/proc/self/exe");
    command.process_group(0);
    // SAFETY: as demanded of `act`.
    unsafe {
        command.pre_exec(move || {
            act()?;
            Err(DONE.into())
        })
    };
    match command.spawn() {
        Err(error) if error.raw_os_error() == Some(DONE.raw_os_error()) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::Other.into()),
    }
}
