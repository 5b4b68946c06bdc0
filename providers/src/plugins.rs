//! Plugins: trying a file before it is declared, and checking one that is.
//!
//! Everything here runs the plugin, after its file was looked at.

use std::path::{Path, PathBuf};

use ee_auth_config::{Config, Origin, PROVIDER_NAMES, ProviderConfig, is_provider_name};
use ee_auth_core::{Error, Host, Kind, Options, Outcome};
use ee_auth_plugin_host::PluginProvider;

pub use ee_auth_core::OptionValue;
pub use ee_auth_plugin_host::conformance::{Check, Report, Verdict};
pub use ee_auth_plugin_host::trust::Pin;
pub use ee_auth_plugin_host::{Manifest, conformance, trust};

use crate::resolver::member;
use crate::{Resolver, kinds};
use crate::{ShowPath as _, visible};

/// A plugin that the configuration declares.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Declared {
    /// The provider's name.
    pub name: String,
    /// `exec` or `dynamic`.
    pub kind: &'static Kind,
    /// The file that runs.
    pub place: String,
    /// Whether the file is pinned.
    pub pinned: bool,
    /// Whether the chain asks it.
    pub in_chain: bool,
    /// Where its table begins.
    pub declared_in: Origin,
}

/// The plugins of the configuration, by name. Nothing is run.
///
/// # Errors
/// Those of the configuration.
pub fn declared(resolver: &Resolver) -> Result<Vec<Declared>, Error> {
    let config = resolver.load()?;
    let chained: Vec<_> = config.chain_providers().map(|provider| provider.name.clone()).collect();
    let plugins = config.providers.values().filter(|provider| is_plugin(provider.kind));
    Ok(plugins
        .map(|provider| Declared {
            name: provider.name.clone(),
            kind: provider.kind,
            place: place(&provider.options),
            pinned: provider.options.string("sha256").is_some(),
            in_chain: chained.contains(&provider.name),
            declared_in: provider.declared_in.clone(),
        })
        .collect())
}

/// Runs the conformance suite on the plugin that is declared as `name`. Blocks.
///
/// # Errors
/// Those of the configuration; [`Outcome::Invalid`] where no plugin is called so.
pub fn check(resolver: &Resolver, name: &str) -> Result<Report, Error> {
    let config = resolver.load()?;
    let declared =
        config.providers.get(name).filter(|provider| is_plugin(provider.kind)).ok_or_else(|| {
            Error::invalid(
                "unknown_provider",
                format!("no plugin is declared as {}", ee_auth_core::quoted(name)),
            )
            .hint("`ee-auth plugin list` names those that are; to check a file, give its path, like ./NAME")
        })?;
    report(&config, declared, resolver.host())
}

/// A file that may become a plugin, and how it would be declared.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The name of its provider.
    pub name: String,
    /// `exec` or `dynamic`.
    pub kind: &'static Kind,
    /// The file, by its absolute path.
    pub path: PathBuf,
    /// What its table would say.
    pub options: Options,
    /// What it says already, if [`Candidate::take_over`] found it.
    pub before: Options,
}

const NO_FILE: &str = "name the plugin's file; `ee-auth plugin list` names the plugins that are declared";

impl Candidate {
    /// A file as `kind` has it: `dynamic` for a name that ends in `.so`, a version behind it or not, `.dylib` or `.dll`, else
    /// `exec`; pinned to what it is now. It is looked at, and not run.
    ///
    /// # Errors
    /// [`Outcome::Invalid`] where there is no such file, or this build has not the kind; [`Outcome::Untrusted`] where others
    /// could have written it.
    pub fn new(host: &Host, path: &Path, name: Option<&str>) -> Result<Self, Error> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let is_library = matches!(ending, "so" | "dylib" | "dll")
            || path.file_name().is_some_and(|name| name.to_string_lossy().contains(".so."));
        let wanted = if is_library { "dynamic" } else { "exec" };
        let kind = kinds().iter().copied().find(|kind| kind.name == wanted).ok_or_else(|| {
            Error::invalid("kind", format!("this build of ee-auth has no providers of the kind `{wanted}`"))
                .hint("use one that was built with all its features")
        })?;
        let place = path.shown();
        trust::vouch(host, path, None).map_err(|error| {
            let is_there = error.detail() != "no_such_file";
            let error = error.in_place(&place);
            if is_there { error } else { error.hint(NO_FILE) }
        })?;
        let read = host.files.read(path, trust::MAX_PROGRAM).map_err(|error| {
            Error::invalid("unreadable", format!("{place}: {error}")).hint("make it readable for yourself")
        })?;
        let mut options = Options::default();
        match wanted {
            "exec" => options.set("command", OptionValue::Strings(vec![place])),
            _ => options.set("path", OptionValue::Path(path.to_owned())),
        }
        options.set("sha256", OptionValue::String(Pin::of(&read.bytes).to_string()));
        let name = name.map_or_else(|| name_of(path), str::to_owned);
        if !is_provider_name(&name) {
            let message = format!("{} cannot be the name of a provider", ee_auth_core::quoted(&name));
            return Err(Error::invalid("name", message).hint(PROVIDER_NAMES));
        }
        Ok(Self { name, kind, path: path.to_owned(), options, before: Options::default() })
    }

    /// Takes over what `file`, an ee-auth.toml, says of the provider of this name already: its arguments, its protocol, what it is
    /// handed. The file that runs and its pin stay as they are, and what was said of how the one before had to run is left out.
    ///
    /// # Errors
    /// Those of the configuration.
    pub fn take_over(&mut self, resolver: &Resolver, file: &Path) -> Result<(), Error> {
        let config = resolver.load()?;
        let before = config.providers.get(&self.name).filter(|before| {
            before.kind.name == self.kind.name
                && matches!(&before.declared_in, Origin::File { path, .. } if **path == *file)
        });
        let Some(before) = before else { return Ok(()) };
        for (name, value) in before.options.iter().filter(|(name, _)| *name != "in_place") {
            match (name, value) {
                ("command", OptionValue::Strings(words)) => {
                    let arguments = words.iter().skip(1).cloned();
                    let command = self.options.strings(name).unwrap_or_default();
                    self.options
                        .set(name, OptionValue::Strings(command.into_iter().chain(arguments).collect()));
                }
                _ if !self.options.iter().any(|(known, _)| known == name) => {
                    self.options.set(name, value.clone());
                }
                _ => {}
            }
        }
        self.before = before.options.clone();
        Ok(())
    }

    /// Runs the conformance suite on it. Blocks.
    ///
    /// # Errors
    /// Those of the configuration, and of options that cannot be right.
    pub fn check(&self, resolver: &Resolver) -> Result<Report, Error> {
        let config = resolver.load()?;
        let mut declared = ProviderConfig::new(&self.name, self.kind, Origin::Default);
        declared.options = self.options.clone();
        report(&config, &declared, resolver.host())
    }
}

/// Whether a kind of provider is a plugin.
pub fn is_plugin(kind: &Kind) -> bool {
    matches!(kind.name, "exec" | "dynamic")
}

fn report(config: &Config, declared: &ProviderConfig, host: &Host) -> Result<Report, Error> {
    let member = member(config, declared)?;
    let plugin = member.provider.as_any().and_then(|any| any.downcast_ref::<PluginProvider>());
    let plugin = plugin.ok_or_else(|| {
        Error::new(Outcome::Internal, "", format!("the kind `{}` is no plugin's", declared.kind.name))
    })?;
    Ok(pollster::block_on(conformance::check(plugin, host)))
}

fn place(options: &Options) -> String {
    let command = options.strings("command").unwrap_or_default();
    let path = options.path("path").map(|path| path.shown());
    path.or_else(|| command.first().map(|program| visible(program).into_owned())).unwrap_or_default()
}

/// A name for the provider of a file: that of the file, without what every such name begins and ends with.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let short =
        ["libee_auth_", "ee-auth-", "ee_auth_", "lib"].iter().find_map(|start| stem.strip_prefix(start));
    let name: String = short
        .unwrap_or(&stem)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .take(64)
        .collect();
    let name = name.trim_matches('_');
    if name.is_empty() || kinds().iter().any(|kind| kind.name == name) {
        format!("my_{name}")
    } else {
        name.to_owned()
    }
}
