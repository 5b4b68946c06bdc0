//! Keeping tokens between processes.

use std::fmt;

use zeroize::Zeroizing;

use crate::Token;
use crate::host::BoxFuture;

/// Where tokens are kept between processes, and how these take turns. A store never fails: what it cannot read is not
/// there, and what it cannot write is got again.
pub trait TokenStore: Send + Sync + fmt::Debug {
    /// The token that is kept under `key`. Whether it is still valid is the caller's to see.
    fn load(&self, key: &TokenKey) -> Option<Token>;

    /// As [`TokenStore::load`], without blocking the thread. The same, unless told otherwise, for a store that takes no
    /// longer than a file does.
    fn load_async<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Option<Token>> {
        Box::pin(std::future::ready(self.load(key)))
    }

    /// Keeps a token under `key`, in the place of another.
    fn save(&self, key: &TokenKey, token: &Token);

    /// As [`TokenStore::save`], without blocking the thread: see [`TokenStore::load_async`].
    fn save_async<'a>(&'a self, key: &'a TokenKey, token: &'a Token) -> BoxFuture<'a, ()> {
        self.save(key, token);
        Box::pin(std::future::ready(()))
    }

    /// Keeps nothing under `key` any more: its credential is done with.
    fn remove(&self, key: &TokenKey);

    /// Waits until no other process makes an exchange for `key`, and keeps others from it until what it answers is
    /// dropped. `None` where that cannot be had, or not in good time: then two exchanges may be made, and no harm done.
    fn turn<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Option<Turn>>;
}

/// A turn at making an exchange; it ends when this is dropped.
pub type Turn = Box<dyn Send>;

/// Everything that makes one token differ from another: the credential's content, the endpoint, the scopes. Two
/// credentials have equal keys only if a token of one is as good as a token of the other.
///
/// It holds secrets, so a store keeps no more than a digest of it; `Debug` does not show it.
///
/// ```
/// use ee_auth_core::TokenKey;
/// let mut one = TokenKey::new("service_account");
/// one.add("email", "a").add("scope", "b");
/// let mut other = TokenKey::new("service_account");
/// other.add("email", "ab").add("scope", "");
/// assert_ne!(one, other);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey(Zeroizing<Vec<u8>>);

impl TokenKey {
    /// The key of a credential that is used in this way: `service_account`, `refresh_token`.
    pub fn new(way: &str) -> Self {
        let mut key = Self(Zeroizing::default());
        key.add("way", way);
        key
    }

    /// Adds something by which tokens differ. Lengths are written before contents, so that no two lists of fields come
    /// out alike.
    pub fn add(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        for part in [name.as_bytes(), value.as_ref()] {
            self.0.extend_from_slice(&(part.len() as u64).to_le_bytes());
            self.0.extend_from_slice(part);
        }
        self
    }

    /// Adds what every key has, as the last thing: the kind of provider, and the universe that the user has chosen.
    pub fn complete(&mut self, kind: &str, universe_domain: &str) -> &mut Self {
        self.add("provider", kind).add("universe", universe_domain)
    }

    /// What a digest is made of.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey")
    }
}
