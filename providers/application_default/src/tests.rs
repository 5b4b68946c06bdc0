use ee_auth_core::{Exchange, Outcome, Scopes, Settings};
use ee_auth_fake::{Fake, answer};

use super::*;

const GCLOUDS: &str = "/home/user/.config/gcloud/application_default_credentials.json";
const LOGIN: &str =
    r#"{"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}"#;

/// A machine on which every token has these scopes.
fn granting(scope: &str) -> Fake {
    let body = format!(r#"{{"access_token": "t", "expires_in": 3599, "scope": "{scope}"}}"#);
    Fake::new().with_watcher().with_server(move |_| Ok(answer(200, body.clone())))
}

fn log_in(fake: &Fake) -> Result<String, Error> {
    let request = LoginRequest::new(Exchange { host: fake.host(), settings: Settings::default() });
    match pollster::block_on(ApplicationDefault.log_in(&request))? {
        LoggedIn::Found(found) => Ok(found.origin),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_named_file_comes_first_and_gclouds_next() {
    let all = Scopes::earth_engine().to_parameter();
    let fake = granting(&all).with_file(GCLOUDS, LOGIN);
    assert!(log_in(&fake).unwrap().contains(GCLOUDS));
    let fake = fake.with_file("/keys/adc.json", LOGIN).with_variable(VARIABLE, "/keys/adc.json");
    assert!(log_in(&fake).unwrap().contains("/keys/adc.json"));
    assert!(fake.told().is_empty(), "{:?}", fake.told());
    // What the variable names counts, there or not.
    let fake = granting(&all).with_file(GCLOUDS, LOGIN).with_variable(VARIABLE, "/keys/none.json");
    assert_eq!(log_in(&fake).unwrap_err().code(), "invalid.no_such_file");
    assert!(fake.requests().is_empty() && fake.changes().is_empty());
}

#[test]
fn where_there_are_none_it_says_how_to_make_them() {
    for fake in [Fake::new(), Fake::new().without_directory(Directory::Home)] {
        let error = log_in(&fake).unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotFound);
        assert!(error.message().contains(VARIABLE));
        assert!(error.next_step().unwrap().contains("--mode gcloud"));
    }
}

#[test]
fn credentials_that_give_no_token_do_not_work() {
    let fake = Fake::new()
        .with_file(GCLOUDS, LOGIN)
        .with_server(|_| Ok(answer(400, r#"{"error": "invalid_grant"}"#)));
    let error = log_in(&fake).unwrap_err();
    assert_eq!(error.code(), "rejected.invalid_grant");
    assert!(error.message().contains("give no token"));
    assert!(error.next_step().is_some());
}

#[test]
fn scopes_that_are_missing_are_told() {
    let fake = granting("https://www.googleapis.com/auth/cloud-platform").with_file(GCLOUDS, LOGIN);
    log_in(&fake).unwrap();
    assert!(fake.told().iter().any(|line| line.contains("drive")), "{:?}", fake.told());
    let fake = granting("https://www.googleapis.com/auth/calendar").with_file(GCLOUDS, LOGIN);
    let error = log_in(&fake).unwrap_err();
    assert_eq!(error.code(), "rejected.scope");
    assert!(error.message().contains("calendar"));
}
