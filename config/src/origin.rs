//! Where a value comes from.

use ee_auth_core::ShowPath as _;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a value comes from. `Display` shows it as a person would look for it.
///
/// ```
/// use ee_auth_config::Origin;
/// assert_eq!(Origin::file("/home/ada/.config/ee-auth/ee-auth.toml", 12).to_string(), "/home/ada/.config/ee-auth/ee-auth.toml:12");
/// assert_eq!(Origin::Variable("EE_AUTH_PROJECT").to_string(), "EE_AUTH_PROJECT");
/// assert_eq!(Origin::Default.to_string(), "default");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A configuration file.
    File {
        /// Which.
        path: Arc<Path>,
        /// The line, from 1.
        line: usize,
    },
    /// A variable.
    Variable(&'static str),
    /// A flag of the program, or what stands for it in the library.
    Flag(&'static str),
    /// A file in which the program remembers what it was told: the default profile.
    State(PathBuf),
}

impl Origin {
    /// A line of a file.
    pub fn file(path: impl AsRef<Path>, line: usize) -> Self {
        Self::File { path: path.as_ref().into(), line }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.shown()),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
            Self::State(path) => write!(f, "{}", path.shown()),
        }
    }
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

impl<T> Located<T> {
    /// A value with its origin.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
}
