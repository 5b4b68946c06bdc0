//! The program that runs dynamic plugins in a process of their own.

use std::path::{Path, PathBuf};

use ee_auth_core::Host;

use crate::Located;

/// The program that runs dynamic plugins in a process of their own: an `ee-auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginHost {
    /// What `plugins.host` says. Its file is vetted before each run.
    Named(Located<PathBuf>),
    /// The program that asks. It runs already: nobody vets its file.
    Own(OwnProgram),
}

/// The program that this process runs.
///
/// Only the host says which one that is, so that no other path can pass for a program that need not be vetted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnProgram(PathBuf);

impl OwnProgram {
    /// The program of this process; `None` where the system does not say.
    pub fn of(host: &Host) -> Option<Self> {
        host.environment.program().map(Self)
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.0
    }
}
