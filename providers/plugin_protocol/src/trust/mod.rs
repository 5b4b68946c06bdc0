//! Who may have written the file that is about to run.
//!
//! Before a plugin is loaded or started: it is a regular file, owned by the user or root; neither it nor any directory above
//! it can be written by others, or by a group other than the user's own private one; its SHA-256 is the pinned one. A
//! directory like /tmp, in which anybody may put files and nobody replace another's (the sticky bit), passes where what is
//! entered from it is the user's or root's. The same holds for every link on the way and the directories that it leads
//! through.
//!
//! On systems without owners and permission bits there is the SHA-256 alone.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use ee_auth_core::host::{Directory, FileKind, FileReadError, FileStatus, Host};
use ee_auth_core::{Error, Outcome, quoted};
use zeroize::Zeroizing;

/// The most bytes that a plugin's file may have where it is hashed: 512 MiB.
pub const MAX_PROGRAM: u64 = 512 << 20;

/// The most links that a path may lead through, as on Linux.
const MAX_LINKS: usize = 40;

/// The SHA-256 of a plugin's file, as `sha256` in a provider's table pins it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    /// A pin in hexadecimal, in either case; a `sha256:` before it is passed over.
    ///
    /// # Errors
    /// [`Outcome::Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let digits = text.trim();
        let digits = digits.strip_prefix("sha256:").unwrap_or(digits).as_bytes();
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let mut pin = [0; 32];
        let mut read = digits.len() == 64;
        for (byte, pair) in pin.iter_mut().zip(digits.chunks_exact(2)) {
            match (digit(pair[0]), digit(pair[1])) {
                (Some(high), Some(low)) => *byte = high << 4 | low,
                _ => read = false,
            }
        }
        if read {
            return Ok(Self(pin));
        }
        Err(Error::invalid(
            "sha256",
            format!("`sha256` is {}, and must be 64 hexadecimal digits", quoted(text)),
        )
        .hint("`ee-auth plugin add FILE` writes it; so does `sha256sum FILE`"))
    }

    /// The pin of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut pin = [0; 32];
        pin.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
        Self(pin)
    }
}

/// 64 hexadecimal digits in lower case.
impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A plugin's file that was looked at and may run.
pub struct Vouched {
    /// The file, as it was named.
    pub path: PathBuf,
    /// What was hashed, where a pin was given: what is to run, wherever it is put.
    pub bytes: Option<Zeroizing<Vec<u8>>>,
}

/// Looks at a plugin's file and everything above it.
///
/// # Errors
/// [`Outcome::Invalid`] where there is no such file, or something else than a file; [`Outcome::Untrusted`] where others could
/// have written it, or it is not the one that was pinned. The message begins where the file's name and a colon stand before it.
pub fn vouch(host: &Host, path: &Path, pin: Option<&Pin>) -> Result<Vouched, Error> {
    let unreadable = |error: &dyn fmt::Display, missing: bool| {
        let hint = if missing {
            "correct the path in ee-auth.toml, or install the plugin there"
        } else {
            "make it readable for yourself: `chmod u+r FILE`"
        };
        Error::invalid("no_such_file", format!("it cannot be used: {error}")).hint(hint)
    };
    let status = host.files.status(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => unreadable(&"no such file", true),
        _ => unreadable(&error, false),
    })?;
    if status.kind != FileKind::Regular {
        return Err(
            Error::invalid("no_file", "it is not a regular file").hint("name the plugin's file itself")
        );
    }
    let watch = Watch { host, user: host.environment.user_id() };
    watch.path(path)?;
    let Some(pin) = pin else { return Ok(Vouched { path: path.to_owned(), bytes: None }) };
    let read = host.files.read(path, MAX_PROGRAM).map_err(|error| match error {
        FileReadError::NotFound => unreadable(&error, true),
        error => unreadable(&error, false),
    })?;
    // Of the open file that was read: what is judged is what runs.
    watch.file(&read.status)?;
    let actual = Pin::of(&read.bytes);
    if actual != *pin {
        return Err(untrusted(
            "sha256",
            format!("it is not the file that was pinned: its SHA-256 is {actual}"),
            format!(
                "if it was updated by you, set `sha256 = \"{actual}\"`, or run `ee-auth plugin add` again; if not, somebody \
                 has replaced it"
            ),
        ));
    }
    Ok(Vouched { path: path.to_owned(), bytes: Some(read.bytes) })
}

/// A private copy of what was vouched for, which only the user can read and run (mode 0500): for bytes that cannot be run
/// where they are. The same bytes are copied once.
///
/// # Errors
/// [`Outcome::Internal`] where it cannot be written.
pub fn private_copy(host: &Host, vouched: &Vouched) -> Result<PathBuf, Error> {
    let Some(bytes) = &vouched.bytes else { return Ok(vouched.path.clone()) };
    let refused = |what: &str| {
        Error::internal(format!("its private copy cannot be made: {what}"))
            .hint("make the cache directory writable, or set XDG_CACHE_HOME to one that is")
    };
    let Some(cache) = host.environment.directory(Directory::Cache) else {
        return Err(refused("no home directory is known"));
    };
    let name = vouched.path.file_name().unwrap_or_default();
    let copy = cache.join("ee-auth").join("plugins").join(Pin::of(bytes).to_string()).join(name);
    let is_ours = |status: &FileStatus| {
        status.mode.is_none_or(|mode| mode & 0o777 == 0o500) && status.owner == host.environment.user_id()
    };
    let there = host.files.read(&copy, MAX_PROGRAM);
    if !there.is_ok_and(|read| is_ours(&read.status) && *read.bytes == **bytes) {
        host.files.write_program(&copy, bytes).map_err(|error| refused(&error.to_string()))?;
    }
    // A cache that others can write is no private place.
    Watch { host, user: host.environment.user_id() }
        .path(&copy)
        .map_err(|error| error.in_place("its private copy would not be private"))?;
    Ok(copy)
}

/// Looks at owners and permission bits.
struct Watch<'a> {
    host: &'a Host,
    user: Option<u32>,
}

impl Watch<'_> {
    /// A file, and every directory and link on the way to it, as the system goes it: whoever can turn a link on it, or put
    /// something else into a directory on it, chooses what runs.
    fn path(&self, path: &Path) -> Result<(), Error> {
        if path.components().any(|component| component == Component::ParentDir) {
            return Err(Error::invalid("path", "its path has `..` in it").hint("write the path without `..`"));
        }
        let mut wanted = path.to_owned();
        for _ in 0..=MAX_LINKS {
            match self.walk(&wanted)? {
                Some(turned) => wanted = turned,
                None => return Ok(()),
            }
        }
        Err(Error::invalid("path", "its path leads through too many links")
            .hint("name the plugin's file itself"))
    }

    /// Goes along a path up to its first link; the path that comes of this link, or `None` where there is none.
    fn walk(&self, path: &Path) -> Result<Option<PathBuf>, Error> {
        let mut reached = PathBuf::new();
        // Who else can write the directory that is reached: they could put something else there, unless it is sticky.
        let mut shared: Option<(&str, bool)> = None;
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
            if let Some((writers, _)) = shared.filter(|(_, is_sticky)| !is_sticky) {
                return Err(untrusted(
                    "permissions",
                    format!("{} can be written by {writers}, who could replace it", above.display()),
                    format!(
                        "`chmod go-w {}`, or put the plugin into a directory of your own",
                        above.display()
                    ),
                ));
            }
            let unseen = |error: std::io::Error| {
                Error::invalid("no_such_file", format!("{} cannot be looked at: {error}", reached.display()))
                    .hint("make the directories above the plugin readable for yourself")
            };
            if let Some((target, link)) = self.host.files.link(&reached).map_err(unseen)? {
                self.owner(&link, &reached)?;
                return Ok(Some(above.join(target).join(components.as_path())));
            }
            let status = self.host.files.status(&reached).map_err(unseen)?;
            if status.kind != FileKind::Directory {
                self.file(&status)?;
                continue;
            }
            self.owner(&status, &reached)?;
            let is_sticky = status.mode.is_some_and(|mode| mode & 0o1000 != 0);
            shared = self.writers(&status).map(|writers| (writers, is_sticky));
        }
        Ok(None)
    }

    /// The file itself.
    fn file(&self, status: &FileStatus) -> Result<(), Error> {
        self.owner(status, Path::new("it"))?;
        match self.writers(status) {
            Some(writers) => Err(untrusted(
                "permissions",
                format!("it can be written by {writers}"),
                "`chmod go-w FILE`, after you have made sure that nobody has changed it".to_owned(),
            )),
            None => Ok(()),
        }
    }

    fn owner(&self, status: &FileStatus, what: &Path) -> Result<(), Error> {
        match status.owner {
            Some(owner) if owner != 0 && Some(owner) != self.user => Err(untrusted(
                "owner",
                format!("{} belongs to another user (number {owner})", what.display()),
                "a plugin runs with all your rights: copy it to a directory of your own if you trust it"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Who else can write it, for a person.
    fn writers(&self, status: &FileStatus) -> Option<&'static str> {
        let mode = status.mode?;
        if mode & 0o002 != 0 {
            Some("everybody")
        } else if mode & 0o020 != 0 && !self.is_private_group(status.group) {
            Some("a group")
        } else {
            None
        }
    }

    /// Whether a group is the user's own, with nobody else in it: as `useradd` makes one for every user.
    fn is_private_group(&self, group: Option<u32>) -> bool {
        let (Some(group), Some(user)) = (group, self.user) else { return false };
        let lines = |path: &str| {
            let read = self.host.files.read(Path::new(path), 4 << 20).ok()?;
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
        number(own, 2) == Some(user)
            && members.is_some_and(|fields| {
                fields.get(3).is_some_and(|list| {
                    list.split(',').all(|member| member.trim().is_empty() || member.trim() == own[0])
                })
            })
    }
}

fn untrusted(detail: &'static str, message: String, hint: String) -> Error {
    Error::new(Outcome::Untrusted, detail, format!("{message}; nothing was run")).hint(hint)
}

#[cfg(test)]
mod tests;
