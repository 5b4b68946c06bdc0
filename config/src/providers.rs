//! Tables of providers, and the names by which a chain calls providers.

use ee_auth_core::Kind;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::check::{Standing, Walk};
use crate::keys::PROVIDER_KEYS;
use crate::problem::Problem;
use crate::settings::Settings;
use crate::value::Value;
use crate::words::{did_you_mean, shown};

/// The kind of this name.
pub(crate) fn kind_named(kinds: &[&'static Kind], name: &str) -> Option<&'static Kind> {
    kinds.iter().copied().find(|kind| kind.name == name)
}

/// Whether a chain may name it: a built-in kind that needs no declaration, or a provider that was declared.
pub(crate) fn can_be_chained(name: &str, kinds: &[&'static Kind], visible: &[&Settings]) -> bool {
    kind_named(kinds, name).is_some_and(|kind| !kind.declared_only)
        || visible.iter().any(|settings| settings.kind_of(name).is_some())
}

/// What to say of a name that is no provider's, and what to do about it.
pub(crate) fn missing_provider(
    name: &str,
    key: &str,
    kinds: &[&'static Kind],
    visible: &[&Settings],
) -> (String, String) {
    if kind_named(kinds, name).is_some() {
        return (
            format!("`{name}` in `{key}` is a kind of provider that has to be declared under a name"),
            format!("add `[providers.NAME]` with `kind = \"{name}\"`, and put NAME into `{key}`"),
        );
    }
    let built_in = kinds.iter().filter(|kind| !kind.declared_only).map(|kind| kind.name);
    let declared = visible.iter().flat_map(|settings| settings.declared()).map(|(name, _)| name);
    let mut names: Vec<_> = built_in.chain(declared).collect();
    let meant = did_you_mean(name, names.iter().copied());
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    (
        format!("unknown provider `{}` in `{key}`{meant}", shown(name)),
        format!("the providers are {}", names.join(", ")),
    )
}

/// What [`is_provider_name`] asks for, for a person.
pub const PROVIDER_NAMES: &str =
    "a provider's name has up to 64 letters, digits, `_` and `-`, and begins with a letter or digit";

/// Whether a provider may have this name. It has to fit between the commas of `EE_AUTH_CHAIN` and the dots of a key.
///
/// ```
/// use ee_auth_config::is_provider_name;
/// assert!(is_provider_name("my-store_2"));
/// assert!(!is_provider_name("my store") && !is_provider_name("my.store") && !is_provider_name(""));
/// ```
pub fn is_provider_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.len() <= 64
}

impl Walk<'_, '_> {
    /// `[providers.NAME]`
    pub(crate) fn provider(&mut self, name: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        if self.is_full() {
            return;
        }
        let text = &**name.get_ref();
        if !is_provider_name(text) {
            let message = format!("`{}` cannot be the name of a provider", shown(text));
            self.problems.push(Problem::new(name.span(), message).help(PROVIDER_NAMES));
            return;
        }
        let DeValue::Table(table) = value.get_ref() else {
            let message = format!("`{}providers.{text}` must be a table", self.place);
            self.problems.push(Problem::new(value.span(), message));
            return;
        };
        let kind = match self.kind(name, table) {
            Ok(kind) => kind,
            Err(problem) => {
                self.problems.push(problem);
                return;
            }
        };
        self.check_pin(name, table, kind);
        self.provider_table(table, kind, &format!("providers.{text}."), "");
    }

    /// The kind of the provider: what its table says, the built-in kind that it is named after, or what a file before
    /// said.
    fn kind(&mut self, name: &Spanned<DeString<'_>>, table: &DeTable<'_>) -> Result<&'static Kind, Problem> {
        let kinds = self.checker.kinds;
        let text = &**name.get_ref();
        let path = format!("providers.{text}.kind");
        let built_in = kind_named(kinds, text).filter(|kind| !kind.declared_only);
        let source = self.checker.source;
        let Some((key, value)) = table.get_key_value("kind") else {
            if let Some(kind) = built_in {
                self.settings.insert(path, Value::string(kind.name), source.origin(name.span().start));
                return Ok(kind);
            }
            let inherited = self.visible.iter().find_map(|settings| settings.kind_of(text));
            return inherited.and_then(|kind| kind_named(kinds, kind)).ok_or_else(|| {
                let names = kinds.iter().filter(|kind| !kind.declared_only).map(|kind| kind.name);
                let meant = did_you_mean(text, names);
                Problem::new(name.span(), format!("no kind of provider is called `{text}`{meant}")).help(
                    format!(
                        "to declare a provider of your own, say what it is with `kind = \"…\"`: {}",
                        list(kinds)
                    ),
                )
            });
        };
        let DeValue::String(wanted) = value.get_ref() else {
            let message = format!("`{path}` must be a string, the name of a kind");
            return Err(Problem::new(value.span(), message));
        };
        let Some(kind) = kind_named(kinds, wanted) else {
            let meant = did_you_mean(wanted, kinds.iter().map(|kind| kind.name));
            return Err(Problem::new(value.span(), format!("unknown kind `{}`{meant}", shown(wanted)))
                .help(format!("the kinds are {}", list(kinds))));
        };
        if let Some(built_in) = built_in.filter(|built_in| built_in.name != kind.name) {
            let message = format!(
                "`[providers.{text}]` has the options of the built-in kind `{}`: it cannot be of the kind `{}`",
                built_in.name, kind.name
            );
            return Err(Problem::new(value.span(), message).help("give the provider another name"));
        }
        self.settings.insert(path, Value::string(kind.name), source.origin(key.span().start));
        Ok(kind)
    }

    /// What a trusted project file has run must be pinned: the file was vouched for, not what it names.
    fn check_pin(&mut self, name: &Spanned<DeString<'_>>, table: &DeTable<'_>, kind: &'static Kind) {
        let can_be_pinned = kind.options.iter().any(|option| option.name == "sha256");
        if self.checker.standing != Standing::Trusted || !can_be_pinned {
            return;
        }
        let text = name.get_ref();
        let pin = format!("providers.{text}.sha256");
        let inherited = self
            .visible
            .iter()
            .any(|settings| settings.kind_of(text) == Some(kind.name) && settings.get(&pin).is_some());
        if table.contains_key("sha256") || inherited {
            return;
        }
        let message = format!("a project file must pin what the provider `{text}` runs: `sha256` is missing");
        self.problems.push(
            Problem::untrusted(name.span(), "unpinned", message)
                .help("add `sha256 = \"…\"`, as `sha256sum FILE` prints it"),
        );
    }

    /// The table of a provider, or a table in it: `prefix` is its name in there, with a dot.
    fn provider_table(&mut self, table: &DeTable<'_>, kind: &'static Kind, provider: &str, prefix: &str) {
        for (name, value) in table {
            let path = format!("{prefix}{}", name.get_ref());
            if self.is_full() {
                return;
            }
            if path == "kind" {
                continue;
            }
            let is_plain = !name.get_ref().contains('.');
            let common = PROVIDER_KEYS.iter().find(|key| is_plain && key.path == path).map(|key| key.value);
            let option =
                kind.options.iter().find(|option| option.name == path).map(|option| option.value.into());
            let is_table = PROVIDER_KEYS.iter().any(|key| key.table() == path);
            match (common.or(option), value.get_ref()) {
                (Some(ty), _) => self.leaf(ty, &format!("{provider}{path}"), &path, value),
                (None, DeValue::Table(table)) if is_table => {
                    self.provider_table(table, kind, provider, &format!("{path}."));
                }
                (None, _) if is_table => {
                    let key = PROVIDER_KEYS
                        .iter()
                        .find(|key| key.table() == path)
                        .map(|key| format!("{} = {}", key.last_name(), key.example))
                        .unwrap_or_default();
                    let message = format!("`{}{provider}{path}` must be a table", self.place);
                    let help = format!("write it as {{ {key} }}");
                    self.problems.push(Problem::new(value.span(), message).help(help));
                }
                (None, _) => {
                    let problem = self.unknown_option(name, kind, provider, prefix);
                    self.problems.push(problem);
                }
            }
        }
    }

    fn unknown_option(
        &self,
        name: &Spanned<DeString<'_>>,
        kind: &'static Kind,
        provider: &str,
        prefix: &str,
    ) -> Problem {
        let common = PROVIDER_KEYS.iter().filter_map(|key| key.path.strip_prefix(prefix));
        let mut here: Vec<_> = common.map(|rest| rest.split('.').next().unwrap_or(rest)).collect();
        here.dedup();
        if prefix.is_empty() {
            here.extend(kind.options.iter().map(|option| option.name));
        }
        let word = &**name.get_ref();
        let help = if crate::keys::Key::named(word).is_some() {
            format!("`{word}` is a key of the whole file: it stands above the first `[table]`")
        } else if prefix.is_empty() {
            format!("a provider of the kind `{}` takes {}", kind.name, here.join(", "))
        } else {
            format!("the keys here are {}", here.join(", "))
        };
        self.unknown_key(name, &format!("{provider}{prefix}"), &here, help)
    }
}

fn list(kinds: &[&'static Kind]) -> String {
    kinds.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ")
}
