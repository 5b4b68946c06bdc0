use ee_auth_core::host::KeyringErrorKind;
use ee_auth_core::{Finding, Outcome, Provider, Scopes, Settings};
use ee_auth_fake::{Change, Fake};
use serde_json::json;

use super::*;
use crate::{Persistent, Removed, check_writable, move_login, remove_login, store_login};

const FILE: &str = "/home/user/.config/earthengine/credentials";

fn search(fake: &Fake) -> Search {
    Search::new(fake.host(), Settings { keyring: true, ..Settings::default() })
}

fn grant() -> Grant {
    Grant {
        client: None,
        refresh_token: Secret::from("1//new"),
        scopes: Scopes::new(["earthengine"]).unwrap(),
        redirect_uri: None,
        project: Some("p-new".to_owned()),
        principal: None,
        warnings: Vec::new(),
    }
}

fn store(fake: &Fake) -> Result<Stored, Error> {
    pollster::block_on(store_login(&search(fake), &grant()))
}

fn find(fake: &Fake) -> Finding {
    pollster::block_on(Persistent.find(&search(fake)))
}

#[track_caller]
fn found(fake: &Fake) -> Found {
    match find(fake) {
        Finding::Found(found) => *found,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn json(text: Option<String>) -> Value {
    serde_json::from_str(&text.expect("it is there")).expect("it is JSON")
}

#[test]
fn the_secret_is_in_the_keyring_and_the_project_in_the_file() {
    let fake = Fake::new();
    let stored = store(&fake).unwrap();
    assert_eq!(stored.place, "fake keyring entry ee-auth/credentials");
    let [python] = &stored.warnings[..] else { panic!("{:?}", stored.warnings) };
    assert!(python.contains("ee-auth exec"));
    let scopes = ["https://www.googleapis.com/auth/earthengine"];
    assert_eq!(
        json(fake.keyring_entry("credentials")),
        json!({ "refresh_token": "1//new", "scopes": scopes })
    );
    assert_eq!(json(fake.file(FILE)), json!({ "project": "p-new" }));
    let found = found(&fake);
    assert!(found.origin.contains("fake keyring entry ee-auth/credentials"), "{}", found.origin);
    assert_eq!((found.quota_project.as_deref(), found.warnings.len()), (Some("p-new"), 0));
}

#[test]
fn a_profile_has_an_entry_of_its_name() {
    let fake = Fake::new();
    let settings = Settings { keyring: true, profile: Some("work".parse().unwrap()), ..Settings::default() };
    pollster::block_on(store_login(&Search::new(fake.host(), settings), &grant())).unwrap();
    assert_eq!(fake.keyring_accounts(), ["work"]);
    fake.set_keyring_entry("token/0123", "{}");
    fake.set_keyring_entry("credentials", "{}");
    let logins = pollster::block_on(KeyringLogins::of(&fake.host())).unwrap();
    assert_eq!(logins.profiles().collect::<Vec<_>>(), ["work"]);
    assert!(logins.place(&fake.host(), None).is_some());
    assert!(logins.place(&fake.host(), Some(&"home".parse().unwrap())).is_none());
}

/// What another program wrote there is taken over, and nobody is left to guess where their login went.
#[test]
fn a_login_takes_the_one_in_the_file_away_and_says_so() {
    let content =
        r#"{"refresh_token": "1//old", "client_id": "c", "scopes": [], "project": "p-old", "note": 1}"#;
    let fake = Fake::new().with_file(FILE, content);
    let stored = store(&fake).unwrap();
    assert_eq!(json(fake.file(FILE)), json!({ "project": "p-new", "note": 1 }));
    assert!(
        stored.warnings.iter().any(|said| said.contains(FILE) && said.contains("replaced")),
        "{stored:?}"
    );

    // A file that cannot be changed still holds it, which is said.
    let fake = Fake::new().with_file(FILE, content);
    fake.refuse_changes(Some(std::io::ErrorKind::PermissionDenied));
    let stored = store(&fake).unwrap();
    assert!(stored.warnings.iter().any(|said| said.contains(FILE) && said.contains("stayed")), "{stored:?}");
    let found = found(&fake);
    assert!(found.origin.contains("keyring"));
    let [both] = &found.warnings[..] else { panic!("{:?}", found.warnings) };
    assert!(both.contains(FILE) && both.contains("not used"), "{both}");
}

#[test]
fn a_login_in_the_file_is_used_where_the_keyring_has_none_and_can_be_moved() {
    let content = r#"{"refresh_token": "1//old", "client_id": "c", "client_secret": "s"}"#;
    let fake = Fake::new().with_file(FILE, content);
    assert!(found(&fake).origin.contains(FILE));
    assert_eq!(fake.changes(), [], "finding changes nothing");
    let moved = pollster::block_on(move_login(&search(&fake))).unwrap().expect("there is one to move");
    assert!(moved.warnings.iter().any(|said| said.contains("moved")), "{moved:?}");
    let whole: Value = serde_json::from_str(content).unwrap();
    assert_eq!(json(fake.keyring_entry("credentials")), whole);
    assert!(fake.file(FILE).is_none(), "there is nothing left in it");
    assert!(found(&fake).origin.contains("keyring"));
    assert_eq!(pollster::block_on(move_login(&search(&fake))).unwrap(), None);

    let alone = Fake::new().with_file(FILE, r#"{"project": "p"}"#);
    assert!(matches!(find(&alone), Finding::Skipped(_)));
    assert_eq!(pollster::block_on(move_login(&search(&alone))).unwrap(), None);
}

#[test]
fn a_keyring_that_fails_is_no_reason_to_use_a_file() {
    for (kind, code) in [
        (KeyringErrorKind::Unsupported, "invalid.keyring"),
        (KeyringErrorKind::Absent, "unavailable.keyring_absent"),
        (KeyringErrorKind::Locked, "unavailable.keyring_locked"),
        (KeyringErrorKind::Timeout, "unavailable.keyring_timeout"),
        (KeyringErrorKind::TooLarge, "unavailable.keyring_too_large"),
        (KeyringErrorKind::Refused, "unavailable.keyring"),
    ] {
        let fake = Fake::new().with_file(FILE, r#"{"refresh_token": "1//old"}"#);
        fake.break_keyring(Some(kind));
        let Finding::Failed(error) = find(&fake) else { panic!("{kind:?}") };
        let search = search(&fake);
        let errors = [
            error,
            store(&fake).unwrap_err(),
            pollster::block_on(check_writable(&search)).unwrap_err(),
            pollster::block_on(move_login(&search)).unwrap_err(),
            pollster::block_on(remove_login(&search)).unwrap_err(),
            pollster::block_on(KeyringLogins::of(&fake.host())).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.code(), code, "{error:?}");
            assert!(error.next_step().unwrap().contains("EE_AUTH_CACHE=disk"), "{error:?}");
            assert!(!format!("{error:?}").contains("1//"));
        }
        assert_eq!(fake.changes(), [], "{kind:?}");
    }
}

#[test]
fn what_is_too_large_for_the_keyring_changes_nothing() {
    let fake = Fake::new().with_file(FILE, r#"{"refresh_token": "1//old"}"#);
    fake.limit_keyring(Some(10));
    assert_eq!(store(&fake).unwrap_err().code(), "unavailable.keyring_too_large");
    assert_eq!((fake.changes(), fake.keyring_accounts().len()), (Vec::<Change>::new(), 0));
}

/// Its window may be on a screen that nobody looks at.
#[test]
fn a_keyring_that_does_not_answer_is_waited_for_in_sight_and_not_for_ever() {
    for (fake, patience) in [(Fake::new().with_person(Vec::<String>::new()), 120), (Fake::new(), 10)] {
        fake.silence_keyring(true);
        let start = fake.time();
        let Finding::Failed(error) = find(&fake) else { panic!("it cannot be found") };
        assert_eq!(error.code(), "unavailable.keyring_timeout");
        assert_eq!(fake.time().duration_since(start).unwrap().as_secs(), patience);
        let told = fake.told().join("\n");
        assert_eq!(told.contains("waiting for the fake keyring"), patience == 120, "{told}");
    }
}

#[test]
fn a_damaged_entry_is_an_error_until_the_next_login() {
    let fake = Fake::new().with_keyring_entry("credentials", "{");
    let Finding::Failed(error) = find(&fake) else { panic!("it cannot be found") };
    assert_eq!(error.outcome(), Outcome::Invalid);
    assert!(error.next_step().unwrap().contains("login --force"), "{error:?}");
    store(&fake).unwrap();
    found(&fake);
}

#[test]
fn both_are_removed() {
    let fake = Fake::new();
    store(&fake).unwrap();
    let removed = pollster::block_on(remove_login(&search(&fake))).unwrap();
    assert_eq!(removed.places(), ["fake keyring entry ee-auth/credentials", FILE]);
    assert_eq!((fake.keyring_accounts().len(), fake.file(FILE)), (0, None));
    assert_eq!(pollster::block_on(remove_login(&search(&fake))).unwrap(), Removed::default());
}
