use ee_auth_sandbox::{JWT_TOKEN_TYPE, Workload};
use serde_json::{Value, json};

use crate::client::*;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn fields(workload: &Workload) -> Vec<(&str, &str)> {
    vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", workload.audience()),
        ("scope", CLOUD_PLATFORM),
        ("requested_token_type", ACCESS_TOKEN),
        ("subject_token_type", JWT_TOKEN_TYPE),
        ("subject_token", workload.subject_token()),
    ]
}

#[test]
fn a_subject_token_is_exchanged() {
    let sandbox = sandbox();
    let workload = sandbox.workload();
    let answer = form(&sandbox, "/v1/token", &fields(&workload));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(
        (&answer["issued_token_type"], &answer["token_type"]),
        (&json!(ACCESS_TOKEN), &json!("Bearer"))
    );

    let token = answer["access_token"].as_str().unwrap();
    let info = form(&sandbox, "/v1/introspect", &[("token", token)]).json();
    assert_eq!((&info["active"], &info["username"]), (&json!(true), &json!(workload.principal())));
}

#[test]
fn a_subject_token_is_verified() {
    let sandbox = sandbox();
    let workload = sandbox.workload();
    let pool = workload.audience().replace("/sandbox/", "/other/");
    for (name, value, error) in [
        ("grant_type", "refresh_token", "400 unsupported_grant_type"),
        ("audience", "sandbox", "400 invalid_request: Invalid value for \"audience\"."),
        ("audience", &pool, "400 invalid_target"),
        ("scope", "", "400 invalid_scope"),
        ("scope", "cloud-platform", "400 invalid_scope"),
        ("requested_token_type", "x", "400 invalid_request: Invalid value for \"requested_token_type\"."),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:saml2",
            "400 invalid_grant: The subject token",
        ),
        ("subject_token", "eyJ.e30.x", "400 invalid_grant: Error connecting"),
        ("subject_token", "", "400 invalid_request: Missing required parameter: subject_token"),
        ("options", "x", "400 invalid_request: Invalid value for \"options\"."),
        ("client_id", "1-ghost", "401 invalid_client"),
    ] {
        let mut fields = fields(&workload);
        fields.retain(|(field, _)| *field != name);
        fields.push((name, value));
        let said = form(&sandbox, "/v1/token", &fields).oauth_error();
        assert!(said.starts_with(error), "{name}={value}: {said}");
    }
    sandbox.set_clock_offset(3601);
    let stale = form(&sandbox, "/v1/token", &fields(&workload)).oauth_error();
    assert!(stale.contains("is stale"), "{stale}");
}

#[test]
fn tokens_of_any_kind_can_be_registered() {
    let sandbox = sandbox();
    let audience = "//iam.googleapis.com/locations/global/workforcePools/w/providers/p";
    let saml = "urn:ietf:params:oauth:token-type:saml2";
    sandbox.add_subject_token(audience, saml, "an assertion", "principal://w/subject/s");
    let workload = sandbox.workload();
    let mut fields = fields(&workload);
    for (name, value) in [
        ("audience", audience),
        ("subject_token_type", saml),
        ("subject_token", "an assertion"),
        ("options", r#"{"userProject":"1"}"#),
    ] {
        fields.retain(|(field, _)| *field != name);
        fields.push((name, value));
    }
    assert_eq!(form(&sandbox, "/v1/token", &fields).status, 200);
}

#[test]
fn a_workload_fetches_its_subject_token() {
    let sandbox = sandbox();
    let workload = sandbox.workload();
    assert_eq!(workload.subject_token_url(), format!("{}/subject-token", sandbox.base_url()));
    assert_eq!(get(&sandbox, "/subject-token", &[("Authorization", "Bearer wrong")]).status, 401);
    let authorization = format!("bearer {}", workload.request_token());
    let fetched = get(&sandbox, "/subject-token", &[("Authorization", &authorization)]).json();
    let fetched = fetched["value"].as_str().unwrap();
    assert_ne!(fetched, workload.subject_token());
    let mut fields = fields(&workload);
    fields.retain(|(field, _)| *field != "subject_token");
    fields.push(("subject_token", fetched));
    assert_eq!(form(&sandbox, "/v1/token", &fields).status, 200);
}

#[test]
fn the_files_of_a_workload_name_the_sandbox() {
    let sandbox = sandbox();
    let workload = sandbox.workload();
    let source = json!({"file": "/token"});
    let file: Value = serde_json::from_str(&workload.external_account_json(&source, Some("r@p"))).unwrap();
    assert_eq!(file["token_url"], format!("{}/v1/token", sandbox.base_url()));
    assert_eq!(file["credential_source"], source);
    assert!(
        file["service_account_impersonation_url"].as_str().unwrap().ends_with("/r@p:generateAccessToken")
    );
}

#[test]
fn a_workforce_login_is_refreshed_and_rotated() {
    let sandbox = sandbox();
    let user = sandbox.user();
    let file: Value = serde_json::from_str(&user.external_account_authorized_user_json()).unwrap();
    assert_eq!(file["token_url"], format!("{}/v1/oauthtoken", sandbox.base_url()));
    let refresh = |token: &str| {
        let client = user.client();
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", client.id()),
            ("client_secret", client.secret()),
        ];
        form(&sandbox, "/v1/oauthtoken", &fields)
    };
    assert!(refresh(user.refresh_token()).json().get("refresh_token").is_none());

    sandbox.set_refresh_token_rotation(true);
    let rotated = refresh(user.refresh_token()).json();
    assert_eq!(refresh(user.refresh_token()).status, 400);
    assert_eq!(refresh(rotated["refresh_token"].as_str().unwrap()).status, 200);
}

#[test]
fn a_request_that_was_signed_for_aws_is_verified() {
    // One that is right is in `tests/federation.rs`, where a signature is made.
    let sandbox = sandbox();
    let workload = sandbox.workload();
    let aws = "urn:ietf:params:aws:token-type:aws4_request";
    sandbox.add_aws_identity(workload.audience(), "KEY-ID", "a secret key", "principal://aws");
    for (token, error) in [
        ("x", "The token is not JSON."),
        ("{}", "There is no URL."),
        (r#"{"url":"https://sts.evil.example"}"#, "The URL is not of AWS STS."),
        (
            r#"{"url":"https://sts.us-east-1.amazonaws.com?Action=AssumeRole"}"#,
            "The request is not GetCallerIdentity.",
        ),
        (
            r#"{"url":"https://sts.us-east-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15","method":"POST","headers":[]}"#,
            "The header x-goog-cloud-target-resource is missing.",
        ),
    ] {
        let mut fields = fields(&workload);
        fields.retain(|(field, _)| !field.starts_with("subject_token"));
        fields.extend([("subject_token_type", aws), ("subject_token", token)]);
        let said = form(&sandbox, "/v1/token", &fields).oauth_error();
        assert_eq!(said, format!("400 invalid_grant: {error}"), "{token}");
    }
}
