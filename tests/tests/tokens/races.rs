//! Moments that come about seldom, each brought about here: somebody else is quicker, goes away, panics, or stays where it
//! holds a lock.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

use ee_auth_core::host::{Clock, Host, Tasks};
use ee_auth_core::{BoxFuture, Outcome, Token, TokenKey, TokenStore, Turn};

use super::source::{HOUR, Source, askers};

/// Much longer than anything takes here.
const DEADLINE: Duration = Duration::from_secs(30);

/// Does something between a caller's look at the token and its look for an exchange that is under way.
struct Between {
    tasks: Arc<dyn Tasks>,
    work: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Tasks for Between {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.tasks.spawn(task);
    }

    fn generation(&self) -> u64 {
        let work = self.work.lock().unwrap().take();
        if let Some(work) = work {
            work();
        }
        self.tasks.generation()
    }
}

#[test]
fn an_exchange_that_ended_after_the_first_look_is_enough() {
    let source = Source::new();
    let host = source.0.fake.host();
    let between = Arc::new(Between { tasks: host.tasks.clone(), work: Mutex::default() });
    let credential = source.credential_on(Host { tasks: between.clone(), ..host });
    for round in 1..=2 {
        let quicker = credential.clone();
        *between.work.lock().unwrap() = Some(Box::new(move || drop(quicker.token().unwrap())));
        assert_eq!(credential.token().unwrap().secret(), format!("token {round}"));
        assert!(between.work.lock().unwrap().is_none(), "the other one was quicker");
        assert_eq!(source.exchanges(), round, "one exchange for both");
        source.0.fake.advance(HOUR);
    }
}

/// Where another process puts a token before it gives its turn away.
#[derive(Debug, Default)]
struct Store {
    kept: Mutex<Option<Token>>,
    comes_with_the_turn: Mutex<Option<Token>>,
    saved: AtomicUsize,
}

impl TokenStore for Store {
    fn load(&self, _: &TokenKey) -> Option<Token> {
        self.kept.lock().unwrap().clone()
    }

    fn save(&self, _: &TokenKey, token: &Token) {
        self.saved.fetch_add(1, Ordering::SeqCst);
        *self.kept.lock().unwrap() = Some(token.clone());
    }

    fn remove(&self, _: &TokenKey) {
        *self.kept.lock().unwrap() = None;
    }

    fn turn<'a>(&'a self, _: &'a TokenKey) -> BoxFuture<'a, Option<Turn>> {
        Box::pin(async {
            if let Some(token) = self.comes_with_the_turn.lock().unwrap().take() {
                *self.kept.lock().unwrap() = Some(token);
            }
            Some(Box::new(()) as Turn)
        })
    }
}

#[test]
fn what_another_process_got_before_the_turn_came_is_enough() {
    let source = Source::new();
    let store = Arc::new(Store::default());
    let credential = source.credential().with_store(store.clone());
    let now = source.0.fake.time();
    *store.comes_with_the_turn.lock().unwrap() = Some(Token::new("of another process", now, now + HOUR));
    let token = credential.token().unwrap();
    assert!(token.secret() == "of another process" && token.was_cached());
    assert_eq!((source.exchanges(), store.saved.load(Ordering::SeqCst)), (0, 0));
    // One that has been refused is not.
    let refused = token.clone();
    drop(token);
    credential.invalidate(&refused);
    *store.comes_with_the_turn.lock().unwrap() = Some(refused);
    assert_eq!(credential.token().unwrap().secret(), "token 1");
}

#[test]
fn an_error_is_kept_nowhere() {
    let source = Source::new();
    let store = Arc::new(Store::default());
    let credential = source.credential().with_store(store.clone());
    source.set_failing(true);
    for _ in 0..3 {
        assert_eq!(credential.token().unwrap_err().outcome(), Outcome::Unavailable);
    }
    assert_eq!((source.exchanges(), store.saved.load(Ordering::SeqCst)), (3, 0));
    source.set_failing(false);
    assert_eq!(credential.token().unwrap().secret(), "token 4");
    assert_eq!(store.saved.load(Ordering::SeqCst), 1);
}

#[test]
fn whoever_goes_away_leaves_the_exchange_to_the_others() {
    let source = Source::new();
    let credential = source.credential();
    // At first, and when the token has expired.
    for round in 1..=2 {
        source.set_gate(false);
        let mut askers = askers(&credential, 10);
        source.until_begun(round);
        // The one that began it, and some of those that wait.
        for gone in [7, 4, 0] {
            drop(askers.swap_remove(gone));
        }
        source.set_gate(true);
        for asker in askers {
            assert_eq!(pollster::block_on(asker).unwrap().secret(), format!("token {round}"));
        }
        assert_eq!(source.exchanges(), round);
        source.0.fake.advance(HOUR);
    }
}

#[test]
fn a_refresh_goes_on_when_everybody_has_gone() {
    let source = Source::new();
    let credential = source.credential();
    credential.token().unwrap();
    source.until_due();
    source.set_gate(false);
    // It lends the old token and begins a refresh; nobody waits for that.
    drop(pollster::block_on(credential.token_async()).unwrap());
    source.until_begun(2);
    let other = credential.clone();
    drop(credential);
    source.set_gate(true);
    while other.token().unwrap().secret() == "token 1" {
        thread::yield_now();
    }
    assert_eq!((other.token().unwrap().secret(), source.exchanges()), ("token 2", 2));
}

#[test]
fn an_exchange_that_panics_wedges_nobody() {
    let source = Source::new();
    let credential = source.credential();
    *source.0.panicking.lock().unwrap() = true;
    source.set_gate(false);
    let askers = askers(&credential, 4);
    source.set_gate(true);
    for asker in askers {
        assert_eq!(pollster::block_on(asker).unwrap_err().outcome(), Outcome::Internal);
    }
    assert_eq!(credential.token().unwrap().secret(), "token 2");
}

#[test]
fn a_token_that_is_refused_while_another_is_on_its_way_does_not_take_that_along() {
    let source = Source::new();
    let credential = source.credential();
    let first = credential.token().unwrap().clone();
    source.until_due();
    source.set_gate(false);
    drop(credential.token().unwrap());
    source.until_begun(2);
    credential.invalidate(&first);
    assert!(credential.held_token().is_none());
    source.set_gate(true);
    assert_eq!(credential.token().unwrap().secret(), "token 2");
    credential.invalidate(&first);
    assert_eq!(credential.token().unwrap().secret(), "token 2");
    assert_eq!(source.exchanges(), 2);
}

#[test]
fn a_refused_token_is_not_spared_when_its_refresh_fails() {
    let source = Source::new();
    let credential = source.credential();
    let first = credential.token().unwrap().clone();
    source.until_due();
    source.set_gate(false);
    source.set_failing(true);
    drop(credential.token().unwrap());
    source.until_begun(2);
    credential.invalidate(&first);
    source.set_gate(true);
    assert_eq!(credential.token().unwrap_err().outcome(), Outcome::Unavailable);
    assert!(credential.held_token().is_none());
}

/// A clock at which one thread stops when it looks a second time: where it holds the lock of the exchange that is under way.
struct Stopping {
    clock: Arc<dyn Clock>,
    stopped: Barrier,
    go_on: Mutex<mpsc::Receiver<()>>,
}

thread_local! {
    /// Looks that are left to this thread before it stops.
    static LOOKS: std::cell::Cell<u32> = const { std::cell::Cell::new(u32::MAX) };
}

impl Clock for Stopping {
    fn now(&self) -> SystemTime {
        let left = LOOKS.get();
        if left == 0 {
            LOOKS.set(u32::MAX);
            self.stopped.wait();
            let _ = self.go_on.lock().unwrap().recv_timeout(DEADLINE);
        } else if left < u32::MAX {
            LOOKS.set(left - 1);
        }
        self.clock.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(duration)
    }
}

#[test]
fn reading_a_valid_token_waits_for_no_lock() {
    let source = Source::new();
    let host = source.0.fake.host();
    let (go_on, wait) = mpsc::channel();
    let clock = Stopping { clock: host.clock.clone(), stopped: Barrier::new(2), go_on: Mutex::new(wait) };
    let clock = Arc::new(clock);
    let credential = source.credential_on(Host { clock: clock.clone(), ..host });
    credential.token().unwrap();
    let has_ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            LOOKS.set(1);
            // A token that lives longer than the one there is: it begins an exchange.
            drop(credential.token_valid_for(HOUR));
            has_ended.store(true, Ordering::SeqCst);
        });
        clock.stopped.wait();
        // On a thread of its own, so that one that waited would be seen to.
        let (done, was_done) = mpsc::channel();
        let reader = credential.clone();
        thread::spawn(move || {
            for _ in 0..1000 {
                assert_eq!(reader.token().unwrap().secret(), "token 1");
            }
            let _ = done.send(());
        });
        assert_eq!(was_done.recv_timeout(DEADLINE / 2), Ok(()), "nobody waits for the other thread");
        assert!(!has_ended.load(Ordering::SeqCst), "which holds its lock");
        go_on.send(()).unwrap();
    });
    assert_eq!(credential.token().unwrap().secret(), "token 2");
}
