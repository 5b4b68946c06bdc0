//! Logging in: `ee.Authenticate()` for every mode, with what comes of it.

mod mode;
mod report;

use std::sync::Arc;

use ee_auth_config::{Config, Origin};
use ee_auth_core::host::Presence;
use ee_auth_core::{
    AttemptOutcome, Chain, Error, Finding, Found, Grant, LoggedIn, LoginRequest, Member, Outcome, Provider,
    Resolution, Scopes, Search, Secret, is_googles_own,
};
use ee_auth_google::oauth_client;
use ee_auth_persistent::Persistent;

pub use report::{LoginReport, UnfinishedLogin};

use crate::Resolver;
use crate::impersonation::{Impersonation, warning_of_login};
use crate::login::mode::{Mode, choose};
use crate::profile;
use crate::stored::forget_kept;

/// A login, to be run. Made by [`Resolver::login`].
///
/// ```no_run
/// use ee_auth::{Credentials, LoginOutcome};
///
/// if let LoginOutcome::LoggedIn(report) = Credentials::builder().login().mode("localhost").run()? {
///     println!("{:?}", report.principal);
/// }
/// # Ok::<(), ee_auth::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Login {
    resolver: Resolver,
    mode: Option<String>,
    read_only: bool,
    quiet: bool,
    force: bool,
    code: Option<(Secret, Secret)>,
}

/// What a login came to.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoginOutcome {
    /// There was a credential that works and has the scopes; nobody was asked.
    Kept(LoginReport),
    /// Somebody has logged in.
    LoggedIn(LoginReport),
    /// A person has to go on: only with [`Login::quiet`].
    Unfinished(UnfinishedLogin),
}

impl Login {
    pub(crate) fn new(resolver: Resolver) -> Self {
        Self { resolver, mode: None, read_only: false, quiet: false, force: false, code: None }
    }

    /// Logs in this way: `notebook`, `localhost`, `localhost:PORT`, `gcloud`, `gcloud-legacy`, `colab`, `appdefault`, or the
    /// name of a provider of the configuration that has a login. Without a mode one is chosen as `ee.Authenticate()` does.
    #[must_use]
    pub fn mode(mut self, mode: impl Into<String>) -> Self {
        self.mode = Some(mode.into());
        self
    }

    /// Asks for the read-only variants of the scopes.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Waits for nobody: the outcome says what a person has to do.
    #[must_use]
    pub fn quiet(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// Logs in though there is a credential that works.
    #[must_use]
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Finishes a login that was left unfinished: with what was pasted, a code or a whole redirect address, and the verifier
    /// that was given with the address; earthengine-api's own too.
    #[must_use]
    pub fn code(mut self, pasted: impl Into<Secret>, verifier: impl Into<Secret>) -> Self {
        self.code = Some((pasted.into(), verifier.into()));
        self
    }

    /// Runs it. Blocks for as long as a person takes.
    ///
    /// # Errors
    /// [`Outcome::InteractionRequired`] where a person would have to be waited for and there is none;
    /// [`Outcome::Rejected`] where the person or Google refuses; [`Outcome::Unavailable`] where Google cannot be reached, or
    /// the person took too long; [`Outcome::Invalid`] for a mistake in what was configured or pasted. In every case the
    /// credential that was stored before is as it was.
    pub fn run(self) -> Result<LoginOutcome, Error> {
        pollster::block_on(self.run_async())
    }

    /// As [`Login::run`], without blocking the thread. May be polled on any executor.
    ///
    /// # Errors
    /// As [`Login::run`].
    pub async fn run_async(self) -> Result<LoginOutcome, Error> {
        let host = self.resolver.host().clone();
        let config = self.resolver.load_for_new_profile()?;
        let search = Search::new(host.clone(), config.settings());
        let scopes = if self.read_only { Scopes::earth_engine_read_only() } else { search.scopes() };
        let request = LoginRequest { quiet: self.quiet, ..request(&config, &search, scopes)? };
        let named = self.mode.as_deref().map(|mode| Mode::named(mode, &config)).transpose()?;
        if let Some(mode) = &named {
            mode.login()?;
        }
        if let Some((pasted, verifier)) = self.code.clone() {
            let mode = named.map_or_else(|| Mode::of_verifier(&verifier, &config), Ok)?;
            if mode.is_stored() && search.settings().keyring {
                // A code is good for once.
                ee_auth_persistent::check_writable(&search).await?;
            }
            let logged_in = mode.login()?.finish(&request, pasted, verifier).await;
            return self.conclude(&config, &search, &request, &mode, logged_in).await;
        }
        if !self.force {
            if let Some(mut report) = kept(&config, &search, &request).await? {
                report.warn_of_another(&self.resolver).await;
                report.warnings.extend(warning_of_login(&config));
                return Ok(LoginOutcome::Kept(report));
            }
        }
        let mode = match named {
            Some(mode) => mode,
            None => {
                let mode = choose(&config, &request, |_| true)?;
                host.person.tell(&format!("Logging in with {}: {}.", mode.name, mode.because));
                mode
            }
        };
        if !mode.is_stored() {
            // Such a login would leave the profile as absent as it was.
            profile::check(&host, &config).await.map_err(|error| match error.detail().name() {
                "profile" => error.hint(format!(
                    "a login with {} is not stored under a profile: leave the profile out, or use `--mode notebook` or \
                     `--mode localhost`",
                    mode.name
                )),
                _ => error,
            })?;
        }
        if !self.quiet && mode.is_stored() && host.person.presence() > Presence::Absent {
            // Whoever has signed in wants to have something of it.
            ee_auth_persistent::check_writable(&search).await?;
        }
        let logged_in = mode.login()?.log_in(&request).await;
        self.conclude(&config, &search, &request, &mode, logged_in).await
    }

    /// Stores what there is to store, and looks at it.
    async fn conclude(
        &self,
        config: &Config,
        search: &Search,
        request: &LoginRequest,
        mode: &Mode,
        logged_in: Result<LoggedIn, Error>,
    ) -> Result<LoginOutcome, Error> {
        let logged_in = logged_in.map_err(|error| error.of_provider(&mode.name))?;
        if let LoggedIn::Unfinished(unfinished) = logged_in {
            return Ok(LoginOutcome::Unfinished(UnfinishedLogin::new(mode, unfinished)));
        }
        let logged_in = with_project(config, logged_in);
        if let LoggedIn::Elsewhere(_) = logged_in {
            forget_kept(&self.resolver, config, search, &*mode.provider)?;
        }
        let settled = match logged_in {
            // As it was granted: what was asked for is done with.
            LoggedIn::Granted(_) => settle(&search.as_granted(), &mode.provider, logged_in).await?,
            _ => settle(search, &mode.provider, logged_in).await?,
        };
        let mut report = LoginReport::new(config, search, &request.exchange, mode, settled).await;
        report.warn_of_another(&self.resolver).await;
        report.warnings.extend(warning_of_login(config));
        Ok(LoginOutcome::LoggedIn(report))
    }
}

/// What a login was granted, with the project that was named for it on the command line: whoever names one there wants to have
/// it from then on.
fn with_project(config: &Config, logged_in: LoggedIn) -> LoggedIn {
    let named = config.project.as_ref().filter(|project| matches!(project.origin, Origin::Flag(_)));
    match (logged_in, named) {
        (LoggedIn::Granted(grant), Some(project)) if !is_googles_own(&project.value) => {
            LoggedIn::Granted(Grant { project: Some(project.value.clone()), ..grant })
        }
        (logged_in, _) => logged_in,
    }
}

/// A credential that came of a login.
pub(crate) struct Settled {
    /// The credential.
    pub(crate) found: Found,
    /// Where it is kept, for a person.
    pub(crate) place: String,
    /// The account's e-mail, where the login told it.
    pub(crate) principal: Option<String>,
    /// What a person should know though it worked.
    pub(crate) warnings: Vec<String>,
}

/// Stores what a login was granted, if it is ours to store, and finds it again through `search`.
pub(crate) async fn settle(
    search: &Search,
    provider: &Arc<dyn Provider>,
    logged_in: LoggedIn,
) -> Result<Settled, Error> {
    let (finding, place, principal, warnings) = match logged_in {
        LoggedIn::Granted(grant) => {
            let stored = ee_auth_persistent::store_login(search, &grant).await?;
            let finding = Persistent.find(search).await;
            let warnings = [grant.warnings, stored.warnings].concat();
            (finding, stored.place, grant.principal, warnings)
        }
        LoggedIn::Elsewhere(place) => (provider.find(search).await, place, None, Vec::new()),
        LoggedIn::Found(found) => {
            let place = found.origin.clone();
            (Finding::Found(found), place, None, Vec::new())
        }
        LoggedIn::Unfinished(_) | _ => {
            return Err(Error::internal("a login that waits for a person ended without one"));
        }
    };
    match finding {
        Finding::Found(found) => Ok(Settled { found: *found, place, principal, warnings }),
        Finding::Failed(error) => Err(error),
        Finding::Skipped(skip) => {
            let error = Error::new(Outcome::NotFound, "", format!("after the login: {}", skip.message));
            Err(match skip.hint {
                Some(hint) => error.hint(hint),
                None => error,
            })
        }
        _ => Err(Error::internal("after the login nothing could be looked for")),
    }
}

/// The stored credential, if it works and has the scopes.
async fn kept(
    config: &Config,
    search: &Search,
    request: &LoginRequest,
) -> Result<Option<LoginReport>, Error> {
    let as_granted = search.as_granted();
    let Finding::Found(found) = Persistent.find(&as_granted).await else { return Ok(None) };
    // A file that does not say has the usual ones, as earthengine-api has it.
    let has = if found.scopes.is_empty() { Scopes::earth_engine() } else { found.scopes.clone() };
    let person = &search.host().person;
    if !request.scopes.is_subset_of(&has) {
        person.tell(&format!("The stored login has {has}, which is not all that is asked for."));
        return Ok(None);
    }
    let mode = Mode::stored();
    let place = ee_auth_persistent::place(search);
    let settled = Settled { place, found: *found, principal: None, warnings: Vec::new() };
    let mut report = LoginReport::new(config, search, &request.exchange, &mode, settled).await;
    match &report.works {
        Ok(()) => {
            if let Some(moved) = ee_auth_persistent::move_login(search).await? {
                report.warnings.extend(moved.warnings);
                if let Finding::Found(found) = Persistent.find(&as_granted).await {
                    report.origin = found.origin;
                }
            }
            Ok(Some(report))
        }
        Err(error) if error.outcome() == Outcome::Rejected => {
            person.tell(&format!("The stored login does not work any more: {error}."));
            Ok(None)
        }
        Err(error) => Err(error.clone()),
    }
}

/// The one login that runs where the whole chain has nothing and a provider in it could ask a person: the one that would be
/// chosen without a mode, among those in the chain. Changes what the chain came to.
pub(crate) async fn second_pass(
    config: &Config,
    chain: &Chain,
    search: &Search,
    resolution: &mut Resolution,
) {
    let wanted = match &resolution.result {
        Err(error) => error.outcome() == Outcome::InteractionRequired,
        Ok(_) => false,
    };
    if !wanted || search.host().person.presence() != Presence::Answering {
        return;
    }
    let result = log_in_for(config, chain, search).await;
    let attempts = &mut resolution.attempts;
    resolution.result = match result {
        Ok((member, found)) => {
            for attempt in attempts.iter_mut().filter(|attempt| attempt.provider == member.name) {
                attempt.outcome = AttemptOutcome::Found(found.origin.clone());
            }
            Ok((member, found))
        }
        Err(error) => Err(error.with_attempts(attempts)),
    };
}

async fn log_in_for(config: &Config, chain: &Chain, search: &Search) -> Result<(Member, Found), Error> {
    // A login that is to impersonate is asked for what it needs as a login; the scopes that were asked for are the account's.
    let scopes = match Impersonation::of(config)? {
        Some(_) => Scopes::earth_engine(),
        None => search.scopes(),
    };
    let request = request(config, search, scopes)?;
    let of_kind = |kind: &str| chain.members().iter().find(|member| member.provider.kind().name == kind);
    let chosen = choose(config, &request, |kind| of_kind(kind).is_some())?;
    let member = of_kind(chosen.provider.kind().name)
        .ok_or_else(|| Error::internal("a login was chosen that is not in the chain"))?;
    let person = &search.host().person;
    person.tell(&format!(
        "No provider of the chain has a credential. Logging in with {}: {}.",
        member.name, chosen.because
    ));
    if chosen.is_stored() {
        ee_auth_persistent::check_writable(search).await?;
    }
    let logged_in =
        member.provider.login().ok_or_else(|| Error::internal("a login that is none"))?.log_in(&request);
    let of_member = |error: Error| error.of_provider(&member.name);
    let settled =
        settle(search, &member.provider, logged_in.await.map_err(of_member)?).await.map_err(of_member)?;
    for warning in &settled.warnings {
        person.tell(warning);
    }
    person.tell(&format!("Logged in; the credential is kept in {}.", settled.place));
    let found = member.accept(settled.found, search.settings()).map_err(of_member)?;
    Ok((member.clone(), found))
}

/// What is asked of a login by a configuration.
fn request(config: &Config, search: &Search, scopes: Scopes) -> Result<LoginRequest, Error> {
    let client = match &config.client_file {
        Some(file) => Some(oauth_client::read(search, &file.value, "`login.client_file`")?),
        None => None,
    };
    Ok(LoginRequest { scopes, client, ..LoginRequest::new(search.exchange()) })
}
