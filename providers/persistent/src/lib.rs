//! The provider `persistent`: the credential that `ee-auth login`, `ee.Authenticate()`, `earthengine authenticate` and rgee
//! store.
//!
//! It reads `~/.config/earthengine/credentials`, on every system, as earthengine-api does; for a profile
//! `~/.config/earthengine/<profile>/credentials`, where rgee keeps its users. The keys are `refresh_token`,
//! `client_id` and `client_secret` (Earth Engine's own client where they are missing), `scopes` and `project`. A file
//! without a refresh token holds no credential: `earthengine set_project` writes such a one for its `project` alone.
//!
//! With `cache.store = "keyring"` a login is in the system's keyring: the entry of the service `ee-auth` whose account is the
//! profile's name, or `credentials` without one. The file then holds the project alone; a login that another program put
//! there is used where the keyring has none.
//!
//! [`store_login`] is how a login is put there, [`remove_login`] how it is taken away.

mod keyring;
mod store;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Directory, Host, LockedFile};
use ee_auth_core::{
    BoxFuture, Error, Finding, Grant, Kind, Options, Outcome, ProfileName, Provider, Search, redact,
};
use ee_auth_google::{Content, Document, authorized_user, credential};

pub use keyring::KeyringLogins;
pub use store::{StoredProfile, profiles, set_project};

/// How `persistent` is configured: not at all. The profile chooses the file.
pub const KIND: Kind = Kind {
    name: "persistent",
    summary: "the credential that `ee-auth login`, ee.Authenticate() or `earthengine authenticate` stored",
    interactive: false,
    declared_only: false,
    options: &[],
    build: |_name, _options: &Options| Ok(Arc::new(Persistent)),
};

/// The file of a profile, or of nobody in particular; `None` where the system has no home directory.
pub fn credentials_file(host: &Host, profile: Option<&ProfileName>) -> Option<PathBuf> {
    let mut path = host.environment.directory(Directory::Home)?.join(".config").join("earthengine");
    if let Some(profile) = profile {
        path.push(profile.as_str());
    }
    Some(path.join("credentials"))
}

/// A login that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// Where, for a person: the file, or the entry of the keyring.
    pub place: String,
    /// What a person should know though it worked.
    pub warnings: Vec<String>,
}

/// Stores what a login was granted for the search's profile: in the keyring, where the settings say so, else in the file.
///
/// # Errors
/// [`Outcome::Internal`] where the file cannot be written, [`Outcome::Unavailable`] where the keyring does not take it. The
/// old login is as it was.
pub async fn store_login(search: &Search, grant: &Grant) -> Result<Stored, Error> {
    if search.settings().keyring {
        return keyring::store(search, grant).await;
    }
    let path = store::store(search.host(), search.settings().profile.as_ref(), grant).await?;
    Ok(Stored { place: path.shown(), warnings: Vec::new() })
}

/// Where a login of the search's profile is stored, for a person, whether or not there is one: the file, or the entry of the
/// keyring.
pub fn place(search: &Search) -> String {
    let (host, profile) = (search.host(), search.settings().profile.as_ref());
    match search.settings().keyring {
        true => keyring::place(host, profile),
        false => credentials_file(host, profile).unwrap_or_default().shown(),
    }
}

/// Moves the login of the search's profile to where the settings have it: from the file to the keyring, where the keyring
/// has none. `None` where there is nothing to move.
///
/// # Errors
/// As [`store_login`].
pub async fn move_login(search: &Search) -> Result<Option<Stored>, Error> {
    if search.settings().keyring { keyring::adopt(search).await } else { Ok(None) }
}

/// Makes sure that a login could be stored, before somebody goes to the trouble of one.
///
/// # Errors
/// As [`store_login`].
pub async fn check_writable(search: &Search) -> Result<(), Error> {
    if search.settings().keyring {
        return keyring::check_writable(search).await;
    }
    store::check_writable(search.host(), search.settings().profile.as_ref())
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// The entry of the keyring, for a person.
    pub keyring: Option<String>,
    /// The file.
    pub file: Option<PathBuf>,
}

impl Removed {
    /// Both, for a person: the entry of the keyring first.
    pub fn places(&self) -> Vec<String> {
        let file = self.file.as_ref().map(|path| path.shown());
        self.keyring.clone().into_iter().chain(file).collect()
    }
}

/// The login of a search's profile, which no other process changes until this is dropped.
pub struct LockedLogin<'a> {
    search: &'a Search,
    /// `None` where there is no file, and no process can be writing one.
    file: Option<LockedFile<'a>>,
}

/// Locks the login of the search's profile: what is to be told to anybody before it is removed comes after this, since another
/// process may be about to store what it read.
///
/// # Errors
/// [`Outcome::Unavailable`] where another process does not release the file, [`Outcome::Internal`] where its directory cannot
/// be written and a login is in it.
pub async fn lock_login(search: &Search) -> Result<LockedLogin<'_>, Error> {
    let (host, profile) = (search.host(), search.settings().profile.as_ref());
    let file = if nothing_to_lock(host, profile) {
        None
    } else {
        match store::lock(host, profile).await {
            Ok(file) => Some(file),
            // Where nobody can write and nothing is stored, there is nothing to remove.
            Err(error)
                if error.outcome() == Outcome::Internal && stored(search).is_ok_and(|it| it.is_none()) =>
            {
                None
            }
            Err(error) => return Err(error),
        }
    };
    Ok(LockedLogin { search, file })
}

impl LockedLogin<'_> {
    /// Removes the login, and all that stands beside it: the entry of the keyring, where the settings have one, and the file.
    ///
    /// # Errors
    /// [`Outcome::Unavailable`] where the keyring cannot be asked; nothing is removed then. [`Outcome::Internal`] where the file
    /// cannot be removed.
    pub async fn remove(self) -> Result<Removed, Error> {
        let keyring = if self.search.settings().keyring { keyring::remove(self.search).await? } else { None };
        let file = self.file.as_ref().map(store::remove).transpose()?.flatten();
        Ok(Removed { keyring, file })
    }
}

/// Removes the login of the search's profile: [`lock_login`] and [`LockedLogin::remove`].
///
/// # Errors
/// Those of both.
pub async fn remove_login(search: &Search) -> Result<Removed, Error> {
    lock_login(search).await?.remove().await
}

/// Whether no process can be changing the file, since its directory is not there.
fn nothing_to_lock(host: &Host, profile: Option<&ProfileName>) -> bool {
    let path = credentials_file(host, profile);
    let Some(directory) = path.as_deref().and_then(std::path::Path::parent) else { return false };
    host.files.status(directory).is_err_and(|error| store::is_absence(&error))
}

/// What is stored for the search's profile: the entry of the keyring, where the settings have one, and the file's content.
///
/// # Errors
/// [`Outcome::Invalid`] where one cannot be read, [`Outcome::Unavailable`] where the keyring cannot be asked.
pub async fn stored_logins(search: &Search) -> Result<Vec<Document>, Error> {
    let keyring = if search.settings().keyring { keyring::stored(search).await? } else { None };
    Ok(keyring.into_iter().chain(stored(search)?.map(|(_, document)| document)).collect())
}

/// Returns whether something is stored under the name of the search's profile: a file, though it holds only a project or is
/// damaged, or an entry of the keyring, where the settings use one.
///
/// # Errors
/// `invalid.profile` where the file may not be looked at, since then nobody knows; [`Outcome::Unavailable`] where the keyring
/// cannot be asked.
pub async fn is_stored(search: &Search) -> Result<bool, Error> {
    let (host, profile) = (search.host(), search.settings().profile.as_ref());
    if let Some(path) = credentials_file(host, profile) {
        match host.files.status(&path) {
            Ok(_) => return Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => {
                return Err(Error::invalid("profile", format!("{}: {error}", path.shown())).hint(
                    "let your user read the directories above it, or set HOME to your own home directory",
                ));
            }
        }
    }
    if search.settings().keyring {
        return Ok(KeyringLogins::of(host).await?.place(host, profile).is_some());
    }
    Ok(false)
}

/// What is in the file of the search's profile; `None` where nothing is.
///
/// # Errors
/// [`Outcome::Invalid`] where it cannot be read.
pub fn stored(search: &Search) -> Result<Option<(PathBuf, Document)>, Error> {
    let path = credentials_file(search.host(), search.settings().profile.as_ref());
    let Some(path) = path else { return Ok(None) };
    match Content::read_if_present(search, &path)? {
        Some(content) => Ok(Some((path, content.document()?))),
        None => Ok(None),
    }
}

/// The project that is stored beside the credential, or without one; and the file that it is in.
pub fn stored_project(search: &Search) -> Option<(String, PathBuf)> {
    // A file that cannot be read is the provider's to report, if it is asked.
    let (path, document) = stored(search).ok()??;
    Some((document.text("project").ok()??, path))
}

/// The provider.
#[derive(Debug)]
pub struct Persistent;

impl Provider for Persistent {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let settings = search.settings();
            // Whatever is wrong with the content, a new login puts it right.
            let log_in_again = |error: Error| match (error.outcome(), &settings.scopes) {
                (Outcome::Invalid, _) => error.hint("log in again: `ee-auth login --force`"),
                (Outcome::Rejected, Some(asked)) if error.detail() == "scopes" => {
                    error.hint(authorized_user::obtain_stored(asked, settings.profile.as_ref()))
                }
                _ => error,
            };
            if settings.keyring {
                match keyring::find(search).await {
                    Ok(Some(found)) => return Finding::Found(Box::new(found)),
                    Ok(None) => {}
                    // In a build without one there is nothing to log in to.
                    Err(error) if search.host().keyring.name().is_none() => return Finding::from(error),
                    Err(error) => return Finding::from(log_in_again(error)),
                }
            }
            let Some(path) = credentials_file(search.host(), settings.profile.as_ref()) else {
                return Finding::not_found("no home directory is known, so there is no stored credential")
                    .hint("set HOME");
            };
            let content = match Content::read_if_present(search, &path) {
                Ok(Some(content)) => content,
                Ok(None) => {
                    return Finding::not_found(match &settings.profile {
                        None => "nobody has logged in on this machine".to_owned(),
                        Some(profile) => format!("nobody has logged in as profile {profile}"),
                    })
                    .hint("`ee-auth login` logs in and stores a credential there");
                }
                Err(error) => return Finding::from(error),
            };
            let document = match content.document() {
                Ok(document) => document,
                Err(error) => return Finding::from(log_in_again(error)),
            };
            if document.has("refresh_token") {
                return Finding::from(credential::earth_engine(&document, search).map_err(log_in_again));
            }
            match document.credential_type() {
                Some(other) => {
                    let other = redact(other);
                    Finding::not_found(format!("{} holds a {other} credential, not a login", path.shown()))
                        .hint(
                            "earthengine-api reads no such file there either; name it in EE_AUTH_CREDENTIALS",
                        )
                }
                None => Finding::not_found(format!("{} holds no login", path.shown()))
                    .hint("`ee-auth login` logs in and stores a credential there"),
            }
        })
    }
}
