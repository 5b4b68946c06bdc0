use crate::client::*;

const FLAVOR: (&str, &str) = ("Metadata-Flavor", "Google");
const ACCOUNTS: &str = "/computeMetadata/v1/instance/service-accounts/";

#[test]
fn every_path_that_the_clients_ask_for_is_there() {
    let sandbox = sandbox();
    let email = format!("robot@{}.iam.gserviceaccount.com", sandbox.project_id());
    let listed = format!("default/\n{email}/\n");
    for (path, body) in [
        ("project/project-id", sandbox.project_id()),
        ("project/numeric-project-id", sandbox.project_number()),
        ("universe/universe-domain", "googleapis.com".to_owned()),
        ("instance", "id\nname\nservice-accounts/\nzone\n".to_owned()),
        ("instance/service-accounts/", listed),
        ("instance/service-accounts/default/email", email.clone()),
        (&format!("instance/service-accounts/{email}/email"), email.clone()),
    ] {
        let answer = get(&sandbox, &format!("/computeMetadata/v1/{path}"), &[FLAVOR]);
        assert_eq!((answer.status, answer.text()), (200, body), "{path}");
        assert_eq!(answer.header("metadata-flavor"), Some("Google"), "{path}");
    }
    let root = get(&sandbox, "/", &[]);
    assert_eq!((root.status, root.header("metadata-flavor")), (200, Some("Google")));
    assert!(sandbox.project_number().bytes().all(|b| b.is_ascii_digit()));
}

#[test]
fn the_account_is_described_and_has_tokens() {
    let sandbox = sandbox();
    let account = get(&sandbox, &format!("{ACCOUNTS}default/?recursive=true"), &[FLAVOR]);
    assert_eq!(account.header("content-type"), Some("application/json"));
    let email = account.json()["email"].as_str().unwrap().to_owned();
    assert_eq!(account.json()["scopes"].as_array().unwrap().len(), 4);

    for (name, query, scopes) in [
        (
            "default",
            "?scopes=https://www.googleapis.com/auth/earthengine,email",
            format!("{EARTH_ENGINE} email"),
        ),
        (&email, "", ee_auth_sandbox::DEFAULT_SCOPES.join(" ")),
    ] {
        let token = get(&sandbox, &format!("{ACCOUNTS}{name}/token{query}"), &[FLAVOR]).json();
        let token = token["access_token"].as_str().unwrap();
        let info = get(&sandbox, &format!("/tokeninfo?access_token={token}"), &[]).json();
        assert_eq!(info["scope"], scopes);
    }
    let target = format!("{ACCOUNTS}default/identity?audience=https://service.example&format=full");
    let token = get(&sandbox, &target, &[FLAVOR]).text();
    let info = get(&sandbox, &format!("/tokeninfo?id_token={token}"), &[]).json();
    assert_eq!(
        (info["aud"].as_str(), info["email"].as_str()),
        (Some("https://service.example"), Some(&*email))
    );
}

#[test]
fn requests_that_a_machine_would_not_make_are_refused() {
    let sandbox = sandbox();
    let forwarded = ("X-Forwarded-For", "203.0.113.1");
    for (path, headers, status) in [
        ("project/project-id", &[][..], 403),
        ("project/project-id", &[("Metadata-Flavor", "google")], 403),
        ("project/project-id", &[FLAVOR, forwarded], 403),
        ("project/nothing", &[FLAVOR], 404),
        ("instance/service-accounts/ghost@example.com/token", &[FLAVOR], 404),
        ("instance/service-accounts/default/nothing", &[FLAVOR], 404),
        ("instance/service-accounts/default/identity", &[FLAVOR], 400),
        ("instance/service-accounts/default/token?scopes=earthengine", &[FLAVOR], 400),
    ] {
        let answer = get(&sandbox, &format!("/computeMetadata/v1/{path}"), headers);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("metadata-flavor"), Some("Google"), "{path}");
    }
}

#[test]
fn a_machine_may_have_another_account_or_none() {
    let sandbox = sandbox();
    sandbox.set_machine_account(Some("ada@example.com"));
    assert_eq!(get(&sandbox, &format!("{ACCOUNTS}default/email"), &[FLAVOR]).text(), "ada@example.com");
    sandbox.set_machine_account(None);
    assert_eq!(get(&sandbox, ACCOUNTS, &[FLAVOR]).text(), "");
    assert_eq!(get(&sandbox, &format!("{ACCOUNTS}default/token"), &[FLAVOR]).status, 404);
}
