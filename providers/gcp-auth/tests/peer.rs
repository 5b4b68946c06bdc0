//! The same credential files through google-cloud-auth, which shares no code with us, and through us, against a loopback
//! Google: what is sent is the same where both do the same.
#![cfg(feature = "google_cloud_auth")]
#![allow(clippy::disallowed_methods, reason = "the tests make files")]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ee_auth::Credentials;
use ee_auth_sandbox::{Options, Recorded, Sandbox};
use google_cloud_auth::build_errors::Error as BuildError;
use google_cloud_auth::credentials::service_account::AccessSpecifier;
use google_cloud_auth::credentials::{
    CacheableResource, Credentials as Theirs, external_account, service_account, user_account,
};
use http::Extensions;
use serde_json::{Value, json};
use tempfile::TempDir;

const SCOPE: &str = "https://www.googleapis.com/auth/earthengine";

fn google() -> Sandbox {
    // Theirs takes the cryptography that the program has chosen.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Sandbox::start(Options::default()).expect("the sandbox starts")
}

/// What `google` was asked when we got a token by this credential.
fn ours(google: &Sandbox, file: &str) -> Recorded {
    let directory = TempDir::new().expect("a directory");
    let config = directory.path().join("ee-auth.toml");
    std::fs::write(&config, google.config_toml()).expect("a file");
    google.clear_requests();
    let credential = Credentials::builder()
        .config_file(config)
        .no_cache(true)
        .project(google.project_id())
        .scopes(SCOPE)
        .credential_json(file.to_owned())
        .resolve();
    let token = credential.and_then(|credential| credential.token().map(|token| token.secret().to_owned()));
    assert!(token.expect("a token").starts_with("ya29."));
    only_request(google)
}

/// The token that theirs sends along. They are built on a runtime, since they refresh in the background.
fn theirs(build: impl FnOnce() -> Result<Theirs, BuildError>) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answer = runtime.block_on(async { build().expect("credentials").headers(Extensions::new()).await });
    match answer.expect("headers") {
        CacheableResource::New { data, .. } => {
            let bearer = data["authorization"].to_str().expect("text");
            bearer.strip_prefix("Bearer ").expect("a bearer token").to_owned()
        }
        CacheableResource::NotModified => panic!("it is new"),
    }
}

fn only_request(google: &Sandbox) -> Recorded {
    let [request] = &google.requests()[..] else { panic!("one request is wanted: {:?}", google.requests()) };
    request.clone()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// Both sent the same in these fields, and we sent nothing else.
#[track_caller]
fn assert_same(ours: &Recorded, theirs: &Recorded, fields: &[&str]) {
    assert_eq!((&ours.method, &ours.path, ours.status), (&theirs.method, &theirs.path, theirs.status));
    let (our_content, their_content) = (ours.content().expect("its own"), theirs.content().expect("its own"));
    for field in fields {
        let value = our_content.field(field);
        assert!(value.is_some(), "`{field}`: {ours}");
        assert_eq!(value, their_content.field(field), "`{field}`");
    }
    assert_eq!(ours.fields.len(), fields.len(), "{ours}");
}

/// The header and the claims of a JWT.
fn parts(jwt: &str) -> (Value, Value) {
    let part =
        |text: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).expect("base64url")).expect("JSON");
    let mut parts = jwt.split('.').map(str::to_owned);
    let mut next = || part(&parts.next().expect("three parts"));
    (next(), next())
}

/// Theirs sends the JWT itself to the API (AIP-4111), and we exchange it for a token (RFC 7523).
#[test]
fn a_key_signs_the_same_claims() {
    let google = google();
    let robot = google.service_account();
    let sent = ours(&google, &robot.key_json());
    let (our_header, our_claims) =
        parts(sent.content().expect("its own").field("assertion").expect("an assertion"));
    let builder = service_account::Builder::new(json(&robot.key_json()));
    let builder = builder.with_access_specifier(AccessSpecifier::from_scopes([SCOPE]));
    let (their_header, their_claims) = parts(&theirs(|| builder.build()));
    assert_eq!(our_header, their_header);
    assert_eq!(our_header["kid"], robot.key_id());
    for claim in ["iss", "scope"] {
        assert!(our_claims[claim].is_string(), "{claim}");
        assert_eq!(our_claims[claim], their_claims[claim], "{claim}");
    }
    assert_eq!(our_claims["aud"], format!("{}/token", google.base_url()));
    assert_eq!(google.requests().len(), 1, "theirs asks nobody");
}

#[test]
fn a_login_is_refreshed_alike() {
    let google = google();
    let file = google.user().authorized_user_json();
    let sent = ours(&google, &file);
    google.clear_requests();
    let endpoint = format!("{}/token", google.base_url());
    let builder = user_account::Builder::new(json(&file)).with_token_uri(endpoint);
    assert!(theirs(|| builder.build()).starts_with("ya29."));
    assert_same(
        &sent,
        &only_request(&google),
        &["grant_type", "client_id", "client_secret", "refresh_token"],
    );
}

#[test]
fn a_federated_token_is_exchanged_alike() {
    let google = google();
    let workload = google.workload();
    let directory = TempDir::new().expect("a directory");
    let token = directory.path().join("token");
    std::fs::write(&token, workload.subject_token()).expect("a file");
    let file = workload.external_account_json(&json!({ "file": token }), None);
    let sent = ours(&google, &file);
    google.clear_requests();
    let builder = external_account::Builder::new(json(&file)).with_scopes([SCOPE]);
    assert!(theirs(|| builder.build()).starts_with("ya29."));
    assert_same(
        &sent,
        &only_request(&google),
        &["grant_type", "audience", "scope", "requested_token_type", "subject_token", "subject_token_type"],
    );
}
