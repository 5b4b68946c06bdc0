//! Writing the file: what a login leaves, the project beside it, and its removal.

use std::path::{Path, PathBuf};

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{
    Edit, FileRead, FileReadError, Host, LOCK_TIMEOUT, LockedFile, MAX_CREDENTIAL_FILE, UpdateError,
};
use ee_auth_core::{Error, ExposeSecret, Grant, Outcome, ProfileName};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::credentials_file;

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
    let file = lock(host, profile).await?;
    change(&file, Damaged::Replaced, |fields| {
        put_login(fields, grant);
        if let Some(project) = &grant.project {
            fields.insert("project".to_owned(), project.as_str().into());
        }
    })?;
    Ok(file.path().to_owned())
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
pub(crate) fn strip(file: &LockedFile<'_>, project: Option<&str>) -> Result<Option<PathBuf>, Error> {
    let had_login = change(file, Damaged::Replaced, |fields| {
        let had_login = fields.contains_key("refresh_token");
        fields.retain(|name, _| !LOGIN_FIELDS.contains(&name.as_str()));
        if let Some(project) = project {
            fields.insert("project".to_owned(), project.into());
        }
        had_login
    })?;
    Ok(had_login.then(|| file.path().to_owned()))
}

/// Makes sure that a login could be stored, before somebody goes to the trouble of one.
///
/// # Errors
/// Those of [`store()`], where a file of the usual size cannot be put beside the one that would be written.
pub(crate) fn check_writable(host: &Host, profile: Option<&ProfileName>) -> Result<(), Error> {
    let path = credentials_file(host, profile).ok_or_else(no_home)?;
    host.files.check_writable(&path, 4096).map_err(|error| unwritable(&path, &error))
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
    let file = lock(host, profile).await?;
    change(&file, Damaged::Refused, |fields| {
        match project {
            Some(project) => fields.insert("project".to_owned(), project.into()),
            None => fields.remove("project"),
        };
    })?;
    Ok(path)
}

/// Removes the stored login, and all that stands beside it: what killed writers left as well. `None` where there was none.
///
/// # Errors
/// [`Outcome::Internal`] where it cannot be removed; [`Outcome::Unavailable`] where another process does not release the
/// file: it may put back what it read.
pub(crate) fn remove(file: &LockedFile<'_>) -> Result<Option<PathBuf>, Error> {
    let path = file.path();
    let was_there = file.host().files.link(path).map_or_else(|error| !is_absence(&error), |_| true);
    file.remove().map_err(|error| explain(error, path, "removed"))?;
    Ok(was_there.then(|| path.to_owned()))
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
            let error = FileReadError::Io(error);
            if host.counts_as_absent(&directory, &error) {
                return Ok(Vec::new());
            }
            return Err(Error::invalid("unreadable", format!("{}: {error}", directory.shown()))
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

/// Whether something is there, or it cannot be told: what reads it then says why.
fn is_there(host: &Host, path: &Path) -> bool {
    host.files.status(path).map_or_else(|error| !is_absence(&error), |_| true)
}

/// Whether an error says that nothing is at a path.
pub(crate) fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// Locks the file of a profile. Nobody goes on without the lock: the owner may be about to write what it read before.
///
/// # Errors
/// [`Outcome::Unavailable`] where another process does not release it, [`Outcome::Internal`] where its directory cannot be
/// written.
pub(crate) async fn lock<'a>(host: &'a Host, profile: Option<&ProfileName>) -> Result<LockedFile<'a>, Error> {
    let path = credentials_file(host, profile).ok_or_else(no_home)?;
    host.lock_file(&path, LOCK_TIMEOUT).await.map_err(|error| explain(error, &path, "written"))
}

/// Changes the fields of the file. It is removed where none are left.
fn change<T>(
    file: &LockedFile<'_>,
    damaged: Damaged,
    mut change: impl FnMut(&mut Map<String, Value>) -> T,
) -> Result<T, Error> {
    let path = file.path();
    let result = file.update(MAX_CREDENTIAL_FILE, |old| {
        let mut fields = old.map_or_else(|| Ok(Map::new()), |old| parse(path, old, damaged))?;
        let result = change(&mut fields);
        let edit = match (fields.is_empty(), old) {
            (true, None) => Edit::Keep,
            (true, Some(_)) => Edit::Remove,
            (false, _) => {
                let text = serde_json::to_vec(&fields).map_err(|error| Error::internal(error.to_string()))?;
                Edit::Write(Zeroizing::new(text))
            }
        };
        Ok((edit, result))
    });
    result.map_err(|error| explain(error, path, "written"))
}

fn explain(error: UpdateError, path: &Path, done: &str) -> Error {
    error.explain(|error| unreadable(path, error), |error| unwritable_as(path, error, done))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    unwritable_as(path, error, "written")
}

fn unwritable_as(path: &Path, error: &std::io::Error, done: &str) -> Error {
    let hint = match error.kind() {
        // The kernel's word, too, for what something is mounted over.
        std::io::ErrorKind::ResourceBusy => {
            "nothing was changed; run this without `ee-auth exec`, or with `ee-auth exec --isolate never`"
        }
        std::io::ErrorKind::ReadOnlyFilesystem => {
            "nothing was changed; make the file system writable, or give HOME a directory that is"
        }
        _ => {
            "nothing was changed; make room on the disk, or see who owns the file and its directory, and try again"
        }
    };
    Error::new(Outcome::Internal, "unwritable", format!("{} could not be {done}: {error}", path.shown()))
        .hint(hint)
}

fn unreadable(path: &Path, error: &FileReadError) -> Error {
    Error::invalid("unreadable", format!("{}: {error}", path.shown()))
        .hint("nothing was changed; move away what is there")
}

/// What becomes of a file that holds no JSON object.
#[derive(Clone, Copy)]
pub(crate) enum Damaged {
    /// A new login takes its place: nothing can be got out of it.
    Replaced,
    /// It is left as it is: somebody may still mend it.
    Refused,
}

/// What is in the file.
///
/// # Errors
/// [`Outcome::Invalid`] where it cannot be read.
pub(crate) fn fields(file: &LockedFile<'_>, damaged: Damaged) -> Result<Map<String, Value>, Error> {
    match file.host().files.read(file.path(), MAX_CREDENTIAL_FILE) {
        Ok(read) => parse(file.path(), &read, damaged),
        Err(FileReadError::NotFound) => Ok(Map::new()),
        Err(error) => Err(unreadable(file.path(), &error)),
    }
}

fn parse(path: &Path, read: &FileRead, damaged: Damaged) -> Result<Map<String, Value>, Error> {
    match (serde_json::from_slice(&read.bytes), damaged) {
        (Ok(fields), _) => Ok(fields),
        (Err(_), Damaged::Replaced) => {
            log::warn!("{} was damaged and is replaced", path.shown());
            Ok(Map::new())
        }
        (Err(_), Damaged::Refused) => {
            Err(Error::invalid("json", format!("{} is damaged: it holds no JSON object", path.shown()))
                .hint("nothing was changed; `ee-auth login --force` makes a new one"))
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
