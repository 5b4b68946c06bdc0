//! What the programs and clients that are measured find: a home directory, credentials, a configuration.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ee_auth_sandbox::{Options, Sandbox};
use serde_json::Value;

use crate::Failure;

/// Files whose credentials lead to one token endpoint.
pub(crate) struct Work {
    /// Where tokens are exchanged.
    pub(crate) url: String,
    /// The file of a service account.
    pub(crate) key: PathBuf,
    /// The file of a person's login.
    pub(crate) person: PathBuf,
    /// The `ee-auth.toml`.
    pub(crate) config: PathBuf,
    home: PathBuf,
    directory: PathBuf,
}

impl Work {
    /// A new `directory` with everything in it, in the place of the old one. The service account's key is made now.
    pub(crate) fn new(directory: PathBuf, url: &str) -> Result<Self, Failure> {
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        let work = Self {
            url: url.to_owned(),
            key: directory.join("key.json"),
            person: directory.join("person.json"),
            config: directory.join("ee-auth.toml"),
            home: directory.join("home"),
            directory,
        };
        fs::create_dir_all(&work.home)?;
        let google = Sandbox::start(Options::default())?;
        let at_google = format!("{}/token", google.base_url());
        let key = google.service_account().key_json();
        write_private(&work.key, &key.replace(&at_google, url))?;
        let mut person: Value = serde_json::from_str(&google.user().authorized_user_json())?;
        person["token_uri"] = url.into();
        write_private(&work.person, &person.to_string())?;
        let config = format!("[endpoints]\ntoken = \"{url}\"\n\n[security]\ntoken_hosts = [\"127.0.0.1\"]\n");
        fs::write(&work.config, config)?;
        Ok(work)
    }

    /// A file of this name beside the others.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The variables by which `ee-auth` finds its configuration and the service account; and its home, made anew.
    pub(crate) fn variables(&self, home: &str) -> Result<Vec<(String, OsString)>, Failure> {
        let home = self.home.join(home);
        if home.exists() {
            fs::remove_dir_all(&home)?;
        }
        fs::create_dir_all(&home)?;
        let variable = |name: &str, path: &Path| (name.to_owned(), path.as_os_str().to_owned());
        Ok(vec![
            variable("HOME", &home),
            variable("EE_AUTH_CONFIG", &self.config),
            variable("EE_AUTH_CREDENTIALS", &self.key),
        ])
    }
}

/// Writes a file as it should be kept: `ee-auth` warns of a key that others can read.
fn write_private(path: &Path, content: &str) -> io::Result<()> {
    fs::write(path, content)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}
