//! The provider `persistent`: the credential that `ee-auth login`, `ee.Authenticate()`, `earthengine authenticate` and rgee
//! store.
//!
//! It reads `~/.config/earthengine/credentials`, on every system, as earthengine-api does; for a profile
//! `~/.config/earthengine/<profile>/credentials`, where rgee keeps its users. The keys are `refresh_token`,
//! `client_id` and `client_secret` (Earth Engine's own client where they are missing), `scopes` and `project`. A file
//! without a refresh token holds no credential: `earthengine set_project` writes such a one for its `project` alone.
//!
//! [`store()`] is how a login is put there.

mod store;

use std::path::PathBuf;
use std::sync::Arc;

use ee_auth_core::host::{Directory, Host};
use ee_auth_core::{
    BoxFuture, Error, Finding, Kind, Options, Outcome, ProfileName, Provider, Search, redact,
};
use ee_auth_google::{Content, Document, credential};

pub use store::{StoredProfile, check_writable, profiles, remove, set_project, store};

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

/// What is stored for the search's profile; `None` where nothing is.
///
/// # Errors
/// [`Outcome::Invalid`] where the file cannot be read.
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
            // Whatever is wrong with the content, a new login puts it right.
            let log_in_again = |error: Error| match error.outcome() {
                Outcome::Invalid => error.hint("log in again: `ee-auth login --force`"),
                _ => error,
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
                    Finding::not_found(format!("{} holds a {other} credential, not a login", path.display()))
                        .hint(
                            "earthengine-api reads no such file there either; name it in EE_AUTH_CREDENTIALS",
                        )
                }
                None => Finding::not_found(format!("{} holds no login", path.display()))
                    .hint("`ee-auth login` logs in and stores a credential there"),
            }
        })
    }
}
