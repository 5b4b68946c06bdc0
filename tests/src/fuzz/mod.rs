//! What the fuzzer and the property tests feed. Each takes any bytes, and panics where something is wrong with what
//! came of them.

use std::path::Path;
use std::time::{Duration, SystemTime};

use ee_auth::{Error, Outcome, Secret};
use ee_auth_core::Search;
use ee_auth_environment::Recognised;
use ee_auth_fake::Fake;
use ee_auth_google::{Content, credential, token_endpoint};
use ee_auth_plugin_host::{Answer, Manifest, Op};
use url::Url;

mod outside;

pub use outside::*;

/// A target: a parser of bytes from outside, and what it is fed.
pub struct Target {
    /// The name of its function, its program in `fuzz/fuzz_targets` and its corpus.
    pub name: &'static str,
    /// Feeds it.
    pub feed: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        /// Every target.
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($name), feed: $name }),*];
    };
}

targets! {
    aws_metadata,
    binary_header,
    cache_entry,
    certificate_configuration,
    config_file,
    document,
    earth_engine_answer,
    endpoint_request,
    environment_value,
    executable_answer,
    executable_output_file,
    gcloud_files,
    gcloud_output,
    iam_answer,
    login_listener,
    metadata_answer,
    oauth_client_file,
    pasted_code,
    plugin_answer,
    plugin_event,
    plugin_manifest,
    profile_file,
    revocation_answer,
    sts_answer,
    subject_token_file,
    token_answer,
    tokeninfo_answer,
    trust_file,
}

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

/// What a plugin answers, whatever it was asked.
pub fn plugin_answer(bytes: &[u8]) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let answers = [Op::Get, Op::Login, Op::Logout, Op::Describe].map(|op| Answer::parse(op, bytes, now));
    let others = [Answer::parse_google(bytes, now), Answer::parse_token(bytes)];
    for answer in answers.into_iter().chain(others) {
        match answer {
            Ok(Answer::Granted(granted)) => {
                assert!(granted.expires_at.is_none_or(|at| at > now));
                for name in granted.principal.iter().chain(&granted.project) {
                    assert!(!name.contains(|c: char| c.is_control() || c.is_whitespace()), "{name:?}");
                }
            }
            Ok(Answer::Refused(refusal)) => assert!(!refusal.message.contains(char::is_control)),
            Ok(Answer::Manifest(manifest)) => check_manifest(&manifest),
            Ok(Answer::Done) => {}
            Err(error) => check(&error, &[Outcome::Protocol]),
        }
    }
}

/// What a plugin says that it is.
pub fn plugin_manifest(bytes: &[u8]) {
    match Manifest::parse(bytes) {
        Ok(manifest) => check_manifest(&manifest),
        Err(error) => check(&error, &[Outcome::Protocol]),
    }
}

fn check_manifest(manifest: &Manifest) {
    assert!(!manifest.name.is_empty());
    for text in [Some(&manifest.name), manifest.description.as_ref(), manifest.plugin_version.as_ref()]
        .into_iter()
        .flatten()
    {
        assert!(!text.contains(char::is_control), "a control character: {text:?}");
    }
    for host in &manifest.http_hosts {
        let url = Url::parse(&format!("https://{host}/")).expect("a host that can be asked");
        assert!(url.username().is_empty() && url.path() == "/", "{host}");
    }
}

/// Any failure but one that would be a fault of ours.
fn check_any(error: &Error) {
    assert_ne!(error.outcome(), Outcome::Internal, "{error:?}");
    for text in [error.message(), error.next_step().unwrap_or_default()] {
        let odd = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(odd), "a control character: {text:?}");
        assert!(text.chars().count() < 4000, "{} characters: {text}", text.chars().count());
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
