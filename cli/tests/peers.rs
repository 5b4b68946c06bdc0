//! Our exchange of a service account's key held against an independent one: `gcp_auth`'s.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests start processes, and panic where something is not as it should be"
)]

mod support;

use gcp_auth::{CustomServiceAccount, TokenProvider};
use serde_json::Value;
use support::Machine;

const SCOPE: &str = "https://www.googleapis.com/auth/earthengine";

/// The header and the claims of an assertion, without what differs from one to the next.
fn assertion(machine: &Machine) -> (Value, Value) {
    let requests = machine.google.requests();
    let request = requests.last().unwrap();
    assert_eq!(request.status, Some(200), "the sandbox has verified the signature");
    let assertion = request.content().unwrap().field("assertion").unwrap().to_owned();
    let part = |at: usize| -> Value {
        let part = assertion.split('.').nth(at).unwrap();
        serde_json::from_slice(&base64_url(part)).unwrap()
    };
    let mut claims = part(1);
    let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    claims["exp"] = lifetime.into();
    claims.as_object_mut().unwrap().remove("iat");
    (part(0), claims)
}

fn base64_url(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).unwrap()
}

#[test]
fn gcp_auth_sends_what_we_send() {
    let mut machine = Machine::new();
    let key = machine.google.service_account().key_json();
    let account = CustomServiceAccount::from_json(&key).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let theirs = runtime.block_on(account.token(&[SCOPE])).unwrap();
    assert!(theirs.as_str().starts_with("ya29."));
    let (their_header, their_claims) = assertion(&machine);

    machine.set("EE_AUTH_CREDENTIALS", &key);
    let ours = machine.run(&["token", "--no-cache", "--scopes", "earthengine"]);
    assert_eq!(ours.status, 0, "{}", ours.stderr);
    let (header, claims) = assertion(&machine);

    assert_eq!((&header["alg"], &header["typ"]), (&their_header["alg"], &their_header["typ"]));
    // gcp_auth leaves it out; with it, Google need not try each of the account's keys.
    assert_eq!(header["kid"], machine.google.service_account().key_id());
    for name in ["iss", "aud", "scope"] {
        assert_eq!(claims[name], their_claims[name], "{name}");
    }
    // An hour is the most that Google allows; gcp_auth stays a few seconds below.
    assert_eq!(claims["exp"], 3600);
    assert!((3590..=3600).contains(&their_claims["exp"].as_u64().unwrap()));
}
