//! The configuration as it came out: every value, and where it was set.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use ee_auth_core::{
    Endpoints, Expectation, Impersonate, Kind, OptionValue, Options, Outcome, ProfileName, Scopes,
    Settings as CoreSettings, TrustedHosts,
};
use serde_json::Value as Json;

use crate::keys::{DEFAULT_CHAIN, DEFAULT_UNIVERSE, KEYS};
use crate::origin::{Located, Origin};
use crate::plugin_host::PluginHost;
use crate::providers::kind_named;
use crate::settings::{Setting, Settings};
use crate::value::Value;

/// Where tokens are kept between runs: `cache.store`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheStore {
    /// In files that only the user can read.
    #[default]
    Disk,
    /// In the system's keyring.
    Keyring,
    /// In the process alone.
    Memory,
    /// Nowhere: every token is new.
    None,
}

impl CacheStore {
    /// The names, in the order of the variants.
    pub const NAMES: [&'static str; 4] =
        [Self::Disk.name(), Self::Keyring.name(), Self::Memory.name(), Self::None.name()];

    /// The name in `ee-auth.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Keyring => "keyring",
            Self::Memory => "memory",
            Self::None => "none",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Disk, Self::Keyring, Self::Memory, Self::None].into_iter().find(|store| store.name() == name)
    }
}

/// A provider that a chain may name: a built-in kind with its options, or one that was declared.
#[derive(Clone)]
#[non_exhaustive]
pub struct ProviderConfig {
    /// The name in `chain`.
    pub name: String,
    /// What it is.
    pub kind: &'static Kind,
    /// What its table sets.
    pub options: Options,
    /// What the credential that it finds must be.
    pub expect: Expectation,
    /// The failures of finding after which the chain goes on.
    pub continue_on: Vec<Outcome>,
    /// Where its table begins; [`Origin::Default`] for a built-in kind that has none.
    pub declared_in: Origin,
}

impl ProviderConfig {
    /// A provider of which nothing is set.
    pub fn new(name: &str, kind: &'static Kind, declared_in: Origin) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            options: Options::default(),
            expect: Expectation::default(),
            continue_on: Vec::new(),
            declared_in,
        }
    }

    fn set(&mut self, path: &str, value: &Value) {
        let Value::Option(value) = value else { return };
        match (path, value) {
            ("kind", _) => {}
            ("expect.principal", OptionValue::String(text)) => self.expect.principal = Some(text.clone()),
            ("expect.project", OptionValue::String(text)) => self.expect.project = Some(text.clone()),
            (path, OptionValue::String(text)) if path.starts_with("on.") => {
                let failure = Outcome::FAILURES
                    .into_iter()
                    .find(|failure| path.strip_prefix("on.") == Some(failure.name()));
                if text == "continue" {
                    self.continue_on.extend(failure);
                }
            }
            _ => self.options.set(path, value.clone()),
        }
    }
}

/// The names of the options alone: a plugin's `config` may hold secrets.
impl fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderConfig")
            .field("name", &self.name)
            .field("kind", &self.kind.name)
            .field("options", &self.options.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("declared_in", &self.declared_in)
            .finish_non_exhaustive()
    }
}

/// One of the files that may hold configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layer {
    /// Whose it is.
    pub kind: LayerKind,
    /// Where it is.
    pub path: PathBuf,
    /// What became of it.
    pub state: LayerState,
}

/// The layers that are files, from the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayerKind {
    /// `/etc/ee-auth/ee-auth.toml`, on Unix.
    System,
    /// The user's own file, or the one that `--config` or `EE_AUTH_CONFIG` names in its place.
    User,
    /// `ee-auth.toml` in the working directory or above.
    Project,
}

impl LayerKind {
    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Project => "project",
        }
    }
}

/// What became of a file that may hold configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayerState {
    /// There is none.
    Absent,
    /// It was read.
    Read,
    /// A project file that the user has vouched for: it was read like the user's own.
    Trusted,
    /// A project file that nobody has vouched for: it was read, and may set a few keys.
    Untrusted,
    /// A project file of another user, which was not read.
    Foreign,
    /// A symbolic link in the place of a project file, which was not read.
    Link,
}

impl LayerState {
    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Read => "read",
            Self::Trusted => "trusted",
            Self::Untrusted => "untrusted",
            Self::Foreign => "foreign",
            Self::Link => "link",
        }
    }
}

/// The configuration: all layers on each other, checked. Made by [`load`](crate::load()).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The project that configuration names. Where its origin is a file, `EARTHENGINE_PROJECT` comes before it.
    pub project: Option<Located<String>>,
    /// The scopes that somebody asked for.
    pub scopes: Option<Located<Scopes>>,
    /// Whom the resolved credential impersonates.
    pub impersonate: Option<Located<Impersonate>>,
    /// The providers to ask, in order. Each is in [`Config::providers`].
    pub chain: Located<Vec<String>>,
    /// What a chain may name: the kinds that need no declaration, and the providers that were declared.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// The chosen profile. It need not have a table.
    pub profile: Option<Located<ProfileName>>,
    /// The profiles that have a table, each with where it begins.
    pub profiles: BTreeMap<ProfileName, Origin>,
    /// `login.client_file`
    pub client_file: Option<Located<PathBuf>>,
    /// `cache.store`
    pub cache_store: Located<CacheStore>,
    /// `plugins.host`, or the program that asks.
    pub plugin_host: Option<PluginHost>,
    /// `[endpoints]`
    pub endpoints: Endpoints,
    /// `security.token_hosts`
    pub trusted_hosts: TrustedHosts,
    /// `security.universe_domain`
    pub universe_domain: Located<String>,
    /// `security.allow_executables`
    pub allow_executables: Located<bool>,
    /// The files that were considered, from the lowest layer.
    pub layers: Vec<Layer>,
    /// What a person should know though it works, each with the place it is about.
    pub warnings: Vec<String>,
    settings: Settings,
}

impl Config {
    /// The typed form of settings that were checked.
    pub(crate) fn new(settings: Settings, kinds: &[&'static Kind]) -> Self {
        let universe = settings
            .get("security.universe_domain")
            .and_then(string)
            .unwrap_or_else(|| Located::new(DEFAULT_UNIVERSE.to_owned(), Origin::Default));
        // The value was checked to be a domain.
        let mut endpoints = Endpoints::in_universe(&universe.value).unwrap_or_default();
        for (name, setting) in settings.below("endpoints.") {
            if let Value::Url(url) = &setting.value {
                endpoints.set(name, url.clone());
            }
        }
        let scopes = settings.get("scopes").and_then(|setting| match &setting.value {
            Value::Scopes(scopes) => Some(Located::new(scopes.clone(), setting.origin.clone())),
            _ => None,
        });
        let impersonate = settings.get("impersonate").and_then(|setting| match &setting.value {
            Value::Impersonate(wanted) => Some(Located::new(wanted.clone(), setting.origin.clone())),
            _ => None,
        });
        let chain = settings.get("chain").and_then(strings).unwrap_or_else(|| {
            // What is not in this build cannot be asked.
            let built_in = |name: &&str| kind_named(kinds, name).is_some_and(|kind| !kind.declared_only);
            let names = DEFAULT_CHAIN.iter().copied().filter(built_in).map(str::to_owned);
            Located::new(names.collect(), Origin::Default)
        });
        let hosts = settings.get("security.token_hosts").and_then(strings).map(|hosts| hosts.value);
        let cache_store = settings
            .get("cache.store")
            .and_then(string)
            .and_then(|name| Some(Located::new(CacheStore::named(&name.value)?, name.origin)));
        Self {
            project: settings.get("project").and_then(string),
            scopes,
            impersonate,
            chain,
            providers: providers(&settings, kinds),
            profile: None,
            profiles: BTreeMap::new(),
            client_file: settings.get("login.client_file").and_then(path),
            cache_store: cache_store.unwrap_or_else(|| Located::new(CacheStore::default(), Origin::Default)),
            plugin_host: settings.get("plugins.host").and_then(path).map(PluginHost::Named),
            endpoints,
            trusted_hosts: TrustedHosts::new(hosts.unwrap_or_default()).in_universe(&universe.value),
            universe_domain: universe,
            allow_executables: settings
                .get("security.allow_executables")
                .and_then(switch)
                .unwrap_or(Located::new(false, Origin::Default)),
            layers: Vec::new(),
            warnings: Vec::new(),
            settings,
        }
    }

    /// The settings that concern every provider alike, as providers get them.
    pub fn settings(&self) -> CoreSettings {
        CoreSettings {
            scopes: self.scopes.as_ref().map(|scopes| scopes.value.clone()),
            is_step: false,
            endpoints: self.endpoints.clone(),
            trusted_hosts: self.trusted_hosts.clone(),
            universe_domain: self.universe_domain.value.clone(),
            allow_executables: self.allow_executables.value,
            impersonate: self.impersonate.as_ref().map(|wanted| wanted.value.clone()),
            profile: self.profile.as_ref().map(|profile| profile.value.clone()),
            project: self.project.as_ref().map(|project| project.value.clone()),
            keyring: self.cache_store.value == CacheStore::Keyring,
            passed: None,
        }
    }

    /// The providers of the chain, in order.
    pub fn chain_providers(&self) -> impl Iterator<Item = &ProviderConfig> {
        self.chain.value.iter().filter_map(|name| self.providers.get(name))
    }

    /// Every value with where it comes from, by its dotted key: what `config show` prints. A key that has no value is
    /// null. What looks like a secret in a plugin's `config` or `command` reads `[hidden]`.
    pub fn values(&self) -> BTreeMap<String, Located<Json>> {
        let mut values: BTreeMap<String, Located<Json>> = KEYS
            .iter()
            .map(|key| (key.path.to_owned(), Located::new(key.default.to_json(), Origin::Default)))
            .collect();
        if self.universe_domain.value != DEFAULT_UNIVERSE {
            for (name, url) in
                [("sts", &self.endpoints.sts), ("iam_credentials", &self.endpoints.iam_credentials)]
            {
                let url = url.as_str().trim_end_matches('/');
                values.insert(format!("endpoints.{name}"), Located::new(url.into(), Origin::Default));
            }
        }
        let set = self.settings.iter();
        values.extend(set.map(|(path, setting)| {
            (path.to_owned(), Located::new(setting.value.to_json(), setting.origin.clone()))
        }));
        let chain = Located::new(self.chain.value.as_slice().into(), self.chain.origin.clone());
        values.insert("chain".to_owned(), chain);
        let profile = match &self.profile {
            Some(profile) => Located::new(profile.value.as_str().into(), profile.origin.clone()),
            None => Located::new(Json::Null, Origin::Default),
        };
        values.insert("profile".to_owned(), profile);
        values
    }
}

fn providers(settings: &Settings, kinds: &[&'static Kind]) -> BTreeMap<String, ProviderConfig> {
    let built_in = kinds.iter().filter(|kind| !kind.declared_only);
    let mut providers: BTreeMap<_, _> = built_in
        .map(|kind| (kind.name.to_owned(), ProviderConfig::new(kind.name, kind, Origin::Default)))
        .collect();
    for (name, setting) in settings.declared() {
        let Some(kind) = settings.kind_of(name).and_then(|kind| kind_named(kinds, kind)) else { continue };
        let mut provider = ProviderConfig::new(name, kind, setting.origin.clone());
        for (path, setting) in settings.below(&format!("providers.{name}.")) {
            provider.set(path, &setting.value);
        }
        providers.insert(name.to_owned(), provider);
    }
    providers
}

fn string(setting: &Setting) -> Option<Located<String>> {
    match &setting.value {
        Value::Option(OptionValue::String(value)) => {
            Some(Located::new(value.clone(), setting.origin.clone()))
        }
        _ => None,
    }
}

fn strings(setting: &Setting) -> Option<Located<Vec<String>>> {
    match &setting.value {
        Value::Option(OptionValue::Strings(value)) => {
            Some(Located::new(value.clone(), setting.origin.clone()))
        }
        _ => None,
    }
}

fn path(setting: &Setting) -> Option<Located<PathBuf>> {
    match &setting.value {
        Value::Option(OptionValue::Path(value)) => Some(Located::new(value.clone(), setting.origin.clone())),
        _ => None,
    }
}

fn switch(setting: &Setting) -> Option<Located<bool>> {
    match &setting.value {
        Value::Option(OptionValue::Bool(value)) => Some(Located::new(*value, setting.origin.clone())),
        _ => None,
    }
}
