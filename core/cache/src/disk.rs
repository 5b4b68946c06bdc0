//! The store.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{FileRead, FileReadError, Host};
use ee_auth_core::{BoxFuture, Token, TokenKey, TokenStore, Turn, retry};

use crate::{directory, entry, turn};

/// How long others are waited for: a little longer than an exchange may take, retries included.
const PATIENCE: Duration = Duration::from_secs(retry::TOTAL.as_secs() + 5);

/// Keeps tokens in files that only the user can read. See the [crate's documentation](crate).
#[derive(Debug)]
pub struct DiskCache {
    host: Host,
    patience: Duration,
    told: Mutex<BTreeSet<String>>,
}

impl DiskCache {
    /// The cache of the user of `host`. Nothing is touched before a token is asked for.
    pub fn new(host: Host) -> Self {
        Self { host, patience: PATIENCE, told: Mutex::default() }
    }

    /// The same cache, which waits for another process's exchange for at most `patience`: 35 seconds unless told
    /// otherwise.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Says something that a person could act upon, once.
    pub(crate) fn tell(&self, message: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.contains(&message) {
            log::info!("{message}");
            told.insert(message);
        }
    }

    fn token_in(&self, read: &FileRead, key: &TokenKey) -> Result<Token, &'static str> {
        let FileRead { bytes, status } = read;
        let user = self.host.environment.user_id();
        if status.owner.is_some() && user.is_some() && status.owner != user {
            return Err("it belongs to another user");
        }
        if status.mode.is_some_and(|mode| mode & 0o077 != 0) {
            return Err("other users may read or write it");
        }
        entry::read(key, bytes, self.host.clock.now())
    }

    fn tell_of_no_place(&self, path: &Path, error: &std::io::Error) {
        self.tell(format!(
            "{}: {error}; the token is not kept, so that every process gets its own. Make the directory writable \
             and see that the disk is not full, or set EE_AUTH_CACHE=memory if this is as it should be",
            path.shown()
        ));
    }
}

impl TokenStore for DiskCache {
    fn load(&self, key: &TokenKey) -> Option<Token> {
        let path = directory::file(&self.host, key)?;
        let token = match self.host.files.read(&path, entry::MAX_BYTES) {
            Ok(read) => self.token_in(&read, key).map_err(str::to_owned),
            Err(FileReadError::NotFound) => return None,
            Err(error) => Err(error.to_string()),
        };
        token.map_err(|why| self.tell(format!("{}: {why}; a new token takes its place", path.shown()))).ok()
    }

    fn save(&self, key: &TokenKey, token: &Token) {
        let Some(path) = directory::file(&self.host, key) else {
            self.tell(
                "no cache directory is known, so the token is not kept and every process gets its own: set HOME, or \
                 EE_AUTH_CACHE=memory if this is as it should be"
                    .to_owned(),
            );
            return;
        };
        let Some(content) = entry::write(key, token) else { return };
        match self.host.files.write_cache(&path, &content) {
            Ok(()) => directory::prune(&self.host),
            Err(error) => self.tell_of_no_place(&path, &error),
        }
    }

    fn remove(&self, key: &TokenKey) {
        if let Err((path, error)) = directory::remove(&self.host, key) {
            self.tell(format!(
                "{} could not be removed: {error}; `ee-auth cache clear` removes all",
                path.shown()
            ));
        }
    }

    fn turn<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Option<Turn>> {
        Box::pin(turn::take(self, key, turn::Keeps::Beside))
    }
}
