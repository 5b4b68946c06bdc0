//! Logins in the system's keyring, so that no secret lies in a file.
//!
//! An entry holds what the file would: the same JSON, but for the project, which is no secret and stays in the file,
//! where earthengine-api finds it.

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Host, KeyringError, LockedFile, patiently};
use ee_auth_core::{Error, ExposeSecret, Found, Grant, Look, Outcome, ProfileName, Saw, Search, Secret};
use ee_auth_google::{Content, Document, credential};
use serde_json::{Map, Value};

use crate::store::{self, Damaged};
use crate::{Stored, stored as in_file};

/// The account of the login without a profile. No profile can be called so.
const NO_PROFILE: &str = "credentials";

/// What is written, and removed at once, to see whether anything can be. A profile's name has no slash.
const PROBE: &str = "probe/login";

/// What a person should know who goes on to Python.
const NOT_FOR_PYTHON: &str = "earthengine-api and rgee do not read the keyring: run what uses them through ee-auth, as \
                              `ee-auth exec -- python script.py`";

fn account(profile: Option<&ProfileName>) -> &str {
    profile.map_or(NO_PROFILE, ProfileName::as_str)
}

/// Where the login of a profile is, for a person.
pub(crate) fn place(host: &Host, profile: Option<&ProfileName>) -> String {
    format!("{} entry ee-auth/{}", host.keyring.name().unwrap_or("keyring"), account(profile))
}

/// The entry of the search's profile.
///
/// # Errors
/// [`Outcome::Unavailable`] where the keyring cannot be asked.
pub(crate) async fn stored(search: &Search) -> Result<Option<Document>, Error> {
    let (host, profile) = (search.host(), search.settings().profile.as_ref());
    let place = place(host, profile);
    let got = patiently(host, host.keyring.get(account(profile))).await;
    let saw = match &got {
        Ok(Some(_)) => Saw::Present,
        Ok(None) => Saw::Missing,
        Err(_) => Saw::Unreadable,
    };
    search.looked_at(Look::Keyring(place.clone(), saw));
    match got.map_err(|error| error.explain(&format!("reading the {place}")))? {
        Some(secret) => Content::new(secret.expose_secret(), place).document().map(Some),
        None => Ok(None),
    }
}

/// The credential of the search's profile, with the project of the file.
///
/// # Errors
/// As [`stored`], and those of a damaged entry.
pub(crate) async fn find(search: &Search) -> Result<Option<Found>, Error> {
    let Some(document) = stored(search).await? else { return Ok(None) };
    let mut found = credential::earth_engine(&document, search)?;
    // A file that cannot be read has no bearing on this login.
    if let Ok(Some((path, file))) = in_file(search) {
        found.quota_project = file.text("project").ok().flatten();
        if file.has("refresh_token") {
            found.warnings.push(format!(
                "{} holds a login too, which is not used, since the keyring has one; `EE_AUTH_CACHE=disk ee-auth logout` \
                 removes it",
                path.shown()
            ));
        }
    }
    Ok(Some(found))
}

/// Stores what a login was granted, and takes the login before it out of the file, if it is there: so no secret is left
/// that nobody remembers.
///
/// # Errors
/// [`Outcome::Unavailable`] where the keyring does not take it; everything is then
/// as it was.
pub(crate) async fn store(search: &Search, grant: &Grant) -> Result<Stored, Error> {
    let mut fields = Map::new();
    store::put_login(&mut fields, grant);
    // The lock of the file is that of the entry as well.
    let file = match store::lock(search.host(), search.settings().profile.as_ref()).await {
        Err(error) if error.outcome() == Outcome::Unavailable => return Err(error),
        file => file,
    };
    let mut stored = put(search, &fields).await?;
    match file {
        Ok(file) => strip(&file, grant.project.as_deref(), "it was replaced by this one", &mut stored),
        Err(error) => stored.warnings.push(format!("what is in the file stayed as it was: {error}")),
    }
    Ok(stored)
}

/// Moves a login that is in the file, and not in the keyring, from there to here. `None` where there is nothing to move.
///
/// # Errors
/// As [`store()`].
pub(crate) async fn adopt(search: &Search) -> Result<Option<Stored>, Error> {
    let (host, profile) = (search.host(), search.settings().profile.as_ref());
    if crate::nothing_to_lock(host, profile) {
        return Ok(None);
    }
    let file = store::lock(host, profile).await?;
    if stored(search).await?.is_some() {
        return Ok(None);
    }
    let mut fields = store::fields(&file, Damaged::Refused)?;
    fields.retain(|name, _| store::LOGIN_FIELDS.contains(&name.as_str()));
    if !fields.contains_key("refresh_token") {
        return Ok(None);
    }
    let mut stored = put(search, &fields).await?;
    strip(&file, None, "it was moved to the keyring", &mut stored);
    Ok(Some(stored))
}

async fn put(search: &Search, fields: &Map<String, Value>) -> Result<Stored, Error> {
    let (host, profile) = (search.host(), search.settings().profile.as_ref());
    let place = place(host, profile);
    let text = serde_json::to_string(fields).map_err(|error| Error::internal(error.to_string()))?;
    let set = patiently(host, host.keyring.set(account(profile), &Secret::from(text))).await;
    set.map_err(|error| not_stored(&place, &error))?;
    Ok(Stored { place, warnings: vec![NOT_FOR_PYTHON.to_owned()] })
}

/// Leaves no login in the file, and says what became of it.
fn strip(file: &LockedFile<'_>, project: Option<&str>, why: &str, stored: &mut Stored) {
    match store::strip(file, project) {
        Ok(None) => {}
        Ok(Some(path)) => {
            stored.warnings.push(format!("the login in {} is there no longer: {why}", path.shown()));
        }
        Err(error) => stored.warnings.push(format!("what is in the file stayed as it was: {error}")),
    }
}

/// Makes sure that a login could be stored, and has the keyring unlocked, before somebody goes to the trouble of one.
///
/// # Errors
/// As [`store()`].
pub(crate) async fn check_writable(search: &Search) -> Result<(), Error> {
    let host = search.host();
    let place = place(host, search.settings().profile.as_ref());
    let probe = Secret::from(" ".repeat(1024));
    let written = patiently(host, host.keyring.set(PROBE, &probe)).await;
    written.map_err(|error| not_stored(&place, &error))?;
    let removed = patiently(host, host.keyring.remove(PROBE)).await;
    removed.map(drop).map_err(|error| not_stored(&place, &error))
}

fn not_stored(place: &str, error: &KeyringError) -> Error {
    error
        .explain(&format!("storing the login as {place}"))
        .hint(format!("nothing was changed; {}", error.next_step()))
}

/// Removes the login of the search's profile. Answers where it was; `None` where there was none.
///
/// # Errors
/// [`Outcome::Unavailable`] where the keyring cannot be asked.
pub(crate) async fn remove(search: &Search) -> Result<Option<String>, Error> {
    let (host, profile) = (search.host(), search.settings().profile.as_ref());
    let place = place(host, profile);
    let removed = patiently(host, host.keyring.remove(account(profile))).await;
    let removed = removed.map_err(|error| error.explain(&format!("removing the {place}")))?;
    Ok(removed.then_some(place))
}

/// Which logins a keyring has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyringLogins(Vec<String>);

impl KeyringLogins {
    /// Those of the host's keyring. The secrets are not read.
    ///
    /// # Errors
    /// [`Outcome::Unavailable`] where the keyring cannot be asked.
    pub async fn of(host: &Host) -> Result<Self, Error> {
        let accounts = patiently(host, host.keyring.list()).await;
        let mut accounts = accounts.map_err(|error| error.explain("listing the logins in the keyring"))?;
        // Those with a slash are tokens.
        accounts.retain(|account| account == NO_PROFILE || account.parse::<ProfileName>().is_ok());
        Ok(Self(accounts))
    }

    /// The names of the profiles, in any order.
    pub fn profiles(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).filter(|account| *account != NO_PROFILE)
    }

    /// Where the login of a profile is, for a person; `None` where there is none.
    pub fn place(&self, host: &Host, profile: Option<&ProfileName>) -> Option<String> {
        self.0.iter().any(|known| known == account(profile)).then(|| place(host, profile))
    }
}

#[cfg(test)]
#[path = "keyring_tests.rs"]
mod tests;
