//! What one layer sets, key by key, and how layers come to lie on each other.

use std::collections::BTreeMap;
use std::fmt;

use ee_auth_core::OptionValue;

use crate::origin::Origin;
use crate::value::Value;

/// A value and where it was set.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// Settings by their dotted keys: `cache.store`, `providers.vault.command`. For every provider that is configured or
/// declared, some layer has `providers.<name>.kind`.
#[derive(Clone, Default)]
pub(crate) struct Settings(BTreeMap<String, Setting>);

impl Settings {
    pub(crate) fn get(&self, path: &str) -> Option<&Setting> {
        self.0.get(path)
    }

    pub(crate) fn insert(&mut self, path: impl Into<String>, value: Value, origin: Origin) {
        self.0.insert(path.into(), Setting { value, origin });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.0.iter().map(|(path, setting)| (path.as_str(), setting))
    }

    /// Puts later settings on top. A provider whose kind changes starts afresh: the options of another kind mean
    /// nothing to it.
    pub(crate) fn overlay(&mut self, later: &Self) {
        for (name, kind) in later.kinds() {
            if self.kind_of(name).is_some_and(|known| known != kind) {
                let table = format!("providers.{name}.");
                self.0.retain(|path, _| !path.starts_with(&table));
            }
        }
        self.0.extend(later.0.iter().map(|(path, setting)| (path.clone(), setting.clone())));
    }

    /// The name of the kind of a provider.
    pub(crate) fn kind_of(&self, provider: &str) -> Option<&str> {
        self.text(&format!("providers.{provider}.kind"))
    }

    /// The value of a key that is written as a string.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        text(self.get(path)?)
    }

    /// The providers with their kinds.
    fn kinds(&self) -> impl Iterator<Item = (&str, &str)> {
        self.declared().filter_map(|(name, setting)| Some((name, text(setting)?)))
    }

    /// The providers with the settings of their kinds.
    pub(crate) fn declared(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.below("providers.")
            .filter_map(|(path, setting)| Some((path.strip_suffix(".kind")?, setting)))
            .filter(|(name, _)| !name.contains('.'))
    }

    /// The settings whose keys begin with `prefix`, without it.
    pub(crate) fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Setting)> {
        self.0
            .range(prefix.to_owned()..)
            .map_while(move |(path, setting)| Some((path.strip_prefix(prefix)?, setting)))
    }
}

fn text(setting: &Setting) -> Option<&str> {
    match &setting.value {
        Value::Option(OptionValue::String(text)) => Some(text),
        _ => None,
    }
}

/// The keys alone: a plugin's `config` may hold secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_of_another_kind_starts_afresh() {
        let at = Origin::Default;
        let mut below = Settings::default();
        for (path, value) in [
            ("providers.v.kind", "exec"),
            ("providers.v.command", "x"),
            ("providers.w.kind", "exec"),
            ("providers.w.command", "x"),
            ("providers.v2.kind", "exec"),
        ] {
            below.insert(path, Value::string(value), at.clone());
        }
        let mut above = Settings::default();
        above.insert("providers.v.kind", Value::string("dynamic"), at.clone());
        above.insert("providers.w.kind", Value::string("exec"), at.clone());
        above.insert("providers.w.timeout", Value::string("1s"), at);
        below.overlay(&above);
        let keys: Vec<_> = below.iter().map(|(path, _)| path).collect();
        assert_eq!(
            keys,
            [
                "providers.v.kind",
                "providers.v2.kind",
                "providers.w.command",
                "providers.w.kind",
                "providers.w.timeout"
            ]
        );
        assert_eq!(below.kind_of("v"), Some("dynamic"));
    }
}
