//! The project files that the user has vouched for: `<state>/ee-auth/trust.json`.
//!
//! What is vouched for is a path together with the SHA-256 of its content. It lapses when the content changes.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use ee_auth_core::host::{Directory, FileReadError, Host};
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
/// [`Outcome::Invalid`] where the file or the list cannot be read; [`Outcome::Untrusted`] where another user owns the
/// file, or others can write the list; [`Outcome::Internal`] where the list cannot be written.
pub fn trust(host: &Host, path: &Path) -> Result<Trusted, Error> {
    let mut list = List::read(host)?;
    let path = canonical(host, path)?;
    let read =
        source::read(host, &path)?.ok_or_else(|| source::unreadable(&path, &FileReadError::NotFound))?;
    if is_foreign(&read.status, user_id(host)) {
        return Err(Error::untrusted(
            "project_file",
            format!("{} belongs to another user, who could change what you trust", path.display()),
        )
        .hint("copy it to a directory of your own"));
    }
    let sha256 = sha256(&read.bytes);
    let trusted_at = humantime::format_rfc3339_seconds(host.clock.now()).to_string();
    list.files.insert(key(&path)?.to_owned(), json!({"sha256": sha256, "trusted_at": trusted_at}));
    list.write(host)?;
    Ok(Trusted { path, sha256, trusted_at: Some(trusted_at) })
}

/// Takes back that the user vouches for a file; `false` where nobody did. The file need not be there any more.
///
/// # Errors
/// As [`trust()`], of the list alone.
pub fn untrust(host: &Host, path: &Path) -> Result<bool, Error> {
    let mut list = List::read(host)?;
    let path = canonical(host, path).unwrap_or_else(|_| absolute(host, path));
    if list.files.remove(key(&path)?).is_none() {
        return Ok(false);
    }
    list.write(host)?;
    Ok(true)
}

/// Whether the user vouches for the file as it is now.
///
/// # Errors
/// As [`trust()`].
pub fn is_trusted(host: &Host, path: &Path) -> Result<bool, Error> {
    let path = canonical(host, path)?;
    match source::read(host, &path)? {
        Some(read) => Ok(standing(host, &path, &read.bytes)? == Standing::Trusted),
        None => Ok(false),
    }
}

/// The files that the user has vouched for, by path. They may have changed since.
///
/// # Errors
/// As [`trust()`], of the list alone.
pub fn list(host: &Host) -> Result<Vec<Trusted>, Error> {
    let list = List::read(host)?;
    let trusted = |(path, entry): (&String, &Json)| {
        Some(Trusted {
            path: PathBuf::from(path),
            sha256: entry.get("sha256")?.as_str()?.to_owned(),
            trusted_at: entry.get("trusted_at").and_then(Json::as_str).map(str::to_owned),
        })
    };
    Ok(list.files.iter().filter_map(trusted).collect())
}

/// Whether the user vouches for the file at `path` with this content.
pub(crate) fn standing(host: &Host, path: &Path, bytes: &[u8]) -> Result<Standing, Error> {
    let list = List::read(host)?;
    let path = host.files.canonical(path).unwrap_or_else(|_| path.to_owned());
    let entry = path.to_str().and_then(|path| list.files.get(path));
    Ok(match entry.and_then(|entry| entry.get("sha256")).and_then(Json::as_str) {
        None => Standing::Untrusted,
        Some(pinned) if pinned == sha256(bytes) => Standing::Trusted,
        Some(_) => Standing::Changed,
    })
}

/// `trust.json`
#[derive(Default)]
struct List {
    path: PathBuf,
    files: Map<String, Json>,
}

impl List {
    fn read(host: &Host) -> Result<Self, Error> {
        let Some(state) = host.environment.directory(Directory::State) else { return Ok(Self::default()) };
        let path = state.join("ee-auth").join("trust.json");
        let explain = |outcome, what: &str| {
            Error::new(outcome, "trust", format!("the list of trusted files {}: {what}", path.display()))
                .hint("remove it, and run `ee-auth trust` again for the files that you trust")
        };
        let read = match host.files.read(&path, MAX_FILE) {
            Ok(read) => read,
            Err(error) if host.counts_as_absent(&path, &error) => {
                return Ok(Self { path, files: Map::new() });
            }
            Err(error) => return Err(explain(Outcome::Invalid, &error.to_string())),
        };
        if is_foreign(&read.status, user_id(host)) || read.status.mode.is_some_and(|mode| mode & 0o022 != 0) {
            return Err(explain(Outcome::Untrusted, "others can write it"));
        }
        let parsed: Result<Json, _> = serde_json::from_slice(&read.bytes);
        let files = match parsed {
            Ok(Json::Object(mut list)) if list.get("version") == Some(&json!(1)) => list.remove("files"),
            _ => None,
        };
        match files {
            Some(Json::Object(files)) => Ok(Self { path, files }),
            _ => Err(explain(Outcome::Invalid, "it is not such a list, or one of a newer version")),
        }
    }

    fn write(self, host: &Host) -> Result<(), Error> {
        if self.path.as_os_str().is_empty() {
            return Err(
                Error::internal("what you trust cannot be kept: no home directory is known").hint("set HOME")
            );
        }
        let text = format!("{:#}\n", json!({"version": 1, "files": self.files}));
        host.files.write_private(&self.path, text.as_bytes()).map_err(|error| {
            Error::internal(format!("keeping the list of trusted files {}: {error}", self.path.display()))
        })
    }
}

/// The path as it stands in the list.
fn key(path: &Path) -> Result<&str, Error> {
    path.to_str().ok_or_else(|| {
        Error::invalid("trust", format!("{}: the path is not UTF-8, and cannot be kept", path.display()))
            .hint("rename the directory or the file")
    })
}

fn absolute(host: &Host, path: &Path) -> PathBuf {
    host.environment.directory(Directory::Working).unwrap_or_default().join(path)
}

fn canonical(host: &Host, path: &Path) -> Result<PathBuf, Error> {
    let path = absolute(host, path);
    host.files.canonical(&path).map_err(|error| {
        Error::invalid("config_file", format!("looking for {}: {error}", path.display()))
            .hint("name a project's ee-auth.toml")
    })
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
