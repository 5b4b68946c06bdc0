//! `ee-auth token --id-token --audience A`, and access tokens that are narrowed by `--scopes`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{Machine, assert_shape, is_timestamp};

const ASK: [&str; 4] = ["token", "--id-token", "--audience", AUDIENCE];
const AUDIENCE: &str = "https://service.example/x?y=1";

const ID_TOKEN: &[(&str, &str)] = &[
    ("id_token", "string"),
    ("expires_at", "string"),
    ("audience", "string"),
    ("principal", "string?"),
    ("provider", "string"),
];

fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).expect("a JWT has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

/// The machine's ID token is of the account `robot`, and no run finds it kept.
#[track_caller]
fn check(machine: &Machine, provider: &str) {
    let robot = machine.google().service_account();
    let token = machine.run(ASK.into_iter().chain(["--format", "json"])).expect(0).json();
    assert_shape(&token, ID_TOKEN);
    assert!(is_timestamp(&token["expires_at"]), "{token}");
    assert_eq!(token["audience"], AUDIENCE);
    assert_eq!(token["principal"], robot.email());
    assert_eq!(token["provider"], provider);
    let claims = claims(token["id_token"].as_str().expect("a JWT"));
    assert_eq!(claims["aud"], AUDIENCE);
    assert_eq!(claims["email"], robot.email());

    let before = machine.google().requests().len();
    let raw = machine.run(ASK).expect(0).stdout;
    assert_eq!(raw.trim().split('.').count(), 3, "{raw}");
    assert!(machine.google().requests().len() > before, "an ID token is asked for anew");
}

/// A machine on which the stored login stands for the account `robot`.
fn impersonating(options: &str) -> Machine {
    let machine = Machine::with_google().with_login();
    let target = machine.google().service_account().email().to_owned();
    machine.configure(&format!(
        "chain = [\"robot\"]\n\n[providers.robot]\nkind = \"impersonate\"\nsource = \"persistent\"\ntarget = \"{target}\"\n{options}"
    ));
    machine
}

/// A machine of Google's.
fn machine_of_google() -> Machine {
    let machine = Machine::with_google();
    let address = machine.google().address().to_string();
    machine.with("GCE_METADATA_HOST", address)
}

#[test]
fn of_a_key() {
    check(&Machine::with_google().with_key(), "environment");
}

#[test]
fn of_an_impersonation() {
    check(&impersonating(""), "robot");
}

#[test]
fn of_an_impersonation_in_a_file() {
    let machine = Machine::with_google();
    let login: Value = serde_json::from_str(&machine.google().user().authorized_user_json()).expect("JSON");
    let robot = machine.google().service_account().email().to_owned();
    let url =
        format!("{}/v1/projects/-/serviceAccounts/{robot}:generateAccessToken", machine.google().base_url());
    let file = json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": url,
        "delegates": [],
        "source_credentials": login,
    });
    let path = machine.write("adc.json", file.to_string());
    check(&machine.with("GOOGLE_APPLICATION_CREDENTIALS", path), "application_default");
}

#[test]
fn of_a_machine_of_google() {
    check(&machine_of_google(), "metadata");
}

#[test]
fn as_a_header_and_for_curl() {
    let machine = Machine::with_google().with_key();
    let header = machine.run(ASK.into_iter().chain(["--format", "header"])).expect(0).stdout;
    assert!(header.starts_with("Authorization: Bearer ey"), "{header}");
    let curl = machine.run(ASK.into_iter().chain(["--format", "curl"])).expect(0).stdout;
    assert!(curl.starts_with("header = \"Authorization: Bearer ey") && curl.ends_with("\"\n"), "{curl}");
}

#[test]
fn a_login_has_none() {
    let output =
        Machine::with_google().with_login().run(ASK.into_iter().chain(["--format", "json"])).expect(3);
    let error = output.error();
    assert_eq!(error["code"], "invalid.id_token");
    assert_eq!(error["provider"], "persistent");
    assert!(error["hint"].as_str().expect("a hint").contains("impersonate"), "{output}");
}

#[test]
fn an_audience_and_the_switch_need_each_other() {
    let machine = Machine::with_google().with_key();
    for arguments in [
        &["token", "--id-token"][..],
        &["token", "--audience", AUDIENCE],
        &["token", "--id-token", "--audience", ""],
        &["token", "--id-token", "--audience", AUDIENCE, "--min-ttl", "5m"],
    ] {
        machine.run(arguments).expect(2);
    }
}

#[test]
fn a_role_that_is_missing_comes_with_the_command_that_grants_it() {
    let machine = impersonating("delegates = [\"nobody@ee-auth-sandbox.iam.gserviceaccount.com\"]\n");
    machine.google().add_service_account("nobody");
    for arguments in [&ASK[..], &["token"]] {
        let output = machine.run(arguments.iter().chain(&["--format", "json"])).expect(5);
        assert_eq!(output.error()["code"], "rejected.permission", "{output}");
        assert!(output.stderr.contains("roles/iam.serviceAccountTokenCreator"), "{output}");
    }
}

/// What Google says a token may do that was asked for with `--scopes earthengine`.
#[track_caller]
fn check_narrowed(machine: &Machine) {
    let status = ["status", "--online", "--scopes", "earthengine", "--format", "json"];
    let scopes = machine.run(status).expect(0).json()["scopes"].clone();
    assert_eq!(scopes, json!(["https://www.googleapis.com/auth/earthengine"]));
}

#[test]
fn scopes_narrow_the_token_of_a_key() {
    check_narrowed(&Machine::with_google().with_key());
}

#[test]
fn scopes_narrow_the_token_of_a_login() {
    check_narrowed(&Machine::with_google().with_login());
}

#[test]
fn scopes_narrow_the_token_of_an_impersonation() {
    check_narrowed(&impersonating(""));
}

#[test]
fn scopes_narrow_the_token_of_a_machine() {
    check_narrowed(&machine_of_google());
}

#[test]
fn a_kept_token_is_not_taken_for_one_with_other_scopes() {
    let machine = impersonating("");
    let token = |scopes: &str| machine.run(["token", "--scopes", scopes]).expect(0).stdout;
    let narrow = token("earthengine");
    assert_ne!(narrow, token("drive"));
    assert_eq!(narrow, token("earthengine"), "it was kept");
}
