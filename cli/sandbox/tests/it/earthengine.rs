use ee_auth_sandbox::{ProjectState, Sandbox};
use serde_json::{Value, json};

use crate::client::*;

fn compute(sandbox: &Sandbox, project: &str, token: &str, node: &Value) -> Answer {
    let body = json!({"expression": {"result": "0", "values": {"0": node}}});
    api(sandbox, &format!("/v1/projects/{project}/value:compute"), token, &body)
}

#[test]
fn an_expression_is_computed() {
    let sandbox = sandbox();
    let token = sandbox.access_token();
    let sum = json!({"functionInvocationValue": {"functionName": "Number.add", "arguments": {
        "left": {"constantValue": 40}, "right": {"constantValue": 2},
    }}});
    for project in [sandbox.project_id(), sandbox.project_number()] {
        let answer = compute(&sandbox, &project, &token, &sum);
        assert_eq!((answer.status, answer.json()), (200, json!({"result": 42})), "{project}");
    }
    let unknown = json!({"functionInvocationValue": {"functionName": "Image.load", "arguments": {}}});
    let said = compute(&sandbox, &sandbox.project_id(), &token, &unknown).api_error();
    assert_eq!(said, "INVALID_ARGUMENT Unrecognized function: 'Image.load'.");
}

#[test]
fn the_algorithms_are_listed() {
    let sandbox = sandbox();
    let authorization = format!("Bearer {}", sandbox.access_token());
    let target = format!("/v1/projects/{}/algorithms?alt=json", sandbox.project_id());
    let answer = get(&sandbox, &target, &[("Authorization", &authorization)]).json();
    assert!(
        answer["algorithms"].as_array().unwrap().iter().any(|one| one["name"] == "algorithms/Number.add")
    );
    let discovery = get(&sandbox, "/$discovery/rest?version=v1", &[]).json();
    assert_eq!(discovery["rootUrl"], format!("{}/", sandbox.base_url()));
}

#[test]
fn a_token_must_be_valid_and_have_the_scope() {
    let sandbox = sandbox();
    let project = sandbox.project_id();
    let node = json!({"constantValue": 1});
    let user = sandbox.user();
    let drive = sandbox.access_token_for(&user, &["https://www.googleapis.com/auth/drive"]);
    let unknown = compute(&sandbox, &project, "ya29.unknown", &node);
    assert!(unknown.api_error().starts_with("UNAUTHENTICATED Request had invalid"));
    assert!(unknown.header("www-authenticate").unwrap().contains("invalid_token"));
    let narrow = compute(&sandbox, &project, &drive, &node);
    assert_eq!(narrow.api_error(), "PERMISSION_DENIED Request had insufficient authentication scopes.");
    for scope in ["earthengine", "earthengine.readonly", "cloud-platform"] {
        let token = sandbox.access_token_for(&user, &[&format!("https://www.googleapis.com/auth/{scope}")]);
        assert_eq!(compute(&sandbox, &project, &token, &node).status, 200, "{scope}");
    }
    let token = sandbox.access_token();
    sandbox.set_clock_offset(3600);
    let expired = compute(&sandbox, &project, &token, &node);
    assert_eq!(expired.json()["error"]["details"][0]["reason"], "ACCESS_TOKEN_EXPIRED");
}

#[test]
fn a_project_must_be_known_enabled_and_registered() {
    let sandbox = sandbox();
    let token = sandbox.access_token();
    for (project, state) in [
        ("disabled", ProjectState::ApiDisabled),
        ("unregistered", ProjectState::NotRegistered),
        ("forbidden", ProjectState::NoPermission),
    ] {
        sandbox.set_project(project, state);
    }
    for (project, said) in [
        ("disabled", "Earth Engine API has not been used in project disabled before or it is disabled."),
        ("764086051850", "Earth Engine API has not been used in project 764086051850 before"),
        ("unregistered", "Project unregistered is not registered to use Earth Engine."),
        ("forbidden", "Caller does not have required permission to use project forbidden."),
        ("517222506229", "Caller does not have required permission to use project 517222506229."),
        ("ghost", "Permission denied on resource project ghost."),
    ] {
        let error = compute(&sandbox, project, &token, &json!({"constantValue": 1})).api_error();
        assert!(error.starts_with("PERMISSION_DENIED ") && error.contains(said), "{project}: {error}");
    }
    // The project that pays is checked as well.
    let authorization = format!("Bearer {token}");
    let headers = [("Authorization", &*authorization), ("X-Goog-User-Project", "ghost")];
    let target = format!("/v1/projects/{}/config", sandbox.project_id());
    assert_eq!(get(&sandbox, &target, &headers).status, 403);
    assert_eq!(get(&sandbox, &target, &headers[..1]).status, 200);
}
