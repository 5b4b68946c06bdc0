//! Writing the file: what a login leaves, the project beside it, and its removal.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ee_auth_core::host::{FileLock, FileReadError, Host, MAX_CREDENTIAL_FILE};
use ee_auth_core::{Error, ExposeSecret, Grant, Outcome, ProfileName};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::credentials_file;

/// How long somebody else's change is waited for. A change takes milliseconds; who takes longer was stopped.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// Stores what a login was granted, exactly as earthengine-api does, so that it, rgee and the `earthengine` command use it;
/// keys that it does not know are kept. The project that was stored before is kept, unless the login chose another.
///
/// The file is written whole or not at all: whatever happens, there is the old login or the new one.
///
/// # Errors
/// [`Outcome::Internal`] where it cannot be written; the old login is as it was.
pub(crate) async fn store(
    host: &Host,
    profile: Option<&ProfileName>,
    grant: &Grant,
) -> Result<PathBuf, Error> {
    change(host, profile, Damaged::Replaced, |fields| {
        put_login(fields, grant);
        if let Some(project) = &grant.project {
            fields.insert("project".to_owned(), project.as_str().into());
        }
    })
    .await
}

/// The keys of a login: all but the project.
pub(crate) const LOGIN_FIELDS: [&str; 5] =
    ["refresh_token", "client_id", "client_secret", "redirect_uri", "scopes"];

/// Puts a login in the place of another, key by key.
pub(crate) fn put_login(fields: &mut Map<String, Value>, grant: &Grant) {
    let (id, secret) = match &grant.client {
        Some(client) => {
            (Some(client.id.as_str()), client.secret.as_ref().map(|secret| secret.expose_secret()))
        }
        // A file without a client means Earth Engine's own.
        None => (None, None),
    };
    let texts = [
        ("refresh_token", Some(grant.refresh_token.expose_secret())),
        ("client_id", id),
        ("client_secret", secret),
        ("redirect_uri", grant.redirect_uri.as_deref()),
    ];
    for (name, value) in texts {
        match value {
            Some(value) => fields.insert(name.to_owned(), value.into()),
            None => fields.remove(name),
        };
    }
    fields.insert("scopes".to_owned(), grant.scopes.iter().collect::<Vec<_>>().into());
}

/// Takes the login out of the file, and leaves the rest: the project, which is put there where one is given, and keys that
/// are not ours. Answers the file if it held a login. One with nothing left in it is removed.
///
/// # Errors
/// As [`store()`].
pub(crate) async fn strip(
    host: &Host,
    profile: Option<&ProfileName>,
    project: Option<&str>,
) -> Result<Option<PathBuf>, Error> {
    let path = credentials_file(host, profile).ok_or_else(no_home)?;
    if project.is_none() && !is_there(host, &path) {
        return Ok(None);
    }
    let (mut had_login, mut is_empty) = (false, false);
    change(host, profile, Damaged::Replaced, |fields| {
        had_login = fields.contains_key("refresh_token");
        fields.retain(|name, _| !LOGIN_FIELDS.contains(&name.as_str()));
        if let Some(project) = project {
            fields.insert("project".to_owned(), project.into());
        }
        is_empty = fields.is_empty();
    })
    .await?;
    if is_empty {
        remove(host, profile).await?;
    }
    Ok(had_login.then_some(path))
}

/// Makes sure that a login could be stored, before somebody goes to the trouble of one.
///
/// # Errors
/// Those of [`store()`], where a file of the usual size cannot be put beside the one that would be written.
pub(crate) fn check_writable(host: &Host, profile: Option<&ProfileName>) -> Result<(), Error> {
    let path = credentials_file(host, profile).ok_or_else(no_home)?;
    let probe = path.with_file_name(".credentials.probe");
    let written = host.files.write_private(&probe, &[b' '; 4096]);
    let removed = host.files.remove(&probe);
    written.and(removed).map_err(|error| unwritable(&path, &error))
}

/// Stores the project beside the login, as `earthengine set_project` does; with `None` it is removed, as `earthengine
/// unset_project` does.
///
/// # Errors
/// [`Outcome::Invalid`] where the file is damaged, [`Outcome::Internal`] where it cannot be written.
pub async fn set_project(
    host: &Host,
    profile: Option<&ProfileName>,
    project: Option<&str>,
) -> Result<PathBuf, Error> {
    let path = credentials_file(host, profile).ok_or_else(no_home)?;
    if project.is_none() && !is_there(host, &path) {
        return Ok(path);
    }
    change(host, profile, Damaged::Refused, |fields| {
        match project {
            Some(project) => fields.insert("project".to_owned(), project.into()),
            None => fields.remove("project"),
        };
    })
    .await
}

/// Removes the stored login, and all that stands beside it. `None` where there was none.
///
/// # Errors
/// [`Outcome::Internal`] where it cannot be removed.
pub(crate) async fn remove(host: &Host, profile: Option<&ProfileName>) -> Result<Option<PathBuf>, Error> {
    let path = credentials_file(host, profile).ok_or_else(no_home)?;
    if !is_there(host, &path) {
        return Ok(None);
    }
    let _lock = lock(host, &path).await;
    host.files.remove(&path).map_err(|error| {
        Error::new(
            Outcome::Internal,
            "unwritable",
            format!("{} could not be removed: {error}", path.display()),
        )
        .hint("see who owns the file and its directory")
    })?;
    Ok(Some(path))
}

/// A login that is stored under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredProfile {
    /// The directory's name. One that is no [`ProfileName`] is rgee's, which allows more, and cannot be chosen here.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// The names under which something is stored, in order: our profiles and rgee's users, which are the same directories.
///
/// # Errors
/// [`Outcome::Invalid`] where the directory cannot be read.
pub fn profiles(host: &Host) -> Result<Vec<StoredProfile>, Error> {
    let Some(directory) = credentials_file(host, None).and_then(|path| path.parent().map(Path::to_owned))
    else {
        return Ok(Vec::new());
    };
    let names = match host.files.list(&directory) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(Error::invalid("unreadable", format!("{}: {error}", directory.display()))
                .hint("see who owns the directory"));
        }
    };
    let mut profiles: Vec<_> = names
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .map(|name| StoredProfile { path: directory.join(&name).join("credentials"), name })
        .filter(|profile| is_there(host, &profile.path))
        .collect();
    profiles.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(profiles)
}

fn is_there(host: &Host, path: &Path) -> bool {
    host.files.status(path).is_ok()
}

/// Changes the fields of the file, under a lock.
async fn change(
    host: &Host,
    profile: Option<&ProfileName>,
    damaged: Damaged,
    change: impl FnOnce(&mut Map<String, Value>),
) -> Result<PathBuf, Error> {
    let path = credentials_file(host, profile).ok_or_else(no_home)?;
    let _lock = lock(host, &path).await;
    let mut fields = read(host, &path, damaged)?;
    change(&mut fields);
    let text =
        Zeroizing::new(serde_json::to_vec(&fields).map_err(|error| Error::internal(error.to_string()))?);
    host.files.write_private(&path, &text).map_err(|error| unwritable(&path, &error))?;
    Ok(path)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Outcome::Internal, "unwritable", format!("{} could not be written: {error}", path.display())).hint(
        "nothing was changed; make room on the disk, or see who owns the file and its directory, and try again",
    )
}

/// What becomes of a file that holds no JSON object.
pub(crate) enum Damaged {
    /// A new login takes its place: nothing can be got out of it.
    Replaced,
    /// It is left as it is: somebody may still mend it.
    Refused,
}

/// What is in the file of a profile.
///
/// # Errors
/// [`Outcome::Invalid`] where it cannot be read.
pub(crate) fn fields(
    host: &Host,
    profile: Option<&ProfileName>,
    damaged: Damaged,
) -> Result<Map<String, Value>, Error> {
    read(host, &credentials_file(host, profile).ok_or_else(no_home)?, damaged)
}

/// The fields that are there already.
fn read(host: &Host, path: &Path, damaged: Damaged) -> Result<Map<String, Value>, Error> {
    let read = match host.files.read(path, MAX_CREDENTIAL_FILE) {
        Ok(read) => read,
        Err(FileReadError::NotFound) => return Ok(Map::new()),
        Err(error) => {
            return Err(Error::invalid("unreadable", format!("{}: {error}", path.display()))
                .hint("nothing was changed; move away what is there"));
        }
    };
    match (serde_json::from_slice(&read.bytes), damaged) {
        (Ok(fields), _) => Ok(fields),
        (Err(_), Damaged::Replaced) => {
            log::warn!("{} was damaged and is replaced", path.display());
            Ok(Map::new())
        }
        (Err(_), Damaged::Refused) => {
            Err(Error::invalid("json", format!("{} is damaged: it holds no JSON object", path.display()))
                .hint("nothing was changed; `ee-auth login --force` makes a new one"))
        }
    }
}

/// The turn to change the file. Without one, after a while or on a file system that knows no locks, it is changed all the
/// same: the writing is whole in any case.
async fn lock(host: &Host, path: &Path) -> Option<FileLock> {
    let name = path.with_file_name(".credentials.lock");
    let mut waited = Duration::ZERO;
    loop {
        match host.files.try_lock(&name) {
            Ok(Some(lock)) => return Some(lock),
            Ok(None) if waited < PATIENCE => {
                host.clock.sleep(PAUSE).await;
                waited += PAUSE;
            }
            Ok(None) => {
                log::info!(
                    "{} has been held for {PATIENCE:?}, and is not waited for any longer",
                    name.display()
                );
                return None;
            }
            Err(error) => {
                log::info!("{}: no lock can be had: {error}", name.display());
                return None;
            }
        }
    }
}

fn no_home() -> Error {
    Error::invalid("no_home", "no home directory is known, so there is nowhere to store a login")
        .hint("set HOME")
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
