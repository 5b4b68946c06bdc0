//! Puts the layers on each other: system, user, project, profile, variables, flags.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Directory, FileKind, FileRead, FileReadError, Host};
use ee_auth_core::{Error, Kind, OptionType, ProfileName, looks_like_credential, redact};

use crate::check::{Checked, Checker, Profile, Standing};
use crate::config::{Config, Layer, LayerKind, LayerState};
use crate::keys::{KEYS, ValueType};
use crate::origin::{Located, Origin};
use crate::plugin_host::{OwnProgram, PluginHost};
use crate::problem::report;
use crate::project_file::{self, FILE_NAME, is_foreign, user_id};
use crate::providers::{can_be_chained, kind_named, missing_provider};
use crate::settings::Settings;
use crate::source::{self, Source};
use crate::value::{Base, Value};
use crate::{profile, trust};

/// The system's file. Elsewhere than on Unix there is none: anybody may make `C:\etc`.
const SYSTEM_FILE: Option<&str> = if cfg!(unix) { Some("/etc/ee-auth/ee-auth.toml") } else { None };

/// The variable that names a file in the place of the user's.
pub(crate) const CONFIG_VARIABLE: &str = "EE_AUTH_CONFIG";
/// The variable that names the profile.
pub(crate) const PROFILE_VARIABLE: &str = "EE_AUTH_PROFILE";

/// What the program's flags say, or whoever calls the library. It goes above everything else.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`: the file in the place of the user's.
    pub config: Option<PathBuf>,
    /// `--profile`: a name.
    pub profile: Option<String>,
    /// `--project`: a project's id or number.
    pub project: Option<String>,
    /// `--scopes`: names separated by commas.
    pub scopes: Option<String>,
    /// `--as`: whom to impersonate, as [`Impersonate`](ee_auth_core::Impersonate) is written.
    pub impersonate: Option<String>,
    /// The providers to ask, separated by commas. Errors call it `--chain`.
    pub chain: Option<String>,
    /// The program that asks, where it is `ee-auth` and so runs dynamic plugins in a process of their own; else
    /// `plugins.host` says.
    pub plugin_host: Option<OwnProgram>,
    /// Whether [`Error::rendered`](ee_auth_core::Error::rendered) has ANSI colours.
    pub color: bool,
}

impl Flags {
    /// What sets the key of this flag.
    fn value(&self, flag: &str) -> Option<&str> {
        match flag {
            "--project" => self.project.as_deref(),
            "--scopes" => self.scopes.as_deref(),
            "--as" => self.impersonate.as_deref(),
            "--chain" => self.chain.as_deref(),
            _ => None,
        }
    }
}

/// The configuration of this machine, user, directory, environment and command line.
///
/// `kinds` are the kinds of provider that there are; their options are what a provider's table may set.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) for whatever is wrong in a file (with the file, line and column
/// in the message and the text underlined in the rendered form), a variable or a flag;
/// [`Outcome::Untrusted`](ee_auth_core::Outcome::Untrusted) for a project file that sets more than it may.
///
/// ```
/// use ee_auth_config::{Flags, load};
/// let host = ee_auth_fake::Fake::new().with_variable("EE_AUTH_PROJECT", "my-project").host();
/// let config = load(&host, &[], &Flags::default()).unwrap();
/// let project = config.project.unwrap();
/// assert_eq!(project.value, "my-project");
/// assert_eq!(project.origin.to_string(), "EE_AUTH_PROJECT");
/// ```
pub fn load(host: &Host, kinds: &[&'static Kind], flags: &Flags) -> Result<Config, Error> {
    let mut loader = Loader::new(host, kinds, flags.color);
    loader.system_file()?;
    loader.user_file(user_file(host, flags)?)?;
    loader.project_file()?;
    let profile = chosen_profile(host, flags)?;
    loader.choose(profile.as_ref());
    loader.variables()?;
    loader.flags(flags)?;
    loader.fallbacks()?;
    let mut config = loader.finish(profile)?;
    if let Some(program) = &flags.plugin_host {
        config.plugin_host = Some(PluginHost::Own(program.clone()));
    }
    Ok(config)
}

/// Checks one file as if it were the user's, above the system's. Answers what a person should know though it works.
///
/// # Errors
/// As [`load`]; a file that is not there is one too.
pub fn validate(
    host: &Host,
    kinds: &[&'static Kind],
    path: &Path,
    color: bool,
) -> Result<Vec<String>, Error> {
    let mut loader = Loader::new(host, kinds, color);
    loader.system_file()?;
    let path = absolute(host, path.as_os_str().to_owned())?;
    loader.hides = is_project_file(host, &path).then(|| path.clone());
    loader.user_file(Some(Located::new(path, Origin::Flag("--config"))))?;
    loader.choose(None);
    Ok(loader.finish(None)?.warnings)
}

/// Where the user's file is, there or not, and who says so: `--config`, `EE_AUTH_CONFIG`, else the place that the
/// system has for it. `None` where the system has none.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) for a path in the home directory where none is known.
pub fn user_file(host: &Host, flags: &Flags) -> Result<Option<Located<PathBuf>>, Error> {
    if let Some(path) = &flags.config {
        let path = absolute(host, path.as_os_str().to_owned()).map_err(|error| error.in_place("--config"))?;
        return Ok(Some(Located::new(path, Origin::Flag("--config"))));
    }
    let named = host.environment.variable_os(CONFIG_VARIABLE);
    if let Some(path) = named.filter(|path| path.to_str().is_none_or(|path| !path.trim().is_empty())) {
        let path = absolute(host, path).map_err(|error| error.in_place(CONFIG_VARIABLE))?;
        return Ok(Some(Located::new(path, Origin::Variable(CONFIG_VARIABLE))));
    }
    Ok(standard_user_file(host).map(|path| Located::new(path, Origin::Default)))
}

/// The project file that [`load`] would read, trusted or not.
///
/// # Errors
/// As [`user_file`].
pub fn project_file(host: &Host, flags: &Flags) -> Result<Option<PathBuf>, Error> {
    let user = user_file(host, flags)?.map(|user| user.value);
    Ok(project_file::find(host, &places(host, user)).file)
}

/// The nearest symbolic link where a project file was looked for, which was passed by.
///
/// # Errors
/// As [`user_file`].
pub fn project_link(host: &Host, flags: &Flags) -> Result<Option<PathBuf>, Error> {
    let user = user_file(host, flags)?.map(|user| user.value);
    let passed_by = project_file::find(host, &places(host, user)).passed_by;
    Ok(passed_by.into_iter().find(|layer| layer.state == LayerState::Link).map(|layer| layer.path))
}

/// Whether a file is a project's, or a link that may lead to anything, and the user does not vouch for it: none of the places
/// of the user's own.
fn is_project_file(host: &Host, path: &Path) -> bool {
    let own = user_file(host, &Flags::default()).ok().flatten().map(|user| user.value);
    let is_link = host.files.link(path).is_ok_and(|link| link.is_some());
    (is_link || path.file_name().is_some_and(|name| name == FILE_NAME))
        && !places(host, own).iter().any(|place| place == path)
        && !trust::is_trusted(host, path).unwrap_or(false)
}

fn standard_user_file(host: &Host) -> Option<PathBuf> {
    Some(host.environment.directory(Directory::Config)?.join("ee-auth").join(FILE_NAME))
}

/// The files that have a place of their own among the layers, and are never project files.
fn places(host: &Host, user: Option<PathBuf>) -> Vec<PathBuf> {
    SYSTEM_FILE.map(PathBuf::from).into_iter().chain(standard_user_file(host)).chain(user).collect()
}

/// A path that a person named on the command line or in a variable.
fn absolute(host: &Host, path: OsString) -> Result<PathBuf, Error> {
    let base = Base { environment: &*host.environment, directory: None };
    match path.to_str() {
        Some(text) if looks_like_credential(text) => Err(Error::invalid(
            "config_file",
            "holds what looks like a credential, and not the path of an ee-auth.toml",
        )
        .hint("put the credential into EE_AUTH_CREDENTIALS")),
        Some(text) => base.path(text.trim()).map_err(|wrong| {
            let error = Error::invalid("config_file", wrong.message);
            match wrong.help {
                Some(help) => error.hint(help),
                None => error,
            }
        }),
        None => Ok(host.environment.directory(Directory::Working).unwrap_or_default().join(path)),
    }
}

/// The value of a variable; an empty one counts as unset.
fn variable(host: &Host, name: &str) -> Result<Option<String>, Error> {
    let Some(value) = host.environment.variable_os(name) else { return Ok(None) };
    match value.to_str().map(str::trim) {
        Some("") => Ok(None),
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(Error::invalid("encoding", format!("the variable {name} is not UTF-8 text"))
            .hint(format!("set {name} again, or unset it"))),
    }
}

fn chosen_profile(host: &Host, flags: &Flags) -> Result<Option<Located<ProfileName>>, Error> {
    let parse = |text: &str, place: &'static str| {
        text.trim().parse::<ProfileName>().map_err(|error| {
            Error::invalid("profile_name", format!("{place}: {}", redact(error.message())))
                .hint(error.next_step().unwrap_or_default())
        })
    };
    if let Some(text) = &flags.profile {
        return Ok(Some(Located::new(parse(text, "--profile")?, Origin::Flag("--profile"))));
    }
    if let Some(text) = variable(host, PROFILE_VARIABLE)? {
        return Ok(Some(Located::new(parse(&text, PROFILE_VARIABLE)?, Origin::Variable(PROFILE_VARIABLE))));
    }
    profile::default_profile(host)
}

struct Loader<'a> {
    host: &'a Host,
    kinds: &'a [&'static Kind],
    color: bool,
    layers: Vec<Layer>,
    /// What the files set.
    settings: Settings,
    profiles: BTreeMap<ProfileName, Profile>,
    /// Whether the chain was set in the chosen profile, a variable or a flag.
    chain_is_chosen: bool,
    /// The providers that any chain or other provider names.
    named: BTreeSet<String>,
    warnings: Vec<String>,
    /// A file that is read as the user's, and of which nothing may be shown.
    hides: Option<PathBuf>,
}

impl<'a> Loader<'a> {
    fn new(host: &'a Host, kinds: &'a [&'static Kind], color: bool) -> Self {
        Self {
            host,
            kinds,
            color,
            layers: Vec::new(),
            settings: Settings::default(),
            profiles: BTreeMap::new(),
            chain_is_chosen: false,
            named: BTreeSet::new(),
            warnings: Vec::new(),
            hides: None,
        }
    }

    fn system_file(&mut self) -> Result<(), Error> {
        let Some(path) = SYSTEM_FILE.map(Path::new) else { return Ok(()) };
        match source::read(self.host, path)? {
            Some(read) => self.file(LayerKind::System, path, &read, Standing::User),
            None => {
                self.layer(LayerKind::System, path, LayerState::Absent);
                Ok(())
            }
        }
    }

    fn user_file(&mut self, user: Option<Located<PathBuf>>) -> Result<(), Error> {
        let Some(Located { value: path, origin }) = user else { return Ok(()) };
        let read = match origin {
            Origin::Default => source::read(self.host, &path)?,
            _ => Some(
                source::read_named(self.host, &path).map_err(|error| error.in_place(&origin.to_string()))?,
            ),
        };
        match read {
            Some(read) => self.file(LayerKind::User, &path, &read, Standing::User),
            None => {
                self.layer(LayerKind::User, &path, LayerState::Absent);
                Ok(())
            }
        }
    }

    fn project_file(&mut self) -> Result<(), Error> {
        let user =
            self.layers.iter().find(|layer| layer.kind == LayerKind::User).map(|layer| layer.path.clone());
        let found = project_file::find(self.host, &places(self.host, user));
        for layer in found.passed_by {
            self.passed_by(layer);
        }
        let Some(path) = found.file else { return Ok(()) };
        let read = match self.host.files.read_unlinked(&path, source::MAX_CONFIG_FILE) {
            Ok(read) => read,
            // It may have been removed or replaced since it was looked at.
            Err(error) if self.host.counts_as_absent(&path, &error) => return Ok(()),
            Err(FileReadError::NotRegular(FileKind::Link)) => {
                self.passed_by(Layer { kind: LayerKind::Project, path, state: LayerState::Link });
                return Ok(());
            }
            Err(error) => return Err(source::unreadable(&path, &error)),
        };
        if is_foreign(&read.status, user_id(self.host)) {
            self.passed_by(Layer { kind: LayerKind::Project, path, state: LayerState::Foreign });
            return Ok(());
        }
        let standing = trust::standing(self.host, &path, &read.bytes)?;
        self.file(LayerKind::Project, &path, &read, standing)
    }

    /// Notes a project file that does not count.
    fn passed_by(&mut self, layer: Layer) {
        let why = match layer.state {
            LayerState::Link => "it is a symbolic link",
            _ => "it belongs to another user",
        };
        self.warnings.push(format!("{}: not read, since {why}", layer.path.shown()));
        self.layers.push(layer);
    }

    fn layer(&mut self, kind: LayerKind, path: &Path, state: LayerState) {
        self.layers.push(Layer { kind, path: path.to_owned(), state });
    }

    fn file(
        &mut self,
        kind: LayerKind,
        path: &Path,
        read: &FileRead,
        standing: Standing,
    ) -> Result<(), Error> {
        let source = Source::decode(path, &read.bytes)?;
        let is_shown = standing.is_trusted() && self.hides.as_deref().is_none_or(|hides| hides != path);
        let source = if is_shown { source } else { source.hidden() };
        let checker = Checker {
            source: &source,
            environment: &*self.host.environment,
            kinds: self.kinds,
            standing,
            earlier: &self.settings,
            earlier_profiles: &self.profiles,
        };
        let Checked { settings, profiles, named } =
            checker.check().map_err(|problems| report(&source, problems, self.color))?;
        self.settings.overlay(&settings);
        for (name, profile) in profiles {
            self.profiles
                .entry(name)
                .and_modify(|known| known.settings.overlay(&profile.settings))
                .or_insert(profile);
        }
        self.named.extend(named);
        let state = match (kind, standing) {
            (LayerKind::Project, Standing::Trusted) => LayerState::Trusted,
            (LayerKind::Project, _) => LayerState::Untrusted,
            _ => LayerState::Read,
        };
        self.layer(kind, path, state);
        Ok(())
    }

    /// Puts the table of the chosen profile on top.
    fn choose(&mut self, profile: Option<&Located<ProfileName>>) {
        let table = profile.and_then(|profile| self.profiles.get(&profile.value));
        if let Some(Profile { settings, .. }) = table {
            self.chain_is_chosen = settings.get("chain").is_some();
            self.settings.overlay(settings);
        }
    }

    fn variables(&mut self) -> Result<(), Error> {
        for key in KEYS {
            let Some(name) = key.variable else { continue };
            let Some(text) = variable(self.host, name)? else { continue };
            if key.value == ValueType::Bool && text != "1" {
                // The one switch that a variable sets is Google's, of which every value but `1` means nothing.
                continue;
            }
            self.word(key.path, key.value, &text, name, Origin::Variable(name))?;
        }
        Ok(())
    }

    fn flags(&mut self, flags: &Flags) -> Result<(), Error> {
        let chain = KEYS.iter().find(|key| key.value == ValueType::Chain).map(|key| (key, "--chain"));
        for (key, flag) in KEYS.iter().filter_map(|key| Some((key, key.flag?))).chain(chain) {
            if let Some(text) = flags.value(flag) {
                self.word(key.path, key.value, text.trim(), flag, Origin::Flag(flag))?;
            }
        }
        Ok(())
    }

    /// Takes what other programs' variables say where ee-auth was told nothing.
    fn fallbacks(&mut self) -> Result<(), Error> {
        for key in KEYS {
            for name in key.fallbacks {
                if self.settings.get(key.path).is_some() {
                    break;
                }
                if let Some(text) = variable(self.host, name)? {
                    let ignore = |error: Error| {
                        let hint = error.next_step().unwrap_or_default().to_owned();
                        match key.flag {
                            Some(flag) => error.hint(format!("{hint}; `{flag} none` ignores the variable")),
                            None => error,
                        }
                    };
                    self.word(key.path, key.value, &text, name, Origin::Variable(name)).map_err(ignore)?;
                }
            }
        }
        Ok(())
    }

    /// Takes the value of a variable or flag.
    fn word(
        &mut self,
        path: &str,
        ty: ValueType,
        text: &str,
        place: &'static str,
        origin: Origin,
    ) -> Result<(), Error> {
        let explain = |message: String, help: Option<String>| {
            let error = Error::invalid("config", message);
            match help {
                Some(help) => error.hint(help),
                None => error,
            }
        };
        let base = Base { environment: &*self.host.environment, directory: None };
        let value =
            Value::from_text(ty, text, &base).map_err(|wrong| explain(wrong.about(place), wrong.help))?;
        if ty == ValueType::Chain {
            self.chain_is_chosen = true;
            for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                if !can_be_chained(name, self.kinds, &[&self.settings]) {
                    let (message, help) = missing_provider(name, "chain", self.kinds, &[&self.settings]);
                    return Err(explain(format!("{place}: {message}"), Some(help)));
                }
                self.named.insert(name.to_owned());
            }
        }
        self.settings.insert(path, value, origin);
        Ok(())
    }

    fn finish(mut self, profile: Option<Located<ProfileName>>) -> Result<Config, Error> {
        self.warn_of_unused();
        check_cycles(&self.settings, self.kinds)?;
        let mut config = Config::new(self.settings, self.kinds);
        let persistent = "persistent";
        // One that was chosen for this run means the account that is stored under its name.
        let chosen =
            |profile: &Located<ProfileName>| matches!(profile.origin, Origin::Flag(_) | Origin::Variable(_));
        if profile.as_ref().is_some_and(chosen)
            && !self.chain_is_chosen
            && config.providers.contains_key(persistent)
        {
            config.chain.value.retain(|name| name != persistent);
            config.chain.value.insert(0, persistent.to_owned());
        }
        config.profile = profile;
        config.profiles = self.profiles.into_iter().map(|(name, profile)| (name, profile.origin)).collect();
        config.layers = self.layers;
        config.warnings = self.warnings;
        Ok(config)
    }

    fn warn_of_unused(&mut self) {
        let tables = self.profiles.values().map(|profile| &profile.settings).chain([&self.settings]);
        let unused = tables.flat_map(Settings::declared).filter(|(name, _)| {
            let built_in = self.kinds.iter().any(|kind| kind.name == *name && !kind.declared_only);
            !built_in && !self.named.contains(*name)
        });
        // By file and line; once, though the table of the chosen profile is also among all settings.
        let warnings: BTreeSet<_> = unused
            .filter_map(|(name, setting)| match &setting.origin {
                Origin::File { path, line } => Some((path, *line, name)),
                _ => None,
            })
            .collect();
        let told = warnings.iter().map(|(path, line, name)| {
            format!("{}:{line}: the provider `{name}` is declared, and no chain names it", path.shown())
        });
        let told: Vec<_> = told.collect();
        self.warnings.extend(told);
    }
}

/// Refuses providers that lead back to themselves, as when an impersonation is its own source.
fn check_cycles(settings: &Settings, kinds: &[&'static Kind]) -> Result<(), Error> {
    for (start, setting) in settings.declared() {
        let mut way = vec![start];
        let mut unseen = sources(settings, kinds, start);
        while let Some(next) = unseen.pop() {
            if next == start {
                way.push(start);
                return Err(Error::invalid(
                    "config",
                    format!(
                        "{}: the provider `{start}` leads back to itself: {}",
                        setting.origin,
                        way.join(" -> ")
                    ),
                )
                .hint("name a provider that finds a credential of its own"));
            }
            if !way.contains(&next) {
                way.push(next);
                unseen.extend(sources(settings, kinds, next));
            }
        }
    }
    Ok(())
}

/// The providers that the options of a provider name.
fn sources<'a>(settings: &'a Settings, kinds: &[&'static Kind], name: &str) -> Vec<&'a str> {
    let kind = settings.kind_of(name).and_then(|kind| kind_named(kinds, kind));
    let options = kind.map_or(&[][..], |kind| kind.options);
    let named = options.iter().filter(|option| option.value == OptionType::Provider);
    named.filter_map(|option| settings.text(&format!("providers.{name}.{}", option.name))).collect()
}
