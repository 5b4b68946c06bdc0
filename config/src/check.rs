//! Checks one file against the table of keys and the kinds of provider, and takes its settings out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::Environment;
use ee_auth_core::{Kind, ProfileName, Scopes, is_plausible_project, redact};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::keys::{KEYS, Key, ValueType};
use crate::origin::Origin;
use crate::problem::{MAX_PROBLEMS, Problem};
use crate::providers::{can_be_chained, missing_provider};
use crate::settings::Settings;
use crate::source::Source;
use crate::value::{Base, Value};
use crate::words::{did_you_mean, shown};

/// Whose word a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The user's or the system's.
    User,
    /// A project file that the user has vouched for.
    Trusted,
    /// A project file that the user has not vouched for.
    Untrusted,
    /// A project file that is no longer what the user has vouched for.
    Changed,
}

impl Standing {
    pub(crate) fn is_trusted(self) -> bool {
        matches!(self, Self::User | Self::Trusted)
    }
}

/// What a check goes by.
pub(crate) struct Checker<'a> {
    pub(crate) source: &'a Source,
    pub(crate) environment: &'a dyn Environment,
    pub(crate) kinds: &'a [&'static Kind],
    pub(crate) standing: Standing,
    /// What the files before set.
    pub(crate) earlier: &'a Settings,
    /// What the files before set in their profiles.
    pub(crate) earlier_profiles: &'a BTreeMap<ProfileName, Profile>,
}

/// A profile's table.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) origin: Origin,
    pub(crate) settings: Settings,
}

/// What a file sets.
#[derive(Default)]
pub(crate) struct Checked {
    pub(crate) settings: Settings,
    pub(crate) profiles: BTreeMap<ProfileName, Profile>,
    /// The providers that its chains and the options of its providers name.
    pub(crate) named: BTreeSet<String>,
}

impl Checker<'_> {
    /// What the file sets, or everything that is wrong with it.
    pub(crate) fn check(&self) -> Result<Checked, Vec<Problem>> {
        let tree = self.source.parse().map_err(|problem| vec![problem])?;
        if !self.standing.is_trusted() {
            let forbidden = self.forbidden(&tree);
            if !forbidden.is_empty() {
                return Err(forbidden);
            }
        }
        let mut problems = Vec::new();
        let mut checked = Checked::default();
        let mut walk = Walk::new(self, "", vec![self.earlier], &mut problems);
        walk.table(&tree, "");
        (checked.settings, checked.named) = walk.finish();
        if let Some(DeValue::Table(profiles)) = tree.get("profiles").map(Spanned::get_ref) {
            for (name, table) in profiles {
                self.profile(name, table, &mut checked, &mut problems);
            }
        }
        if problems.is_empty() { Ok(checked) } else { Err(problems) }
    }

    fn profile(
        &self,
        name: &Spanned<DeString<'_>>,
        table: &Spanned<DeValue<'_>>,
        checked: &mut Checked,
        problems: &mut Vec<Problem>,
    ) {
        let text = name.get_ref();
        let profile: ProfileName = match text.parse() {
            Ok(profile) => profile,
            Err(error) => {
                let problem = Problem::new(name.span(), redact(error.message()));
                problems.push(problem.help(error.next_step().unwrap_or_default().to_owned()));
                return;
            }
        };
        let DeValue::Table(entries) = table.get_ref() else {
            problems.push(Problem::new(table.span(), format!("`profiles.{profile}` must be a table")));
            return;
        };
        let earlier = self.earlier_profiles.get(&profile).map(|profile| &profile.settings);
        let visible = earlier.into_iter().chain([&checked.settings, self.earlier]).collect();
        let place = format!("profiles.{profile}.");
        let mut walk = Walk::new(self, &place, visible, problems);
        walk.table(entries, "");
        let (settings, named) = walk.finish();
        checked.named.extend(named);
        checked.profiles.insert(profile, Profile { origin: self.source.origin(name.span().start), settings });
    }

    /// The keys that a project file may not set which nobody has vouched for. Of names that stand in the file, those are said
    /// that are ours.
    fn forbidden(&self, tree: &DeTable<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let top = tree
            .iter()
            .filter(|(name, _)| !Key::named(name.get_ref()).is_some_and(|key| key.in_project_file));
        for (name, value) in top {
            let table = TABLES.iter().copied().find(|table| *table == name.get_ref()).or_else(|| {
                KEYS.iter().map(|key| key.table()).find(|table| !table.is_empty() && *table == name.get_ref())
            });
            match value.get_ref() {
                DeValue::Table(entries) if !entries.is_empty() => {
                    problems.extend(entries.keys().map(|key| {
                        let path = format!("{}.{}", name.get_ref(), key.get_ref());
                        let known = Key::named(&path).map(|key| key.path).or(table);
                        self.forbidden_key(key.span(), known)
                    }));
                }
                _ => {
                    let known = Key::named(name.get_ref()).map(|key| key.path).or(table);
                    problems.push(self.forbidden_key(name.span(), known));
                }
            }
            if problems.len() >= MAX_PROBLEMS {
                problems.truncate(MAX_PROBLEMS);
                break;
            }
        }
        problems
    }

    /// `known` is the name of the key or table, if it is one of ours.
    fn forbidden_key(&self, span: Range<usize>, known: Option<&'static str>) -> Problem {
        let may: Vec<_> = KEYS.iter().filter(|key| key.in_project_file).map(|key| key.path).collect();
        let may = may.join(", ");
        let file = self.source.path.shown();
        let what = known.map_or_else(|| format!("a key other than {may}"), |known| format!("`{known}`"));
        let (message, hint) = if self.standing == Standing::Changed {
            (
                format!(
                    "the project file has changed since you trusted it, and may not set {what} unless you allow it with `ee-auth trust`"
                ),
                format!("look at what has changed, then run `ee-auth trust {file}`"),
            )
        } else {
            (
                format!("a project file may not set {what} unless you allow it with `ee-auth trust`"),
                format!(
                    "whoever wrote the repository wrote this file, so it may set only {may}; if you have read \
                     it and want it all, run `ee-auth trust {file}`"
                ),
            )
        };
        Problem::untrusted(span, "project_file", message.clone())
            .public(message)
            .help(hint.clone())
            .public_help(hint)
    }
}

/// The tables of which the names inside are chosen by whoever writes them.
const TABLES: [&str; 2] = ["providers", "profiles"];

/// A walk through one set of settings: a file's, or those of one of its profiles.
pub(crate) struct Walk<'a, 'p> {
    pub(crate) checker: &'a Checker<'a>,
    /// The table of the profile, with a dot; empty for a file's own settings.
    pub(crate) place: &'a str,
    /// The settings that these are put on top of, the nearest first.
    pub(crate) visible: Vec<&'a Settings>,
    pub(crate) problems: &'p mut Vec<Problem>,
    pub(crate) settings: Settings,
    /// Names of providers, and where they stand. They are looked up when all providers are known.
    references: Vec<(String, Range<usize>, String)>,
}

impl<'a, 'p> Walk<'a, 'p> {
    fn new(
        checker: &'a Checker<'a>,
        place: &'a str,
        visible: Vec<&'a Settings>,
        problems: &'p mut Vec<Problem>,
    ) -> Self {
        Self { checker, place, visible, problems, settings: Settings::default(), references: Vec::new() }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    /// The table `prefix` (with a dot; empty for the top).
    fn table(&mut self, table: &DeTable<'_>, prefix: &str) {
        for (name, value) in table {
            if self.is_full() {
                return;
            }
            let path = format!("{prefix}{}", name.get_ref());
            // A quoted name may hold a dot, and is then the name of nothing.
            let known = if name.get_ref().contains('.') { None } else { Key::named(&path) };
            match (known, value.get_ref()) {
                (Some(key), _) => self.leaf(key.value, &path, &path, value),
                (None, DeValue::Table(table)) if path == "providers" => {
                    table.iter().for_each(|(name, value)| self.provider(name, value));
                }
                // Profiles lie on top of what the rest of the file sets, and are taken when that is known.
                (None, DeValue::Table(_)) if path == "profiles" && self.place.is_empty() => {}
                (None, DeValue::Table(table)) if self.is_table(&path) => {
                    self.table(table, &format!("{path}."));
                }
                (None, _) if self.is_table(&path) => {
                    let message = format!("`{}{path}` must be a table", self.place);
                    self.problems.push(Problem::new(value.span(), message));
                }
                _ => {
                    let problem = self.unknown(name, prefix);
                    self.problems.push(problem);
                }
            }
        }
    }

    /// Whether a table stands here.
    fn is_table(&self, path: &str) -> bool {
        path == "providers"
            || (path == "profiles" && self.place.is_empty())
            || KEYS.iter().any(|key| !path.is_empty() && key.table() == path)
    }

    /// A key of the table, or an option of a provider: `path` is its full name, `name` that without its provider.
    pub(crate) fn leaf(&mut self, ty: ValueType, path: &str, name: &str, value: &Spanned<DeValue<'_>>) {
        let source = self.checker.source;
        let base = Base { environment: self.checker.environment, directory: source.path.parent() };
        let full = format!("{}{path}", self.place);
        match (ty, value.get_ref()) {
            (ValueType::Chain, DeValue::Array(items)) => {
                for item in items.iter() {
                    if let DeValue::String(text) = item.get_ref() {
                        self.references.push((text.to_string(), item.span(), name.to_owned()));
                    }
                }
            }
            (ValueType::Provider, DeValue::String(text)) => {
                self.references.push((text.to_string(), value.span(), name.to_owned()));
            }
            _ => {}
        }
        let before = self.problems.len();
        let parsed = Value::from_toml(ty, &full, value, &base, self.problems);
        for at in before..self.problems.len() {
            let problem = self.problems.remove(at);
            self.problems.insert(at, problem.public(format!("`{name}` must be {}", ty.described())));
        }
        let Some(parsed) = parsed else { return };
        if let (DeValue::String(text), "project", false) =
            (value.get_ref(), name, self.checker.standing.is_trusted())
        {
            if !is_plausible_project(text) {
                self.problems.push(Problem::new(value.span(), "`project` must be a project's ID or number"));
            }
        }
        if let (ValueType::Scopes, DeValue::Array(items), false) =
            (ty, value.get_ref(), self.checker.standing.is_trusted())
        {
            self.check_subset(items);
        }
        if self.problems.len() == before {
            self.settings.insert(path, parsed, source.origin(value.span().start));
        }
    }

    /// A project file may ask for less than the user does, not for more.
    fn check_subset(&mut self, items: &[Spanned<DeValue<'_>>]) {
        let asked = match self.checker.earlier.get("scopes").map(|setting| &setting.value) {
            Some(Value::Scopes(scopes)) => scopes.clone(),
            _ => Scopes::earth_engine(),
        };
        for item in items {
            let DeValue::String(text) = item.get_ref() else { continue };
            if Scopes::new([text]).is_ok_and(|scope| scope.is_subset_of(&asked)) {
                continue;
            }
            let message = format!(
                "a project file may not ask for the scope `{}`, which your own configuration does not ask for \
                 (it asks for {asked}), unless you allow it with `ee-auth trust`",
                shown(text)
            );
            let hint = format!(
                "leave the scope out, add it to `scopes` in your own ee-auth.toml, or run `ee-auth trust {}`",
                self.checker.source.path.shown()
            );
            let public = format!(
                "a project file may not ask for a scope that your own configuration does not ask for (it asks for \
                 {asked}), unless you allow it with `ee-auth trust`"
            );
            let problem = Problem::untrusted(item.span(), "project_file", message).public(public);
            self.problems.push(problem.help(hint.clone()).public_help(hint));
        }
    }

    /// Looks up the providers that were named.
    fn finish(mut self) -> (Settings, BTreeSet<String>) {
        let mut named = BTreeSet::new();
        let references = std::mem::take(&mut self.references);
        for (name, span, key) in references {
            let visible: Vec<_> =
                std::iter::once(&self.settings).chain(self.visible.iter().copied()).collect();
            if can_be_chained(&name, self.checker.kinds, &visible) {
                named.insert(name);
            } else if !self.is_full() {
                let (message, help) = missing_provider(&name, &key, self.checker.kinds, &visible);
                let problem = Problem::new(span, message).public(format!("unknown provider in `{key}`"));
                self.problems.push(problem.help(help));
            }
        }
        (self.settings, named)
    }

    /// A key that is not in the table.
    fn unknown(&self, name: &Spanned<DeString<'_>>, prefix: &str) -> Problem {
        let word = &**name.get_ref();
        let mut here: Vec<_> = KEYS
            .iter()
            .filter_map(|key| key.path.strip_prefix(prefix))
            .map(|rest| rest.split('.').next().unwrap_or(rest))
            .collect();
        here.dedup();
        if prefix.is_empty() {
            here.push("providers");
            if self.place.is_empty() {
                here.push("profiles");
            }
        }
        let elsewhere = KEYS.iter().find(|key| key.last_name() == word);
        let kinds = self.checker.kinds;
        let help = if let Some(key) = elsewhere {
            match key.table() {
                "" => format!("`{word}` is a key of the whole file: it stands above the first `[table]`"),
                table => format!("`{word}` stands in `[{}{table}]`", self.place),
            }
        } else if let Some(kind) = kinds.iter().find(|kind| kind.name == word) {
            format!("the options of a provider stand in `[{}providers.{}]`", self.place, kind.name)
        } else if let Some(kind) =
            kinds.iter().find(|kind| kind.options.iter().any(|option| option.name == word))
        {
            format!(
                "`{word}` is an option of providers of the kind `{}`: it stands in their tables",
                kind.name
            )
        } else {
            format!("the keys here are {}", here.join(", "))
        };
        self.unknown_key(name, prefix, &here, help)
    }

    /// The problem for a key that is not among those that may stand here.
    pub(crate) fn unknown_key(
        &self,
        name: &Spanned<DeString<'_>>,
        prefix: &str,
        here: &[&str],
        help: String,
    ) -> Problem {
        let place = format!("{}{prefix}", self.place);
        let place = match place.trim_end_matches('.') {
            "" => String::new(),
            table => format!(" in `[{table}]`"),
        };
        let word = name.get_ref();
        let message =
            format!("unknown key `{}`{place}{}", shown(word), did_you_mean(word, here.iter().copied()));
        Problem::new(name.span(), message)
            .public("unknown key")
            .label("unknown")
            .help(help)
            .public_help(format!("the keys here are {}", here.join(", ")))
    }
}
