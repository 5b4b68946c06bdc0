//! Every key of `ee-auth.toml`, defined once. The checks of a file, `config show`, the JSON schema, the reference in
//! the documentation and the template of `config init` are made from this table.

use std::borrow::Cow;

use ee_auth_core::{Endpoints, OptionType};
use serde_json::Value as Json;

use crate::config::CacheStore;

/// The order in which providers are asked when nobody says otherwise.
///
/// What you wrote down beats what happens to lie on the machine, persisted logins beat application-default credentials
/// as in earthengine-api, and those that ask a person come last.
pub const DEFAULT_CHAIN: [&str; 9] = [
    "explicit",
    "environment",
    "service_account",
    "persistent",
    "application_default",
    "gcloud",
    "metadata",
    "notebook",
    "localhost",
];

/// The universe of everyone who has no private one.
pub(crate) const DEFAULT_UNIVERSE: &str = "googleapis.com";

/// One key of `ee-auth.toml`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Key {
    /// Its name with the names of its tables: `cache.store`.
    pub path: &'static str,
    /// What its value must be.
    pub value: ValueType,
    /// Its value where nobody sets it.
    pub default: DefaultValue,
    /// A value, as it is written in TOML.
    pub example: &'static str,
    /// What it means, in one line.
    pub summary: &'static str,
    /// Whether a project file that the user has not vouched for may set it.
    pub in_project_file: bool,
    /// The variable that sets it.
    pub variable: Option<&'static str>,
    /// Variables of other programs that set it where nothing else does, in this order.
    pub fallbacks: &'static [&'static str],
    /// The flag that sets it.
    pub flag: Option<&'static str>,
}

/// What the value of a key must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueType {
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
    /// The number of a port.
    Port,
    /// A table with keys of any name.
    Table,
    /// The name of a provider.
    Provider,
    /// An array of names of providers.
    Chain,
    /// An array of OAuth scopes.
    Scopes,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// The address of a service: https, or http on this machine.
    Endpoint,
    /// The address of the metadata server, which is reached by plain http on Google's machines.
    MetadataEndpoint,
    /// An array of hosts, each with an optional port.
    Hosts,
    /// A domain.
    Domain,
    /// The e-mail of a service account, after those of its delegates, or `none`.
    Impersonate,
    /// The kind of a provider.
    Kind,
}

/// What a key means where nobody sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DefaultValue {
    /// Nothing.
    None,
    /// A string.
    Text(&'static str),
    /// An array of strings.
    List(&'static [&'static str]),
    /// `true` or `false`.
    Bool(bool),
}

impl Key {
    const fn new(path: &'static str, value: ValueType, example: &'static str, summary: &'static str) -> Self {
        Self {
            path,
            value,
            default: DefaultValue::None,
            example,
            summary,
            in_project_file: false,
            variable: None,
            fallbacks: &[],
            flag: None,
        }
    }

    const fn default(self, default: DefaultValue) -> Self {
        Self { default, ..self }
    }

    const fn in_project_file(self) -> Self {
        Self { in_project_file: true, ..self }
    }

    const fn variable(self, name: &'static str) -> Self {
        Self { variable: Some(name), ..self }
    }

    const fn fallbacks(self, names: &'static [&'static str]) -> Self {
        Self { fallbacks: names, ..self }
    }

    const fn flag(self, name: &'static str) -> Self {
        Self { flag: Some(name), ..self }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "evaluated at compile time, where an index too far does not compile"
    )]
    const fn endpoint(path: &'static str, at: usize, example: &'static str, summary: &'static str) -> Self {
        Self::new(path, ValueType::Endpoint, example, summary)
            .default(DefaultValue::Text(Endpoints::DEFAULTS[at].1))
    }

    /// The name without those of its tables.
    pub(crate) fn last_name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// The tables that it stands in, without their brackets; empty for a key at the top.
    pub(crate) fn table(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(table, _)| table)
    }

    /// The key with this path.
    pub(crate) fn named(path: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.path == path)
    }
}

/// The keys of `ee-auth.toml`, tables of providers and of profiles aside. Every one of them may also stand in
/// `[profiles.NAME]`.
pub static KEYS: &[Key] = &[
    Key::new(
        "project",
        ValueType::String,
        r#""my-ee-project""#,
        "The Google Cloud project that requests are made for and charged to.",
    )
    .in_project_file()
    .variable("EE_AUTH_PROJECT")
    .flag("--project"),
    Key::new(
        "scopes",
        ValueType::Scopes,
        r#"["earthengine", "cloud-platform"]"#,
        "The OAuth scopes to ask for: a token has no others. Left out, new credentials ask for `earthengine`, \
         `cloud-platform`, `drive` and `devstorage.full_control`, and stored ones for what they were granted. `earthengine` is \
         short for `https://www.googleapis.com/auth/earthengine`.",
    )
    .in_project_file()
    .variable("EE_AUTH_SCOPES")
    .flag("--scopes"),
    Key::new(
        "chain",
        ValueType::Chain,
        r#"["environment", "service_account", "persistent"]"#,
        "The providers that are asked, in order. The first that finds a credential wins.",
    )
    .default(DefaultValue::List(&DEFAULT_CHAIN))
    .in_project_file()
    .variable("EE_AUTH_CHAIN"),
    Key::new(
        "impersonate",
        ValueType::Impersonate,
        r#""robot@my-ee-project.iam.gserviceaccount.com""#,
        "The service account that the resolved credential impersonates. Delegates stand before it, separated by commas; `none` \
         impersonates nobody.",
    )
    .variable("EE_AUTH_AS")
    .fallbacks(&["CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"])
    .flag("--as"),
    Key::new(
        "login.client_file",
        ValueType::Path,
        r#""~/my-oauth-client.json""#,
        "Your own OAuth client, as downloaded from the Google Cloud console, instead of Earth Engine's.",
    ),
    Key::new(
        "cache.store",
        ValueType::Choice(&CacheStore::NAMES),
        r#""disk""#,
        "Where tokens are kept between runs; with `keyring` logins as well.",
    )
    .default(DefaultValue::Text(CacheStore::Disk.name()))
    .variable("EE_AUTH_CACHE"),
    Key::new(
        "plugins.host",
        ValueType::Path,
        r#""/usr/local/bin/ee-auth""#,
        "For users of the library: the ee-auth program, which runs dynamic plugins in a process of their \
         own.",
    ),
    Key::endpoint(
        "endpoints.token",
        0,
        r#""https://oauth2.googleapis.com/token""#,
        "The token endpoint (RFC 6749).",
    ),
    Key::endpoint(
        "endpoints.authorize",
        1,
        r#""https://accounts.google.com/o/oauth2/v2/auth""#,
        "The page on which a person consents (RFC 6749).",
    ),
    Key::endpoint(
        "endpoints.revoke",
        2,
        r#""https://oauth2.googleapis.com/revoke""#,
        "Where a token is revoked (RFC 7009).",
    ),
    Key::endpoint(
        "endpoints.tokeninfo",
        3,
        r#""https://oauth2.googleapis.com/tokeninfo""#,
        "Google's description of a token.",
    ),
    Key::endpoint(
        "endpoints.sts",
        4,
        r#""https://sts.googleapis.com/v1/token""#,
        "Where tokens of others are exchanged (RFC 8693).",
    ),
    Key::endpoint(
        "endpoints.client_auth",
        5,
        r#""https://code.earthengine.google.com/client-auth""#,
        "Earth Engine's notebook authenticator: a base address.",
    ),
    Key::endpoint(
        "endpoints.iam_credentials",
        6,
        r#""https://iamcredentials.googleapis.com""#,
        "The IAM credentials API, for impersonation: a base address.",
    ),
    Key {
        value: ValueType::MetadataEndpoint,
        ..Key::endpoint(
            "endpoints.metadata",
            7,
            r#""http://metadata.google.internal""#,
            "The Compute Engine metadata server: a base address.",
        )
    },
    Key::endpoint(
        "endpoints.earthengine",
        8,
        r#""https://earthengine.googleapis.com""#,
        "The Earth Engine API: a base address.",
    ),
    Key::new(
        "security.token_hosts",
        ValueType::Hosts,
        r#"["sts.corp.example"]"#,
        "Hosts beyond Google's that a credential file may name. `127.0.0.1` allows plain http there.",
    )
    .default(DefaultValue::List(&[])),
    Key::new(
        "security.universe_domain",
        ValueType::Domain,
        r#""googleapis.com""#,
        "The universe of Google Cloud, under whose domain the STS and the IAM credentials API are. A credential file that names another is not trusted.",
    )
    .default(DefaultValue::Text(DEFAULT_UNIVERSE)),
    Key::new(
        "security.allow_executables",
        ValueType::Bool,
        "false",
        "Whether to run the `executable.command` that an external-account file names.",
    )
    .default(DefaultValue::Bool(false))
    .variable("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"),
];

const ON: ValueType = ValueType::Choice(&["continue", "stop"]);
const STOP: DefaultValue = DefaultValue::Text("stop");

/// The keys that the table of every provider may have, beside the options of its kind.
pub static PROVIDER_KEYS: &[Key] = &[
    Key::new(
        "kind",
        ValueType::Kind,
        r#""exec""#,
        "The kind of provider. Left out where the table is named after a built-in kind.",
    ),
    Key::new(
        "expect.principal",
        ValueType::String,
        r#""robot@my-ee-project.iam.gserviceaccount.com""#,
        "The e-mail that the credential must be of, or it is rejected.",
    ),
    Key::new(
        "expect.project",
        ValueType::String,
        r#""my-ee-project""#,
        "The project that the credential must name, or it is rejected.",
    ),
    Key::new("on.invalid", ON, r#""continue""#, "Whether the chain goes on after something malformed.")
        .default(STOP),
    Key::new("on.rejected", ON, r#""continue""#, "Whether the chain goes on after a refusal.").default(STOP),
    Key::new("on.unavailable", ON, r#""continue""#, "Whether the chain goes on where nobody answered.")
        .default(STOP),
    Key::new("on.untrusted", ON, r#""continue""#, "Whether the chain goes on after something not trusted.")
        .default(STOP),
    Key::new("on.protocol", ON, r#""continue""#, "Whether the chain goes on after a plugin's wrong answer.")
        .default(STOP),
];

impl From<OptionType> for ValueType {
    fn from(option: OptionType) -> Self {
        match option {
            OptionType::Path => Self::Path,
            OptionType::Strings => Self::Strings,
            OptionType::Bool => Self::Bool,
            OptionType::Duration => Self::Duration,
            OptionType::Port => Self::Port,
            OptionType::Table => Self::Table,
            OptionType::Provider => Self::Provider,
            // A type that is newer than this crate is written as a string.
            _ => Self::String,
        }
    }
}

impl ValueType {
    /// What it must be, for a person: "must be …".
    pub(crate) fn described(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::String => "a string",
            Self::Path => "a path in quotes",
            Self::Strings => "an array of strings",
            Self::Bool => "true or false",
            Self::Duration => "a duration like \"10s\" or \"5m\"",
            Self::Port => "a port number from 0 to 65535",
            Self::Table => "a table",
            Self::Provider => "the name of a provider",
            Self::Chain => "an array of names of providers",
            Self::Scopes => "an array of OAuth scopes",
            Self::Choice(names) => {
                return Cow::Owned(format!("one of {}", names.map_join(|name| format!("\"{name}\""))));
            }
            Self::Endpoint | Self::MetadataEndpoint => "an address like \"https://host/path\"",
            Self::Hosts => "an array of hosts",
            Self::Domain => "a domain",
            Self::Impersonate => "the e-mail of a service account",
            Self::Kind => "a kind of provider",
        })
    }

    /// Whether it is written as an array of strings.
    pub(crate) fn is_list(self) -> bool {
        matches!(self, Self::Strings | Self::Chain | Self::Scopes | Self::Hosts)
    }
}

impl DefaultValue {
    /// As JSON; null for nothing.
    pub(crate) fn to_json(self) -> Json {
        match self {
            Self::None => Json::Null,
            Self::Text(text) => text.into(),
            Self::List(items) => items.into(),
            Self::Bool(value) => value.into(),
        }
    }
}

/// `[a, b]` as `a, b`.
pub(crate) trait MapJoin {
    fn map_join(&self, show: impl Fn(&str) -> String) -> String;
}

impl<S: AsRef<str>> MapJoin for [S] {
    fn map_join(&self, show: impl Fn(&str) -> String) -> String {
        self.iter().map(|item| show(item.as_ref())).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ee_auth_core::Outcome;

    #[test]
    fn the_table_has_every_endpoint_and_failure_that_there_is() {
        let endpoints: Vec<_> = KEYS.iter().filter_map(|key| key.path.strip_prefix("endpoints.")).collect();
        assert_eq!(endpoints, Endpoints::DEFAULTS.map(|(name, _)| name));
        for (name, address) in Endpoints::DEFAULTS {
            let key = Key::named(&format!("endpoints.{name}")).unwrap();
            assert_eq!(key.default, DefaultValue::Text(address));
            assert_eq!(key.example, format!("{address:?}"));
        }
        let failures: Vec<_> = PROVIDER_KEYS.iter().filter_map(|key| key.path.strip_prefix("on.")).collect();
        assert_eq!(failures, Outcome::FAILURES.map(Outcome::name));
    }

    #[test]
    fn paths_are_unique_and_no_key_is_also_a_table() {
        for (i, key) in KEYS.iter().enumerate() {
            for other in &KEYS[i + 1..] {
                assert_ne!(key.path, other.path);
                assert_ne!(key.path, other.table());
                assert_ne!(key.table(), other.path);
            }
        }
    }
}
