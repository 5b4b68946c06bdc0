//! What the fuzzer and the property tests feed. Each takes any bytes, and panics where something is wrong with what
//! came of them.

use std::path::Path;
use std::time::SystemTime;

use ee_auth::{Error, Outcome, Secret};
use ee_auth_core::Search;
use ee_auth_environment::Recognised;
use ee_auth_fake::Fake;
use ee_auth_google::{Content, credential, token_endpoint};
use url::Url;

/// A credential file.
pub fn document(bytes: &[u8]) {
    let search = Search::with_defaults(Fake::new().host());
    let document = match Content::new(bytes, "a file").document() {
        Ok(document) => document,
        Err(error) => return check(&error, &[Outcome::Invalid]),
    };
    assert!(document.same_as(&document));
    if let Err(error) = credential::found(&document, &search) {
        check(&error, &[Outcome::Invalid, Outcome::Untrusted]);
    }
}

/// The value of a variable that holds a credential.
pub fn environment_value(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let search = Search::with_defaults(Fake::new().host());
    match Recognised::from_value(&Secret::from(text), "THE_VARIABLE", &search) {
        Ok(recognised) => assert!(recognised.place.starts_with("THE_VARIABLE")),
        Err(error) => check(&error, &[Outcome::Invalid]),
    }
}

/// An `ee-auth.toml`.
pub fn config_file(bytes: &[u8]) {
    let path = Path::new("/home/user/.config/ee-auth/ee-auth.toml");
    let host = Fake::new().with_file(path, bytes).host();
    if let Err(error) = ee_auth_config::validate(&host, ee_auth::kinds(), path, false) {
        assert!(error.message().contains("ee-auth.toml"), "{error:?}");
        check_words(&error, &[Outcome::Invalid]);
    }
    // The same text is not the user's word where it is a project file.
    let host = Fake::new().with_file("/project/ee-auth.toml", bytes).host();
    if let Err(error) = ee_auth_config::load(&host, ee_auth::kinds(), &ee_auth_config::Flags::default()) {
        check_words(&error, &[Outcome::Invalid, Outcome::Untrusted]);
    }
}

/// What a token endpoint answers.
pub fn token_answer(bytes: &[u8]) {
    let url = Url::parse("https://oauth2.googleapis.com/token").expect("an address");
    match token_endpoint::read(bytes, &url, SystemTime::UNIX_EPOCH) {
        Ok(granted) => {
            let token = granted.token;
            assert!(!token.secret().is_empty());
            assert!(!token.secret().contains(|c: char| c.is_control() || c.is_whitespace()));
            assert!(token.is_valid_at(SystemTime::UNIX_EPOCH));
        }
        Err(error) => check(&error, &[Outcome::Unavailable]),
    }
}

/// An error says what to do next, and can be printed on a terminal.
fn check(error: &Error, outcomes: &[Outcome]) {
    check_words(error, outcomes);
    assert!(error.next_step().is_some(), "no hint: {error:?}");
}

fn check_words(error: &Error, outcomes: &[Outcome]) {
    assert!(outcomes.contains(&error.outcome()), "{error:?}");
    for text in [error.message(), error.next_step().unwrap_or_default()] {
        assert!(!text.contains(char::is_control), "a control character: {text:?}");
        assert!(text.chars().count() < 2000, "{} characters: {text}", text.chars().count());
    }
}
