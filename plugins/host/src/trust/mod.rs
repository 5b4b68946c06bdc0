//! Who may have written the file that is about to run.
//!
//! Before a plugin is loaded or started: it is a regular file, owned by the user or root; neither it nor any directory above
//! it can be written by others, by a group other than the user's own private one, or by anybody whom a POSIX access control list
//! names ([`PathGuard`]); its SHA-256 is the pinned one.
//!
//! On systems without owners and permission bits there is the SHA-256 alone.

use std::fmt;
use std::path::{Path, PathBuf};

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Directory, FileKind, FileReadError, FileStatus, Host, PathGuard, PathRisk};
use ee_auth_core::{Error, Outcome, quoted};
use zeroize::Zeroizing;

/// The most bytes that a plugin's file may have where it is hashed: 512 MiB.
pub const MAX_PROGRAM: u64 = 512 << 20;

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
            let value = match *pair {
                [high, low] => digit(high).zip(digit(low)),
                _ => None,
            };
            match value {
                Some((high, low)) => *byte = high << 4 | low,
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
    let guard = guard(host);
    guard.check(path).map_err(|risk| refused(host, risk, path))?;
    let Some(pin) = pin else { return Ok(Vouched { path: path.to_owned(), bytes: None }) };
    let read = host.files.read(path, MAX_PROGRAM).map_err(|error| match error {
        FileReadError::NotFound => unreadable(&error, true),
        error => unreadable(&error, false),
    })?;
    // Of the open file that was read: what is judged is what runs.
    guard.check_file(&read.status, path).map_err(|risk| refused(host, risk, path))?;
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
    let impossible = |what: &str| {
        Error::internal(format!("its private copy cannot be made: {what}"))
            .hint("make the cache directory writable, or set XDG_CACHE_HOME to one that is")
    };
    let Some(cache) = host.environment.directory(Directory::Cache) else {
        return Err(impossible("no home directory is known"));
    };
    let name = vouched.path.file_name().unwrap_or_default();
    let copy = cache.join("ee-auth").join("plugins").join(Pin::of(bytes).to_string()).join(name);
    let is_ours = |status: &FileStatus| {
        status.mode.is_none_or(|mode| mode & 0o777 == 0o500) && status.owner == host.environment.user_id()
    };
    let there = host.files.read(&copy, MAX_PROGRAM);
    if !there.is_ok_and(|read| is_ours(&read.status) && *read.bytes == **bytes) {
        host.files.write_program(&copy, bytes).map_err(|error| impossible(&error.to_string()))?;
    }
    // A cache that others can write is no private place.
    guard(host)
        .check(&copy)
        .map_err(|risk| refused(host, risk, &copy).in_place("its private copy would not be private"))?;
    Ok(copy)
}

/// The guard of the user's own plugins.
fn guard(host: &Host) -> PathGuard<'_> {
    PathGuard::new(&*host.files, host.environment.user_id())
}

/// Why a plugin at `file` does not run. `chmod go-w` also takes what an access control list gives: it changes its mask.
fn refused(host: &Host, risk: PathRisk, file: &Path) -> Error {
    match risk {
        PathRisk::Owner { path, owner } => {
            let what = if path == file { "it".to_owned() } else { path.shown() };
            // Nobody but root owns `/`, so this number stands for all who have none in the user namespace.
            let root = host.files.status(Path::new("/")).ok().and_then(|root| root.owner);
            let hint = if root == Some(owner) {
                "this is a user namespace, in which files of root's look like anybody's: run this outside of `ee-auth exec` or \
                 the container, or with `exec --isolate never`; or copy the plugin to a directory of your own if you trust it"
            } else {
                "a plugin runs with all your rights: copy it to a directory of your own if you trust it"
            };
            untrusted("owner", format!("{what} belongs to another user (number {owner})"), hint.to_owned())
        }
        PathRisk::Writable { path, writers, is_directory: true } => {
            let path = path.shown();
            untrusted(
                "permissions",
                format!("{path} can be written by {writers}, who could replace it"),
                format!("`chmod go-w {path}`, or put the plugin into a directory of your own"),
            )
        }
        PathRisk::Writable { writers, .. } => untrusted(
            "permissions",
            format!("it can be written by {writers}"),
            "`chmod go-w FILE`, after you have made sure that nobody has changed it".to_owned(),
        ),
        PathRisk::ParentComponent => {
            Error::invalid("path", "its path has `..` in it").hint("write the path without `..`")
        }
        PathRisk::TooManyLinks => Error::invalid("path", "its path leads through too many links")
            .hint("name the plugin's file itself"),
        unseen => Error::invalid("no_such_file", unseen.to_string())
            .hint("make the directories above the plugin readable for yourself"),
    }
}

fn untrusted(detail: &'static str, message: String, hint: String) -> Error {
    Error::new(Outcome::Untrusted, detail, format!("{message}; nothing was run")).hint(hint)
}

#[cfg(test)]
mod tests;
