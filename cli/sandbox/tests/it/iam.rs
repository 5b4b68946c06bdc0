use serde_json::{Value, json};

use crate::client::*;

fn target(email: &str, method: &str) -> String {
    format!("/v1/projects/-/serviceAccounts/{email}:{method}")
}

#[test]
fn a_person_acts_as_a_service_account() {
    let sandbox = sandbox();
    let robot = format!("robot@{}.iam.gserviceaccount.com", sandbox.project_id());
    let caller = sandbox.access_token();
    let body = json!({"scope": ["email", EARTH_ENGINE], "lifetime": "600s"});
    // Some clients escape the `@` and the `:`.
    for name in [robot.clone(), robot.replace('@', "%40")] {
        let answer = api(&sandbox, &target(&name, "generateAccessToken"), &caller, &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        let expiry = humantime::parse_rfc3339(answer["expireTime"].as_str().unwrap()).unwrap();
        let expiry = expiry.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(i64::try_from(expiry).unwrap().abs_diff(now() + 600) <= 2);
        let token = answer["accessToken"].as_str().unwrap();
        let info = get(&sandbox, &format!("/tokeninfo?access_token={token}"), &[]).json();
        assert_eq!(info["email"], robot);
    }
    let body = json!({"audience": "https://service.example", "includeEmail": true});
    let answer = api(&sandbox, &target(&robot, "generateIdToken"), &caller, &body).json();
    let info =
        get(&sandbox, &format!("/tokeninfo?id_token={}", answer["token"].as_str().unwrap()), &[]).json();
    assert_eq!((&info["aud"], &info["email"]), (&json!("https://service.example"), &json!(robot)));
}

#[test]
fn delegates_are_followed_one_by_one() {
    let sandbox = sandbox();
    let [first, second, last] = ["first", "second", "last"].map(|name| sandbox.add_service_account(name));
    sandbox.allow_impersonation("ada@example.com", first.email());
    sandbox.allow_impersonation(first.email(), second.email());
    sandbox.allow_impersonation(second.email(), last.email());
    let caller = sandbox.access_token();
    let name = |email: &str| format!("projects/-/serviceAccounts/{email}");
    for (delegates, status) in [
        (json!([name(first.email()), name(second.email())]), 200),
        (json!([name(second.email()), name(first.email())]), 403),
        (json!([name(first.email())]), 403),
        (json!([]), 403),
        (json!([first.email()]), 400),
        (json!("x"), 400),
        (json!([name("ghost@example.com")]), 404),
    ] {
        let body = json!({"scope": [EARTH_ENGINE], "delegates": delegates});
        let answer = api(&sandbox, &target(last.email(), "generateAccessToken"), &caller, &body);
        assert_eq!(answer.status, status, "{delegates}: {}", answer.text());
    }
}

#[test]
fn what_is_wrong_is_said_as_google_says_it() {
    let sandbox = sandbox();
    let robot = format!("robot@{}.iam.gserviceaccount.com", sandbox.project_id());
    let user = sandbox.user();
    let (caller, narrow) = (sandbox.access_token(), sandbox.access_token_for(&user, &[EARTH_ENGINE]));
    let stranger = sandbox.add_user("bob@example.com", &sandbox.client(), &[CLOUD_PLATFORM]);
    let stranger = sandbox.access_token_for(&stranger, &[CLOUD_PLATFORM]);
    let good = json!({"scope": [EARTH_ENGINE]});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (token, email, body, error) in [
        (
            "ya29.unknown",
            &*robot,
            good.clone(),
            "UNAUTHENTICATED Request had invalid authentication credentials.",
        ),
        (&narrow, &robot, good.clone(), "PERMISSION_DENIED Request had insufficient authentication scopes."),
        (
            &stranger,
            &robot,
            good.clone(),
            "PERMISSION_DENIED Permission 'iam.serviceAccounts.getAccessToken' denied",
        ),
        (
            &caller,
            "ghost@example.com",
            good.clone(),
            "NOT_FOUND Not found; Gaia id not found for email ghost@",
        ),
        (&caller, &robot, with("scope", json!([])), "INVALID_ARGUMENT"),
        (&caller, &robot, with("scope", json!(EARTH_ENGINE)), "INVALID_ARGUMENT"),
        (&caller, &robot, with("scope", json!(["earthengine"])), "INVALID_ARGUMENT"),
        (
            &caller,
            &robot,
            with("lifetime", json!("3601s")),
            "INVALID_ARGUMENT The access token lifetime cannot exceed",
        ),
        (&caller, &robot, json!("x"), "INVALID_ARGUMENT Invalid JSON payload"),
    ] {
        let said = api(&sandbox, &target(email, "generateAccessToken"), token, &body).api_error();
        assert!(said.starts_with(error), "{body}: {said}");
    }
    let said = api(&sandbox, &target(&robot, "generateIdToken"), &caller, &json!({})).api_error();
    assert!(said.starts_with("INVALID_ARGUMENT"), "{said}");
}
