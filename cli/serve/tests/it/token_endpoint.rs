//! The token endpoint of credential files, and introspection.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use ee_auth_core::Error;
use serde_json::json;

use crate::support::{LIFETIME, Machine, SECRET};

fn refresh(secret: &str) -> String {
    format!("grant_type=refresh_token&refresh_token={secret}")
}

#[test]
fn the_secret_is_all_that_is_asked_for() {
    let machine = Machine::new();
    let token = json!({"access_token": "token-1", "expires_in": LIFETIME, "token_type": "Bearer"});
    // gcloud sends its own client in the place of the file's; GDAL sends it in the form.
    for headers in [&[][..], &["Authorization: Basic c29tZWJvZHk6ZWxzZQ=="]] {
        let answer = machine.send("POST", "/v1/oauthtoken", headers, &refresh(SECRET));
        assert_eq!(answer.json(), token);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let form = format!("client_id=x&client_secret=y&{}&scope=a+b", refresh(SECRET));
    assert_eq!(machine.post("/v1/oauthtoken", &form).json(), token);
}

/// As from a client that takes the file for a service account's key. What counts is the name, not the signature.
#[test]
fn an_assertion_in_the_name_of_this_run_is_as_good() {
    let machine = Machine::new();
    let name = |email: &str| json!({"iss": email, "scope": "a"}).to_string();
    let ask = |payload: &str| {
        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        machine.post("/v1/oauthtoken", &format!("grant_type={grant}&assertion=e30.{payload}.c2lnbmVk"))
    };
    let good = name(&format!("{SECRET}@ee-auth.invalid"));
    // With and without the padding that some put there.
    for payload in [URL_SAFE.encode(&good), URL_SAFE_NO_PAD.encode(&good)] {
        assert_eq!(ask(&payload).json()["access_token"], "token-1");
    }
    for bad in
        ["", SECRET, "@ee-auth.invalid", "other@ee-auth.invalid", &format!("{SECRET}@ee-auth.invalid.x")]
    {
        assert_eq!(ask(&URL_SAFE.encode(name(bad))).json()["error"], "invalid_grant", "{bad}");
    }
    for bad in ["", "!", "e30", "bnVsbA"] {
        assert_eq!(ask(bad).status, 400, "{bad}");
    }
    // One kind of grant is not taken for the other.
    let both = format!("grant_type=refresh_token&assertion=e30.{}.c2ln", URL_SAFE.encode(&good));
    assert_eq!(machine.post("/v1/oauthtoken", &both).status, 400);
    assert_eq!(machine.exchanges.made(), 1);
}

#[test]
fn a_token_is_told_with_the_time_that_is_left() {
    let machine = Machine::new();
    let ask = || machine.post("/v1/oauthtoken", &refresh(SECRET)).json();
    assert_eq!(ask()["expires_in"], LIFETIME);
    machine.fake.advance(Duration::from_millis(1500));
    assert_eq!(ask()["expires_in"], LIFETIME - 2);
    machine.fake.advance(Duration::from_secs(LIFETIME));
    assert_eq!(ask(), json!({"access_token": "token-2", "expires_in": LIFETIME, "token_type": "Bearer"}));
}

#[test]
fn errors_are_those_of_oauth() {
    for (error, status, code) in [
        (Error::unavailable("status", "503").hint("wait"), 503, "temporarily_unavailable"),
        (Error::rejected("invalid_grant", "revoked").hint("log in"), 400, "invalid_grant"),
        (Error::rejected("invalid_scope", "no").hint("ask for less"), 400, "invalid_scope"),
        (Error::invalid("key", "broken").hint("mend it"), 400, "invalid_grant"),
    ] {
        let machine = Machine::new();
        machine.exchanges.fail(error.clone());
        let answer = machine.post("/v1/oauthtoken", &refresh(SECRET));
        assert_eq!(answer.status, status);
        let description = format!("{error}; {}", error.next_step().unwrap());
        assert_eq!(answer.json(), json!({"error": code, "error_description": description}));
    }
}

#[test]
fn whoever_has_the_token_may_ask_whose_it_is() {
    let machine = Machine::new();
    // Nobody has one yet.
    assert_eq!(machine.post("/v1/introspect", "token=token-1").status, 400);
    machine.post("/v1/oauthtoken", &refresh(SECRET));
    let answer = machine.post("/v1/introspect", "token=token-1&token_type_hint=access_token").json();
    assert_eq!(answer, json!({"active": true, "username": "ada@example.com", "token_type": "Bearer"}));
    for form in ["", "token=", "token=token-2", "token_type_hint=token-1"] {
        assert_eq!(machine.post("/v1/introspect", form).status, 400, "{form}");
    }
    assert_eq!(machine.exchanges.made(), 1);
}

/// A token that is about to expire is replaced beside the clients, who get the old one; and stays when that fails.
#[test]
fn a_refresh_is_noticed_by_nobody() {
    let machine = Machine::new();
    let ask = || machine.post("/v1/oauthtoken", &refresh(SECRET)).json()["access_token"].clone();
    assert_eq!(ask(), "token-1");
    machine.fake.advance(Duration::from_secs(LIFETIME - 60));
    let held = machine.exchanges.hold();
    for _ in 0..10 {
        assert_eq!(ask(), "token-1", "nobody waits for the exchange");
    }
    machine.exchanges.fail(Error::unavailable("connect", "down"));
    drop(held);
    while machine.exchanges.made() < 2 {
        std::thread::yield_now();
    }
    for _ in 0..10 {
        assert_eq!(ask(), "token-1", "it is still valid");
    }
}
