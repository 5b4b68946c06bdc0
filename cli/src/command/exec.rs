//! `ee-auth exec`

use std::process::ExitCode;
use std::time::Duration;

use ee_auth::{Error, Resolver};
use ee_auth_serve::{IsolatedHome, Refusal, Session, Via, outranking_logins};

use super::InUse;
use crate::arguments::Exec;

#[inline(never)]
pub(crate) fn run(resolver: Resolver, options: &Exec) -> Result<ExitCode, Error> {
    let resolver = resolver.interactive(true);
    let in_use = InUse::find(&resolver)?;
    // What the command could not tell as well, deep in a library: that the credential is not accepted.
    in_use.token_valid_for(Duration::ZERO)?;
    let InUse { credential, config, .. } = in_use;
    let home = options.isolate_home.then(|| IsolatedHome::new(resolver.host())).transpose()?;
    let is_own = credential.kind() == "persistent" && config.profile.is_none();
    // What the command will use in the place of this credential.
    for found in outranking_logins(resolver.host(), &credential, is_own, home.is_some()) {
        log::warn!("{found}");
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

/// Says what may have been an attack, or is why the command did not get what it asked for.
pub(super) fn tell_of_refusals(refusals: &[(Refusal, u64)]) {
    for (refusal, count) in refusals {
        log::info!("{count} requests {} were refused", refusal.reason());
    }
}
