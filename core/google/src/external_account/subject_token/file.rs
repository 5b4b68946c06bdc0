//! A subject token in a file, which somebody else keeps fresh: Kubernetes replaces its tokens every hour or so.

use std::path::{Path, PathBuf};

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Directory, FileReadError, MAX_CREDENTIAL_FILE};
use ee_auth_core::{Error, Exchange, Search, Secret, TokenKey};

use super::format::{Format, add_identity};
use crate::{Document, path_in};

/// A file that holds a token. It is read anew for every exchange.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    format: Format,
    /// The token that was there when the file was found, by which its identity is known.
    token: Secret,
}

impl File {
    /// The token in the file at `path`, which `named_by` names; a relative path begins at the working directory.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where there is no such file, or no token in it.
    pub fn new(path: &Path, format: Format, named_by: &str, search: &Search) -> Result<Self, Error> {
        let working = search.host().environment.directory(Directory::Working).unwrap_or_default();
        let path = path_in(path, &working, named_by)?;
        let read = search.read(&path).map_err(|error| unreadable(&path, &error).in_place(named_by))?;
        let token = token(&format, &read.bytes, &path).map_err(|error| error.in_place(named_by))?;
        Ok(Self { path, format, token })
    }

    pub(super) fn from_section(source: &Document, search: &Search) -> Result<Self, Error> {
        let path = source.text("file")?.unwrap_or_default();
        Self::new(Path::new(&path), Format::from_section(source)?, source.place(), search)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn get(&self, exchange: &Exchange) -> Result<Secret, Error> {
        let read = exchange.host.files.read(&self.path, MAX_CREDENTIAL_FILE);
        token(&self.format, &read.map_err(|error| unreadable(&self.path, &error))?.bytes, &self.path)
    }

    pub(super) fn add_to(&self, key: &mut TokenKey) {
        key.add("source", "file").add("path", self.path.to_string_lossy().as_bytes());
        self.format.add_to(key);
        add_identity(&self.token, key);
    }
}

fn token(format: &Format, bytes: &[u8], path: &Path) -> Result<Secret, Error> {
    format.token(bytes).map_err(|wrong| {
        Error::invalid("subject_token", format!("{} holds no subject token: {wrong}", path.shown()))
            .hint("see what writes the file, and whether `format` says how the token stands in it")
    })
}

fn unreadable(path: &Path, error: &FileReadError) -> Error {
    let path = path.shown();
    match error {
        FileReadError::NotFound => {
            Error::invalid("no_such_file", format!("there is no subject token at {path}"))
                .hint("see whether what writes the token runs, and whether its volume is mounted here")
        }
        _ => Error::invalid("unreadable", format!("the subject token at {path} cannot be read: {error}"))
            .hint(format!("see who may read it with `ls -l {path}`")),
    }
}
