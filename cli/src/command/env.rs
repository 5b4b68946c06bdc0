//! `ee-auth env`

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ee_auth::host::variable;
use ee_auth::{Error, Host, Outcome, Resolver};
use ee_auth_serve::{Shell, append_to_github_env, token_variables};
use serde_json::json;

use super::InUse;
use super::exec::warn_of_conflicting_logins;
use crate::arguments::Env;
use crate::output::Output;

#[inline(never)]
pub(crate) fn run(resolver: Resolver, options: &Env, output: &Output) -> Result<(), Error> {
    let as_json = output.is_json()?;
    let in_use = InUse::find(&resolver)?;
    let token = in_use.token_valid_for(Duration::ZERO)?;
    warn_of_conflicting_logins(&resolver, &in_use);
    let project = in_use.credential.project().map(|project| project.id.as_str());
    let mut variables = token_variables(token.secret(), project);
    if in_use.credential.impersonates().is_some() {
        // gcloud and terraform would have the account impersonate itself.
        for name in ["CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"] {
            if variable(&*resolver.host().environment, name).is_some() {
                variables.insert(name.to_owned(), String::new());
            }
        }
    }
    let left = token.remaining(resolver.host().clock.now()).as_secs() / 60;
    log::info!(
        "the token is valid for {left} minutes and is not refreshed: `ee-auth exec -- CMD` keeps it fresh"
    );
    if as_json {
        return output.json(&json!(variables));
    }
    match options.shell {
        Shell::GitHub => github(resolver.host(), token.secret(), &variables, output),
        shell => output.exact(lines(shell, &variables)?.trim_end()),
    }
}

fn lines(shell: Shell, variables: &BTreeMap<String, String>) -> Result<String, Error> {
    variables.iter().map(|(name, value)| Ok(shell.set(name, value)? + "\n")).collect()
}

/// The runner reads the mask from standard output, and hides the token in every log line from then on; so it comes first.
fn github(
    host: &Host,
    token: &str,
    variables: &BTreeMap<String, String>,
    output: &Output,
) -> Result<(), Error> {
    let Some(file) = variable(&*host.environment, "GITHUB_ENV") else {
        return Err(Error::new(
            Outcome::Usage,
            "github",
            "GITHUB_ENV is not set, so this is no step of GitHub Actions",
        )
        .hint("choose another with --shell: sh, fish, powershell, cmd, dotenv"));
    };
    let lines = lines(Shell::GitHub, variables)?;
    output.exact(format_args!("::add-mask::{token}"))?;
    append_to_github_env(Path::new(&file), &lines).map_err(|error| {
        Error::internal(format!("writing to {file}, which GITHUB_ENV names, failed: {error}"))
    })
}
