//! Values: from TOML, from the text of a variable or flag, to JSON.

use std::ops::Range;
use std::path::{Path, PathBuf};

use ee_auth_core::host::{Directory, Environment};
use ee_auth_core::{Error, Impersonate, OptionValue, Scopes, is_loopback, looks_like_credential, redact};
use serde_json::{Map, Number, Value as Json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use url::{Host, Url};

use crate::keys::{MapJoin, ValueType};
use crate::problem::{MAX_PROBLEMS, Problem};
use crate::words::{did_you_mean, names_a_secret, shown};

/// The most items that an array of strings may have. Some checks compare each with each.
const MAX_ITEMS: usize = 1000;

/// A value that was checked against its type.
#[derive(Clone, PartialEq)]
pub(crate) enum Value {
    Option(OptionValue),
    Scopes(Scopes),
    Impersonate(Impersonate),
    Url(Url),
}

/// What is wrong with a value, without the place where it stands.
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Where paths begin.
pub(crate) struct Base<'a> {
    pub(crate) environment: &'a dyn Environment,
    /// The directory at which a relative path begins; the working directory where there is none.
    pub(crate) directory: Option<&'a Path>,
}

impl Wrong {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The message about `name`: as one sentence, where it is its predicate.
    pub(crate) fn about(&self, name: &str) -> String {
        let is_predicate = ["must ", "is ", "holds "].iter().any(|verb| self.message.starts_with(verb));
        let colon = if is_predicate { "" } else { ":" };
        format!("{name}{colon} {}", self.message)
    }

    fn at(self, span: Range<usize>, name: &str) -> Problem {
        let problem = Problem::new(span, self.about(&format!("`{name}`")));
        match self.help {
            Some(help) => problem.help(help),
            None => problem,
        }
    }
}

impl Value {
    pub(crate) fn string(text: impl Into<String>) -> Self {
        Self::Option(OptionValue::String(text.into()))
    }

    /// As `config show` prints it. What looks like a secret, or is named like one in a table, is left out.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Option(OptionValue::String(text)) => hide(text),
            Self::Option(OptionValue::Path(path)) => path.to_string_lossy().into(),
            Self::Option(OptionValue::Strings(items)) => items.iter().map(|item| hide(item)).collect(),
            Self::Option(OptionValue::Bool(value)) => (*value).into(),
            Self::Option(OptionValue::Duration(value)) => {
                humantime::format_duration(*value).to_string().into()
            }
            Self::Option(OptionValue::Port(port)) => (*port).into(),
            Self::Option(OptionValue::Table(table)) => Json::Object(hide_in(table)),
            Self::Option(_) => Json::Null,
            Self::Scopes(scopes) => scopes.short_names().map(hide).collect(),
            Self::Impersonate(wanted) => wanted.to_string().into(),
            Self::Url(url) => url.as_str().into(),
        }
    }

    /// The value of a variable or flag: what a list holds is separated by commas.
    pub(crate) fn from_text(ty: ValueType, text: &str, base: &Base<'_>) -> Result<Self, Wrong> {
        match ty {
            ValueType::Scopes => scopes(text.split([',', ' ', '\t', '\n', '\r']).filter(|s| !s.is_empty())),
            ValueType::Bool => match text {
                "true" | "1" => Ok(Self::Option(OptionValue::Bool(true))),
                "false" | "0" => Ok(Self::Option(OptionValue::Bool(false))),
                _ => Err(Wrong::new(format!("must be true or false, not `{}`", shown(text)))),
            },
            ValueType::Port => port(text, 10),
            _ if ty.is_list() => {
                let items: Vec<_> = text
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(str::to_owned)
                    .collect();
                match repeated(&items).and_then(|at| items.get(at)) {
                    Some(name) if ty == ValueType::Chain => Err(named_twice(name)),
                    _ => Ok(Self::Option(OptionValue::Strings(items))),
                }
            }
            _ => scalar(ty, text, base),
        }
    }

    /// The value of the key `name` in a file. What is wrong with it is added to `problems`.
    pub(crate) fn from_toml(
        ty: ValueType,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        base: &Base<'_>,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let result = match (ty, value.get_ref()) {
            (ValueType::Bool, DeValue::Boolean(value)) => Ok(Self::Option(OptionValue::Bool(*value))),
            (ValueType::Port, DeValue::Integer(number)) => port(number.as_str(), number.radix()),
            (ValueType::Table, DeValue::Table(table)) => {
                return json_table(table, name, problems)
                    .map(|table| Self::Option(OptionValue::Table(table)));
            }
            (_, DeValue::Array(items)) if ty.is_list() => {
                return list(ty, name, value.span(), items, problems);
            }
            (_, DeValue::String(text))
                if !ty.is_list() && !matches!(ty, ValueType::Bool | ValueType::Port | ValueType::Table) =>
            {
                scalar(ty, text, base)
            }
            (_, other) => {
                let problem = Problem::new(
                    value.span(),
                    format!("`{name}` must be {}, not {}", ty.described(), a_value(other)),
                );
                problems.push(match (ty, other) {
                    (_, DeValue::String(text)) if ty.is_list() => {
                        let items: Vec<_> = text.split(',').map(str::trim).collect();
                        problem.help(format!(
                            "write it as [{}]",
                            items.map_join(|item| format!("\"{}\"", shown(item)))
                        ))
                    }
                    (ValueType::Duration, DeValue::Integer(seconds)) => {
                        problem.help(format!("write it as \"{}s\"", shown(seconds.as_str())))
                    }
                    (ValueType::Bool | ValueType::Port, DeValue::String(_)) => {
                        problem.help("write it without quotes")
                    }
                    _ => problem,
                });
                return None;
            }
        };
        result.map_err(|wrong| problems.push(wrong.at(value.span(), name))).ok()
    }
}

fn list(
    ty: ValueType,
    name: &str,
    span: Range<usize>,
    items: &[Spanned<DeValue<'_>>],
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    let before = problems.len();
    if items.len() > MAX_ITEMS {
        problems.push(Problem::new(span, format!("`{name}` has more than {MAX_ITEMS} items")));
        return None;
    }
    let mut texts: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        if problems.len() >= MAX_PROBLEMS {
            return None;
        }
        let DeValue::String(text) = item.get_ref() else {
            let message = format!("`{name}` must be {}; this is {}", ty.described(), a_value(item.get_ref()));
            problems.push(Problem::new(item.span(), message));
            continue;
        };
        let checked = match ty {
            ValueType::Hosts => host(text),
            ValueType::Scopes => scopes([&**text]).map(|_| text.to_string()),
            ValueType::Chain if texts.iter().any(|known| known == text) => Err(named_twice(text)),
            _ => Ok(text.to_string()),
        };
        match checked {
            Ok(text) => texts.push(text),
            Err(wrong) => problems.push(wrong.at(item.span(), name)),
        }
    }
    if problems.len() > before {
        return None;
    }
    match ty {
        ValueType::Scopes if texts.is_empty() => {
            problems.push(
                Problem::new(span, format!("`{name}` is empty")).help("name a scope, or leave the key out"),
            );
            None
        }
        ValueType::Scopes => scopes(&texts).ok(),
        _ => Some(Value::Option(OptionValue::Strings(texts))),
    }
}

fn port(digits: &str, radix: u32) -> Result<Value, Wrong> {
    match u16::from_str_radix(digits, radix) {
        Ok(port) => Ok(Value::Option(OptionValue::Port(port))),
        Err(_) => {
            let described = ValueType::Port.described();
            Err(Wrong::new(format!("must be {described}, not `{}`", shown(digits)))
                .help("0 means any that is free"))
        }
    }
}

fn scopes<I>(names: I) -> Result<Value, Wrong>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    match Scopes::new(names) {
        Ok(scopes) if scopes.is_empty() => {
            Err(Wrong::new("is empty").help("name a scope, or leave the key out"))
        }
        Ok(scopes) => Ok(Value::Scopes(scopes)),
        Err(error) => {
            Err(Wrong { message: redact(error.message()), help: error.next_step().map(str::to_owned) })
        }
    }
}

fn repeated(items: &[String]) -> Option<usize> {
    let is_repeated = |(at, item): &(usize, &String)| items.iter().take(*at).any(|before| before == *item);
    items.iter().enumerate().find(is_repeated).map(|(at, _)| at)
}

fn named_twice(name: &str) -> Wrong {
    Wrong::new(format!("`{}` is named twice", shown(name)))
        .help("a provider is asked once: leave out one of the two")
}

/// The value of a key that is written as a string.
fn scalar(ty: ValueType, text: &str, base: &Base<'_>) -> Result<Value, Wrong> {
    if text.trim().is_empty() {
        return Err(Wrong::new("is empty").help("leave the key out, or give it a value"));
    }
    if text.contains('\0') {
        return Err(Wrong::new("holds a NUL character"));
    }
    match ty {
        ValueType::Path => base.path(text).map(OptionValue::Path).map(Value::Option),
        ValueType::Duration => humantime::parse_duration(text)
            .map(|value| Value::Option(OptionValue::Duration(value)))
            .map_err(|_| {
                Wrong::new(format!("`{}` is not a duration", shown(text)))
                    .help("write a number with its unit, like \"10s\", \"5m\" or \"1h\"")
            }),
        ValueType::Choice(names) if !names.contains(&text) => Err(Wrong::new(format!(
            "must be {}, not `{}`{}",
            ty.described(),
            shown(text),
            did_you_mean(text, names.iter().copied())
        ))),
        ValueType::Endpoint | ValueType::MetadataEndpoint => endpoint(ty, text).map(Value::Url),
        ValueType::Impersonate => text.parse().map(Value::Impersonate).map_err(|error: Error| Wrong {
            message: error.message().to_owned(),
            help: error.next_step().map(str::to_owned),
        }),
        ValueType::Domain => match Host::parse(text) {
            Ok(Host::Domain(domain)) if domain.contains('.') => Ok(Value::string(domain)),
            _ => Err(Wrong::new(format!("`{}` is not a domain like `googleapis.com`", shown(text)))),
        },
        _ => Ok(Value::string(text)),
    }
}

fn endpoint(ty: ValueType, text: &str) -> Result<Url, Wrong> {
    let url = Url::parse(text).map_err(|error| {
        Wrong::new(format!("`{}` is not an address: {error}", shown(text)))
            .help("write it in full, with `https://`")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::new("the address carries a user name, which no request would send"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Wrong::new("the address has a `?` or `#` part, which an endpoint may not have"));
    }
    let on_metadata_server = ty == ValueType::MetadataEndpoint
        && matches!(url.host_str(), Some("metadata.google.internal" | "169.254.169.254"));
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => Ok(url),
        ("http", Some(host)) if is_loopback(&host) || on_metadata_server => Ok(url),
        ("http", Some(host)) => {
            Err(Wrong::new(format!("http would send secrets to {} in clear text", shown(&host.to_string())))
                .help("write https; http is for this machine alone, like http://127.0.0.1:8080"))
        }
        (scheme, _) => Err(Wrong::new(format!("the address must be https, not {}", shown(scheme)))),
    }
}

/// A host with an optional port, in the spelling in which addresses are compared with it.
fn host(text: &str) -> Result<String, Wrong> {
    let wrong = || {
        Wrong::new(format!("`{}` is not a host like `sts.corp.example` or `127.0.0.1:8080`", shown(text)))
            .help("name each host in full: no address, no path, no `*`")
    };
    if text.contains(['/', '\\', '@', '?', '#', '*']) || text.chars().any(char::is_whitespace) {
        return Err(wrong());
    }
    let url = Url::parse(&format!("https://{text}/")).map_err(|_| wrong())?;
    let name = url.host_str().ok_or_else(wrong)?;
    match url.port() {
        Some(port) => Ok(format!("{name}:{port}")),
        None if text.ends_with(":443") => {
            Err(Wrong::new(format!("`{}` names the port of https", shown(text))).help("leave `:443` out"))
        }
        None => Ok(name.to_owned()),
    }
}

impl Base<'_> {
    /// A path as a person writes it: `~/` means the home directory, and a relative one begins at the base.
    pub(crate) fn path(&self, text: &str) -> Result<PathBuf, Wrong> {
        if looks_like_credential(text) {
            return Err(Wrong::new("this looks like a credential, and not like the path of a file")
                .help("save the credential in a file, and name that"));
        }
        let in_home = text.strip_prefix("~/").or_else(|| if text == "~" { Some("") } else { None });
        if let Some(rest) = in_home {
            let home = self.environment.directory(Directory::Home).ok_or_else(|| {
                Wrong::new(format!("`{}` is in the home directory, and none is known", shown(text)))
                    .help("set HOME, or write the path in full")
            })?;
            return Ok(if rest.is_empty() { home } else { home.join(rest) });
        }
        if text.starts_with('~') {
            return Err(Wrong::new(format!("`{}`: of `~`, only `~/` is understood", shown(text)))
                .help("write the path in full; for a file whose name begins with `~`, write `./~`"));
        }
        let path = Path::new(text.strip_prefix("./").unwrap_or(text));
        Ok(match self.directory {
            Some(directory) => directory.join(path),
            None => self.environment.directory(Directory::Working).unwrap_or_default().join(path),
        })
    }
}

/// "a string", "an integer": what stands where something else should.
fn a_value(value: &DeValue<'_>) -> String {
    let name = match value {
        DeValue::Boolean(value) => return value.to_string(),
        DeValue::Datetime(_) => "date",
        DeValue::Float(_) => "number with a fraction",
        other => other.type_str(),
    };
    let article = if name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {name}")
}

fn json_table(table: &DeTable<'_>, name: &str, problems: &mut Vec<Problem>) -> Option<Map<String, Json>> {
    let mut map = Map::new();
    for (key, value) in table {
        let path = format!("{name}.{}", shown(key.get_ref()));
        map.insert(key.get_ref().to_string(), json(value, &path, problems)?);
    }
    Some(map)
}

/// A value as a plugin gets it. The depth of files is limited, so that this may call itself.
fn json(value: &Spanned<DeValue<'_>>, name: &str, problems: &mut Vec<Problem>) -> Option<Json> {
    let number = |number: Option<Number>, problems: &mut Vec<Problem>| {
        if number.is_none() {
            let message = format!("`{name}`: this number cannot be written in JSON, as plugins get it");
            problems.push(Problem::new(value.span(), message));
        }
        number.map(Json::Number)
    };
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string().into()),
        DeValue::Boolean(value) => Some((*value).into()),
        DeValue::Datetime(date) => Some(date.to_string().into()),
        DeValue::Integer(integer) => {
            let parsed = i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Number::from);
            number(parsed, problems)
        }
        DeValue::Float(float) => number(float.as_str().parse().ok().and_then(Number::from_f64), problems),
        DeValue::Array(items) => items.iter().map(|item| json(item, name, problems)).collect(),
        DeValue::Table(table) => json_table(table, name, problems).map(Json::Object),
    }
}

/// A text as `config show` prints it, without what is a credential.
fn hide(text: &str) -> Json {
    let shown = redact(text);
    // What stands behind the place where `redact` cuts is not in what it shows, and may be a credential.
    let cut = text.chars().count() > shown.chars().count() && shown.ends_with('…');
    if cut || shown.contains("[hidden]") { shown.into() } else { text.into() }
}

fn hide_in(table: &Map<String, Json>) -> Map<String, Json> {
    let hide_value = |key: &str, value: &Json| match value {
        Json::Object(table) => Json::Object(hide_in(table)),
        Json::Null => Json::Null,
        _ if names_a_secret(key) => "[hidden]".into(),
        other => hide_items(other),
    };
    table.iter().map(|(key, value)| (key.clone(), hide_value(key, value))).collect()
}

fn hide_items(value: &Json) -> Json {
    match value {
        Json::String(text) => hide(text),
        Json::Array(items) => items.iter().map(hide_items).collect(),
        Json::Object(table) => Json::Object(hide_in(table)),
        other => other.clone(),
    }
}
