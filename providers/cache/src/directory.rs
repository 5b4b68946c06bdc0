//! Where tokens are kept, and how they are cleared away.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ee_auth_core::host::{Directory, Host};
use ee_auth_core::{Error, TokenKey};

use crate::entry;

/// The last time that old files were looked for is when this one was written.
const PRUNED: &str = ".pruned";

/// What is written, and removed at once, to see whether anything can be.
const PROBE: &str = ".writable";

/// How often old files are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How old a file may get. Google's longest-lived tokens expire after twelve hours, so what nobody has written for two
/// days has been of no use for more than one. A token from elsewhere that lives longer is got once more: no harm done.
const KEPT_FOR: Duration = Duration::from_secs(2 * 24 * 3600);

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
        Error::internal(format!("removing the tokens in {}: {error}", path.display()))
            .hint(format!("remove {} yourself: nothing else is kept there", directory.display()))
    };
    let names = match host.files.list(&directory) {
        Ok(names) => names,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(0);
        }
        Err(error) => return Err(refused(&directory, &error)),
    };
    let mut removed = 0;
    for name in names {
        let path = directory.join(&name);
        match Content::of(&path) {
            Some(Content::Lock) | None => continue,
            Some(Content::Token) => removed += 1,
            Some(Content::Unfinished | Content::Mark) => {}
        }
        host.files.remove(&path).map_err(|error| refused(&path, &error))?;
    }
    Ok(removed)
}

/// The file that keeps the token of `key`.
pub(crate) fn file(host: &Host, key: &TokenKey) -> Option<PathBuf> {
    Some(directory(host)?.join(format!("{}.v{}.json", entry::digest(key), entry::VERSION)))
}

/// A file that may be written and removed at any time.
pub(crate) fn probe(host: &Host) -> Option<PathBuf> {
    Some(directory(host)?.join(PROBE))
}

/// Removes what has been of no use for a while: once a day, since it looks at every file.
pub(crate) fn prune(host: &Host) {
    let Some(directory) = directory(host) else { return };
    let mark = directory.join(PRUNED);
    let now = host.clock.now();
    if age(host, &mark, now).is_some_and(|age| age < PRUNE_EVERY) {
        return;
    }
    // First of all, so that others who come now do not do the same.
    if host.files.write_cache(&mark, b"").is_err() {
        return;
    }
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
        log::debug!("{}: not used any more ({removed:?})", path.display());
    }
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
    /// What a process that was killed had not written to its end.
    Unfinished,
    /// Nothing: it stands for a turn.
    Lock,
    /// Nothing that matters: it stands for a time, or was a probe.
    Mark,
}

impl Content {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        if name == PRUNED || name == PROBE {
            return Some(Self::Mark);
        }
        if name.starts_with(".ee-auth-") {
            return Some(Self::Unfinished);
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
            (format!("{digest}.lock"), Some(Content::Lock)),
            (format!("{digest}.3f0c.lock"), Some(Content::Lock)),
            (".ee-auth-aB3".to_owned(), Some(Content::Unfinished)),
            (".pruned".to_owned(), Some(Content::Mark)),
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
