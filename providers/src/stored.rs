//! What is stored for each profile: taking it away, the project beside it, and the list of all. The calls block, as local
//! files do; [`log_out`] may ask Google.

use std::path::PathBuf;

use ee_auth_config::{Config, Origin, default_profile, set_default_profile, unset_default_profile};
use ee_auth_core::{
    Error, Finding, Host, Outcome, ProfileName, ProjectCandidate, Provider, Search, Settings, resolve_project,
};
use ee_auth_google::revocation;
use ee_auth_persistent::{self as persistent, KeyringLogins, Persistent};
#[cfg(any(feature = "dynamic", feature = "exec"))]
use ee_auth_plugin_host::PluginProvider;

pub use ee_auth_persistent::Removed;

use crate::Resolver;
use crate::resolver::{asked, member};

/// What became of a stored credential.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedOut {
    /// Where it was.
    pub removed: Removed,
    /// Whether Google was told; `None` where that was not asked for or there was nothing to tell. `Some(false)` where the
    /// login had ended already.
    pub revoked: Option<bool>,
    /// The project that was stored beside it, and went with it.
    pub project: Option<String>,
}

/// Removes the stored credential of the resolver's profile; with `revoke` Google is told first, so that nobody can use a
/// copy of it.
///
/// # Errors
/// Those of the configuration; [`Outcome::Unavailable`] where Google could not be told, and
/// [`Outcome::Invalid`] where it was to be told of a damaged file: then nothing was removed. Nor was
/// it where the keyring cannot be asked, which is [`Outcome::Unavailable`], too.
pub fn log_out(resolver: &Resolver, revoke: bool) -> Result<LoggedOut, Error> {
    let config = resolver.load()?;
    let search = Search::new(resolver.host().clone(), config.settings());
    // Before Google is told: a revoked login that cannot be removed, or that another process puts back, helps nobody.
    let locked = pollster::block_on(persistent::lock_login(&search))?;
    let stored = match pollster::block_on(persistent::stored_logins(&search)) {
        Ok(stored) => stored,
        Err(error) if error.outcome() != Outcome::Invalid || error.detail() == "keyring" => {
            return Err(error);
        }
        Err(error) if revoke => return Err(error.hint(REMOVE_ONLY)),
        // What is damaged can be removed all the same.
        Err(_) => Vec::new(),
    };
    let mut revoked = None;
    for document in stored.iter().filter(|_| revoke) {
        if let Some(refresh_token) =
            document.secret("refresh_token").map_err(|error| error.hint(REMOVE_ONLY))?
        {
            let told = pollster::block_on(revocation::revoke(&search.exchange(), &refresh_token));
            revoked = Some(told.map_err(keep)? || revoked == Some(true));
        }
    }
    let kept = pollster::block_on(Persistent.find(&search));
    let removed = pollster::block_on(locked.remove()).map_err(|error| match revoked {
        None => error,
        Some(_) => error.hint(REVOKED),
    })?;
    if let (Finding::Found(found), Some(store)) = (kept, resolver.store(&config)?) {
        // Nobody could find it any more. Removed all the same: it is good for an hour.
        if let Some(mut key) = found.source.key() {
            store.remove(key.complete(Persistent.kind().name, &search.settings().universe_domain));
        }
    }
    let project = stored.iter().find_map(|document| document.text("project").ok()?);
    Ok(LoggedOut { removed, revoked, project })
}

/// A provider that keeps what its login obtained, by name, and how its logout ended.
pub type LoggedOutElsewhere = (String, Result<(), Error>);

/// Has the providers that the chain asks and that keep what their logins obtained, as plugins do, forget it; a token of theirs
/// that is kept here goes with it.
///
/// # Errors
/// Those of the configuration. What a provider fails with is in the list.
pub fn log_out_elsewhere(resolver: &Resolver) -> Result<Vec<LoggedOutElsewhere>, Error> {
    // The logout before may have removed all that there was of the profile.
    let config = resolver.load_for_new_profile()?;
    let search = Search::new(resolver.host().clone(), config.settings());
    let exchange = search.exchange();
    let mut done = Vec::new();
    for declared in asked(&config) {
        let member = member(&config, declared)?;
        let Some(login) = member.provider.login() else { continue };
        match pollster::block_on(login.log_out(&exchange)) {
            Ok(false) => {}
            Ok(true) => {
                forget_kept(resolver, &config, &search, &*member.provider)?;
                done.push((member.name, Ok(())));
            }
            Err(error) => {
                let error = error.of_provider(&member.name);
                done.push((member.name, Err(error)));
            }
        }
    }
    Ok(done)
}

/// Removes the token of a plugin that is kept between processes: whoever signs in or out means what comes after it.
///
/// # Errors
/// Those of the configuration.
pub(crate) fn forget_kept(
    resolver: &Resolver,
    config: &Config,
    search: &Search,
    provider: &dyn Provider,
) -> Result<(), Error> {
    #[cfg(any(feature = "dynamic", feature = "exec"))]
    {
        let plugin = provider.as_any().and_then(|any| any.downcast_ref::<PluginProvider>());
        if let (Some(key), Some(store)) =
            (plugin.and_then(|plugin| plugin.token_key(search)), resolver.store(config)?)
        {
            store.remove(&key);
        }
    }
    #[cfg(not(any(feature = "dynamic", feature = "exec")))]
    let _ = (resolver, config, search, provider);
    Ok(())
}

const REMOVE_ONLY: &str = "nothing was removed, and nothing revoked: it cannot be read. `ee-auth logout` without --revoke removes \
                           it; https://myaccount.google.com/permissions takes the access back";

const REVOKED: &str = "Google has revoked the login, and it is still stored: make room on the disk, or see who owns the file and its \
                       directory, and run `ee-auth logout` again";

fn keep(error: Error) -> Error {
    let next = error.next_step().unwrap_or_default().to_owned();
    error.hint(format!(
        "nothing was removed; `ee-auth logout` without --revoke removes it here alone. Else: {next}"
    ))
}

/// Stores a project beside the credential of the resolver's profile, as `earthengine set_project` does; `None` removes it.
/// Answers the file.
///
/// # Errors
/// [`Outcome::Invalid`] for something that cannot be a person's project, and where the file cannot
/// be written.
pub fn set_project(resolver: &Resolver, project: Option<&str>) -> Result<PathBuf, Error> {
    if let Some(project) = project {
        resolve_project([ProjectCandidate::named("set-project", Some(project.to_owned()))])?.ok_or_else(
            || Error::invalid("project", "the project is empty").hint("`ee-auth set-project ID`"),
        )?;
    }
    let config = match project {
        Some(_) => resolver.load_for_new_profile()?,
        None => resolver.load()?,
    };
    let profile = config.profile.map(|profile| profile.value);
    pollster::block_on(persistent::set_project(resolver.host(), profile.as_ref(), project))
}

/// A profile, or what is used without one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// The name; `None` for what is used without a profile.
    pub name: Option<String>,
    /// Whether it is the one in use.
    pub active: bool,
    /// Whether a login is stored for it.
    pub logged_in: bool,
    /// The project that is stored beside the login.
    pub project: Option<String>,
    /// The file of its login, whether or not it is there.
    pub file: PathBuf,
    /// The entry of the system's keyring that holds its login, for a person.
    pub keyring: Option<String>,
    /// Whether something is stored under its name: a login, a project, or a file that cannot be read.
    pub is_stored: bool,
    /// Where its table in the configuration begins, if it has one.
    pub table: Option<Origin>,
    /// Whether it can be chosen. rgee allows more names for its users than there are profiles.
    pub can_be_chosen: bool,
}

impl Profile {
    /// Returns whether it exists: it has a table, or something is stored under its name.
    pub fn exists(&self) -> bool {
        self.is_stored || self.table.is_some()
    }
}

/// All profiles: those with a stored login (rgee's users are the same), those with a table, and the one in use.
///
/// # Errors
/// Those of the configuration, and where the directory of logins cannot be read or the keyring, if logins are kept in it,
/// cannot be asked.
pub fn profiles(resolver: &Resolver) -> Result<Vec<Profile>, Error> {
    let config = resolver.load_for_new_profile()?;
    let host = resolver.host();
    let active = config.profile.as_ref().map(|profile| profile.value.clone());
    let keyring = match config.settings().keyring {
        true => pollster::block_on(KeyringLogins::of(host))?,
        false => KeyringLogins::default(),
    };
    let mut names: Vec<String> = persistent::profiles(host)?.into_iter().map(|stored| stored.name).collect();
    names.extend(keyring.profiles().map(str::to_owned));
    names.extend(config.profiles.keys().chain(&active).map(|name| name.to_string()));
    names.sort();
    names.dedup();
    let mut profiles: Vec<_> =
        describe(host, &config, &keyring, None, active.is_none()).into_iter().collect();
    for name in names {
        let active = active.as_ref().is_some_and(|active| active.as_str() == name);
        profiles.extend(describe(host, &config, &keyring, Some(name), active));
    }
    Ok(profiles)
}

/// `None` where no home directory is known.
fn describe(
    host: &Host,
    config: &Config,
    keyring: &KeyringLogins,
    name: Option<String>,
    active: bool,
) -> Option<Profile> {
    let parsed: Option<ProfileName> = name.as_ref().and_then(|name| name.parse().ok());
    let can_be_chosen = name.is_some() == parsed.is_some();
    let (mut logged_in, mut project, mut in_keyring) = (false, None, None);
    let file = match (&name, &parsed) {
        (Some(name), None) => {
            let base = persistent::credentials_file(host, None)?;
            base.with_file_name(name).join("credentials")
        }
        _ => persistent::credentials_file(host, parsed.as_ref())?,
    };
    if can_be_chosen {
        let settings = Settings { profile: parsed.clone(), ..config.settings() };
        if let Ok(Some((_, document))) = persistent::stored(&Search::new(host.clone(), settings)) {
            logged_in = document.has("refresh_token");
            project = document.text("project").ok().flatten();
        }
        in_keyring = keyring.place(host, parsed.as_ref());
        logged_in |= in_keyring.is_some();
    }
    let table = parsed.and_then(|name| config.profiles.get(&name).cloned());
    let is_stored = logged_in || host.files.status(&file).is_ok();
    Some(Profile {
        name,
        active,
        logged_in,
        project,
        file,
        keyring: in_keyring,
        is_stored,
        table,
        can_be_chosen,
    })
}

/// Makes a profile the one that is used where neither a flag nor a variable names one; `None` goes back to no profile.
///
/// # Errors
/// [`Outcome::Invalid`] where it cannot be remembered.
pub fn use_profile(host: &Host, name: Option<&ProfileName>) -> Result<(), Error> {
    set_default_profile(host, name)
}

/// Removes the login that is stored for a profile, and answers where it was. A profile that is in use by [`use_profile`] is
/// so no longer.
///
/// # Errors
/// Those of the configuration; where the file cannot be removed, the keyring not be asked, or the choice not be remembered.
pub fn remove_profile(resolver: &Resolver, name: &ProfileName) -> Result<Removed, Error> {
    let host = resolver.host();
    let settings = Settings { profile: Some(name.clone()), ..resolver.load_for_new_profile()?.settings() };
    let removed = pollster::block_on(persistent::remove_login(&Search::new(host.clone(), settings)))?;
    if default_profile(host)?.is_some_and(|chosen| chosen.value == *name) {
        unset_default_profile(host, name)?;
    }
    Ok(removed)
}
