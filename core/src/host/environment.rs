use std::ffi::OsString;
use std::path::PathBuf;

/// A place in the file system that belongs to the user; where it is differs from system to system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Directory {
    /// The home directory.
    Home,
    /// Configuration files: `~/.config`, `~/Library/Application Support`, `%APPDATA%`.
    Config,
    /// What can be made again: `~/.cache`, `~/Library/Caches`, `%LOCALAPPDATA%`.
    Cache,
    /// Data of programs: `~/.local/share`, `~/Library/Application Support`, `%APPDATA%`.
    Data,
    /// What a program remembers between runs: `~/.local/state`, elsewhere the data directory.
    State,
    /// Files that live as long as the session: `$XDG_RUNTIME_DIR`, where it is the user's alone (mode 0700); most systems have
    /// none.
    Runtime,
    /// Files that are there for a moment: `$TMPDIR`, `/tmp`, `%TEMP%`. None in which others can replace a file is named.
    Temporary,
    /// The working directory.
    Working,
}

/// Variables and the user's directories.
pub trait Environment: Send + Sync {
    /// The value of a variable; `None` where it is not set.
    fn variable_os(&self, name: &str) -> Option<OsString>;

    /// The names of the variables that are set, in any order; those that are not UTF-8 are left out.
    fn names(&self) -> Vec<String>;

    /// Where a directory of the user's is; `None` where the system has none, or no home directory is known.
    fn directory(&self, which: Directory) -> Option<PathBuf>;

    /// The file of the program that runs; `None` where that is not known.
    fn program(&self) -> Option<PathBuf> {
        None
    }

    /// The Unix user that the process acts as (the effective user id); `None` on systems that have none.
    fn user_id(&self) -> Option<u32>;
}

/// A variable's value as text without the white space around it, where it is set, is UTF-8 and is not empty: an empty
/// variable means an unset one.
pub fn variable(environment: &dyn Environment, name: &str) -> Option<String> {
    let value = environment.variable_os(name)?.into_string().ok()?;
    let trimmed = value.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}
