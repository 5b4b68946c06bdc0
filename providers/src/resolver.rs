//! From configuration to a credential.

use std::path::PathBuf;
use std::sync::Arc;

use ee_auth_cache::{DiskCache, KeyringCache};
#[cfg(feature = "dynamic")]
use ee_auth_config::PluginHost;
use ee_auth_config::{CacheStore, Config, Flags, ProviderConfig};
use ee_auth_core::{
    Attempt, AttemptOutcome, Chain, Credential, Error, Exchange, Host, Member, OptionType, OptionValue,
    Options, Passed, Project, Resolution, Search, Secret, Settings, TokenStore,
};

use crate::impersonation::Impersonation;
use crate::login::{self, Login};
use crate::{kinds, profile, project};

/// Finds a credential. Made by [`Credentials::builder`](crate::Credentials::builder).
///
/// ```no_run
/// use ee_auth::Credentials;
/// let credential = Credentials::builder().profile("work").scopes("earthengine").resolve()?;
/// # Ok::<(), ee_auth::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Resolver {
    host: Host,
    flags: Flags,
    passed: Option<Passed>,
    offline: bool,
    no_cache: bool,
    interactive: bool,
}

/// What a chain came to, with everything that was tried.
#[derive(Debug)]
pub struct Resolved {
    /// The configuration that was used.
    pub config: Config,
    /// One for every provider of the chain, in order.
    pub attempts: Vec<Attempt>,
    /// The project that would be used, whether or not there is a credential; or why what a person named cannot be.
    pub project: Result<Option<Project>, Error>,
    /// The credential, or why there is none.
    pub credential: Result<Credential, Error>,
}

impl Resolver {
    /// A resolver on `host`.
    pub fn new(host: Host) -> Self {
        Self {
            host,
            flags: Flags::default(),
            passed: None,
            offline: false,
            no_cache: false,
            interactive: false,
        }
    }

    /// Takes all of what a command line may set; replaces what was set before.
    #[must_use]
    pub fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// Reads `file` in place of the user's `ee-auth.toml`.
    #[must_use]
    pub fn config_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.flags.config = Some(file.into());
        self
    }

    /// Uses the settings and the stored credential of a profile.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.flags.profile = Some(name.into());
        self
    }

    /// Uses this project.
    #[must_use]
    pub fn project(mut self, id: impl Into<String>) -> Self {
        self.flags.project = Some(id.into());
        self
    }

    /// Asks for these scopes: names separated by commas.
    #[must_use]
    pub fn scopes(mut self, scopes: impl Into<String>) -> Self {
        self.flags.scopes = Some(scopes.into());
        self
    }

    /// Makes the resolved credential impersonate a service account: its e-mail, after those of its delegates, separated by
    /// commas. `none` turns off what the configuration and the variables of gcloud and terraform say.
    #[must_use]
    pub fn impersonate(mut self, account: impl Into<String>) -> Self {
        self.flags.impersonate = Some(account.into());
        self
    }

    /// Passes a credential to the provider `explicit`, which is first in the default chain.
    #[must_use]
    pub fn pass(mut self, passed: Passed) -> Self {
        self.passed = Some(passed);
        self
    }

    /// Passes an access token.
    #[must_use]
    pub fn access_token(self, token: impl Into<Secret>) -> Self {
        self.pass(Passed::AccessToken(token.into()))
    }

    /// Passes the content of a credential file: a service account's key, or the like.
    #[must_use]
    pub fn credential_json(self, json: impl Into<Secret>) -> Self {
        self.pass(Passed::CredentialJson(json.into()))
    }

    /// Runs no process and uses no network; providers that would need one are not probed.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Neither reads nor writes tokens that are kept between processes.
    #[must_use]
    pub fn no_cache(mut self, no_cache: bool) -> Self {
        self.no_cache = no_cache;
        self
    }

    /// Logs in where the whole chain has nothing, a provider in it could ask a person, and there is a person to ask: with the
    /// login that [`Resolver::login`] would choose, among those in the chain.
    #[must_use]
    pub fn interactive(mut self, interactive: bool) -> Self {
        self.interactive = interactive;
        self
    }

    /// A login with these settings, to be run.
    pub fn login(self) -> Login {
        Login::new(self)
    }

    /// Whether neither a process nor the network may be used.
    pub(crate) fn is_offline(&self) -> bool {
        self.offline
    }

    /// The host that everything is asked through.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The configuration, from all its layers.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](crate::Outcome::Invalid) for a mistake in a file, variable or flag, and for a profile that does
    /// not exist; [`Outcome::Untrusted`](crate::Outcome::Untrusted) for a project file that sets what it may not.
    pub fn load(&self) -> Result<Config, Error> {
        pollster::block_on(self.load_async())
    }

    pub(crate) async fn load_async(&self) -> Result<Config, Error> {
        let config = self.load_for_new_profile()?;
        profile::check(&self.host, &config).await?;
        Ok(config)
    }

    /// As [`Resolver::load`], for those who may create the profile: it need not exist.
    ///
    /// # Errors
    /// As [`Resolver::load`], except for a profile that does not exist.
    pub fn load_for_new_profile(&self) -> Result<Config, Error> {
        ee_auth_config::load(&self.host, kinds(), &self.flags)
    }

    /// A credential. Blocks while providers look; only `metadata` and plugins take longer than reading a file.
    ///
    /// # Errors
    /// As [`Credentials::resolve`](crate::Credentials::resolve).
    pub fn resolve(&self) -> Result<Credential, Error> {
        self.look()?.credential
    }

    /// As [`Resolver::resolve`], without blocking the thread. May be polled on any executor.
    ///
    /// # Errors
    /// As [`Resolver::resolve`].
    pub async fn resolve_async(&self) -> Result<Credential, Error> {
        self.look_async().await?.credential
    }

    /// Everything that finding a credential came to: what `explain` shows.
    ///
    /// # Errors
    /// Where the configuration is wrong, so that no provider was asked.
    pub fn look(&self) -> Result<Resolved, Error> {
        pollster::block_on(self.look_async())
    }

    /// As [`Resolver::look`], without blocking the thread.
    ///
    /// # Errors
    /// As [`Resolver::look`].
    pub async fn look_async(&self) -> Result<Resolved, Error> {
        let config = self.load_async().await?;
        let chain = chain(&config, self.passed.is_some())?;
        let store = self.store(&config)?;
        let settings = Settings { passed: self.passed.clone(), ..config.settings() };
        let search =
            Search::new(self.host.clone(), settings.clone()).offline(self.offline).with_store(store.clone());
        let impersonation = Impersonation::of(&config)?;
        let of_source = impersonation.as_ref().map(|impersonation| impersonation.source_search(&search));
        let source = of_source.as_ref().unwrap_or(&search);
        let mut resolution = chain.resolve(source).await;
        if self.interactive && !self.offline {
            login::second_pass(&config, &chain, source, &mut resolution).await;
        }
        let Resolution { mut attempts, mut result } = resolution;
        if let Some(impersonation) = &impersonation {
            result = match result {
                Ok((member, found)) => match impersonation.apply(&member, found, &search).await {
                    Ok(found) => {
                        for attempt in &mut attempts {
                            if let AttemptOutcome::Found(origin) = &mut attempt.outcome {
                                origin.clone_from(&found.origin);
                            }
                        }
                        Ok((member, found))
                    }
                    Err(error) => Err(error.with_attempts(&attempts)),
                },
                Err(error) => Err(error),
            };
        }
        let project = project::resolve(&config, &search, result.as_ref().ok().map(|(_, found)| found));
        let credential = match (&project, result) {
            (_, Err(error)) => Err(error),
            (Err(error), Ok(_)) => Err(error.clone().with_attempts(&attempts)),
            (Ok(project), Ok((member, found))) => {
                let exchange = Exchange { host: self.host.clone(), settings };
                let kind = member.provider.kind();
                let credential = Credential::new(member.name, kind, found, project.clone(), exchange);
                Ok(match store {
                    Some(store) => credential.with_store(store),
                    None => credential,
                })
            }
        };
        Ok(Resolved { config, attempts, project, credential })
    }

    /// Where tokens are kept between processes, if they are.
    pub(crate) fn store(&self, config: &Config) -> Result<Option<Arc<dyn TokenStore>>, Error> {
        match config.cache_store.value {
            _ if self.no_cache => Ok(None),
            CacheStore::Disk => Ok(Some(Arc::new(DiskCache::new(self.host.clone())))),
            CacheStore::Keyring if self.host.keyring.name().is_some() => {
                Ok(Some(Arc::new(KeyringCache::new(self.host.clone()))))
            }
            CacheStore::Memory | CacheStore::None => Ok(None),
            other => Err(Error::invalid(
                "cache_store",
                format!("logins and tokens are to be kept in the {}, and this build of ee-auth cannot do so", other.name()),
            )
            .in_place(&config.cache_store.origin.to_string())
            .hint(
                "use a build of ee-auth that has the feature `keyring`; or choose `disk`, or `memory` to keep no token between \
                 runs: `store` under `[cache]` in ee-auth.toml, or EE_AUTH_CACHE",
            )),
        }
    }
}

/// The providers of the chain, each with its options. What the caller passes is meant to be used, so it is asked for first
/// where the chain leaves it out.
pub(crate) fn chain(config: &Config, passed: bool) -> Result<Chain, Error> {
    let members = config.chain_providers().map(|declared| member(config, declared));
    let mut members = members.collect::<Result<Vec<_>, Error>>()?;
    let explicit = &ee_auth_explicit::KIND;
    if passed && !members.iter().any(|member| member.provider.kind().name == explicit.name) {
        let provider = (explicit.build)(explicit.name, &Options::default())?;
        members.insert(0, Member::new(explicit.name, provider));
    }
    Ok(Chain::new(members))
}

/// The providers that the options of a provider name, each with the name of the option.
fn named<'a>(
    config: &'a Config,
    declared: &'a ProviderConfig,
) -> impl Iterator<Item = (&'static str, &'a ProviderConfig)> {
    let options = declared.kind.options.iter().filter(|option| option.value == OptionType::Provider);
    options.filter_map(|option| {
        Some((option.name, config.providers.get(&declared.options.string(option.name)?)?))
    })
}

/// The providers that the chain asks: its own, each behind those that its options name. The configuration has no cycles.
pub(crate) fn asked(config: &Config) -> Vec<&ProviderConfig> {
    fn add<'a>(config: &'a Config, declared: &'a ProviderConfig, asked: &mut Vec<&'a ProviderConfig>) {
        for (_, named) in named(config, declared) {
            add(config, named, asked);
        }
        if !asked.iter().any(|other| other.name == declared.name) {
            asked.push(declared);
        }
    }
    let mut asked = Vec::new();
    config.chain_providers().for_each(|declared| add(config, declared, &mut asked));
    asked
}

/// A provider of the configuration, and before it those that its options name. The configuration has no cycles.
///
/// # Errors
/// [`Outcome::Invalid`](crate::Outcome::Invalid) for options that contradict each other.
pub(crate) fn member(config: &Config, declared: &ProviderConfig) -> Result<Member, Error> {
    let mut options = declared.options.clone();
    for (option, named) in named(config, declared) {
        options.set(option, OptionValue::Provider(member(config, named)?));
    }
    #[cfg(feature = "dynamic")]
    if declared.kind.name == ee_auth_dynamic::KIND.name {
        match &config.plugin_host {
            Some(PluginHost::Named(program)) => {
                options.set(ee_auth_dynamic::PROGRAM_OPTION, OptionValue::Path(program.value.clone()));
            }
            Some(PluginHost::Own(program)) => {
                let path = program.path().to_owned();
                options.set(ee_auth_dynamic::OWN_PROGRAM_OPTION, OptionValue::Path(path));
            }
            None => {}
        }
    }
    let provider = (declared.kind.build)(&declared.name, &options)
        .map_err(|error| error.of_provider(&declared.name).in_place(&declared.declared_in.to_string()))?;
    Ok(Member {
        continue_on: declared.continue_on.clone(),
        expect: declared.expect.clone(),
        ..Member::new(&declared.name, provider)
    })
}
