//! Variables that somebody set for a credential, and that nobody reads.

use ee_auth_core::{ExposeSecret, Search, Secret, nearest_name};

use crate::shape::Recognised;
use crate::variables::{APPLICATION_DEFAULT, names};

/// A variable that is set and not read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unread {
    /// Its name.
    pub name: String,
    /// The variable that is meant, perhaps.
    pub meant: Option<&'static str>,
    /// What it holds, where that is a credential.
    pub holds: Option<&'static str>,
}

impl Unread {
    /// What it is, in one line.
    pub fn words(&self) -> String {
        let Self { name, meant, holds } = self;
        let meant = meant.map(|meant| format!("; {meant} is meant, perhaps")).unwrap_or_default();
        match holds {
            Some(holds) => format!("{name} holds {holds} and is not read{meant}"),
            None => format!("{name} is set and is not read{meant}"),
        }
    }
}

/// The names under which people look for Earth Engine's credentials.
const PREFIXES: [&str; 3] = ["EE_", "GEE_", "EARTHENGINE_"];

/// What `ee-auth sandbox` tells the command that it runs.
const SANDBOX: &str = "EE_AUTH_SANDBOX_";

/// The variables whose names are almost those that are read, and those named after Earth Engine that hold a credential.
/// Nothing is run, and what is looked at is not remembered by `search`.
pub fn unread(search: &Search) -> Vec<Unread> {
    let environment = &search.host().environment;
    let quiet = Search::new(search.host().clone(), search.settings().clone());
    let mut unread: Vec<_> = environment
        .names()
        .into_iter()
        .filter(|name| name.len() <= 64 && !name.starts_with(SANDBOX))
        .filter(|name| names().chain([APPLICATION_DEFAULT]).all(|known| known != name))
        .filter_map(|name| {
            let value = environment.variable_os(&name)?.into_string().ok()?;
            let value = Secret::from(value);
            if value.expose_secret().trim().is_empty() {
                return None;
            }
            let upper = name.to_ascii_uppercase();
            let meant = meant(&upper);
            let named_so = meant.is_some() || PREFIXES.iter().any(|prefix| upper.starts_with(prefix));
            let holds = named_so.then(|| Recognised::from_value(&value, &name, &quiet).ok()).flatten();
            let holds = holds.map(|recognised| recognised.shape.name());
            (meant.is_some() || holds.is_some()).then_some(Unread { name, meant, holds })
        })
        .collect();
    unread.sort_by(|one, other| one.name.cmp(&other.name));
    unread
}

/// The variable that is meant by one of this name: by a slip, with something before or behind it
/// (`GOOGLE_APPLICATION_CREDENTIALS_JSON`, `TF_VAR_EE_AUTH_CREDENTIALS`), or cut short.
fn meant(name: &str) -> Option<&'static str> {
    /// Shorter beginnings are those of too many names.
    const SHORTEST: usize = 12;
    let known = || names().chain([APPLICATION_DEFAULT]);
    let extended = |known: &&'static str| {
        let rest = name.strip_prefix(known).or_else(|| name.strip_suffix(known));
        rest.is_some_and(|rest| rest.starts_with('_') || rest.ends_with('_'))
    };
    let shortened = |known: &&'static str| name.len() >= SHORTEST && known.starts_with(name);
    nearest_name(name, known())
        .or_else(|| known().filter(extended).max_by_key(|known| known.len()))
        .or_else(|| known().find(shortened))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_almost_right_means_the_right_one() {
        for (name, expected) in [
            ("EE_AUTH_CREDENTIAL", Some("EE_AUTH_CREDENTIALS")),
            ("EEAUTH_CREDENTIALS", Some("EE_AUTH_CREDENTIALS")),
            ("EE_AUTH_CREDENTAILS", Some("EE_AUTH_CREDENTIALS")),
            ("EE_AUTH_CREDENTIALS_JSON", Some("EE_AUTH_CREDENTIALS")),
            ("TF_VAR_EE_AUTH_CREDENTIALS", Some("EE_AUTH_CREDENTIALS")),
            ("EE_AUTH_CREDE", Some("EE_AUTH_CREDENTIALS")),
            ("GOOGLE_APPLICATION_CREDENTIAL", Some("GOOGLE_APPLICATION_CREDENTIALS")),
            ("GOOGLE_APPLICATION_CREDENTIALS_JSON", Some("GOOGLE_APPLICATION_CREDENTIALS")),
            ("EE_SERVICE_ACCOUNT_EMAIL", Some("EE_SERVICE_ACCOUNT")),
            ("EARTHENGINE_TOKENS", Some("EARTHENGINE_TOKEN")),
            ("EARTHENGINE_PROJECT", None),
            ("EE_PROJECT_ID", None),
            ("EE_AUTH_CONFIG", None),
            ("EE_AUTH_CACHE", None),
            ("HOME", None),
        ] {
            assert_eq!(meant(name), expected, "{name}");
        }
    }
}
