//! A machine with nothing of its user's but what a test puts there, and the program on it.
#![allow(dead_code, reason = "each test binary uses some of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ee_auth_sandbox::{Options, Sandbox};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Machine {
    pub(crate) google: Sandbox,
    home: TempDir,
    /// Not in the home directory, where a configuration would be a project's file.
    elsewhere: TempDir,
    variables: BTreeMap<String, String>,
}

/// What the program left behind.
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Machine {
    /// A machine whose user has put the sandbox in Google's place.
    pub(crate) fn new() -> Self {
        let google = Sandbox::start(Options::default()).unwrap();
        let (home, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut machine = Self { google, home, elsewhere, variables: BTreeMap::new() };
        let config = machine.file("ee-auth.toml", &machine.google.config_toml());
        machine.set("EE_AUTH_CONFIG", config.to_str().unwrap());
        machine
    }

    /// A file outside the home directory.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.elsewhere.path().join(name);
        self.put(&path, content);
        path
    }

    /// A file in the home directory.
    pub(crate) fn home_file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home.path().join(name);
        self.put(&path, content);
        path
    }

    fn put(&self, path: &Path, content: &str) {
        ee_auth_host::system().files.write_private(path, content.as_bytes()).unwrap();
    }

    /// What is put before the tables of the user's configuration.
    pub(crate) fn configure(&self, before: &str, after: &str) {
        self.file("ee-auth.toml", &format!("{before}\n{}\n{after}", self.google.config_toml()));
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ee-auth"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.home.path())
            .envs(&self.variables)
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).output().unwrap();
        Outcome {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Standard output as JSON; the program has to succeed and to say nothing else.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let outcome = self.run(&[arguments, &["--format", "json"]].concat());
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{arguments:?}");
        serde_json::from_str(&outcome.stdout).unwrap()
    }

    /// The error that the program ends with, from the last line of standard error.
    pub(crate) fn error(&self, arguments: &[&str], status: i32) -> Value {
        let outcome = self.run(&[arguments, &["--format", "json"]].concat());
        assert_eq!(outcome.status, status, "{arguments:?}: {}", outcome.stderr);
        let last = outcome.stderr.lines().last().unwrap_or_default();
        let mut error: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("no JSON: {last}"));
        error["error"].take()
    }
}

/// The keys of an object, sorted.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
