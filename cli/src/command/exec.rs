//! `ee-auth exec`

use std::process::ExitCode;
use std::time::Duration;

use ee_auth::ShowPath as _;
use ee_auth::{Error, Resolver, credential_variables};
use ee_auth_serve::{ConflictingLogin, Isolate, Isolation, Refusal, SameLogin, Session, Via, stored_logins};

use super::InUse;
use crate::arguments::Exec;

#[inline(never)]
pub(crate) fn run(resolver: Resolver, options: &Exec) -> Result<ExitCode, Error> {
    let resolver = resolver.interactive(true);
    let in_use = InUse::find(&resolver)?;
    // What the command could not tell as well, deep in a library: that the credential is not accepted.
    in_use.token_valid_for(Duration::ZERO)?;
    let via = options.via.unwrap_or_else(Via::usual);
    let isolation = isolate(&resolver, &in_use, options, via)?;
    let impersonates = in_use.is_to_impersonate();
    let session = Session::start(in_use.credential, via, &*resolver.host().environment)?;
    let mut variables = session.variables().clone();
    variables.set.extend(isolation.variables());
    // The command has what it needs. The key itself would outlive the run, and be another credential than the resolved one.
    let environment = &resolver.host().environment;
    let credentials = credential_variables().filter(|name| environment.variable_os(name).is_some());
    variables.removed.extend(credentials.map(str::to_owned));
    if impersonates {
        // The credential has it already: an `ee-auth` that the command runs would have the account impersonate itself.
        variables.set.insert("EE_AUTH_AS".to_owned(), "none".into());
    }
    if !variables.removed.is_empty() {
        log::info!(
            "hidden from the command, because they hold or name a credential: {}",
            variables.removed.join(", ")
        );
    }
    let (program, arguments) =
        options.command.split_first().ok_or_else(|| Error::internal("there is no command"))?;
    let ended = ee_auth_host::run_attached(
        program,
        arguments,
        &variables.set,
        &variables.removed,
        isolation.hidden_files(),
    );
    tell_of_refusals(&session.refusals());
    drop((session, isolation));
    Ok(ended.exit_code())
}

/// Hides the stored logins that the command would use instead of the credential, or says that it will use them.
fn isolate(resolver: &Resolver, in_use: &InUse, options: &Exec, via: Via) -> Result<Isolation, Error> {
    let host = resolver.host();
    let conflicts = || ConflictingLogin::all(host, &in_use.credential, same_login(in_use), via);
    let hidden = match options.isolate() {
        Isolate::Always => stored_logins(host),
        Isolate::Auto => {
            let conflicts = conflicts().into_iter().inspect(|conflict| log::debug!("{conflict}"));
            conflicts.map(|conflict| conflict.path().to_owned()).collect()
        }
        Isolate::Never => {
            for conflict in conflicts() {
                log::warn!("{conflict}; leave out `--isolate never` to hide it");
            }
            Vec::new()
        }
    };
    let isolation = Isolation::new(host, &hidden)?;
    if let Some(mechanism) = isolation.mechanism() {
        let hidden: Vec<_> = isolation.files().iter().map(|file| file.shown()).collect();
        log::info!("hidden from the command by {mechanism}: {}", hidden.join(", "));
    }
    Ok(isolation)
}

/// The stored login that the credential is, unless its token has other scopes.
fn same_login(in_use: &InUse) -> SameLogin {
    match in_use.credential.kind() {
        _ if in_use.config.scopes.is_some() => SameLogin::None,
        // A client that reads the login itself does not impersonate with it.
        _ if in_use.is_to_impersonate() => SameLogin::None,
        "persistent" if in_use.config.profile.is_none() => SameLogin::EarthEngine,
        "gcloud" => SameLogin::ApplicationDefault,
        _ => SameLogin::None,
    }
}

/// Says which stored logins clients will use instead of the credential, where they cannot be hidden from them.
pub(super) fn warn_of_conflicting_logins(resolver: &Resolver, in_use: &InUse) {
    let same = same_login(in_use);
    for conflict in ConflictingLogin::all(resolver.host(), &in_use.credential, same, Via::usual()) {
        log::warn!("{conflict}; `ee-auth exec -- CMD` hides it from CMD");
    }
}

/// Says what may have been an attack, or is why the command did not get what it asked for.
pub(super) fn tell_of_refusals(refusals: &[(Refusal, u64)]) {
    for (refusal, count) in refusals {
        log::info!("{count} requests {} were refused", refusal.reason());
    }
}
