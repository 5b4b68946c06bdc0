//! The commands, one file each. All but `token` are kept out of line: in line, `token` would have the stack of all of them, 20 kB
//! that it touches and does not need.

mod cache;
mod completions;
mod config;
mod doctor;
mod env;
mod exec;
mod explain;
mod login;
mod logout;
mod plugin;
mod profile;
mod project;
mod providers;
#[cfg(feature = "sandbox")]
mod sandbox;
mod serve;
mod status;
mod token;
mod trust;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ee_auth::config::{Config, Flags, OwnProgram};
use ee_auth::host::{Nobody, variable};
use ee_auth::{Attempt, Credential, Error, Host, Impersonate, Resolved, Resolver, TokenGuard};

use crate::arguments::{Arguments, Command, Global};
use crate::output::Output;

/// Runs the command that was asked for.
pub(crate) fn run(arguments: Arguments, host: Host, output: &Output) -> Result<ExitCode, Error> {
    let Arguments { global, command } = arguments;
    let switched_on = |value: String| !matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | "no");
    let in_ci = matches!(&command, Command::Doctor(options) if options.ci);
    let no_input =
        global.no_input || in_ci || variable(&*host.environment, "EE_AUTH_NO_INPUT").is_some_and(switched_on);
    let host = if no_input { Host { person: Arc::new(Nobody), ..host } } else { host };
    let flags = flags(&global, &host, output);
    let resolver = Resolver::new(host.clone()).flags(flags.clone());
    let done = |()| ExitCode::SUCCESS;
    match command {
        Command::Token(options) => token::run(resolver, &options, output).map(done),
        Command::Login(options) => login::run(resolver, options, &global, output).map(done),
        Command::Logout(options) => logout::run(&resolver, &options, output).map(done),
        Command::SetProject { id } => project::run(&resolver, Some(&id), output).map(done),
        Command::UnsetProject => project::run(&resolver, None, output).map(done),
        Command::Profile(options) => profile::run(&resolver, options, output).map(done),
        Command::Status(options) => status::run(resolver, &options, output).map(done),
        Command::Explain(options) => explain::run(resolver, &options, output),
        Command::Doctor(options) => {
            // What is wrong with a file stands among the findings, which are in colour or not by themselves.
            let resolver = resolver.flags(Flags { color: false, ..flags });
            doctor::run(resolver, &options, global.verbose > 0, output)
        }
        Command::Exec(options) => exec::run(resolver, &options),
        Command::Serve(options) => serve::run(resolver, &options, output),
        Command::Env(options) => env::run(resolver, &options, output).map(done),
        Command::Plugin(options) => plugin::run(&resolver, &flags, options, output),
        Command::Providers => providers::run(&resolver, output).map(done),
        Command::Config(options) => config::run(&resolver, &flags, options, output).map(done),
        Command::Trust(options) => trust::run(&host, &flags, &options, output).map(done),
        Command::Cache(options) => cache::run(&resolver, &options, output).map(done),
        Command::Completions { shell } => completions::completions(shell, output).map(done),
        Command::Man { command } => completions::man(command.as_deref(), output).map(done),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(options) => sandbox::run(&host, &options, output),
    }
}

fn flags(global: &Global, host: &Host, output: &Output) -> Flags {
    Flags {
        config: global.config.clone(),
        profile: global.profile.clone(),
        project: global.project.clone(),
        scopes: global.scopes.clone(),
        impersonate: global.impersonate.clone(),
        plugin_host: OwnProgram::of(host),
        color: output.colors_errors(),
        ..Flags::default()
    }
}

/// Shows what a person should know of the configuration though it works.
fn warn_of(config: &Config) {
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
}

/// A credential that is going to be used, and how it was found.
struct InUse {
    credential: Credential,
    config: Config,
    attempts: Vec<Attempt>,
}

impl InUse {
    /// Finds the credential, and shows what a person should know of it though it works.
    fn find(resolver: &Resolver) -> Result<Self, Error> {
        let Resolved { config, attempts, credential, .. } = resolver.look()?;
        warn_of(&config);
        let credential = credential?;
        if let Some(impersonates) = credential.impersonates() {
            log::info!("impersonating {} (from {})", impersonates.account, impersonates.named_by);
        }
        for warning in credential.warnings() {
            log::warn!("{warning}");
        }
        Ok(Self { credential, config, attempts })
    }

    /// Returns whether a setting has the credential impersonate a service account.
    fn is_to_impersonate(&self) -> bool {
        matches!(&self.config.impersonate, Some(named) if named.value != Impersonate::Nobody)
    }

    /// A token that is valid for at least so long, or as long as the server gives one.
    fn token_valid_for(&self, least: Duration) -> Result<TokenGuard<'_>, Error> {
        self.credential.token_valid_for(least).map_err(|error| error.with_attempts(&self.attempts))
    }
}
