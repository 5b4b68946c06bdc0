//! Checks of the whole set-up: what `ee-auth doctor` prints.
//!
//! ```no_run
//! use ee_auth::Credentials;
//! use ee_auth::doctor::Doctor;
//!
//! let diagnosis = Doctor::new(Credentials::builder()).online(true).run();
//! for finding in &diagnosis.findings {
//!     println!("{}: {}", finding.level.name(), finding.title);
//! }
//! ```
//!
//! Each [`Check`] is a file of its own and looks at one thing. What it can find is a [`Rule`], from which the documentation
//! is made, too. Nothing is changed, and without [`Doctor::online`] nothing is asked that finding a credential would not ask.
//!
//! A finding is an error where `ee-auth token` would end in one, or where Earth Engine, if it was asked, does not answer.
//! What is merely likely to go wrong is a warning.

mod cache;
mod chain;
mod ci;
mod clock;
mod configuration;
mod conflicts;
mod credential_files;
mod earth_engine;
mod examination;
mod finding;
mod gcloud;
mod impersonation;
mod leftovers;
mod login;
mod network;
#[cfg(feature = "exec")]
mod plugins;
mod project;
mod proxy;
mod reference;
mod token;
mod trust_store;
mod variables;

use std::fmt;

use ee_auth_core::BoxFuture;

pub use finding::{Diagnosis, Finding, Level, Rule};
pub use reference::reference;

use crate::Resolver;
use examination::Examination;

/// Something that is looked at.
pub struct Check {
    /// The name, by which its findings begin.
    pub name: &'static str,
    /// What is looked at, in one line.
    pub summary: &'static str,
    /// What it can find.
    pub rules: &'static [&'static Rule],
    run: Run,
}

/// How a check is made. One that finds nothing to say has nothing to do with this machine.
enum Run {
    Look(fn(&Examination<'_>) -> Vec<Finding>),
    Ask(for<'a> fn(&'a Examination<'a>) -> BoxFuture<'a, Vec<Finding>>),
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

/// All checks: first what a token depends on, in the order in which it does, then what else goes wrong.
pub fn checks() -> &'static [&'static Check] {
    const CHECKS: &[&Check] = &[
        &configuration::CHECK,
        &chain::CHECK,
        &impersonation::CHECK,
        &project::CHECK,
        &network::CHECK,
        &token::CHECK,
        &earth_engine::CHECK,
        &clock::CHECK,
        &conflicts::CHECK,
        &credential_files::CHECK,
        &variables::CHECK,
        #[cfg(feature = "exec")]
        &plugins::CHECK,
        &gcloud::CHECK,
        &login::CHECK,
        &cache::CHECK,
        &proxy::CHECK,
        &trust_store::CHECK,
        &leftovers::CHECK,
        &ci::CHECK,
    ];
    CHECKS
}

/// Checks the set-up of a [`Resolver`].
#[derive(Clone, Debug)]
pub struct Doctor {
    resolver: Resolver,
    online: bool,
    ci: bool,
}

impl Doctor {
    /// Checks what `resolver` would resolve.
    pub fn new(resolver: Resolver) -> Self {
        Self { resolver, online: false, ci: false }
    }

    /// Gets a token, too, and asks Google and Earth Engine whether they take it.
    #[must_use]
    pub fn online(mut self, online: bool) -> Self {
        self.online = online;
        self
    }

    /// Looks at what goes wrong in CI jobs, too.
    #[must_use]
    pub fn ci(mut self, ci: bool) -> Self {
        self.ci = ci;
        self
    }

    /// Makes all checks. Blocks.
    pub fn run(&self) -> Diagnosis {
        pollster::block_on(self.run_async())
    }

    /// As [`Doctor::run`], without blocking the thread. May be polled on any executor.
    pub async fn run_async(&self) -> Diagnosis {
        let examination = Examination::of(&self.resolver, self.online, self.ci).await;
        let mut findings: Vec<Finding> = Vec::new();
        for check in checks() {
            let found = match check.run {
                Run::Look(look) => look(&examination),
                Run::Ask(ask) => ask(&examination).await,
            };
            for finding in found {
                debug_assert!(is_known(check, &finding), "{} is not among the rules", finding.check);
                // What two checks come upon is said by the first.
                if finding.level == Level::Ok || !findings.iter().any(|said| said.title == finding.title) {
                    findings.push(finding);
                }
            }
        }
        Diagnosis { findings }
    }
}

fn is_known(check: &Check, finding: &Finding) -> bool {
    match finding.level {
        Level::Ok => finding.check == check.name,
        _ => check.rules.iter().any(|rule| rule.name == finding.check),
    }
}
