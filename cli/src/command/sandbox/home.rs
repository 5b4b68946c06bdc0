//! A home directory and variables that know the sandbox and nothing real.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ee_auth::ShowPath as _;
use ee_auth::host::{BoxFuture, Directory, Environment, Http, HttpError, NoKeyring, Request, Response};
use ee_auth::{Error, Host};
use ee_auth_host::Undo;
use ee_auth_sandbox::Sandbox;
use tempfile::TempDir;

/// Beginnings of the variables that may name a real credential, or lead to one.
const HIDDEN_PREFIXES: [&str; 8] =
    ["EE_", "EARTHENGINE_", "GEE_", "GOOGLE_", "CLOUDSDK_", "GCE_METADATA_", "GCLOUD_", "XDG_"];

/// Those among them that name no credential and lead to none.
const HARMLESS: [&str; 2] = ["EE_AUTH_LOG", "EE_AUTH_NO_INPUT"];

/// The variables that name hosts to which no proxy leads. Programs differ in which spelling they read first.
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// A home directory that lives as long as the sandbox.
pub(crate) struct Home {
    directory: PathBuf,
    _undo: Undo,
    /// What points a program at the sandbox.
    pub(crate) variables: BTreeMap<String, OsString>,
    /// The key of the sandbox's service account.
    pub(crate) key: String,
}

impl Home {
    pub(crate) fn new(google: &Sandbox, host: &Host) -> Result<Self, Error> {
        let temporary = host.environment.directory(Directory::Temporary).ok_or_else(|| {
            Error::internal(
                "no directory for temporary files: others can replace files in each that there is",
            )
            .hint("set TMPDIR to a directory of your own; `-v` says what is wrong with each")
        })?;
        let make = || {
            TempDir::with_prefix_in("ee-auth-sandbox-", &temporary)
                .map(|made| (made.path().to_owned(), Cell::new(Some(made))))
        };
        let ((directory, _), undo) = Undo::make(make, |(_, made)| {
            let made = made.take();
            move || drop(made)
        })
        .map_err(|error| Error::internal(format!("no temporary directory could be made: {error}")))?;
        let path = &*directory;
        let key = google.service_account().key_json();
        let user = google.user();
        let write = |name: &str, content: &str| {
            let file = path.join(name);
            host.files
                .write_private(&file, content.as_bytes())
                .map(|()| file)
                .map_err(|error| Error::internal(format!("writing to {} failed: {error}", path.shown())))
        };
        let key_file = write("service-account-key.json", &key)?;
        let login_file = write("earthengine-credentials.json", &user.earthengine_file_json())?;
        let user_file = write("authorized-user.json", &user.authorized_user_json())?;
        let config = write("ee-auth.toml", &config(google, host, &key_file))?;
        let variables = [
            ("HOME", path.as_os_str().to_owned()),
            ("USERPROFILE", path.as_os_str().to_owned()),
            ("APPDATA", path.join("AppData").into_os_string()),
            ("CLOUDSDK_CONFIG", path.join("gcloud").into_os_string()),
            ("EE_AUTH_CONFIG", config.into_os_string()),
            ("GOOGLE_APPLICATION_CREDENTIALS", key_file.clone().into_os_string()),
            ("GOOGLE_CLOUD_PROJECT", google.project_id().into()),
            ("EE_AUTH_SANDBOX_URL", google.base_url().into()),
            ("EE_AUTH_SANDBOX_KEY_FILE", key_file.into_os_string()),
            ("EE_AUTH_SANDBOX_LOGIN_FILE", login_file.into_os_string()),
            ("EE_AUTH_SANDBOX_USER_FILE", user_file.into_os_string()),
        ];
        let without_proxy = without_proxy(host);
        let no_proxy = NO_PROXY.map(|name| (name, without_proxy.clone().into()));
        let variables = variables.into_iter().chain(no_proxy);
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { directory, _undo: undo, variables, key })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    /// The variables of this process that a command does not get.
    pub(crate) fn hidden(&self, host: &Host) -> Vec<String> {
        let mut names: Vec<_> = host
            .environment
            .names()
            .into_iter()
            .filter(|name| HIDDEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
            .filter(|name| !self.variables.contains_key(name) && !HARMLESS.contains(&name.as_str()))
            .collect();
        names.sort();
        names
    }

    /// The same machine with this home, these variables, no proxy and nothing else of the user's.
    pub(crate) fn host(&self, host: &Host, variables: &[(&str, &str)]) -> Host {
        let config = self.variables.get_key_value("EE_AUTH_CONFIG");
        let mut known: BTreeMap<_, _> =
            config.map(|(name, file)| (name.clone(), file.clone())).into_iter().collect();
        known.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))));
        let user_id = host.environment.user_id();
        let environment = Overlay { home: self.path().to_owned(), variables: known, user_id };
        let http = Direct(host.http.clone());
        let keyring = Arc::new(NoKeyring);
        Host { environment: Arc::new(environment), http: Arc::new(http), keyring, ..host.clone() }
    }
}

/// An `ee-auth.toml` that puts the sandbox in Google's place. What the machine's administrator has configured must not
/// lead to a real credential, so the chain is the default one and a key that is configured becomes the sandbox's.
fn config(google: &Sandbox, host: &Host, key_file: &Path) -> String {
    let chain: Vec<_> = ee_auth::config::DEFAULT_CHAIN.iter().map(|name| format!("\"{name}\"")).collect();
    let mut text = format!(
        "# Written by `ee-auth sandbox`: everything here is thrown away with it.\nproject = \"{}\"\nchain = [{}]\n",
        google.project_id(),
        chain.join(", ")
    );
    if host.files.status(Path::new("/etc/ee-auth/ee-auth.toml")).is_ok() {
        text += &format!("\n[providers.service_account]\nkey_file = {:?}\n", key_file.to_string_lossy());
        text += "\n[cache]\nstore = \"disk\"\n";
    }
    text + "\n" + &google.config_toml()
}

/// This machine, and the hosts that are reached without a proxy anyway.
fn without_proxy(host: &Host) -> String {
    let known = NO_PROXY.iter().find_map(|name| ee_auth::host::variable(&*host.environment, name));
    let hosts = ["127.0.0.1", "localhost"].map(str::to_owned).into_iter().chain(known);
    hosts.collect::<Vec<_>>().join(",")
}

/// Requests that go to no proxy: it could not reach the sandbox, and need not see what is sent there.
struct Direct(Arc<dyn Http>);

impl Http for Direct {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        self.0.send(Request { direct: true, ..request })
    }
}

struct Overlay {
    home: PathBuf,
    variables: BTreeMap<String, OsString>,
    user_id: Option<u32>,
}

impl Environment for Overlay {
    fn variable_os(&self, name: &str) -> Option<OsString> {
        self.variables.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.variables.keys().cloned().collect()
    }

    fn directory(&self, which: Directory) -> Option<PathBuf> {
        match which {
            Directory::Home | Directory::Working => Some(self.home.clone()),
            Directory::Config => Some(self.home.join(".config")),
            Directory::Cache => Some(self.home.join(".cache")),
            Directory::Data => Some(self.home.join(".local/share")),
            Directory::State => Some(self.home.join(".local/state")),
            _ => None,
        }
    }

    fn user_id(&self) -> Option<u32> {
        self.user_id
    }
}
