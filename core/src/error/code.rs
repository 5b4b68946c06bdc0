use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ErrorKind;

macro_rules! details {
    ($($variant:ident = $name:literal,)*) => {
        /// What exactly went wrong: the part of a [`Code`] after the dot.
        ///
        /// The names are stable. They are the same in JSON, in the messages between processes and in the documentation.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "each is the name of a code, which docs/errors.md explains")]
        pub enum Detail {
            $($variant,)*
            /// A code of a provider that does not ship with ee-auth: lower-case letters, digits, `_` and `.`.
            Other(Cow<'static, str>),
        }

        impl Detail {
            /// Every detail that ships with ee-auth, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the stable name.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name,
                }
            }

            fn known(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

details! {
    AccessDenied = "access_denied",
    AccessToken = "access_token",
    AdminPolicyEnforced = "admin_policy_enforced",
    ApiDisabled = "api_disabled",
    ApplicationDefault = "application_default",
    Architecture = "architecture",
    AttributeCondition = "attribute_condition",
    Audience = "audience",
    AuthorizationCode = "authorization_code",
    Aws = "aws",
    Billing = "billing",
    Busy = "busy",
    CacheStore = "cache_store",
    Certificate = "certificate",
    Client = "client",
    ClientFile = "client_file",
    CodeSpent = "code_spent",
    CodeVerifier = "code_verifier",
    Colab = "colab",
    Command = "command",
    Config = "config",
    ConfigFile = "config_file",
    Confirmation = "confirmation",
    Connect = "connect",
    Contradiction = "contradiction",
    ControlCharacter = "control_character",
    Crash = "crash",
    Create = "create",
    Credential = "credential",
    DeletedClient = "deleted_client",
    Disabled = "disabled",
    DuplicateKey = "duplicate_key",
    Email = "email",
    Empty = "empty",
    Encoding = "encoding",
    Env = "env",
    EnvironmentId = "environment_id",
    Events = "events",
    Executable = "executable",
    Exists = "exists",
    Exit = "exit",
    ExpirationTime = "expiration_time",
    Expired = "expired",
    Fault = "fault",
    Feature = "feature",
    Format = "format",
    Gcloud = "gcloud",
    GcpAuth = "gcp_auth",
    Github = "github",
    HalfPair = "half_pair",
    Header = "header",
    Home = "home",
    Host = "host",
    IdToken = "id_token",
    Instance = "instance",
    Interrupted = "interrupted",
    InvalidClient = "invalid_client",
    InvalidGrant = "invalid_grant",
    InvalidRapt = "invalid_rapt",
    InvalidRequest = "invalid_request",
    InvalidScope = "invalid_scope",
    InvalidTarget = "invalid_target",
    Io = "io",
    Isolate = "isolate",
    Isolation = "isolation",
    Json = "json",
    Kept = "kept",
    Key = "key",
    Keyring = "keyring",
    KeyringAbsent = "keyring_absent",
    KeyringLocked = "keyring_locked",
    KeyringTimeout = "keyring_timeout",
    KeyringTooLarge = "keyring_too_large",
    Kind = "kind",
    Library = "library",
    Lifetime = "lifetime",
    Link = "link",
    Listen = "listen",
    Locked = "locked",
    Log = "log",
    Magic = "magic",
    Malformed = "malformed",
    Manifest = "manifest",
    Memory = "memory",
    MissingField = "missing_field",
    MissingOption = "missing_option",
    Mode = "mode",
    Name = "name",
    Nested = "nested",
    Network = "network",
    NoAccount = "no_account",
    NoFile = "no_file",
    NoHome = "no_home",
    NoProject = "no_project",
    NoRefreshToken = "no_refresh_token",
    NoSuccess = "no_success",
    NoSuchFile = "no_such_file",
    NoToken = "no_token",
    NotAFile = "not_a_file",
    NotAPath = "not_a_path",
    NotRegistered = "not_registered",
    OrgInternal = "org_internal",
    Owner = "owner",
    Path = "path",
    Permission = "permission",
    Permissions = "permissions",
    Plugin = "plugin",
    PluginsHost = "plugins_host",
    Preset = "preset",
    PrivateKey = "private_key",
    Profile = "profile",
    ProfileName = "profile_name",
    Project = "project",
    ProjectFile = "project_file",
    ProjectNumber = "project_number",
    Protocol = "protocol",
    Proxy = "proxy",
    Quota = "quota",
    RedirectUri = "redirect_uri",
    Redirected = "redirected",
    Refused = "refused",
    Region = "region",
    Remote = "remote",
    Request = "request",
    Resource = "resource",
    Scope = "scope",
    Scopes = "scopes",
    ServiceAccount = "service_account",
    Set = "set",
    Sha256 = "sha256",
    Shell = "shell",
    Silent = "silent",
    Size = "size",
    Start = "start",
    State = "state",
    Status = "status",
    SubjectToken = "subject_token",
    Symbol = "symbol",
    Timeout = "timeout",
    Tls = "tls",
    Token = "token",
    TokenType = "token_type",
    Toml = "toml",
    TooLarge = "too_large",
    Trailing = "trailing",
    Truncated = "truncated",
    Trust = "trust",
    TwoAnswers = "two_answers",
    Type = "type",
    UnauthorizedClient = "unauthorized_client",
    Unchanged = "unchanged",
    Unexpected = "unexpected",
    Universe = "universe",
    UnknownProvider = "unknown_provider",
    Unpinned = "unpinned",
    Unreadable = "unreadable",
    Unrecognised = "unrecognised",
    Unwritable = "unwritable",
    Url = "url",
    UserProject = "user_project",
    Value = "value",
    Version = "version",
    Via = "via",
    WrongType = "wrong_type",
}

impl From<&'static str> for Detail {
    fn from(name: &'static str) -> Self {
        Self::known(name).unwrap_or(Self::Other(Cow::Borrowed(name)))
    }
}

impl From<String> for Detail {
    fn from(name: String) -> Self {
        Self::known(&name).unwrap_or(Self::Other(Cow::Owned(name)))
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq<str> for Detail {
    fn eq(&self, name: &str) -> bool {
        self.name() == name
    }
}

impl PartialEq<&str> for Detail {
    fn eq(&self, name: &&str) -> bool {
        self.name() == *name
    }
}

impl Serialize for Detail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Detail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// The stable name of an error: its kind, and what exactly went wrong where that is known.
///
/// ```
/// use ee_auth_core::{Code, Detail, Error, ErrorKind};
///
/// let code = Error::rejected(Detail::InvalidGrant, "the refresh token was revoked").code();
/// assert_eq!(code, "rejected.invalid_grant");
/// assert_eq!((code.kind(), code.detail()), (ErrorKind::Rejected, Some(&Detail::InvalidGrant)));
/// assert_eq!("rejected.invalid_grant".parse(), Ok(code));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code {
    kind: ErrorKind,
    detail: Option<Detail>,
}

impl Code {
    pub(super) fn new(kind: ErrorKind, detail: Detail) -> Self {
        Self { kind, detail: Some(detail).filter(|detail| !detail.name().is_empty()) }
    }

    /// Returns the kind: the part before the dot.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns what exactly went wrong: the part after the dot, where there is one.
    pub fn detail(&self) -> Option<&Detail> {
        self.detail.as_ref()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        match &self.detail {
            Some(detail) => write!(f, ".{detail}"),
            None => Ok(()),
        }
    }
}

/// What is not the name of an [`ErrorKind`], alone or before a dot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the code of an error")]
pub struct NotACode;

impl std::str::FromStr for Code {
    type Err = NotACode;

    fn from_str(text: &str) -> Result<Self, NotACode> {
        let (kind, detail) = text.split_once('.').unwrap_or((text, ""));
        let kind = ErrorKind::ALL.into_iter().find(|known| known.name() == kind).ok_or(NotACode)?;
        Ok(Self::new(kind, Detail::from(detail.to_owned())))
    }
}

impl PartialEq<str> for Code {
    fn eq(&self, text: &str) -> bool {
        text.parse().is_ok_and(|code: Self| code == *self)
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, text: &&str) -> bool {
        *self == **text
    }
}

impl PartialEq<Code> for &str {
    fn eq(&self, code: &Code) -> bool {
        *code == **self
    }
}

impl PartialEq<String> for Code {
    fn eq(&self, text: &String) -> bool {
        *self == **text
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_being_written_and_read() {
        for kind in ErrorKind::ALL {
            for detail in Detail::ALL {
                let code = Code::new(kind, detail.clone());
                assert_eq!(code.to_string().parse(), Ok(code.clone()));
                let json = serde_json::to_string(&code).unwrap();
                assert_eq!(serde_json::from_str::<Code>(&json).unwrap(), code);
                assert!(!matches!(code.detail(), Some(Detail::Other(_))));
            }
        }
    }

    #[test]
    fn a_code_of_a_plugin_keeps_its_name() {
        let code: Code = "invalid.plugin.corp_sso".parse().unwrap();
        assert_eq!(code.kind(), ErrorKind::Invalid);
        assert_eq!(code.detail(), Some(&Detail::Other("plugin.corp_sso".into())));
        assert_eq!(code, "invalid.plugin.corp_sso");
    }

    #[test]
    fn what_names_no_kind_is_not_a_code() {
        for text in ["", "x", "Invalid", ".json", "invalid_json"] {
            assert_eq!(text.parse::<Code>(), Err(NotACode), "{text:?}");
        }
    }

    #[test]
    fn names_are_those_of_the_variants() {
        for detail in Detail::ALL {
            let words = detail.name().split('_').map(|word| {
                let (first, rest) = word.split_at(1);
                first.to_uppercase() + rest
            });
            assert_eq!(format!("{detail:?}"), words.collect::<String>());
        }
    }
}
