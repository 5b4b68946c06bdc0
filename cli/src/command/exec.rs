//! `ee-auth exec`

use std::process::ExitCode;
use std::time::Duration;

use ee_auth::{Credential, Error, Host, Resolver};
use ee_auth_serve::{IsolatedHome, Refusal, Session, Via, outranking_logins};

use super::InUse;
use crate::arguments::Exec;

pub(crate) fn run(resolver: Resolver, options: &Exec) -> Result<ExitCode, Error> {
    let resolver = resolver.interactive(true);
    let in_use = InUse::find(&resolver)?;
    // What the command could not tell as well, deep in a library: that the credential is not accepted.
    in_use.token_valid_for(Duration::ZERO)?;
    let InUse { credential, config, .. } = in_use;
    let home = options.isolate_home.then(|| IsolatedHome::new(resolver.host())).transpose()?;
    if home.is_none() {
        warn_of_logins(resolver.host(), &credential, config.profile.is_some());
    }
    let via = options.via.unwrap_or_else(Via::usual);
    let session = Session::start(credential, via, &*resolver.host().environment)?;
    let mut variables = session.variables().clone();
    if let Some(home) = &home {
        variables.set.insert("HOME".to_owned(), home.path().as_os_str().to_owned());
    }
    if !variables.removed.is_empty() {
        log::info!(
            "hidden from the command, since they lead to another credential: {}",
            variables.removed.join(", ")
        );
    }
    let (program, arguments) =
        options.command.split_first().ok_or_else(|| Error::internal("there is no command"))?;
    let ended = ee_auth_host::run_attached(program, arguments, &variables.set, &variables.removed);
    tell_of_refusals(&session.refusals());
    drop((session, home));
    Ok(ended.exit_code())
}

/// Says what the command will use in the place of this credential.
fn warn_of_logins(host: &Host, credential: &Credential, has_profile: bool) {
    let is_own = credential.kind() == "persistent" && !has_profile;
    for found in outranking_logins(host, credential, is_own) {
        log::warn!("{found}; `ee-auth exec --isolate-home -- CMD` hides it");
    }
}

/// Says what may have been an attack, or is why the command did not get a token.
pub(super) fn tell_of_refusals(refusals: &[(Refusal, u64)]) {
    for (refusal, count) in refusals.iter().filter(|(refusal, _)| *refusal != Refusal::Path) {
        log::info!("{count} requests {} were refused", refusal.reason());
    }
}
