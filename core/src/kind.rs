//! What can be configured: the kinds of provider and their options, each defined once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{Error, Member, Provider};

/// A kind of provider: its name in `ee-auth.toml`, what may be set for it, and how one is made.
///
/// From this one definition come the checks of a configuration file, its JSON schema, the reference in `docs/` and
/// the registry. A provider's crate exports one as `KIND`. `Debug` shows its name.
pub struct Kind {
    /// The name in `chain` and `kind`.
    pub name: &'static str,
    /// What it finds, in one line.
    pub summary: &'static str,
    /// Whether it can obtain a credential only by asking a person.
    pub interactive: bool,
    /// Whether it exists only where `kind = "…"` declares it under a name, as plugins do.
    pub declared_only: bool,
    /// What can be set in its table.
    pub options: &'static [OptionSpec],
    /// Makes a provider with a name and options that were checked against [`Kind::options`].
    ///
    /// # Errors
    /// [`Outcome::Invalid`](crate::Outcome::Invalid) for options that contradict each other.
    pub build: Build,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kind").field(&self.name).finish()
    }
}

/// Makes a provider with a name and checked options.
pub type Build = fn(name: &str, options: &Options) -> Result<Arc<dyn Provider>, Error>;

/// One key of a provider's table.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// The key.
    pub name: &'static str,
    /// What its value must be.
    pub value: OptionType,
    /// What it means, in one line.
    pub summary: &'static str,
}

/// What the value of an option must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionType {
    /// A string.
    String,
    /// A string that is a path: `~/` means the home directory, and a relative one begins where the file is.
    Path,
    /// An array of strings.
    Strings,
    /// `true` or `false`.
    Bool,
    /// A string like `10s` or `5m`.
    Duration,
    /// A whole number from 0 to 65535; 0 means any port.
    Port,
    /// A table, handed on as it is.
    Table,
    /// The name of another provider, as `chain` has them: an [`OptionValue::String`] in a configuration, an
    /// [`OptionValue::Provider`] when a provider is built.
    Provider,
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OptionValue {
    /// [`OptionType::String`]
    String(String),
    /// [`OptionType::Path`], made absolute.
    Path(PathBuf),
    /// [`OptionType::Strings`]
    Strings(Vec<String>),
    /// [`OptionType::Bool`]
    Bool(bool),
    /// [`OptionType::Duration`]
    Duration(Duration),
    /// [`OptionType::Port`]
    Port(u16),
    /// [`OptionType::Table`]
    Table(serde_json::Map<String, serde_json::Value>),
    /// [`OptionType::Provider`], built: whoever builds a provider first builds those that it names, so that no provider
    /// has to know of others.
    Provider(Member),
}

/// The options of one provider, checked against its kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options(BTreeMap<String, OptionValue>);

impl Options {
    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets an option.
    pub fn set(&mut self, name: impl Into<String>, value: OptionValue) {
        self.0.insert(name.into(), value);
    }

    /// The options that are set, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OptionValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The value of a string option.
    pub fn string(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            OptionValue::String(value) => Some(value.clone()),
            _ => None,
        }
    }

    /// The value of a path option.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        match self.0.get(name)? {
            OptionValue::Path(value) => Some(value.clone()),
            _ => None,
        }
    }

    /// The value of a list option.
    pub fn strings(&self, name: &str) -> Option<Vec<String>> {
        match self.0.get(name)? {
            OptionValue::Strings(value) => Some(value.clone()),
            _ => None,
        }
    }

    /// The value of a switch.
    pub fn bool(&self, name: &str) -> Option<bool> {
        match self.0.get(name)? {
            OptionValue::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a duration option.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        match self.0.get(name)? {
            OptionValue::Duration(value) => Some(*value),
            _ => None,
        }
    }

    /// The provider that an option names.
    pub fn provider(&self, name: &str) -> Option<Member> {
        match self.0.get(name)? {
            OptionValue::Provider(value) => Some(value.clone()),
            _ => None,
        }
    }

    /// The value of a port option.
    pub fn port(&self, name: &str) -> Option<u16> {
        match self.0.get(name)? {
            OptionValue::Port(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a table option.
    pub fn table(&self, name: &str) -> Option<&serde_json::Map<String, serde_json::Value>> {
        match self.0.get(name)? {
            OptionValue::Table(value) => Some(value),
            _ => None,
        }
    }
}
