use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use ee_auth_core::host::{Directory, Environment};

use crate::{Fake, lock};

pub(crate) struct State {
    variables: BTreeMap<String, OsString>,
    variables_read: Vec<String>,
    directories: Vec<(Directory, PathBuf)>,
    user_id: Option<u32>,
}

impl State {
    pub(crate) fn user_id(&self) -> Option<u32> {
        self.user_id
    }

    pub(crate) fn directory(&self, which: Directory) -> Option<PathBuf> {
        self.directories.iter().find(|(known, _)| *known == which).map(|(_, path)| path.clone())
    }

    pub(crate) fn directories(&self) -> impl Iterator<Item = &PathBuf> {
        self.directories.iter().map(|(_, path)| path)
    }
}

impl Default for State {
    fn default() -> Self {
        let directories = [
            (Directory::Home, "/home/user"),
            (Directory::Config, "/home/user/.config"),
            (Directory::Cache, "/home/user/.cache"),
            (Directory::Data, "/home/user/.local/share"),
            (Directory::State, "/home/user/.local/state"),
            (Directory::Temporary, "/tmp"),
            (Directory::Working, "/project"),
        ];
        Self {
            variables: BTreeMap::new(),
            variables_read: Vec::new(),
            directories: directories.map(|(which, path)| (which, PathBuf::from(path))).into(),
            user_id: Some(1000),
        }
    }
}

impl Fake {
    /// The same machine with a variable set.
    #[must_use]
    pub fn with_variable(self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.set_variable(name, value);
        self
    }

    /// Sets a variable.
    pub fn set_variable(&self, name: impl Into<String>, value: impl Into<OsString>) {
        lock(&self.0.environment).variables.insert(name.into(), value.into());
    }

    /// Removes a variable.
    pub fn unset_variable(&self, name: &str) {
        lock(&self.0.environment).variables.remove(name);
    }

    /// The same machine with another directory in the place of `which`.
    #[must_use]
    pub fn with_directory(self, which: Directory, path: impl Into<PathBuf>) -> Self {
        self.set_directory(which, path);
        self
    }

    /// Puts another directory in the place of `which`.
    pub fn set_directory(&self, which: Directory, path: impl Into<PathBuf>) {
        self.unset_directory(which);
        lock(&self.0.environment).directories.push((which, path.into()));
    }

    /// The same machine without the directory `which`, as where no home directory is known.
    #[must_use]
    pub fn without_directory(self, which: Directory) -> Self {
        self.unset_directory(which);
        self
    }

    /// Makes the directory `which` unknown.
    pub fn unset_directory(&self, which: Directory) {
        lock(&self.0.environment).directories.retain(|(known, _)| *known != which);
    }

    /// The same machine, used by another user; `None` as on systems without Unix users.
    #[must_use]
    pub fn with_user_id(self, id: Option<u32>) -> Self {
        lock(&self.0.environment).user_id = id;
        self
    }

    /// The variables that were looked at, set or not, in order.
    pub fn variables_read(&self) -> Vec<String> {
        lock(&self.0.environment).variables_read.clone()
    }
}

impl Environment for Fake {
    fn variable_os(&self, name: &str) -> Option<OsString> {
        let mut state = lock(&self.0.environment);
        state.variables_read.push(name.to_owned());
        state.variables.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        lock(&self.0.environment).variables.keys().cloned().collect()
    }

    fn directory(&self, which: Directory) -> Option<PathBuf> {
        lock(&self.0.environment).directory(which)
    }

    fn user_id(&self) -> Option<u32> {
        lock(&self.0.environment).user_id()
    }
}
