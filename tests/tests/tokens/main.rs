//! The token path of one process: reading, refreshing, failing, and what clocks do to it.
#![allow(clippy::unwrap_used, reason = "a test")]

mod races;
mod scopes;
mod source;

use std::sync::Barrier;
use std::time::Duration;

use ee_auth_core::{Credential, Outcome};

use self::source::{HOUR, Source, askers};

/// So many threads ask at the same moment; what they got.
fn all_at_once(credential: &Credential, threads: usize) -> Vec<String> {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    credential.token().unwrap().secret().to_owned()
                })
            })
            .collect();
        askers.into_iter().map(|asker| asker.join().unwrap()).collect()
    })
}

#[test]
fn a_thousand_futures_make_one_exchange() {
    let source = Source::new();
    let credential = source.credential();
    for round in 1..=2 {
        source.set_gate(false);
        let askers = askers(&credential, 1000);
        source.set_gate(true);
        for asker in askers {
            assert_eq!(pollster::block_on(asker).unwrap().secret(), format!("token {round}"));
        }
        assert_eq!(source.exchanges(), round);
        // And once more when it has expired.
        source.0.fake.advance(HOUR);
    }
}

#[test]
fn threads_that_race_make_one_exchange() {
    for _ in 0..50 {
        let source = Source::new();
        let credential = source.credential();
        assert!(all_at_once(&credential, 32).iter().all(|token| token == "token 1"));
        source.0.fake.advance(HOUR);
        assert!(all_at_once(&credential, 32).iter().all(|token| token == "token 2"));
        assert_eq!(source.exchanges(), 2);
    }
}

#[test]
fn a_token_that_expires_soon_is_replaced_beside_its_users() {
    let source = Source::new();
    let credential = source.credential();
    assert_eq!(credential.token().unwrap().secret(), "token 1");
    source.until_due();
    source.set_gate(false);
    for _ in 0..10 {
        assert_eq!(credential.token().unwrap().secret(), "token 1", "nobody waits");
    }
    source.until_begun(2);
    source.set_gate(true);
    while credential.token().unwrap().secret() == "token 1" {
        std::thread::yield_now();
    }
    assert_eq!(source.exchanges(), 2);
}

#[test]
fn dropping_the_caller_loses_nothing() {
    let source = Source::new();
    let credential = source.credential();
    source.set_gate(false);
    drop(askers(&credential, 1));
    source.until_begun(1);
    source.set_gate(true);
    assert_eq!(credential.token().unwrap().secret(), "token 1");
    assert_eq!(source.exchanges(), 1);
}

#[test]
fn an_error_is_never_kept() {
    let source = Source::new();
    let credential = source.credential();
    source.set_failing(true);
    for expected in 1..=3 {
        assert_eq!(credential.token().unwrap_err().outcome(), Outcome::Unavailable);
        assert_eq!(source.exchanges(), expected);
    }
    source.set_failing(false);
    assert_eq!(credential.token().unwrap().secret(), "token 4");
}

#[test]
fn a_failed_refresh_keeps_what_is_valid_and_is_not_tried_at_every_reading() {
    let source = Source::new();
    let credential = source.credential();
    credential.token().unwrap();
    source.set_failing(true);
    source.0.fake.advance(HOUR - Duration::from_secs(200));
    credential.token().unwrap();
    source.until_begun(2);
    // The failure leaves the token alone for a while.
    let before = settled(&credential, &source);
    for _ in 0..1000 {
        assert_eq!(credential.token().unwrap().secret(), "token 1");
    }
    assert_eq!(source.exchanges(), before);
    source.0.fake.advance(Duration::from_secs(200));
    assert_eq!(credential.token().unwrap_err().outcome(), Outcome::Unavailable, "until its true expiry");
}

/// The number of exchanges once no refresh is under way any more.
fn settled(credential: &Credential, source: &Source) -> usize {
    loop {
        let before = source.exchanges();
        for _ in 0..100 {
            drop(credential.token());
            std::thread::yield_now();
        }
        if source.exchanges() == before {
            return before;
        }
    }
}

#[test]
fn short_lived_tokens_cause_no_busy_loop() {
    for lifetime in [5, 60] {
        let source = Source::new();
        *source.0.lifetime.lock().unwrap() = Duration::from_secs(lifetime);
        let credential = source.credential();
        // A reading each tenth of a second, for ten lifetimes.
        for _ in 0..lifetime * 100 {
            credential.token().unwrap();
            source.0.fake.advance(Duration::from_millis(100));
        }
        let exchanges = source.exchanges();
        assert!((10..=15).contains(&exchanges), "{lifetime} s: {exchanges} exchanges in ten lifetimes");
    }
}

#[test]
fn a_token_that_was_refused_is_not_lent_again() {
    let source = Source::new();
    let credential = source.credential();
    let token = credential.token().unwrap().clone();
    credential.invalidate(&token);
    assert_eq!(credential.token().unwrap().secret(), "token 2");
    // The old one once more: the new one stays.
    credential.invalidate(&token);
    assert_eq!(credential.token().unwrap().secret(), "token 2");
}

#[test]
fn a_clock_that_is_set_forwards_or_back_is_survived() {
    let source = Source::new();
    let credential = source.credential();
    credential.token().unwrap();
    let day = Duration::from_secs(86_400);
    source.0.fake.advance(day);
    assert_eq!(credential.token().unwrap().secret(), "token 2");
    source.0.fake.set_time(source.0.fake.time() - day);
    assert_eq!(
        credential.token().unwrap().secret(),
        "token 3",
        "it may have expired, for all this clock knows"
    );
    source.0.fake.set_time(source.0.fake.time() - Duration::from_secs(5));
    assert_eq!(credential.token().unwrap().secret(), "token 3", "an adjustment");
    assert_eq!(source.exchanges(), 3);
    // Set back with no network: it is the best there is, after the one who found out.
    source.set_failing(true);
    source.0.fake.set_time(source.0.fake.time() - day);
    assert!(credential.token().is_err());
    assert_eq!(credential.token().unwrap().secret(), "token 3");
}
