//! A credential whose exchanges are counted.
#![allow(dead_code, reason = "each test uses some of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ee_auth_cache::DiskCache;
use ee_auth_core::host::{Clock, Host};
use ee_auth_core::{
    BoxFuture, Credential, Error, Exchange, Found, Kind, Provider, Settings, Token, TokenKey, TokenSource,
    TokenStore,
};
use ee_auth_fake::Fake;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn key(name: &str) -> TokenKey {
    let mut key = TokenKey::new("test");
    key.add("refresh_token", name);
    key
}

/// A token that was got now and is valid for an hour.
pub(crate) fn token(fake: &Fake, secret: &str) -> Token {
    Token::new(secret, fake.time(), fake.time() + HOUR)
}

const KIND: Kind = Kind {
    name: "test",
    summary: "",
    interactive: false,
    declared_only: false,
    options: &[],
    build: |_, _| -> Result<Arc<dyn Provider>, Error> { Err(Error::internal("nobody builds it")) },
};

/// Gives out tokens that are numbered from 1.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bank(Arc<State>);

#[derive(Debug, Default)]
struct State {
    exchanges: AtomicUsize,
    closed: AtomicBool,
    slow: Duration,
    keyless: bool,
}

impl Bank {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One whose exchanges take this long.
    pub(crate) fn slow(slow: Duration) -> Self {
        Self(Arc::new(State { slow, ..State::default() }))
    }

    /// One whose tokens are not to be kept.
    pub(crate) fn without_key(self) -> Self {
        Self(Arc::new(State { keyless: true, ..State::default() }))
    }

    /// Refuses exchanges from now on.
    pub(crate) fn close(&self, closed: bool) {
        self.0.closed.store(closed, Ordering::SeqCst);
    }

    pub(crate) fn exchanges(&self) -> usize {
        self.0.exchanges.load(Ordering::SeqCst)
    }

    /// The credential as another process on the same machine would have it.
    pub(crate) fn credential(&self, fake: &Fake) -> Credential {
        self.credential_on(fake.host())
    }

    pub(crate) fn credential_on(&self, host: Host) -> Credential {
        self.credential_kept_in(Arc::new(DiskCache::new(host.clone())), host)
    }

    /// The credential whose tokens are kept elsewhere.
    pub(crate) fn credential_with(&self, store: Arc<dyn TokenStore>, fake: &Fake) -> Credential {
        self.credential_kept_in(store, fake.host())
    }

    fn credential_kept_in(&self, store: Arc<dyn TokenStore>, host: Host) -> Credential {
        let exchange = Exchange { host, settings: Settings::default() };
        Credential::new("test", &KIND, Found::new(self.clone(), "a test"), None, exchange).with_store(store)
    }
}

impl TokenSource for Bank {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            if self.0.closed.load(Ordering::SeqCst) {
                return Err(Error::unavailable("test", "the bank is closed"));
            }
            let n = self.0.exchanges.fetch_add(1, Ordering::SeqCst) + 1;
            let clock: &dyn Clock = &*exchange.host.clock;
            if !self.0.slow.is_zero() {
                clock.sleep(self.0.slow).await;
            }
            Ok(Token::new(format!("token {n}"), clock.now(), clock.now() + HOUR))
        })
    }

    fn key(&self) -> Option<TokenKey> {
        (!self.0.keyless).then(|| key("bank"))
    }
}
