//! `ee-auth logout`

use ee_auth::config::Origin;
use ee_auth::stored::{self, LoggedOut};
use ee_auth::{Error, Resolver};
use serde_json::json;

use crate::arguments::Logout;
use crate::output::{GOOD, Output, styled};

#[inline(never)]
pub(crate) fn run(resolver: &Resolver, options: &Logout, output: &Output) -> Result<(), Error> {
    let json = output.is_json()?;
    let LoggedOut { removed, revoked, project, .. } = stored::log_out(resolver, options.revoke)?;
    let places = removed.places();
    let mut asked = Vec::new();
    for (plugin, outcome) in stored::log_out_elsewhere(resolver)? {
        match outcome {
            Ok(()) => asked.push(plugin),
            // It names the plugin.
            Err(error) => output.warn(&format!("logout failed: {error}")),
        }
    }
    if json {
        let mut shown = json!({ "removed": places.first(), "revoked": revoked, "project": project });
        if let (false, Some(shown)) = (asked.is_empty(), shown.as_object_mut()) {
            shown.insert("plugins".to_owned(), json!(asked));
        }
        return output.json(&shown);
    }
    for plugin in &asked {
        output.tell(format_args!("{} {plugin}", styled(GOOD, "Logged out:")));
    }
    match places.is_empty() {
        true if !asked.is_empty() => {}
        true => output.tell("nobody was logged in"),
        false => {
            places.iter().try_for_each(|place| output.data(place))?;
            let told = match revoked {
                Some(true) => ", and Google has revoked it",
                Some(false) => "; Google says that it had ended already",
                None => "",
            };
            output
                .tell(format_args!("{} the stored credential is removed{told}", styled(GOOD, "Logged out:")));
        }
    }
    if let Some(project) = project {
        output.tell(format_args!(
            "the project {project} was stored beside it; `ee-auth set-project {project}` stores it again"
        ));
    }
    let chosen = resolver.load_for_new_profile()?.profile;
    if let Some(profile) = chosen.filter(|profile| matches!(profile.origin, Origin::State(_))) {
        if resolver.load().is_err_and(|error| error.code() == "invalid.profile") {
            output.tell(format_args!(
                "profile {} no longer exists, and is still in use: `ee-auth profile use --none` stops using it",
                profile.value
            ));
        }
    }
    // What a person should know who believes that nothing is left.
    if let Ok(other) = resolver.look().and_then(|resolved| resolved.credential) {
        output.tell(format_args!("`ee-auth token` now uses {}: {}", other.provider(), other.origin()));
    }
    Ok(())
}
