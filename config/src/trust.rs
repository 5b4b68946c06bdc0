//! The project files that the user has vouched for: `<state>/ee-auth/trust.json`.
//!
//! What is vouched for is a path together with the SHA-256 of its content. It lapses when the content changes.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Directory, Edit, FileKind, FileRead, FileReadError, Host};
use ee_auth_core::{Error, Outcome};
use serde_json::{Map, Value as Json, json};

use crate::check::Standing;
use crate::project_file::{is_foreign, user_id};
use crate::source;

/// The most bytes that the list may have: 1 MiB is some 5000 files.
const MAX_FILE: u64 = 1 << 20;

/// A project file that the user has vouched for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trusted {
    /// Where it is, without links.
    pub path: PathBuf,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// When it was vouched for (RFC 3339); `None` where the list does not say.
    pub trusted_at: Option<String>,
}

/// Vouches for a project file as it is now: from here on it counts as the user's own word, until it changes.
///
/// # Errors
/// [`Outcome::Invalid`] where the file or the list cannot be read; [`Outcome::Untrusted`] where the file is a symbolic link,
/// where another user owns it or can write in its directory, or where others can write the list; [`Outcome::Internal`] where
/// the list cannot be written, [`Outcome::Unavailable`] where another process does not release it.
pub fn trust(host: &Host, path: &Path) -> Result<Trusted, Error> {
    let path = located(host, path)?;
    let read = match host.files.read_unlinked(&path, source::MAX_CONFIG_FILE) {
        Ok(read) => read,
        Err(FileReadError::NotRegular(FileKind::Link)) => {
            return Err(Error::untrusted(
                "project_file",
                format!("{} is a symbolic link, and a link is not read as a project file", path.shown()),
            )
            .hint("replace the link with a copy of the file that it leads to, and trust that"));
        }
        Err(error) => return Err(source::unreadable(&path, &error)),
    };
    let user = user_id(host);
    if is_foreign(&read.status, user) {
        return Err(Error::untrusted(
            "project_file",
            format!("{} belongs to another user, who could change what you trust", path.shown()),
        )
        .hint("copy it to a directory of your own"));
    }
    if !is_in_own_directory(host, &path) {
        return Err(Error::untrusted(
            "project_file",
            format!("another user can write in the directory of {}", path.shown()),
        )
        .hint("what it names in there could be replaced: copy it to a directory that only you can write"));
    }
    let sha256 = sha256(&read.bytes);
    let trusted_at = ee_auth_core::time::rfc3339(host.clock.now());
    let key = key(&path)?.to_owned();
    change(host, |files| {
        files.insert(key.clone(), json!({"sha256": sha256, "trusted_at": trusted_at}));
        true
    })?;
    Ok(Trusted { path, sha256, trusted_at: Some(trusted_at) })
}

/// Takes back that the user vouches for a file; `false` where nobody did. The file need not be there any more.
///
/// # Errors
/// As [`trust()`], of the list alone.
pub fn untrust(host: &Host, path: &Path) -> Result<bool, Error> {
    let path = located(host, path).unwrap_or_else(|_| absolute(host, path));
    // A link cannot be vouched for; what it led to may have been.
    let target = host.files.canonical(&path).unwrap_or_else(|_| path.clone());
    let keys = [key(&path)?, key(&target)?];
    if !keys.iter().any(|key| read(host).is_ok_and(|files| files.contains_key(*key))) {
        // Whatever is wrong with the list is said all the same.
        return read(host).map(|_| false);
    }
    let mut removed = false;
    change(host, |files| {
        removed = keys.iter().filter(|key| files.remove(**key).is_some()).count() > 0;
        removed
    })?;
    Ok(removed)
}

/// Whether the user vouches for the file as it is now.
///
/// # Errors
/// As [`trust()`].
pub fn is_trusted(host: &Host, path: &Path) -> Result<bool, Error> {
    let path = located(host, path)?;
    match host.files.read_unlinked(&path, source::MAX_CONFIG_FILE) {
        Ok(read) => Ok(standing(host, &path, &read.bytes)? == Standing::Trusted),
        Err(FileReadError::NotFound | FileReadError::NotRegular(FileKind::Link)) => Ok(false),
        Err(error) => Err(source::unreadable(&path, &error)),
    }
}

/// The files that the user has vouched for, by path. They may have changed since.
///
/// # Errors
/// As [`trust()`], of the list alone.
pub fn list(host: &Host) -> Result<Vec<Trusted>, Error> {
    let files = read(host)?;
    let trusted = |(path, entry): (&String, &Json)| {
        Some(Trusted {
            path: PathBuf::from(path),
            sha256: entry.get("sha256")?.as_str()?.to_owned(),
            trusted_at: entry.get("trusted_at").and_then(Json::as_str).map(str::to_owned),
        })
    };
    Ok(files.iter().filter_map(trusted).collect())
}

/// Whether the user vouches for the file at `path`, which has no links in it, with this content.
pub(crate) fn standing(host: &Host, path: &Path, bytes: &[u8]) -> Result<Standing, Error> {
    let files = read(host)?;
    // The path as it was found: where it leads by now may be a file that is trusted, and what it names would be looked for
    // here.
    let entry = path.to_str().and_then(|path| files.get(path));
    Ok(match entry.and_then(|entry| entry.get("sha256")).and_then(Json::as_str) {
        Some(pinned) if pinned == sha256(bytes) && is_in_own_directory(host, path) => Standing::Trusted,
        Some(pinned) if pinned != sha256(bytes) => Standing::Changed,
        _ => Standing::Untrusted,
    })
}

/// Whether nobody but the user and root can put other files beside this one, of those whom permission bits tell. A group
/// that may is the user's own on many systems.
fn is_in_own_directory(host: &Host, path: &Path) -> bool {
    let Some(status) = path.parent().and_then(|directory| host.files.status(directory).ok()) else {
        return false;
    };
    let is_roots = status.owner == Some(0);
    (is_roots || !is_foreign(&status, user_id(host))) && status.mode.is_none_or(|mode| mode & 0o002 == 0)
}

/// `trust.json`
fn list_file(host: &Host) -> Option<PathBuf> {
    Some(host.environment.directory(Directory::State)?.join("ee-auth").join("trust.json"))
}

/// The entries of the list, by path.
fn read(host: &Host) -> Result<Map<String, Json>, Error> {
    let Some(path) = list_file(host) else { return Ok(Map::new()) };
    match host.files.read(&path, MAX_FILE) {
        Ok(read) => parse(host, &path, &read),
        Err(error) if host.counts_as_absent(&path, &error) => Ok(Map::new()),
        Err(error) => Err(unusable(Outcome::Invalid, &path, &error.to_string())),
    }
}

fn parse(host: &Host, path: &Path, read: &FileRead) -> Result<Map<String, Json>, Error> {
    if is_foreign(&read.status, user_id(host)) || read.status.mode.is_some_and(|mode| mode & 0o022 != 0) {
        return Err(unusable(Outcome::Untrusted, path, "others can write it"));
    }
    let parsed: Result<Json, _> = serde_json::from_slice(&read.bytes);
    let files = match parsed {
        Ok(Json::Object(mut list)) if list.get("version") == Some(&json!(1)) => list.remove("files"),
        _ => None,
    };
    match files {
        Some(Json::Object(files)) => Ok(files),
        _ => Err(unusable(Outcome::Invalid, path, "it is not such a list, or one of a newer version")),
    }
}

fn unusable(outcome: Outcome, path: &Path, what: &str) -> Error {
    Error::new(outcome, "trust", format!("the list of trusted files {}: {what}", path.shown()))
        .hint("remove it, and run `ee-auth trust` again for the files that you trust")
}

/// Changes the entries, and writes them where `change` says so.
fn change(host: &Host, mut change: impl FnMut(&mut Map<String, Json>) -> bool) -> Result<(), Error> {
    let path = list_file(host).ok_or_else(|| {
        Error::internal("what you trust cannot be kept: no home directory is known").hint("set HOME")
    })?;
    let changed = host.update_blocking(&path, MAX_FILE, |old| {
        let mut files = old.map_or_else(|| Ok(Map::new()), |old| parse(host, &path, old))?;
        if !change(&mut files) {
            return Ok((Edit::Keep, ()));
        }
        let text = format!("{:#}\n", json!({"version": 1, "files": files}));
        Ok((Edit::Write(text.into_bytes().into()), ()))
    });
    changed.map_err(|error| {
        error.explain(
            |error| unusable(Outcome::Invalid, &path, &error.to_string()),
            |error| Error::internal(format!("keeping the list of trusted files {}: {error}", path.shown())),
        )
    })
}

/// The path as it stands in the list.
fn key(path: &Path) -> Result<&str, Error> {
    path.to_str().ok_or_else(|| {
        Error::invalid("trust", format!("{}: the path is not UTF-8, and cannot be kept", path.shown()))
            .hint("rename the directory or the file")
    })
}

fn absolute(host: &Host, path: &Path) -> PathBuf {
    host.environment.directory(Directory::Working).unwrap_or_default().join(path)
}

/// Where the file itself is: links on the way to it are followed, and one at its own name is not.
fn located(host: &Host, path: &Path) -> Result<PathBuf, Error> {
    let path = absolute(host, path);
    let failed = |error: std::io::Error| {
        Error::invalid("config_file", format!("looking for {}: {error}", path.shown()))
            .hint("name a project's ee-auth.toml")
    };
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()));
    };
    let located = host.files.canonical(directory).map_err(failed)?.join(name);
    host.files.link(&located).map_err(failed)?;
    Ok(located)
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
