//! `ee-auth profile`

use ee_auth::ShowPath as _;
use ee_auth::stored::{self, Profile as Stored};
use ee_auth::{Error, Outcome, ProfileName, Resolver};
use serde_json::{Value, json};

use crate::arguments::Profile;
use crate::output::{CAREFUL, FAINT, GOOD, Output, STRONG, styled};

#[inline(never)]
pub(crate) fn run(resolver: &Resolver, options: Profile, output: &Output) -> Result<(), Error> {
    let json = output.is_json()?;
    let host = resolver.host();
    match options {
        Profile::List => {
            let profiles = stored::profiles(resolver)?;
            if json {
                return output.json(&Value::Array(profiles.iter().map(profile_json).collect()));
            }
            output.data(table(&profiles))
        }
        Profile::Use { name: Some(name), .. } => {
            let name: ProfileName = name.parse()?;
            // A name under which there is nothing may be a typo; it may also be the first step.
            let is_known =
                |profile: &Stored| profile.name.as_deref() == Some(name.as_str()) && profile.exists();
            let known = match stored::profiles(resolver) {
                Ok(profiles) => profiles.iter().any(is_known),
                // It may be in a keyring that is locked, which is no reason not to choose it.
                Err(error) if error.outcome() == Outcome::Unavailable => true,
                Err(error) => return Err(error),
            };
            stored::use_profile(host, Some(&name))?;
            if !known {
                output.warn(&format!("profile {name} does not exist yet; `ee-auth login` creates it"));
            }
            print_used(Some(&name), json, output)
        }
        Profile::Use { name: None, .. } => {
            stored::use_profile(host, None)?;
            print_used(None, json, output)
        }
        Profile::Remove { name } => {
            let parsed: ProfileName = name.parse()?;
            let removed = stored::remove_profile(resolver, &parsed)?;
            let places = removed.places();
            let table =
                resolver.load_for_new_profile().ok().and_then(|config| config.profiles.get(&parsed).cloned());
            if places.is_empty() && table.is_none() {
                return Err(Error::new(Outcome::NotFound, "", format!("there is no profile {name}"))
                    .hint("`ee-auth profile list` shows them"));
            }
            if let Some(table) = &table {
                output.warn(&format!("its table stays in {table}; remove it there by hand"));
            }
            if json {
                return output.json(&json!({ "name": name, "removed": places.first() }));
            }
            places.iter().try_for_each(|place| output.data(place))
        }
    }
}

fn print_used(name: Option<&ProfileName>, json: bool, output: &Output) -> Result<(), Error> {
    if json {
        return output.json(&json!({ "name": name.map(ProfileName::as_str) }));
    }
    output.tell(match name {
        Some(name) => format!(
            "{} {name}, where neither --profile nor EE_AUTH_PROFILE names another",
            styled(GOOD, "In use:")
        ),
        None => "no profile is in use any more".to_owned(),
    });
    Ok(())
}

fn profile_json(profile: &Stored) -> Value {
    json!({
        "name": profile.name,
        "active": profile.active,
        "logged_in": profile.logged_in,
        "project": profile.project,
        "file": profile.file,
        "keyring": profile.keyring,
        "table": profile.table.as_ref().map(ToString::to_string),
        "can_be_chosen": profile.can_be_chosen,
    })
}

fn table(profiles: &[Stored]) -> String {
    let name = |profile: &Stored| profile.name.clone().unwrap_or_else(|| "(no profile)".to_owned());
    let width = profiles.iter().map(|profile| name(profile).chars().count()).max().unwrap_or_default();
    let rows = profiles.iter().map(|profile| {
        let mark = if profile.active { "*" } else { " " };
        let mut row = format!("{mark} {}", styled(STRONG, format!("{:width$}", name(profile))));
        row += match (profile.can_be_chosen, profile.logged_in) {
            (false, _) => "  a user of rgee's whose name cannot be a profile's",
            (true, true) => "  logged in",
            (true, false) => "  not logged in",
        };
        if let Some(project) = &profile.project {
            row += &format!(", project {project}");
        }
        let file = profile.file.shown();
        row += &format!("  {}", styled(FAINT, profile.keyring.as_ref().unwrap_or(&file)));
        if let Some(table) = &profile.table {
            row += &format!(" {}", styled(FAINT, format!("({table})")));
        }
        if profile.active && !profile.logged_in {
            let state =
                if profile.name.is_none() || profile.exists() { "in use" } else { "in use, does not exist" };
            row += &format!(" {}", styled(CAREFUL, state));
        }
        row
    });
    rows.collect::<Vec<_>>().join("\n")
}
