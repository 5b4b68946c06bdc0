//! What a provider is given to look with, which remembers where it looked.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::ShowPath as _;
use crate::host::{FileRead, FileReadError, Host, MAX_CREDENTIAL_FILE};
use crate::{
    Endpoints, Error, Exchange, Impersonate, ProfileName, Scopes, Secret, TokenStore, TrustedHosts, visible,
};

/// Settings that concern every provider alike.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The scopes that somebody asked for; `None` where nobody did.
    pub scopes: Option<Scopes>,
    /// Whether the credential is only a step on the way to another, so that its tokens are not handed out: then `scopes` is
    /// what the step needs, and more does no harm. See [`Search::asking_for`].
    pub is_step: bool,
    /// Where Google's services are.
    pub endpoints: Endpoints,
    /// The hosts that a credential file may name.
    pub trusted_hosts: TrustedHosts,
    /// The universe of Google Cloud that the user has chosen; `googleapis.com` for all but private clouds.
    pub universe_domain: String,
    /// Whether programs that a credential file names may be run (`security.allow_executables`, or Google's own
    /// `GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES`).
    pub allow_executables: bool,
    /// Whom the credential that is resolved is to impersonate, where somebody said so. The resolver does it; providers only
    /// have to keep a program that reads the same variables from doing it, too.
    pub impersonate: Option<Impersonate>,
    /// The chosen profile.
    pub profile: Option<ProfileName>,
    /// The project that configuration, a flag or `EE_AUTH_PROJECT` names, for those who want to know it before there is a
    /// credential.
    pub project: Option<String>,
    /// Whether logins are stored in the system's keyring and not in a file (`cache.store = "keyring"`).
    pub keyring: bool,
    /// What the caller passed for the provider `explicit`.
    pub passed: Option<Passed>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            scopes: None,
            is_step: false,
            endpoints: Endpoints::default(),
            trusted_hosts: TrustedHosts::default(),
            universe_domain: "googleapis.com".to_owned(),
            allow_executables: false,
            impersonate: None,
            profile: None,
            project: None,
            keyring: false,
            passed: None,
        }
    }
}

/// A credential that the caller hands over instead of having it found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Passed {
    /// An access token. It cannot be refreshed.
    AccessToken(Secret),
    /// An authorization code (RFC 6749, section 4.1) with its PKCE verifier (RFC 7636).
    AuthorizationCode {
        /// The code.
        code: Secret,
        /// The verifier.
        verifier: Secret,
        /// The redirect that the code was asked with.
        redirect_uri: String,
    },
    /// The content of any credential file.
    CredentialJson(Secret),
}

/// Where a provider looked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Look {
    /// A variable, by name.
    Variable(String, Saw),
    /// A file.
    File(PathBuf, Saw),
    /// An address on the network.
    Address(String, Saw),
    /// A program.
    Program(String, Saw),
    /// An entry of the system's keyring.
    Keyring(String, Saw),
}

impl Look {
    /// What was looked at: the variable's name, the path, the address.
    pub fn place(&self) -> String {
        match self {
            Self::Variable(name, _)
            | Self::Address(name, _)
            | Self::Program(name, _)
            | Self::Keyring(name, _) => visible(name).into_owned(),
            Self::File(path, _) => path.shown(),
        }
    }

    /// What was seen there.
    pub fn saw(&self) -> Saw {
        match self {
            Self::Variable(_, saw)
            | Self::File(_, saw)
            | Self::Address(_, saw)
            | Self::Program(_, saw)
            | Self::Keyring(_, saw) => *saw,
        }
    }
}

/// What was seen where a provider looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Saw {
    /// The variable is not set.
    Unset,
    /// The variable is set and empty, which counts as unset.
    Empty,
    /// The variable is set.
    Set,
    /// There is nothing.
    Missing,
    /// There is something.
    Present,
    /// There is something that could not be read.
    Unreadable,
}

impl Saw {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Empty => "empty",
            Self::Set => "set",
            Self::Missing => "missing",
            Self::Present => "present",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What a provider is given to look with. It remembers where was looked, so that `explain` can tell, and no provider
/// can forget to.
pub struct Search {
    host: Host,
    settings: Settings,
    offline: bool,
    looks: Arc<Mutex<Vec<Look>>>,
    store: Option<Arc<dyn TokenStore>>,
}

impl Search {
    /// A search on `host` with `settings`.
    pub fn new(host: Host, settings: Settings) -> Self {
        Self { host, settings, offline: false, looks: Arc::default(), store: None }
    }

    /// A search for a credential whose tokens are to have these scopes, whatever the settings say: for one that is only
    /// a step on the way to another. Where it looks is remembered by this search, too.
    #[must_use]
    pub fn asking_for(&self, scopes: Scopes) -> Self {
        Self {
            host: self.host.clone(),
            settings: Settings { scopes: Some(scopes), is_step: true, ..self.settings.clone() },
            offline: self.offline,
            looks: self.looks.clone(),
            store: self.store.clone(),
        }
    }

    /// A search for a credential as it was granted, whatever scopes somebody asked for: for one that is looked at and not
    /// handed out.
    #[must_use]
    pub fn as_granted(&self) -> Self {
        let settings = Settings { scopes: None, ..self.settings.clone() };
        Self { settings, ..self.asking_for(Scopes::default()) }
    }

    /// The same search, which may use neither processes nor the network.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// The same search, with the tokens that are kept between processes: for providers that would have to ask for one to say
    /// whether there is one.
    #[must_use]
    pub fn with_store(mut self, store: Option<Arc<dyn TokenStore>>) -> Self {
        self.store = store;
        self
    }

    /// The tokens that are kept between processes, where they are.
    pub fn store(&self) -> Option<&dyn TokenStore> {
        self.store.as_deref()
    }

    /// The host. What is looked at through it directly is not remembered: see [`Search::looked_at`].
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The settings that concern every provider.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether neither processes nor the network may be used; a provider that needs one answers
    /// [`Finding::NotProbed`](crate::Finding::NotProbed).
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// What an exchange of a credential that is found here may use.
    pub fn exchange(&self) -> Exchange {
        Exchange { host: self.host.clone(), settings: self.settings.clone() }
    }

    /// The scopes to ask for: those that somebody asked for, or Earth Engine's.
    pub fn scopes(&self) -> Scopes {
        self.settings.scopes.clone().unwrap_or_else(Scopes::earth_engine)
    }

    /// A variable's value without the white space around it; an empty one means an unset one.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](crate::Outcome::Invalid) where it is set and not UTF-8.
    pub fn variable(&self, name: &str) -> Result<Option<String>, Error> {
        let value = self.secret_variable(name)?;
        Ok(value.map(|value| secrecy::ExposeSecret::expose_secret(&value).trim().to_owned()))
    }

    /// A variable whose value is a path, which need not be UTF-8; an empty one means an unset one.
    pub fn path_variable(&self, name: &str) -> Option<PathBuf> {
        let (value, saw) = match self.host.environment.variable_os(name) {
            None => (None, Saw::Unset),
            Some(value) => match value.to_str().map(str::trim) {
                Some("") => (None, Saw::Empty),
                Some(text) => (Some(PathBuf::from(text)), Saw::Set),
                None => (Some(PathBuf::from(value)), Saw::Set),
            },
        };
        self.looked_at(Look::Variable(name.to_owned(), saw));
        value
    }

    /// A variable whose value is, or may be, a credential.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](crate::Outcome::Invalid) where it is set and not UTF-8.
    pub fn secret_variable(&self, name: &str) -> Result<Option<Secret>, Error> {
        let Some(value) = self.host.environment.variable_os(name) else {
            self.looked_at(Look::Variable(name.to_owned(), Saw::Unset));
            return Ok(None);
        };
        let value = match value.into_string() {
            Ok(value) => Secret::from(value),
            Err(_) => {
                self.looked_at(Look::Variable(name.to_owned(), Saw::Unreadable));
                return Err(Error::invalid("encoding", format!("the variable {name} is not UTF-8 text"))
                    .hint("set it again from a file saved as UTF-8, or to base64 of that file"));
            }
        };
        let empty = secrecy::ExposeSecret::expose_secret(&value).trim().is_empty();
        self.looked_at(Look::Variable(name.to_owned(), if empty { Saw::Empty } else { Saw::Set }));
        Ok((!empty).then_some(value))
    }

    /// The content of a credential file.
    ///
    /// # Errors
    /// See [`FileReadError`].
    pub fn read(&self, path: &Path) -> Result<FileRead, FileReadError> {
        let read = self.host.files.read(path, MAX_CREDENTIAL_FILE);
        let saw = match &read {
            Ok(_) => Saw::Present,
            Err(FileReadError::NotFound) => Saw::Missing,
            Err(_) => Saw::Unreadable,
        };
        self.looked_at(Look::File(path.to_owned(), saw));
        read
    }

    /// Remembers a look that was not made through this search.
    pub fn looked_at(&self, look: Look) {
        let mut looks = self.looks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !looks.contains(&look) {
            looks.push(look);
        }
    }

    /// Where was looked since the last call.
    pub(crate) fn take_looks(&self) -> Vec<Look> {
        std::mem::take(&mut *self.looks.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search").field("settings", &self.settings).field("offline", &self.offline).finish()
    }
}
