//! What is kept, and what of it comes back, on a machine that does not exist.
#![allow(clippy::unwrap_used, reason = "a test panics where something is not as it should be")]

mod support;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use ee_auth_cache::{DiskCache, clear, directory};
use ee_auth_core::{Scopes, Token, TokenKey, TokenStore};
use ee_auth_fake::{Change, Entry, Fake, Node};
use proptest::prelude::*;
use support::{Bank, HOUR, key, token};

/// The only file in the cache that keeps a token.
fn kept(fake: &Fake) -> PathBuf {
    let directory = directory(&fake.host()).unwrap();
    let names = fake.host().files.list(&directory).unwrap();
    let mut tokens = names.iter().filter(|name| name.to_str().unwrap().ends_with(".json"));
    let kept = directory.join(tokens.next().unwrap());
    assert_eq!(tokens.next(), None);
    kept
}

fn cache(fake: &Fake) -> DiskCache {
    DiskCache::new(fake.host())
}

/// Whether two tokens are the same in every respect.
fn same(a: &Token, b: &Token) -> bool {
    a.secret() == b.secret()
        && (a.obtained_at(), a.expires_at()) == (b.obtained_at(), b.expires_at())
        && (a.scopes(), a.principal()) == (b.scopes(), b.principal())
}

#[test]
fn a_token_comes_back_as_it_was() {
    let fake = Fake::new();
    let plain = token(&fake, "plain");
    let full = token(&fake, "ya29.full-~+/=")
        .with_scopes(Some("earthengine openid https://mail.google.com/".parse().unwrap()))
        .with_principal(Some("\u{e4}da\"\\@example.com".to_owned()));
    let none = token(&fake, "none").with_scopes(Some(Scopes::default()));
    for token in [plain, full, none] {
        cache(&fake).save(&key("a"), &token);
        assert!(same(&cache(&fake).load(&key("a")).unwrap(), &token), "{token:?}");
    }
}

#[test]
fn the_file_is_as_documented() {
    let fake = Fake::new();
    let token = token(&fake, "ya29.x").with_scopes(Some("earthengine".parse().unwrap()));
    cache(&fake).save(&key("hunter2"), &token);
    let path = kept(&fake);
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(path.starts_with("/home/user/.cache/ee-auth") && name.len() == 64 + ".v1.json".len(), "{name}");
    assert_eq!(fake.entry(&path).unwrap().mode, Some(0o600));
    let text = fake.file(&path).unwrap();
    assert!(
        text.starts_with(
            "{\"version\":1,\"access_token\":\"ya29.x\",\"obtained_at\":1767225600,\"expires_at\":1767229200,\
             \"scopes\":[\"https://www.googleapis.com/auth/earthengine\"],\"principal\":null,\"seal\":\""
        ),
        "{text}"
    );
    assert!(!text.contains("hunter2"));
}

#[test]
fn reading_is_one_file_and_nothing_else() {
    let fake = Fake::new();
    cache(&fake).save(&key("a"), &token(&fake, "t"));
    let (read, changes) = (fake.files_read().len(), fake.changes().len());
    assert!(cache(&fake).load(&key("a")).is_some());
    // And the name of the machine, which the kernel has in memory.
    assert_eq!(fake.files_read()[read..], [PathBuf::from("/proc/sys/kernel/random/boot_id"), kept(&fake)]);
    assert_eq!(fake.changes().len(), changes);
    assert!(fake.locks().is_empty());
}

#[test]
fn keys_are_kept_apart() {
    let fake = Fake::new();
    let mut other_scope = key("a");
    other_scope.add("scope", "x");
    let keys = [key("a"), key("b"), other_scope, TokenKey::new("other")];
    for (i, key) in keys.iter().enumerate() {
        cache(&fake).save(key, &token(&fake, &i.to_string()));
    }
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(cache(&fake).load(key).unwrap().secret(), i.to_string());
    }
    assert!(cache(&fake).load(&key("c")).is_none());
}

#[test]
fn a_file_under_another_name_is_no_token() {
    let fake = Fake::new();
    cache(&fake).save(&key("a"), &token(&fake, "of a"));
    let of_a = fake.file(kept(&fake)).unwrap();
    fake.remove_entry(kept(&fake));
    cache(&fake).save(&key("b"), &token(&fake, "of b"));
    fake.set_file(kept(&fake), of_a);
    assert!(cache(&fake).load(&key("b")).is_none());
}

/// A change to the one file that is kept.
type Spoil = fn(&Fake, PathBuf, String);

#[test]
fn what_cannot_be_trusted_is_ignored_and_replaced() {
    let spoils: [(&str, Spoil); 15] = [
        ("empty", |fake, path, _| fake.set_file(path, "")),
        ("truncated", |fake, path, text| fake.set_file(path, &text[..text.len() - 1])),
        ("more after it", |fake, path, text| fake.set_file(path, text + "{}")),
        ("zeros", |fake, path, text| fake.set_file(path, vec![0; text.len()])),
        ("a newer version", |fake, path, text| {
            fake.set_file(path, text.replace("\"version\":1", "\"version\":2"));
        }),
        ("a field of a newer version", |fake, path, text| {
            fake.set_file(path, text.replacen('{', "{\"kind\":\"id_token\",", 1));
        }),
        ("a later expiry", |fake, path, text| fake.set_file(path, text.replace("1767229200", "1767229201"))),
        ("an expiry beyond all years", |fake, path, text| {
            fake.set_file(path, text.replace("1767229200", "18446744073709551615"));
        }),
        ("another token", |fake, path, text| fake.set_file(path, text.replace("kept", "else"))),
        ("no seal", |fake, path, text| {
            let end = text.find(",\"seal\"").unwrap();
            fake.set_file(path, text[..end].to_owned() + "}");
        }),
        ("too large", |fake, path, _| fake.set_entry(path, Entry::new(Node::Zeros((64 << 10) + 1)))),
        ("a pipe", |fake, path, _| fake.set_entry(path, Entry::new(Node::Fifo))),
        ("of another user", |fake, path, _| {
            let entry = fake.entry(&path).unwrap();
            fake.set_entry(path, Entry { owner: Some(0), ..entry });
        }),
        ("readable by others", |fake, path, _| {
            let entry = fake.entry(&path).unwrap();
            fake.set_entry(path, Entry { mode: Some(0o640), ..entry });
        }),
        ("writable by others", |fake, path, _| {
            let entry = fake.entry(&path).unwrap();
            fake.set_entry(path, Entry { mode: Some(0o602), ..entry });
        }),
    ];
    for (what, spoil) in spoils {
        let fake = Fake::new();
        cache(&fake).save(&key("a"), &token(&fake, "kept"));
        let path = kept(&fake);
        spoil(&fake, path.clone(), fake.file(&path).unwrap());
        assert!(cache(&fake).load(&key("a")).is_none(), "{what}");
        cache(&fake).save(&key("a"), &token(&fake, "new"));
        assert_eq!(cache(&fake).load(&key("a")).unwrap().secret(), "new", "{what}");
        assert_eq!(fake.entry(&path).unwrap().mode, Some(0o600), "{what}");
    }
}

#[test]
fn systems_without_users_and_modes_are_not_asked_for_them() {
    let fake = Fake::new().with_user_id(None);
    cache(&fake).save(&key("a"), &token(&fake, "t"));
    let path = kept(&fake);
    let entry = fake.entry(&path).unwrap();
    fake.set_entry(path, Entry { mode: None, ..entry });
    assert!(cache(&fake).load(&key("a")).is_some());
}

#[test]
fn a_token_from_the_future_is_not_believed() {
    let fake = Fake::new();
    let now = fake.time();
    // The clock was a year ahead when the token was got: it would seem valid for that long.
    fake.advance(365 * 24 * HOUR);
    cache(&fake).save(&key("a"), &token(&fake, "t"));
    fake.set_time(now);
    assert!(cache(&fake).load(&key("a")).is_none());
    // Clocks of two machines differ a little.
    cache(&fake).save(&key("a"), &token(&fake, "t"));
    fake.set_time(now - Duration::from_secs(30));
    assert!(cache(&fake).load(&key("a")).is_some());
}

#[test]
fn what_cannot_be_written_is_got_again() {
    for kind in [ErrorKind::StorageFull, ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied] {
        let (fake, bank) = (Fake::new(), Bank::new());
        fake.refuse_changes(Some(kind));
        for n in 1..=2 {
            let credential = bank.credential(&fake);
            assert_eq!(credential.token().unwrap().secret(), format!("token {n}"));
            assert!(credential.token().unwrap().was_cached(), "in memory it is kept all the same");
        }
    }
}

#[test]
fn without_a_home_tokens_are_got_all_the_same() {
    let (fake, bank) = (Fake::new().without_directory(ee_auth_core::host::Directory::Cache), Bank::new());
    for n in 1..=2 {
        assert_eq!(bank.credential(&fake).token().unwrap().secret(), format!("token {n}"));
    }
    assert_eq!(clear(&fake.host()).unwrap(), 0);
}

#[test]
fn one_process_uses_what_another_has_got() {
    let (fake, bank) = (Fake::new(), Bank::new());
    assert!(!bank.credential(&fake).token().unwrap().was_cached());
    let other = bank.credential(&fake);
    assert_eq!(other.held_token().unwrap().secret(), "token 1");
    let token = other.token().unwrap();
    assert!(token.was_cached() && token.secret() == "token 1");
    assert_eq!(bank.exchanges(), 1);
    assert!(fake.locks().is_empty(), "the turn is over");
}

#[test]
fn a_token_that_has_expired_or_soon_will_is_replaced() {
    for (age, secret) in [
        (Duration::ZERO, "token 1"),
        (HOUR - Duration::from_secs(226), "token 1"),
        (HOUR - Duration::from_secs(225), "token 2"),
        (HOUR, "token 2"),
    ] {
        let (fake, bank) = (Fake::new(), Bank::new());
        drop(bank.credential(&fake).token().unwrap());
        fake.advance(age);
        assert_eq!(bank.credential(&fake).token().unwrap().secret(), secret, "{age:?}");
    }
    let (fake, bank) = (Fake::new(), Bank::new());
    drop(bank.credential(&fake).token().unwrap());
    let longer = bank.credential(&fake);
    assert_eq!(longer.token_valid_for(HOUR).unwrap().secret(), "token 2");
}

#[test]
fn a_token_that_is_still_valid_is_kept_when_no_other_can_be_had() {
    let (fake, bank) = (Fake::new(), Bank::new());
    drop(bank.credential(&fake).token().unwrap());
    fake.advance(HOUR - Duration::from_secs(100));
    bank.close(true);
    let credential = bank.credential(&fake);
    let token = credential.token().unwrap();
    assert!(token.secret() == "token 1" && token.was_cached());
    assert!(bank.credential(&fake).token_valid_for(Duration::from_secs(100)).is_err());
    fake.advance(Duration::from_secs(100));
    assert!(bank.credential(&fake).token().is_err());
}

#[test]
fn a_refused_token_does_not_come_back() {
    let (fake, bank) = (Fake::new(), Bank::new());
    drop(bank.credential(&fake).token().unwrap());
    let credential = bank.credential(&fake);
    let token = credential.token().unwrap().clone();
    assert_eq!(token.secret(), "token 1");
    credential.invalidate(&token);
    assert!(credential.held_token().is_none());
    assert_eq!(credential.token().unwrap().secret(), "token 2");
    assert_eq!(bank.credential(&fake).token().unwrap().secret(), "token 2", "others get the new one, too");

    // Nor when no other can be had.
    let token = credential.token().unwrap().clone();
    credential.invalidate(&token);
    bank.close(true);
    assert!(credential.token().is_err());
}

#[test]
fn a_credential_without_a_key_is_not_kept() {
    let (fake, bank) = (Fake::new(), Bank::new().without_key());
    drop(bank.credential(&fake).token().unwrap());
    assert_eq!(bank.credential(&fake).token().unwrap().secret(), "token 2");
    assert_eq!(fake.changes(), []);
}

#[test]
fn clearing_removes_tokens_and_nothing_else() {
    let fake = Fake::new();
    let directory = directory(&fake.host()).unwrap();
    assert_eq!(clear(&fake.host()).unwrap(), 0);
    for name in ["a", "b"] {
        cache(&fake).save(&key(name), &token(&fake, name));
    }
    let newer = format!("{}.v2.json", "0".repeat(64));
    let lock = format!("{}.lock", "0".repeat(64));
    for name in [newer.as_str(), ".ee-auth-Ab3dE9", &lock, "notes.txt"] {
        fake.set_file(directory.join(name), "");
    }
    assert_eq!(clear(&fake.host()).unwrap(), 3);
    assert_eq!(fake.host().files.list(&directory).unwrap(), [lock.as_str(), "notes.txt"]);
    assert!(cache(&fake).load(&key("a")).is_none());

    cache(&fake).save(&key("a"), &token(&fake, "a"));
    fake.refuse_changes(Some(ErrorKind::ReadOnlyFilesystem));
    let error = clear(&fake.host()).unwrap_err();
    assert!(error.message().contains("/home/user/.cache/ee-auth"), "{error}");
}

#[test]
fn old_files_go_when_others_come() {
    let fake = Fake::new();
    let directory = directory(&fake.host()).unwrap();
    let day = 24 * HOUR;
    cache(&fake).save(&key("old"), &token(&fake, "old"));
    for name in [".ee-auth-Ab3dE9", &format!("{}.boot.lock", "0".repeat(64)), "notes.txt"] {
        fake.set_entry(
            directory.join(name),
            Entry { modified: Some(fake.time()), ..Entry::new(Node::File(Vec::new())) },
        );
    }
    fake.advance(day);
    cache(&fake).save(&key("young"), &token(&fake, "young"));
    assert!(cache(&fake).load(&key("old")).is_some(), "it is not old enough");
    fake.advance(day);
    cache(&fake).save(&key("new"), &token(&fake, "new"));
    let names = fake.host().files.list(&directory).unwrap();
    assert_eq!(names.len(), 5, "{names:?}");
    assert!(names.iter().any(|name| name == "notes.txt"));
    for (name, there) in [("old", false), ("young", true), ("new", true)] {
        assert_eq!(cache(&fake).load(&key(name)).is_some(), there, "{name}");
    }
    // Within a day nobody looks again.
    let changes = fake.changes().len();
    cache(&fake).save(&key("new"), &token(&fake, "newer"));
    assert!(matches!(fake.changes()[changes..], [Change::WrittenPrivate(_)]));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_panics_or_gives_a_token_that_was_not_written(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let fake = Fake::new();
        cache(&fake).save(&key("a"), &token(&fake, "kept"));
        fake.set_file(kept(&fake), bytes);
        prop_assert!(cache(&fake).load(&key("a")).is_none());
    }

    #[test]
    fn no_change_to_a_file_gives_a_token_that_was_not_written(
        at in any::<prop::sample::Index>(),
        removed in 0_usize..4,
        put in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"0123456789\"{}[],: nullx"[..])], 0..4),
    ) {
        let fake = Fake::new();
        let token = token(&fake, "kept").with_scopes(Some("drive".parse().unwrap()));
        cache(&fake).save(&key("a"), &token);
        let mut bytes = fake.file(kept(&fake)).unwrap().into_bytes();
        let at = at.index(bytes.len());
        bytes.splice(at..(at + removed).min(bytes.len()), put);
        fake.set_file(kept(&fake), bytes);
        if let Some(loaded) = cache(&fake).load(&key("a")) {
            prop_assert!(same(&loaded, &token));
        }
    }

    #[test]
    fn any_token_comes_back_or_is_not_there(
        secret in "\\PC{0,40}",
        principal in prop::option::of("\\PC{0,40}"),
        lifetime in 0_u64..u64::MAX / 4,
        nanoseconds in 0_u32..1_000_000_000,
    ) {
        let fake = Fake::new();
        let now = fake.time() - Duration::from_nanos(u64::from(nanoseconds));
        if let Some(expires_at) = now.checked_add(Duration::from_secs(lifetime)) {
            let token = Token::new(secret.as_str(), now, expires_at).with_principal(principal.clone());
            cache(&fake).save(&key("a"), &token);
            if let Some(loaded) = cache(&fake).load(&key("a")) {
                prop_assert_eq!(loaded.secret(), &secret);
                prop_assert_eq!(loaded.principal(), principal.as_deref());
                prop_assert!(loaded.expires_at() <= expires_at);
                // Whoever prints it must be able to.
                let shown = format!("{loaded:?}");
                prop_assert!(!shown.is_empty());
            }
        }
    }
}
