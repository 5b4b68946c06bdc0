use crate::ShowPath as _;
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{FileKind, FileStatus, Files, Grantee};

/// The most links that a path may lead through, as on Linux.
const MAX_LINKS: usize = 40;

/// Tells whether others than the user and root can change what is at a path: a file or directory, and every directory and link on
/// the way to it.
///
/// Owners, permission bits and POSIX access control lists count. A directory like /tmp, in which anybody may put files and nobody
/// replace another's (the sticky bit), passes where what is entered from it is the user's or root's. On systems without owners and
/// permission bits everything passes.
pub struct PathGuard<'a> {
    files: &'a dyn Files,
    user: Option<u32>,
    system: u32,
}

/// Who could change what is at a path, or why that cannot be told.
#[derive(Debug)]
#[non_exhaustive]
pub enum PathRisk {
    /// It belongs to another user.
    Owner {
        /// What belongs to them.
        path: PathBuf,
        /// Their number.
        owner: u32,
    },
    /// Others can write it.
    Writable {
        /// What they can write.
        path: PathBuf,
        /// Who, for a person.
        writers: String,
        /// Whether it is a directory on the way.
        is_directory: bool,
    },
    /// The path has `..` in it.
    ParentComponent,
    /// The path leads through more links than the system follows.
    TooManyLinks,
    /// Something on the way cannot be looked at.
    Unseen {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for PathRisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner { path, owner } => {
                write!(f, "{} belongs to another user (number {owner})", path.shown())
            }
            Self::Writable { path, writers, .. } => {
                write!(f, "{} can be written by {writers}", path.shown())
            }
            Self::ParentComponent => f.write_str("the path has `..` in it"),
            Self::TooManyLinks => f.write_str("the path leads through too many links"),
            Self::Unseen { path, error } => write!(f, "{} cannot be looked at: {error}", path.shown()),
        }
    }
}

impl<'a> PathGuard<'a> {
    /// A guard for the user with this number; `None` on systems that have none.
    pub fn new(files: &'a dyn Files, user: Option<u32>) -> Self {
        Self { files, user, system: 0 }
    }

    /// The same guard for directories of the system: whoever owns `/` counts as root. In a user namespace, in which the real root
    /// has no number, the system's directories belong to the number that stands for all such users.
    #[must_use]
    pub fn for_system_directories(mut self) -> Self {
        let root = self.files.status(Path::new("/")).ok();
        self.system = root.and_then(|root| root.owner).unwrap_or(0);
        self
    }

    /// Looks at a path as the system goes along it: whoever can change a link on it, or put something else into a directory on it,
    /// chooses what is there.
    ///
    /// # Errors
    /// The first risk on the way. A directory at the end passes where it is sticky.
    pub fn check(&self, path: &Path) -> Result<(), PathRisk> {
        if path.components().any(|component| component == Component::ParentDir) {
            return Err(PathRisk::ParentComponent);
        }
        let mut wanted = path.to_owned();
        for _ in 0..=MAX_LINKS {
            match self.walk(&wanted)? {
                Some(turned) => wanted = turned,
                None => return Ok(()),
            }
        }
        Err(PathRisk::TooManyLinks)
    }

    /// Looks at a file alone, of which only its status is known. `path` is where it is, for the risk.
    ///
    /// # Errors
    /// See [`PathRisk`].
    pub fn check_file(&self, status: &FileStatus, path: &Path) -> Result<(), PathRisk> {
        self.owner(status, path)?;
        match self.writers(status) {
            Some(writers) => Err(PathRisk::Writable { path: path.to_owned(), writers, is_directory: false }),
            None => Ok(()),
        }
    }

    /// Goes along a path up to its first link; the path that comes of this link, or `None` where there is none.
    fn walk(&self, path: &Path) -> Result<Option<PathBuf>, PathRisk> {
        let mut reached = PathBuf::new();
        // Who else can write the directory that is reached: they could put something else there, unless it is sticky.
        let mut shared: Option<(String, bool)> = None;
        let mut components = path.components();
        while let Some(component) = components.next() {
            let above = reached.clone();
            match component {
                Component::Prefix(_) => {
                    reached.push(component);
                    continue;
                }
                // What is reached has no links in it, so what is above it is what stands before it.
                Component::ParentDir => {
                    reached.pop();
                    continue;
                }
                component => reached.push(component),
            }
            if let Some((writers, false)) = shared {
                return Err(PathRisk::Writable { path: above, writers, is_directory: true });
            }
            let unseen = |error| PathRisk::Unseen { path: reached.clone(), error };
            if let Some((target, link)) = self.files.link(&reached).map_err(unseen)? {
                self.owner(&link, &reached)?;
                return Ok(Some(above.join(target).join(components.as_path())));
            }
            let status = self.files.status(&reached).map_err(unseen)?;
            if status.kind != FileKind::Directory {
                self.check_file(&status, &reached)?;
                continue;
            }
            self.owner(&status, &reached)?;
            let is_sticky = status.mode.is_some_and(|mode| mode & 0o1000 != 0);
            shared = self.writers(&status).map(|writers| (writers, is_sticky));
        }
        match shared {
            Some((writers, false)) => Err(PathRisk::Writable { path: reached, writers, is_directory: true }),
            _ => Ok(None),
        }
    }

    fn owner(&self, status: &FileStatus, path: &Path) -> Result<(), PathRisk> {
        match status.owner {
            Some(owner) if !self.is_ours(owner) => Err(PathRisk::Owner { path: path.to_owned(), owner }),
            _ => Ok(()),
        }
    }

    fn is_ours(&self, user: u32) -> bool {
        user == 0 || user == self.system || Some(user) == self.user
    }

    /// Who else can write it, for a person.
    fn writers(&self, status: &FileStatus) -> Option<String> {
        let mode = status.mode?;
        if mode & 0o002 != 0 {
            return Some("everybody".to_owned());
        }
        if mode & 0o020 == 0 {
            return None;
        }
        let Some(list) = &status.access_list else {
            return (!self.is_private_group(status.group)).then(|| "a group".to_owned());
        };
        if list.group & 2 != 0 && !self.is_private_group(status.group) {
            return Some("a group".to_owned());
        }
        list.named.iter().filter(|(_, permissions)| permissions & 2 != 0).find_map(|(who, _)| match who {
            Grantee::User(user) => {
                (!self.is_ours(*user)).then(|| format!("user {user}, whom its access control list names"))
            }
            Grantee::Group(group) => (!self.is_private_group(Some(*group)))
                .then(|| format!("group {group}, which its access control list names")),
            Grantee::Unknown => Some("others: its access control list cannot be read".to_owned()),
        })
    }

    /// Whether a group is the user's own, with nobody else in it: as `useradd` makes one for every user.
    fn is_private_group(&self, group: Option<u32>) -> bool {
        let (Some(group), Some(user)) = (group, self.user) else { return false };
        let lines = |path: &str| {
            let read = self.files.read(Path::new(path), 4 << 20).ok()?;
            String::from_utf8(read.bytes.to_vec()).ok()
        };
        let (Some(users), Some(groups)) = (lines("/etc/passwd"), lines("/etc/group")) else { return false };
        // name:password:uid:gid:…
        let users: Vec<Vec<&str>> = users.lines().map(|line| line.split(':').collect()).collect();
        let number = |fields: &[&str], at: usize| fields.get(at).and_then(|text| text.parse::<u32>().ok());
        let in_it: Vec<_> = users.iter().filter(|fields| number(fields, 3) == Some(group)).collect();
        let [own] = in_it[..] else { return false };
        // name:password:gid:members
        let mut lines = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let members = lines.find(|fields| number(fields, 2) == Some(group));
        let name = own.first().copied().unwrap_or_default();
        number(own, 2) == Some(user)
            && members.is_some_and(|fields| {
                fields.get(3).is_some_and(|list| {
                    list.split(',').all(|member| member.trim().is_empty() || member.trim() == name)
                })
            })
    }
}
