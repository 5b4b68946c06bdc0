//! A source of tokens that does what a test says.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use ee_auth_core::host::Host;
use ee_auth_core::{
    BoxFuture, Credential, Error, Exchange, Found, Kind, Provider, Search, Settings, Token, TokenGuard,
    TokenKey, TokenSource,
};
use ee_auth_fake::Fake;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A source whose exchanges wait for a gate, are counted, and do what the test says.
#[derive(Clone)]
pub(crate) struct Source(pub(crate) Arc<State>);

pub(crate) struct State {
    pub(crate) fake: Fake,
    exchanges: AtomicUsize,
    pub(crate) lifetime: Mutex<Duration>,
    failing: Mutex<bool>,
    /// Panics at the next exchange.
    pub(crate) panicking: Mutex<bool>,
    gate: (Mutex<bool>, Condvar),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

impl TokenSource for Source {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let number = self.0.exchanges.fetch_add(1, Ordering::SeqCst) + 1;
            // The fake runs each task on a thread of its own, so that waiting holds nobody up.
            let (open, opened) = &self.0.gate;
            drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
            if std::mem::take(&mut *self.0.panicking.lock().unwrap()) {
                panic!("as the test says");
            }
            if *self.0.failing.lock().unwrap() {
                return Err(Error::unavailable("status", "as the test says").hint("wait"));
            }
            let now = exchange.host.clock.now();
            Ok(Token::new(format!("token {number}"), now, now + *self.0.lifetime.lock().unwrap()))
        })
    }

    fn key(&self) -> Option<TokenKey> {
        Some(TokenKey::new("test"))
    }
}

impl Source {
    pub(crate) fn new() -> Self {
        Self(Arc::new(State {
            fake: Fake::new(),
            exchanges: AtomicUsize::new(0),
            lifetime: Mutex::new(HOUR),
            failing: Mutex::new(false),
            panicking: Mutex::new(false),
            gate: (Mutex::new(true), Condvar::new()),
        }))
    }

    pub(crate) fn credential(&self) -> Credential {
        self.credential_on(self.0.fake.host())
    }

    pub(crate) fn credential_on(&self, host: Host) -> Credential {
        static KIND: Kind = Kind {
            name: "test",
            summary: "a test's",
            interactive: false,
            declared_only: true,
            options: &[],
            build: |_, _| Ok(Arc::new(Nothing)),
        };
        let exchange = Exchange { host, settings: Settings::default() };
        Credential::new("test", &KIND, Found::new(self.clone(), "the test"), None, exchange)
    }

    pub(crate) fn exchanges(&self) -> usize {
        self.0.exchanges.load(Ordering::SeqCst)
    }

    /// Lets the time come at which a token that was just got is to be replaced, and is still valid.
    pub(crate) fn until_due(&self) {
        self.0.fake.advance(HOUR - Duration::from_secs(100));
    }

    /// Lets exchanges end, or not.
    pub(crate) fn set_gate(&self, is_open: bool) {
        *self.0.gate.0.lock().unwrap() = is_open;
        self.0.gate.1.notify_all();
    }

    pub(crate) fn set_failing(&self, failing: bool) {
        *self.0.failing.lock().unwrap() = failing;
    }

    /// Waits until so many exchanges have begun.
    pub(crate) fn until_begun(&self, exchanges: usize) {
        while self.exchanges() < exchanges {
            std::thread::yield_now();
        }
    }
}

#[derive(Debug)]
struct Nothing;

impl Provider for Nothing {
    fn kind(&self) -> &'static Kind {
        unreachable!("it is never asked")
    }

    fn find<'a>(&'a self, _: &'a Search) -> BoxFuture<'a, ee_auth_core::Finding> {
        unreachable!("it is never asked")
    }
}

/// So many callers that have asked for a token, and wait for the gate.
pub(crate) fn askers(
    credential: &Credential,
    count: usize,
) -> Vec<Pin<Box<impl Future<Output = Asked<'_>>>>> {
    let mut askers: Vec<_> = (0..count).map(|_| Box::pin(credential.token_async())).collect();
    let mut context = Context::from_waker(Waker::noop());
    for asker in &mut askers {
        assert!(asker.as_mut().poll(&mut context).is_pending());
    }
    askers
}

type Asked<'a> = Result<TokenGuard<'a>, Error>;
