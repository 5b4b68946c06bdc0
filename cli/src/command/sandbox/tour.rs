//! What `ee-auth sandbox` shows by itself: three machines, the same program.

use ee_auth::ShowPath as _;
use ee_auth::{Credential, Error, Host, Resolver, earth_engine};
use ee_auth_sandbox::Sandbox;

use super::home::Home;
use crate::command::explain;
use crate::output::{BAD, FAINT, GOOD, NEXT, Output, STRONG, styled};

pub(crate) fn run(google: &Sandbox, home: &Home, host: &Host, output: &Output) -> Result<(), Error> {
    output.data(format_args!(
        "{}\n{}",
        styled(
            STRONG,
            format!("A loopback Google runs on {}. Nothing here leaves this machine.", google.base_url())
        ),
        styled(FAINT, "Its credentials are made for this run and are good for nothing elsewhere.")
    ))?;

    act(output, "1. A laptop, where Ada has logged in with ee.Authenticate()")?;
    let user = google.user();
    let stored = home.path().join(".config/earthengine/credentials");
    host.files
        .write_private(&stored, user.earthengine_file_json().as_bytes())
        .map_err(|error| Error::internal(format!("writing {} failed: {error}", stored.shown())))?;
    show(&home.host(host, &[]), host, output)?;

    act(output, "2. The same in CI, with a service account's key pasted into one variable")?;
    show(&home.host(host, &[("EE_SERVICE_ACCOUNT_KEY", &home.key)]), host, output)?;

    act(output, "3. Ada's login has been revoked")?;
    google.revoke(user.refresh_token());
    // With no regard to the token that is kept from before.
    let credential = Resolver::new(home.host(host, &[])).no_cache(true).resolve()?;
    match credential.token() {
        Ok(_) => Err(Error::internal("the sandbox accepted a login that was revoked")),
        Err(error) => {
            output.data(format_args!("{} {error}", styled(BAD, "error:")))?;
            let hint = error.next_step().unwrap_or_default();
            output.data(format_args!("{} {hint}", styled(NEXT, "help:")))?;
            output.data(format_args!(
                "\n{} `ee-auth explain` shows your own chain; `ee-auth sandbox -- CMD` runs CMD in here.",
                styled(NEXT, "Next:")
            ))
        }
    }
}

fn act(output: &Output, title: &str) -> Result<(), Error> {
    output.data(format_args!("\n{}\n", styled(STRONG, title)))
}

/// What each provider answers, the token won, and Earth Engine's answer to it.
fn show(host: &Host, machine: &Host, output: &Output) -> Result<(), Error> {
    let resolved = Resolver::new(host.clone()).look()?;
    output.data(explain::report(&resolved))?;
    let credential: Credential = resolved.credential?;
    let token = credential.token()?;
    let lifetime = token.remaining(machine.clock.now()).as_secs() / 60;
    let beginning: String = token.secret().chars().take(8).collect();
    output.data(format_args!(
        "{} {beginning}…, valid for {lifetime} minutes, with {}",
        styled(GOOD, "Token"),
        token.scopes().unwrap_or(credential.scopes())
    ))?;
    let answer = earth_engine::compute(&credential, &earth_engine::sum(1, 2))?;
    output.data(format_args!("{} 1 + 2 = {answer}", styled(GOOD, "Earth Engine")))
}
