//! Stored logins that clients prefer to the credential that they are given.
//!
//! earthengine-api uses the refresh token in its own file before it looks at anything else, and that file's project or, where
//! it has none, the quota project in gcloud's application-default file. Google's libraries use gcloud's application-default
//! file before they ask a metadata server, and after `GOOGLE_APPLICATION_CREDENTIALS`.

use std::fmt;
use std::path::{Path, PathBuf};

use ee_auth_core::Credential;
use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Directory, Environment, Host, MAX_CREDENTIAL_FILE};
use serde_json::Value;

use crate::Via;

const APPLICATION_DEFAULT: &str = "application_default_credentials.json";

/// The stored login that a credential is, with nothing changed: then a client that uses the file uses that very credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameLogin {
    /// It is another credential, or has other scopes.
    #[default]
    None,
    /// earthengine-api's.
    EarthEngine,
    /// gcloud's application-default one.
    ApplicationDefault,
}

/// A stored login that a client would use instead of a credential. [`Display`](fmt::Display) says so to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictingLogin {
    path: PathBuf,
    client: &'static str,
    conflict: Conflict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Conflict {
    /// It is used instead of the credential.
    Login,
    /// Its project is used instead of the credential's.
    Project(String),
    /// The client fails because of it.
    Invalid,
}

const EARTHENGINE_API: &str = "earthengine-api";
const GOOGLE_LIBRARIES: &str = "Google's client libraries";

impl ConflictingLogin {
    /// The stored logins that clients would use instead of `credential`, or whose project they would use instead of its.
    ///
    /// ```
    /// # use ee_auth_serve::{ConflictingLogin, SameLogin, Via};
    /// # fn example(host: &ee_auth_core::Host, credential: &ee_auth_core::Credential) {
    /// for login in ConflictingLogin::all(host, credential, SameLogin::None, Via::Both) {
    ///     eprintln!("{login}");
    /// }
    /// # }
    /// ```
    pub fn all(host: &Host, credential: &Credential, same: SameLogin, via: Via) -> Vec<Self> {
        let project = credential.project().map(|project| project.id.as_str());
        let mut found = Vec::new();
        let mut add = |path: &Path, client, conflict| {
            found.push(Self { path: path.to_owned(), client, conflict });
        };
        let mut earthengine_has_project = false;
        if let Some(path) = earthengine_login(host) {
            match read(host, &path) {
                None => {}
                Some(Err(Malformed)) => add(&path, EARTHENGINE_API, Conflict::Invalid),
                Some(Ok(login)) => {
                    let other = login.project.filter(|id| Some(id.as_str()) != project);
                    match other {
                        _ if login.is_login && same != SameLogin::EarthEngine => {
                            add(&path, EARTHENGINE_API, Conflict::Login);
                        }
                        Some(other) => add(&path, EARTHENGINE_API, Conflict::Project(other)),
                        // It is that project.
                        None => earthengine_has_project = login.has_project,
                    }
                }
            }
        }
        for (index, path) in application_default_logins(host).iter().enumerate() {
            match read(host, path) {
                None => {}
                // Only the metadata server comes after this file.
                Some(_) if !via.uses_file() && same != SameLogin::ApplicationDefault => {
                    add(path, GOOGLE_LIBRARIES, Conflict::Login);
                }
                // earthengine-api looks at the first alone.
                _ if index > 0 || earthengine_has_project => {}
                Some(Err(Malformed)) => add(path, EARTHENGINE_API, Conflict::Invalid),
                Some(Ok(login)) => {
                    let other = login.quota_project.filter(|id| project.is_some_and(|project| project != id));
                    if let Some(other) = other {
                        add(path, EARTHENGINE_API, Conflict::Project(other));
                    }
                }
            }
        }
        found
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for ConflictingLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, client, conflict } = self;
        let path = path.shown();
        match conflict {
            Conflict::Login => write!(f, "{client} will use the login in {path} instead of this credential"),
            Conflict::Project(id) => write!(f, "{client} will use the project {id}, which {path} names"),
            Conflict::Invalid => write!(f, "{client} will fail, because {path} is not valid JSON"),
        }
    }
}

/// The files of stored logins that clients look for, whether they exist or not.
pub fn stored_logins(host: &Host) -> Vec<PathBuf> {
    earthengine_login(host).into_iter().chain(application_default_logins(host)).collect()
}

fn earthengine_login(host: &Host) -> Option<PathBuf> {
    Some(host.environment.directory(Directory::Home)?.join(".config/earthengine/credentials"))
}

/// gcloud's application-default file where gcloud and Google's Python library look for it, and where the other libraries do,
/// which know nothing of `CLOUDSDK_CONFIG`.
fn application_default_logins(host: &Host) -> Vec<PathBuf> {
    let environment = &*host.environment;
    let mut directories = Vec::new();
    if let Some(directory) = path_variable(environment, "CLOUDSDK_CONFIG") {
        let working = environment.directory(Directory::Working).unwrap_or_default();
        directories.push(working.join(directory));
    }
    let usual = if cfg!(windows) {
        path_variable(environment, "APPDATA").map(|data| data.join("gcloud"))
    } else {
        environment.directory(Directory::Home).map(|home| home.join(".config/gcloud"))
    };
    directories.extend(usual.filter(|usual| !directories.contains(usual)));
    directories.into_iter().map(|directory| directory.join(APPLICATION_DEFAULT)).collect()
}

/// A path that a variable holds; one that is empty is not set.
pub(crate) fn path_variable(environment: &dyn Environment, name: &str) -> Option<PathBuf> {
    environment.variable_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// What matters of a file.
struct Login {
    is_login: bool,
    has_project: bool,
    project: Option<String>,
    quota_project: Option<String>,
}

/// A file that makes a client fail that reads it.
struct Malformed;

/// `None` where there is no file that a client could read.
fn read(host: &Host, path: &Path) -> Option<Result<Login, Malformed>> {
    let read = host.files.read(path, MAX_CREDENTIAL_FILE).ok()?;
    let Ok(Value::Object(file)) = serde_json::from_slice(&read.bytes) else { return Some(Err(Malformed)) };
    let text = |key: &str| file.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let project = text("project").map(str::to_owned);
    Some(Ok(Login {
        is_login: text("refresh_token").is_some(),
        has_project: project.is_some(),
        project,
        quota_project: text("quota_project_id").map(str::to_owned),
    }))
}
