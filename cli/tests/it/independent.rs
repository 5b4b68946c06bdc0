//! Our exchange of a service account's assertion beside that of `gcp_auth`, which shares no code with us.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ee_auth_sandbox::{DEFAULT_SCOPES, Sandbox, ServiceAccount};
use gcp_auth::{CustomServiceAccount, TokenProvider as _};
use ring::rsa::KeyPair;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::support::Machine;

/// An assertion as the sandbox received it.
struct Assertion {
    header: Value,
    claims: Value,
}

/// The one request that was made, which has this token for its answer: a form with a JWT that the account has signed.
fn only_assertion(google: &Sandbox, robot: &ServiceAccount) -> Assertion {
    let requests = google.requests();
    google.clear_requests();
    let [request] = &requests[..] else { panic!("one request is wanted: {requests:?}") };
    assert_eq!(
        (request.method.as_str(), request.path.as_str(), request.status),
        ("POST", "/token", Some(200))
    );
    let content = request.content().expect("the assertion is of the sandbox's own account");
    assert_eq!(content.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(content.field("grant_type"), Some("urn:ietf:params:oauth:grant-type:jwt-bearer"));
    assert_eq!(request.fields.len(), 2, "nothing else is sent");

    let jwt = content.field("assertion").expect("an assertion");
    let (signed, signature) = jwt.rsplit_once('.').expect("a signature");
    let (header, claims) = signed.split_once('.').expect("claims");
    // gcp_auth pads, though RFC 7515, section 2, has base64url without padding.
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).expect("base64url");
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key(robot.pem()))
        .verify(signed.as_bytes(), &decode(signature))
        .expect("the account's key has signed it");
    let json = |part: &str| serde_json::from_slice(&decode(part)).expect("JSON");
    Assertion { header: json(header), claims: json(claims) }
}

fn public_key(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let pair = KeyPair::from_pkcs8(&STANDARD.decode(base64).expect("base64")).expect("a key");
    pair.public_key().as_ref().to_vec()
}

#[test]
fn both_send_the_same_assertion_and_both_tokens_are_accepted() {
    let machine = Machine::with_google().with_key();
    let google = machine.google();
    let robot = google.service_account();

    let ours = machine.run(["token"]).expect(0).stdout.trim().to_owned();
    let our_assertion = only_assertion(google, &robot);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let theirs = runtime.block_on(async {
        let account = CustomServiceAccount::from_json(&robot.key_json()).expect("it reads the same key");
        account.token(&DEFAULT_SCOPES).await.expect("it gets a token")
    });
    let their_assertion = only_assertion(google, &robot);

    for claim in ["iss", "aud", "scope"] {
        assert!(our_assertion.claims[claim].is_string(), "{claim}");
        assert_eq!(our_assertion.claims[claim], their_assertion.claims[claim], "{claim}");
    }
    assert_eq!(our_assertion.claims["iss"], robot.email());
    assert_eq!(our_assertion.claims["aud"], format!("{}/token", google.base_url()));
    for field in ["alg", "typ"] {
        assert_eq!(our_assertion.header[field], their_assertion.header[field], "{field}");
    }
    // Where the two differ: gcp_auth names no key, so that Google has to try all of the account's; it asks for five
    // seconds less than the hour that is allowed; and it writes a `sub` of null.
    assert_eq!(our_assertion.header["kid"], robot.key_id());
    assert_eq!(their_assertion.header.get("kid"), None);
    let lifetime = |assertion: &Assertion| {
        let number = |claim: &str| assertion.claims[claim].as_u64().expect("whole seconds");
        number("exp") - number("iat")
    };
    assert_eq!((lifetime(&our_assertion), lifetime(&their_assertion)), (3600, 3595));
    assert_eq!((our_assertion.claims.get("sub"), &their_assertion.claims["sub"]), (None, &Value::Null));
    let keys = |assertion: &Assertion| {
        let claims = assertion.claims.as_object().expect("claims");
        claims.keys().filter(|claim| *claim != "sub").cloned().collect::<Vec<_>>()
    };
    assert_eq!(json!(keys(&our_assertion)), json!(keys(&their_assertion)));

    // `status --online` asks tokeninfo, which knows the scopes of both and refuses what it has not made.
    for token in [ours.as_str(), theirs.as_str()] {
        let mut command = machine.command(["status", "--online", "--format", "json"]);
        let output = crate::support::run(command.env("EE_AUTH_CREDENTIALS", token)).expect(0);
        assert_eq!(output.json()["scopes"], json!(DEFAULT_SCOPES), "{output}");
    }
}
