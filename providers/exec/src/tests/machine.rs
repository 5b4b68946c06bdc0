//! A machine on which executables run, and a plugin on it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ee_auth_core::host::{Directory, Environment, Host};
use ee_auth_core::{
    Error, Exchange, Finding, Found, OptionValue, Options, Provider, Search, Settings, Token,
};
use ee_auth_fake::Fake;
use ee_auth_plugin_host::PluginProvider;
use tempfile::TempDir;

use crate::provider;

/// The system's files, processes and clock, with variables, directories, a person and a network of the test's own.
pub(super) struct Machine {
    pub(super) directory: TempDir,
    pub(super) fake: Fake,
}

struct Variables {
    fake: Fake,
    directory: PathBuf,
}

impl Environment for Variables {
    fn variable_os(&self, name: &str) -> Option<OsString> {
        self.fake.host().environment.variable_os(name)
    }

    fn names(&self) -> Vec<String> {
        self.fake.host().environment.names()
    }

    fn directory(&self, which: Directory) -> Option<PathBuf> {
        Some(self.directory.join(format!("{which:?}")))
    }

    fn user_id(&self) -> Option<u32> {
        ee_auth_host::system().environment.user_id()
    }
}

impl Machine {
    pub(super) fn new() -> Self {
        Self::with(Fake::new())
    }

    pub(super) fn with(fake: Fake) -> Self {
        fake.set_variable("PATH", "/usr/local/bin:/usr/bin:/bin");
        let directory =
            tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap();
        Self { directory, fake }
    }

    pub(super) fn host(&self) -> Host {
        let system = ee_auth_host::system();
        let variables = Variables { fake: self.fake.clone(), directory: self.directory.path().to_owned() };
        let fake = self.fake.host();
        Host { environment: Arc::new(variables), person: fake.person, http: fake.http, ..system }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A script with this body; its path.
    pub(super) fn script(&self, name: &str, body: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A plugin whose script has this body.
    pub(super) fn plugin(&self, body: &str) -> Plugin<'_> {
        let command = self.script("plugin", body);
        let mut options = Options::default();
        options.set("command", OptionValue::Strings(vec![command]));
        options.set("timeout", OptionValue::Duration(Duration::from_secs(20)));
        Plugin { machine: self, options }
    }
}

pub(super) struct Plugin<'a> {
    pub(super) machine: &'a Machine,
    pub(super) options: Options,
}

impl Plugin<'_> {
    pub(super) fn set(mut self, name: &str, value: OptionValue) -> Self {
        self.options.set(name, value);
        self
    }

    pub(super) fn protocol(self, name: &str) -> Self {
        self.set("protocol", OptionValue::String(name.to_owned()))
    }

    pub(super) fn provider(&self) -> PluginProvider {
        provider("vault", &self.options).unwrap()
    }

    pub(super) fn find(&self) -> Finding {
        let search = Search::with_defaults(self.machine.host());
        pollster::block_on(self.provider().find(&search))
    }

    pub(super) fn found(&self) -> Found {
        match self.find() {
            Finding::Found(found) => *found,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn error(&self) -> Error {
        match self.find() {
            Finding::Failed(error) => {
                assert!(error.next_step().is_some(), "{error:?}");
                assert!(!error.message().contains(char::is_control), "{error:?}");
                error
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn exchange(&self, found: &Found) -> Result<Token, Error> {
        let exchange = Exchange { host: self.machine.host(), settings: Settings::default() };
        pollster::block_on(found.source.exchange(&exchange))
    }

    pub(super) fn token(&self) -> String {
        self.exchange(&self.found()).unwrap().secret().to_owned()
    }
}
