//! Where tokens are kept, and how they are cleared away.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Directory, Host, is_unfinished};
use ee_auth_core::{Error, TokenKey};

use crate::{entry, machine};

/// The last time that old files were looked for is when this one was written.
const PRUNED: &str = ".pruned";

/// The same for tokens in the keyring.
pub(crate) const PRUNED_KEYRING: &str = ".pruned-keyring";

/// How often old files are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How old a file may get. Google's longest-lived tokens expire after twelve hours, so what nobody has written for two
/// days has been of no use for more than one. A token from elsewhere that lives longer is got once more: no harm done.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(2 * 24 * 3600);

/// The directory in which tokens are kept: `ee-auth` in the user's cache directory. `None` where no home directory is
/// known.
pub fn directory(host: &Host) -> Option<PathBuf> {
    Some(host.environment.directory(Directory::Cache)?.join("ee-auth"))
}

/// Removes all tokens, of every version of the format, and says how many there were. Whatever else lies in the
/// directory is left alone. A process that holds a token in memory goes on using it.
///
/// # Errors
/// [`Outcome::Internal`](ee_auth_core::Outcome::Internal) where the system refuses.
pub fn clear(host: &Host) -> Result<usize, Error> {
    let Some(directory) = directory(host) else { return Ok(0) };
    let refused = |path: &Path, error: &io::Error| {
        Error::internal(format!("removing the tokens in {}: {error}", path.shown()))
            .hint(format!("remove {} yourself: nothing else is kept there", directory.shown()))
    };
    let names = match host.files.list(&directory) {
        Ok(names) => names,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(0);
        }
        Err(error) => return Err(refused(&directory, &error)),
    };
    // What killed writers left; a token that is being written goes to its place after this.
    host.files.remove_abandoned(&directory, &is_unfinished);
    let mut removed = 0;
    for name in names {
        let path = directory.join(&name);
        match Content::of(&path) {
            Some(Content::Lock) | None => continue,
            Some(Content::Token) => removed += 1,
            Some(Content::Mark) => {}
            Some(Content::Removed) => {
                // Where it is still open this may be refused, and it goes when it is closed.
                let _ = host.files.remove(&path);
                continue;
            }
        }
        host.files.remove(&path).map_err(|error| refused(&path, &error))?;
    }
    Ok(removed)
}

/// The file that keeps the token of `key`. Each machine has its own: another's clock may be minutes ahead or behind, and
/// then nobody can tell how long the token that it got is valid.
pub(crate) fn file(host: &Host, key: &TokenKey) -> Option<PathBuf> {
    let name = machine::file_name(host, &entry::digest(key), &format!("v{}.json", entry::VERSION));
    Some(directory(host)?.join(name))
}

/// Removes what is kept under `key`, by whichever machine and version.
///
/// # Errors
/// The system's, and the file that it is about.
pub(crate) fn remove(host: &Host, key: &TokenKey) -> Result<(), (PathBuf, io::Error)> {
    let Some(directory) = directory(host) else { return Ok(()) };
    let digest = entry::digest(key);
    let names = match host.files.list(&directory) {
        Ok(names) => names,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(error) => return Err((directory, error)),
    };
    for name in names.iter().filter(|name| name.to_str().is_some_and(|name| name.starts_with(&digest))) {
        let path = directory.join(name);
        if Content::of(&path) == Some(Content::Token) {
            host.files.remove(&path).map_err(|error| (path, error))?;
        }
    }
    Ok(())
}

/// Whether a token can be kept.
pub(crate) fn is_writable(host: &Host) -> bool {
    directory(host).is_some_and(|directory| host.files.check_writable(&directory.join(PRUNED), 4096).is_ok())
}

/// Removes what has been of no use for a while: once a day, since it looks at every file.
pub(crate) fn prune(host: &Host) {
    let Some(directory) = directory(host).filter(|_| is_due(host, PRUNED)) else { return };
    let now = host.clock.now();
    for name in host.files.list(&directory).unwrap_or_default() {
        let path = directory.join(&name);
        let Some(content) = Content::of(&path) else { continue };
        if age(host, &path, now).is_none_or(|age| age < KEPT_FOR) {
            continue;
        }
        let removed = match content {
            // A lock that a killed process left: whoever takes it and gives it back removes it, and nobody else may.
            Content::Lock => host.files.try_lock(&path).map(drop),
            _ => host.files.remove(&path),
        };
        log::debug!("{}: not used any more ({removed:?})", path.shown());
    }
}

/// Whether it is a day since this was last asked of `mark`, for which it is written anew: first of all, so that others who
/// come now do not do the same.
pub(crate) fn is_due(host: &Host, mark: &str) -> bool {
    let Some(mark) = directory(host).map(|directory| directory.join(mark)) else { return false };
    let is_recent = age(host, &mark, host.clock.now()).is_some_and(|age| age < PRUNE_EVERY);
    !is_recent && host.files.write_cache(&mark, b"").is_ok()
}

/// How long ago a file was written; `None` where that is not known, or in the future.
fn age(host: &Host, path: &Path, now: SystemTime) -> Option<Duration> {
    now.duration_since(host.files.status(path).ok()?.modified?).ok()
}

/// What a file of ours holds, as its name says.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    /// A token, in some version of the format.
    Token,
    /// What a network file system has only given another name when it was removed, since somebody had it open.
    Removed,
    /// Nothing: it stands for a turn.
    Lock,
    /// Nothing that matters: it stands for a time.
    Mark,
}

impl Content {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        if name == PRUNED || name == PRUNED_KEYRING {
            return Some(Self::Mark);
        }
        if name.starts_with(".nfs") || name.starts_with(".fuse_hidden") {
            return Some(Self::Removed);
        }
        let (digest, rest) = name.split_once('.')?;
        let is_digest = digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match rest.rsplit('.').next() {
            Some("json") if is_digest => Some(Self::Token),
            Some("lock") if is_digest => Some(Self::Lock),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_file_holds() {
        let digest = "0123456789abcdef".repeat(4);
        for (name, content) in [
            (format!("{digest}.v1.json"), Some(Content::Token)),
            (format!("{digest}.v20.json"), Some(Content::Token)),
            (format!("{digest}.3f0c.v1.json"), Some(Content::Token)),
            (format!("{digest}.lock"), Some(Content::Lock)),
            (format!("{digest}.3f0c.lock"), Some(Content::Lock)),
            (".ee-auth-aB3dE9".to_owned(), None),
            (".nfs00000000025a4b2100000001".to_owned(), Some(Content::Removed)),
            (".fuse_hidden0000000d00000001".to_owned(), Some(Content::Removed)),
            (".pruned".to_owned(), Some(Content::Mark)),
            (".pruned-keyring".to_owned(), Some(Content::Mark)),
            (format!("{}.v1.json", &digest[1..]), None),
            (format!("{}.v1.json", digest.to_uppercase()), None),
            (digest, None),
            ("notes.json".to_owned(), None),
            ("x.lock".to_owned(), None),
        ] {
            assert_eq!(Content::of(Path::new(&name)), content, "{name}");
        }
    }
}
