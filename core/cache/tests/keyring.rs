//! Tokens in a keyring.
#![allow(clippy::unwrap_used, reason = "the tests panic where something is not as it should be")]

mod support;

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime};

use ee_auth_cache::{KeyringCache, clear_keyring};
use ee_auth_core::host::{Clock, Host, KeyringErrorKind};
use ee_auth_core::{BoxFuture, TokenStore};
use ee_auth_fake::{Change, Fake};

use support::{Bank, HOUR, key, token};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn cache(fake: &Fake) -> KeyringCache {
    KeyringCache::new(fake.host())
}

#[test]
fn another_process_finds_it_and_no_file_holds_it() {
    let fake = Fake::new();
    cache(&fake).save(&key("a"), &token(&fake, "secret"));
    assert_eq!(cache(&fake).load(&key("a")).unwrap().secret(), "secret");
    assert!(cache(&fake).load(&key("b")).is_none());
    let [account] = &fake.keyring_accounts()[..] else { panic!("{:?}", fake.keyring_accounts()) };
    assert!(account.starts_with("token/") && account.len() == 6 + 64, "{account}");
    for change in fake.changes() {
        let Change::WrittenPrivate(path) = change else { continue };
        assert_eq!(fake.file(&path).as_deref(), Some(""), "{}", path.display());
    }
    cache(&fake).remove(&key("a"));
    assert!(cache(&fake).load(&key("a")).is_none());
}

#[test]
fn clearing_takes_every_token_and_no_login() {
    let fake = Fake::new().with_keyring_entry("credentials", "a login").with_keyring_entry("work", "another");
    for name in ["a", "b"] {
        cache(&fake).save(&key(name), &token(&fake, name));
    }
    assert_eq!(clear_keyring(&fake.host()).unwrap(), 2);
    assert_eq!(fake.keyring_accounts(), ["credentials", "work"]);
    fake.break_keyring(Some(KeyringErrorKind::Locked));
    assert_eq!(clear_keyring(&fake.host()).unwrap_err().code(), "unavailable.keyring_locked");
}

#[test]
fn what_is_damaged_or_anothers_is_no_token() {
    let fake = Fake::new();
    cache(&fake).save(&key("a"), &token(&fake, "secret"));
    let account = fake.keyring_accounts().remove(0);
    let content = fake.keyring_entry(&account).unwrap();
    for damaged in ["", "{", &content.replace("secret", "other!"), &content[..content.len() - 9]] {
        fake.set_keyring_entry(&account, damaged);
        assert!(cache(&fake).load(&key("a")).is_none(), "{damaged}");
    }
    cache(&fake).save(&key("a"), &token(&fake, "new"));
    assert_eq!(cache(&fake).load(&key("a")).unwrap().secret(), "new");
}

/// A person who does not unlock it is asked once, and not at each of the steps to a token.
#[test]
fn a_keyring_that_fails_costs_an_exchange_and_is_left_alone_for_a_minute() {
    for kind in [KeyringErrorKind::Absent, KeyringErrorKind::Locked, KeyringErrorKind::Refused] {
        let (fake, bank) = (Fake::new(), Bank::new());
        fake.break_keyring(Some(kind));
        let credential = bank.credential_with(Arc::new(cache(&fake)), &fake);
        assert_eq!(credential.token().unwrap().secret(), "token 1");
        assert_eq!(fake.keyring_calls().len(), 1, "{kind:?}");
        assert_eq!(fake.changes(), [], "nothing goes into files");
        fake.break_keyring(None);
        fake.advance(HOUR);
        assert_eq!(credential.token().unwrap().secret(), "token 2");
        assert_eq!(fake.keyring_accounts().len(), 1, "it is asked again");
    }
}

#[test]
fn one_that_never_answers_keeps_nobody_from_a_token() {
    let (fake, bank) = (Fake::new(), Bank::new());
    fake.silence_keyring(true);
    let credential = bank.credential_with(Arc::new(cache(&fake)), &fake);
    let start = fake.time();
    assert_eq!(pollster::block_on(credential.token_async()).unwrap().secret(), "token 1");
    assert_eq!(fake.time().duration_since(start).unwrap().as_secs(), 10);
}

/// While it is waited for, the caller's executor goes on: whatever else runs on the same thread is run.
#[test]
fn a_caller_in_async_code_is_not_blocked() {
    struct Stopped(Fake);
    impl Clock for Stopped {
        fn now(&self) -> SystemTime {
            self.0.time()
        }

        fn sleep(&self, _duration: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }
    let (fake, bank) = (Fake::new(), Bank::new());
    fake.silence_keyring(true);
    let host = Host { clock: Arc::new(Stopped(fake.clone())), ..fake.host() };
    let credential = bank.credential_with(Arc::new(KeyringCache::new(host)), &fake);
    let mut waiting = Box::pin(credential.token_async());
    let mut context = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
}

#[test]
fn a_token_that_is_too_large_is_got_every_time() {
    let (fake, bank) = (Fake::new(), Bank::new());
    fake.limit_keyring(Some(100));
    for n in 1..3 {
        let credential = bank.credential_with(Arc::new(cache(&fake)), &fake);
        assert_eq!(credential.token().unwrap().secret(), format!("token {n}"));
    }
}

#[test]
fn what_is_of_no_use_any_more_is_removed_once_a_day() {
    let fake = Fake::new().with_keyring_entry("work", "a login");
    cache(&fake).save(&key("old"), &token(&fake, "old"));
    fake.advance(3 * DAY);
    cache(&fake).save(&key("new"), &token(&fake, "new"));
    assert_eq!(fake.keyring_accounts().len(), 2, "{:?}", fake.keyring_accounts());
    assert!(cache(&fake).load(&key("new")).is_some() && fake.keyring_entry("work").is_some());
    let lists = |fake: &Fake| fake.keyring_calls().iter().filter(|call| *call == "list").count();
    let before = lists(&fake);
    cache(&fake).save(&key("more"), &token(&fake, "more"));
    assert_eq!(lists(&fake), before);
}
