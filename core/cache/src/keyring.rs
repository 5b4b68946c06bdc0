//! Tokens in the system's keyring.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ee_auth_core::host::{Host, KeyringError, patiently};
use ee_auth_core::time::later;
use ee_auth_core::{BoxFuture, Error, ExposeSecret, Secret, Token, TokenKey, TokenStore, Turn};

use crate::directory::{self, KEPT_FOR, PRUNED_KEYRING};
use crate::{DiskCache, entry, turn};

/// What the accounts of tokens begin with; those of logins have no slash.
const PREFIX: &str = "token/";

/// How long a keyring that failed is left alone: it may have asked a person, who need not be asked at every token.
const REST: Duration = Duration::from_secs(60);

/// Keeps tokens in the system's keyring, each under `token/` and what a file of [`DiskCache`] would be named by, with the
/// same content. Turns are those of [`DiskCache`]. A keyring that fails is said to, once, at the level `warn`, and is left
/// alone for a minute; nothing is put into files instead.
#[derive(Debug)]
pub struct KeyringCache {
    disk: DiskCache,
    rests_until: Mutex<Option<SystemTime>>,
    has_failed: Mutex<bool>,
}

impl KeyringCache {
    /// The cache of the user of `host`. Nothing is asked of the keyring before a token is.
    pub fn new(host: Host) -> Self {
        Self { disk: DiskCache::new(host), rests_until: Mutex::default(), has_failed: Mutex::default() }
    }

    fn host(&self) -> &Host {
        self.disk.host()
    }

    fn rests(&self) -> bool {
        let until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| self.host().clock.now() < until)
    }

    fn failed(&self, doing: &str, error: &KeyringError) {
        let until = later(self.host().clock.now(), REST);
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        let mut has_failed = self.has_failed.lock().unwrap_or_else(PoisonError::into_inner);
        if !*has_failed {
            log::warn!(
                "{doing}: {error}; the token is not kept, so that every process gets its own. {}",
                error.next_step()
            );
            *has_failed = true;
        }
    }

    async fn get(&self, key: &TokenKey) -> Option<Token> {
        if self.rests() {
            return None;
        }
        let kept = match patiently(self.host(), self.host().keyring.get(&account(key))).await {
            Ok(kept) => kept?,
            Err(error) => {
                self.failed("looking for a kept token", &error);
                return None;
            }
        };
        let token = entry::read(key, kept.expose_secret().as_bytes(), self.host().clock.now());
        token
            .map_err(|why| {
                self.disk.tell(format!("a token in the keyring: {why}; a new token takes its place"))
            })
            .ok()
    }

    async fn set(&self, key: &TokenKey, token: &Token) {
        if self.rests() {
            return;
        }
        let content = entry::write(key, token);
        let Some(content) = content.as_ref().and_then(|content| std::str::from_utf8(content).ok()) else {
            return;
        };
        let secret = Secret::from(content);
        match patiently(self.host(), self.host().keyring.set(&account(key), &secret)).await {
            Ok(()) => self.prune().await,
            Err(error) => self.failed("keeping a token", &error),
        }
    }

    /// Removes, once a day, the tokens that have been of no use for a while.
    async fn prune(&self) {
        let host = self.host();
        if !directory::is_due(host, PRUNED_KEYRING) {
            return;
        }
        let now = host.clock.now();
        for account in patiently(host, host.keyring.list()).await.unwrap_or_default() {
            if !account.starts_with(PREFIX) {
                continue;
            }
            let Ok(Some(kept)) = patiently(host, host.keyring.get(&account)).await else { continue };
            // What cannot be read is of no use to anybody.
            let expired =
                entry::expires_at(kept.expose_secret().as_bytes()).unwrap_or(SystemTime::UNIX_EPOCH);
            if now.duration_since(expired).is_ok_and(|age| age > KEPT_FOR) {
                let removed = patiently(host, host.keyring.remove(&account)).await;
                log::debug!("{account} in the keyring: not used any more ({removed:?})");
            }
        }
    }
}

impl TokenStore for KeyringCache {
    fn load(&self, key: &TokenKey) -> Option<Token> {
        pollster::block_on(self.get(key))
    }

    fn load_async<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Option<Token>> {
        Box::pin(self.get(key))
    }

    fn save(&self, key: &TokenKey, token: &Token) {
        pollster::block_on(self.set(key, token));
    }

    fn save_async<'a>(&'a self, key: &'a TokenKey, token: &'a Token) -> BoxFuture<'a, ()> {
        Box::pin(self.set(key, token))
    }

    fn remove(&self, key: &TokenKey) {
        let removed = pollster::block_on(patiently(self.host(), self.host().keyring.remove(&account(key))));
        if let Err(error) = removed {
            self.failed("removing a token from the keyring", &error);
        }
    }

    fn turn<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Option<Turn>> {
        // What the others get cannot be kept: to wait for them would be to do the same, one after another.
        if self.rests() {
            return Box::pin(std::future::ready(None));
        }
        Box::pin(turn::take(&self.disk, key, turn::Keeps::Elsewhere))
    }
}

fn account(key: &TokenKey) -> String {
    format!("{PREFIX}{}", entry::digest(key))
}

/// Removes all tokens from the keyring of `host`, and says how many there were. Logins stay. Blocks for as long as a person
/// who is asked for a password takes.
///
/// # Errors
/// [`Outcome::Unavailable`](ee_auth_core::Outcome::Unavailable) where the keyring cannot be asked.
pub fn clear_keyring(host: &Host) -> Result<usize, Error> {
    let refused = |error: KeyringError| error.explain("removing the tokens in the keyring");
    pollster::block_on(async {
        let mut removed = 0;
        for account in patiently(host, host.keyring.list()).await.map_err(refused)? {
            if account.starts_with(PREFIX) {
                let was_there = patiently(host, host.keyring.remove(&account)).await.map_err(refused)?;
                removed += usize::from(was_there);
            }
        }
        Ok(removed)
    })
}
