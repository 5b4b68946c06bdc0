//! Whether the chosen profile exists.
//!
//! Without this check a mistyped name would silently resolve to another identity, since the rest of the chain does not depend
//! on the profile.

use ee_auth_config::{Config, Located, Origin, did_you_mean};
use ee_auth_core::{Error, Host, ProfileName, Search};
use ee_auth_persistent::{self as persistent, KeyringLogins};

/// Checks that the chosen profile exists: it has a table in the configuration, or something is stored under its name.
///
/// # Errors
/// `invalid.profile` where it does not exist, or where that cannot be known because its directory is closed;
/// [`Outcome::Unavailable`](ee_auth_core::Outcome::Unavailable) where the keyring cannot be asked.
pub(crate) async fn check(host: &Host, config: &Config) -> Result<(), Error> {
    let Some(chosen) = &config.profile else { return Ok(()) };
    if config.profiles.contains_key(&chosen.value) {
        return Ok(());
    }
    let search = Search::new(host.clone(), config.settings());
    match persistent::is_stored(&search).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(missing(chosen, &existing(host, config).await)),
        Err(error) => Err(error.in_place(&format!("looking for the profile `{}`", chosen.value))),
    }
}

/// The names of the profiles that exist, in order. What cannot be listed is left out: this is for a suggestion.
async fn existing(host: &Host, config: &Config) -> Vec<String> {
    let stored = persistent::profiles(host).unwrap_or_default().into_iter().map(|stored| stored.name);
    let in_keyring = match config.settings().keyring {
        true => KeyringLogins::of(host).await.unwrap_or_default(),
        false => KeyringLogins::default(),
    };
    let mut names: Vec<String> = stored
        .chain(in_keyring.profiles().map(str::to_owned))
        // rgee allows names that no profile can have.
        .filter(|name| name.parse::<ProfileName>().is_ok())
        .chain(config.profiles.keys().map(ToString::to_string))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn missing(chosen: &Located<ProfileName>, existing: &[String]) -> Error {
    /// How many names are listed.
    const LISTED: usize = 6;
    let name = &chosen.value;
    let meant = did_you_mean(name.as_str(), existing.iter().map(String::as_str));
    let message = format!("profile `{name}` does not exist{meant}");
    let error = Error::invalid("profile", message);
    let create = format!("`ee-auth --profile {name} login` creates it");
    let known = match existing {
        [] => "there are no profiles yet".to_owned(),
        names if names.len() <= LISTED => format!("existing profiles: {}", names.join(", ")),
        _ => "`ee-auth profile list` shows those that exist".to_owned(),
    };
    match &chosen.origin {
        Origin::State(_) => error.in_place("`ee-auth profile use`").hint(format!(
            "`ee-auth profile use --none` stops using it, `ee-auth login` logs in to it again; {known}"
        )),
        // Whoever wrote a flag, or called the library, knows where.
        Origin::Flag(_) => error.hint(format!("{known}; {create}")),
        origin => error.in_place(&origin.to_string()).hint(format!("{known}; {create}")),
    }
}
