//! What a person is told after a login: who they are, which project, and whether Earth Engine takes it.

use ee_auth_config::Config;
use ee_auth_core::{Credential, Error, Exchange, Project, Scopes, Search, Secret, Unfinished};
use url::Url;

use super::{Mode, Settled};
use crate::token_info::token_info_async;
use crate::{Resolver, earth_engine, project};

/// What came of a login.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoginReport {
    /// The mode; `persistent` where a stored credential was kept.
    pub mode: String,
    /// Where the credential is, for a person.
    pub place: String,
    /// The account's e-mail; `None` where Google does not say.
    pub principal: Option<String>,
    /// The scopes that it has; empty where that is not known.
    pub scopes: Scopes,
    /// The project that will be used, or why what is named cannot be.
    pub project: Result<Option<Project>, Error>,
    /// Whether Earth Engine answers to this credential and project; if not, why, and what to do.
    pub usable: Result<(), Error>,
    /// Where the credential was found, as the chain says it.
    pub(super) origin: String,
    /// Whether a token can be had at all.
    pub(super) works: Result<(), Error>,
    /// What a person should know though it worked.
    pub warnings: Vec<String>,
}

impl LoginReport {
    /// Looks at a credential that came of a login, or was kept: who it is, and what can be done with it.
    pub(super) async fn new(
        config: &Config,
        search: &Search,
        exchange: &Exchange,
        mode: &Mode,
        settled: Settled,
    ) -> Self {
        let Settled { found, place, principal, mut warnings } = settled;
        warnings.extend(found.warnings.iter().cloned());
        let origin = found.origin.clone();
        let project = project::resolve(config, search, Some(&found));
        let scopes = found.scopes.clone();
        let known = project.as_ref().ok().and_then(Clone::clone);
        let exchange =
            Exchange { host: exchange.host.clone(), settings: search.as_granted().settings().clone() };
        let credential = Credential::new(&mode.name, mode.provider.kind(), found, known, exchange);
        let works = credential.token_async().await.map(|_| ());
        // Without a token there is nothing to ask with, and every attempt to get one takes its time.
        let usable = match (&works, &project) {
            (Err(error), _) | (Ok(()), Err(error)) => Err(error.clone()),
            _ => earth_engine::compute_async(&credential, &earth_engine::sum(1, 1)).await.map(|_| ()),
        };
        let info = match &works {
            Err(error) => Err(error.clone()),
            Ok(()) => token_info_async(&credential).await,
        };
        let told = info.as_ref().ok().and_then(|info| info.email.clone());
        let principal = principal.or_else(|| credential.principal()).or(told);
        let scopes = match info {
            Ok(info) if scopes.is_empty() => info.scopes,
            _ => scopes,
        };
        Self { mode: mode.name.clone(), origin, place, principal, scopes, project, usable, works, warnings }
    }

    /// Warns where the chain comes to another credential than this one.
    pub(super) async fn warn_of_another(&mut self, resolver: &Resolver) {
        // Which credential commands impersonate with is what matters here.
        let resolver = resolver.clone().impersonate("none");
        let warning = match resolver.look_async().await.and_then(|resolved| resolved.credential) {
            Ok(winner) if winner.origin() == self.origin => return,
            Ok(winner) => format!(
                "the chain comes to another credential first: {} ({}); `ee-auth explain` shows why",
                winner.provider(),
                winner.origin()
            ),
            Err(error) => format!("the chain does not come to this credential: {error}"),
        };
        self.warnings.push(warning);
    }
}

/// What a person has to do to finish a login.
#[derive(Debug)]
pub struct UnfinishedLogin {
    /// The mode, as it has to be named again.
    pub mode: String,
    /// The address to open, on any machine.
    pub address: Url,
    /// What has to be given back together with the code. It is good for this login alone; with the code, it is the
    /// credential.
    pub verifier: Secret,
}

impl UnfinishedLogin {
    pub(super) fn new(mode: &Mode, unfinished: Unfinished) -> Self {
        Self { mode: mode.name.clone(), address: unfinished.address, verifier: unfinished.verifier }
    }
}
