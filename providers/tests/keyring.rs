//! Logins and tokens in the system's keyring, from login to logout: on a machine in memory.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use ee_auth::host::{Body, KeyringErrorKind};
use ee_auth::{Error, ExposeSecret, LoginOutcome, LoginReport, Resolver, stored};
use ee_auth_fake::{Fake, answer};
use serde_json::json;

const FILE: &str = "/home/user/.config/earthengine/credentials";
const CODE: &str = "4/0Abcdefgh";
const ENTRY: &str = "fake keyring entry ee-auth/credentials";

/// A machine whose tokens and logins go to its keyring, with somebody in front of it who pastes a code, and a Google.
fn machine() -> Fake {
    let fake = Fake::new().with_variable("EE_AUTH_CACHE", "keyring").with_person([CODE]);
    fake.with_server(|request| {
        let body = match &request.body {
            Some(Body::Form(text) | Body::Json(text)) => text.expose_secret(),
            None => "",
        };
        let token = json!({ "access_token": "a", "expires_in": 3599, "refresh_token": "new" });
        let (status, answer_body) = match request.url.path() {
            "/token" if body.contains("refresh_token=ended") => (400, json!({ "error": "invalid_grant" })),
            "/token" => (200, token),
            "/client-auth/fetch" => (200, json!({ "client_id": "123456-x", "client_secret": "s" })),
            "/tokeninfo" => (200, json!({ "email": "ada@example.com" })),
            "/revoke" => (200, json!({})),
            path if path.ends_with("value:compute") => (200, json!({ "result": 2 })),
            path => panic!("nobody asks for {path}"),
        };
        Ok(answer(status, answer_body.to_string()))
    })
}

fn resolver(fake: &Fake) -> Resolver {
    Resolver::new(fake.host())
}

fn log_in(fake: &Fake) -> Result<LoginReport, Error> {
    match resolver(fake).login().mode("notebook").run()? {
        LoginOutcome::LoggedIn(report) | LoginOutcome::Kept(report) => Ok(report),
        other => panic!("{other:?}"),
    }
}

/// The accounts of the keyring that are no tokens.
fn logins(fake: &Fake) -> Vec<String> {
    fake.keyring_accounts().into_iter().filter(|account| !account.contains('/')).collect()
}

#[test]
fn a_login_is_kept_in_the_keyring_until_the_logout() {
    let fake = machine();
    let report = log_in(&fake).unwrap();
    assert_eq!(report.place, ENTRY);
    assert!(report.warnings.iter().any(|said| said.contains("ee-auth exec")), "{:?}", report.warnings);
    assert_eq!(logins(&fake), ["credentials"]);
    assert_eq!(fake.file(FILE).unwrap(), r#"{"project":"123456"}"#, "what was chosen on the page");

    let credential = resolver(&fake).resolve().unwrap();
    assert!(credential.origin().contains(ENTRY));
    credential.token().unwrap();
    let asked = fake.requests().len();
    let again = resolver(&fake).resolve().unwrap();
    assert!(again.token().unwrap().was_cached());
    assert_eq!(fake.requests().len(), asked);
    assert_eq!(fake.keyring_accounts().len(), 2);

    // A login that works is kept, and nothing is said of files that are not there.
    let kept = log_in(&fake).unwrap();
    assert_eq!((kept.mode.as_str(), kept.place.as_str(), kept.warnings.len()), ("persistent", ENTRY, 0));

    let out = stored::log_out(&resolver(&fake), true).unwrap();
    assert_eq!((out.removed.places(), out.revoked), (vec![ENTRY.to_owned(), FILE.to_owned()], Some(true)));
    assert_eq!(fake.keyring_accounts(), Vec::<String>::new(), "its token went with it");
    let out = stored::log_out(&resolver(&fake), true).unwrap();
    assert_eq!((out.removed.places().len(), out.revoked), (0, None));
}

#[test]
fn a_login_of_the_file_moves_if_it_works() {
    let file = |token: &str| json!({ "refresh_token": token, "project": "my-project" }).to_string();
    let fake = machine().with_file(FILE, file("good"));
    let kept = log_in(&fake).unwrap();
    assert_eq!((kept.mode.as_str(), kept.place.as_str()), ("persistent", ENTRY));
    assert!(!kept.warnings.iter().any(|said| said.contains("comes to another")), "{:?}", kept.warnings);
    assert!(fake.keyring_entry("credentials").unwrap().contains("good"));
    assert_eq!(fake.file(FILE).unwrap(), r#"{"project":"my-project"}"#);

    let fake = machine().with_file(FILE, file("ended"));
    let report = log_in(&fake).unwrap();
    assert_eq!((report.mode.as_str(), report.place.as_str()), ("notebook", ENTRY));
    assert!(fake.keyring_entry("credentials").unwrap().contains("new"));
    assert!(!fake.file(FILE).unwrap().contains("ended"));
}

/// Whoever has signed in wants to have something of it.
#[test]
fn nobody_is_sent_to_a_page_while_the_keyring_takes_nothing() {
    for kind in [KeyringErrorKind::Absent, KeyringErrorKind::Locked, KeyringErrorKind::TooLarge] {
        let fake = machine();
        fake.break_keyring(Some(kind));
        let error = log_in(&fake).unwrap_err();
        assert!(error.code().to_string().starts_with("unavailable.keyring_"), "{error:?}");
        assert_eq!((fake.shown().len(), fake.requests().len(), fake.changes().len()), (0, 0, 0));
        for failed in [
            resolver(&fake).resolve().unwrap_err(),
            stored::log_out(&resolver(&fake), false).unwrap_err(),
            stored::profiles(&resolver(&fake)).unwrap_err(),
            stored::remove_profile(&resolver(&fake), &"work".parse().unwrap()).unwrap_err(),
        ] {
            assert_eq!(failed.code(), error.code(), "{failed:?}");
        }
    }
    let fake = machine();
    fake.limit_keyring(Some(100));
    assert_eq!(log_in(&fake).unwrap_err().code(), "unavailable.keyring_too_large");
    assert_eq!(fake.keyring_accounts(), Vec::<String>::new());
}

#[test]
fn profiles_are_in_the_keyring_and_in_files() {
    let login = r#"{"refresh_token": "r"}"#;
    let fake = machine()
        .with_keyring_entry("work", login)
        .with_keyring_entry("credentials", login)
        .with_keyring_entry("token/00", "{}")
        .with_file("/home/user/.config/earthengine/old/credentials", login)
        .with_file("/home/user/.config/earthengine/work/credentials", r#"{"project": "p"}"#);
    let profiles = stored::profiles(&resolver(&fake)).unwrap();
    let shown: Vec<_> = profiles
        .iter()
        .map(|profile| {
            (
                profile.name.as_deref(),
                profile.logged_in,
                profile.keyring.as_deref(),
                profile.project.as_deref(),
            )
        })
        .collect();
    let work = (Some("work"), true, Some("fake keyring entry ee-auth/work"), Some("p"));
    assert_eq!(shown, [(None, true, Some(ENTRY), None), (Some("old"), true, None, None), work]);

    let removed = stored::remove_profile(&resolver(&fake), &"work".parse().unwrap()).unwrap();
    assert_eq!(removed.places().len(), 2);
    assert_eq!(logins(&fake), ["credentials"]);
}

#[test]
fn a_profile_exists_by_its_entry_alone() {
    let fake = machine().with_keyring_entry("work", r#"{"refresh_token": "r"}"#);
    let of = |name: &str| resolver(&fake).profile(name).resolve();
    assert!(of("work").is_ok());
    let missing = of("wrok").unwrap_err();
    assert_eq!(missing.code(), "invalid.profile");
    assert!(missing.message().contains("did you mean `work`?"), "{missing:?}");
    // Locked, it may be there and may not be: no other identity is used.
    fake.break_keyring(Some(KeyringErrorKind::Locked));
    let unknown = of("wrok").unwrap_err();
    assert_eq!(unknown.code(), "unavailable.keyring_locked", "{unknown:?}");
}

/// Who has not chosen the keyring is not asked to unlock it.
#[test]
fn without_the_setting_the_keyring_is_never_asked() {
    let fake = machine().with_variable("EE_AUTH_CACHE", "disk");
    log_in(&fake).unwrap();
    resolver(&fake).resolve().unwrap().token().unwrap();
    stored::profiles(&resolver(&fake)).unwrap();
    stored::log_out(&resolver(&fake), false).unwrap();
    assert_eq!(fake.keyring_calls(), Vec::<String>::new());
}
