//! `ee-auth status` and `ee-auth providers`

use serde_json::{Value, json};

use crate::support::{Machine, assert_shape, is_timestamp};

const STATUS: &[(&str, &str)] = &[
    ("provider", "string"),
    ("kind", "string"),
    ("principal", "string?"),
    ("impersonates", "string?"),
    ("project", "string?"),
    ("scopes", "[string]"),
    ("quota_project", "string?"),
    ("universe_domain", "string"),
    ("origin", "string"),
    ("token", "object"),
    ("profile", "string?"),
];

#[track_caller]
fn status_json(machine: &Machine, arguments: &[&str]) -> Value {
    let output = machine.run(["status", "--format", "json"].iter().chain(arguments)).expect(0);
    let status = output.json();
    assert_shape(&status, STATUS);
    assert_shape(&status["token"], &[("cached", "bool"), ("expires_at", "string?")]);
    assert!(
        status["token"]["expires_at"].is_null() || is_timestamp(&status["token"]["expires_at"]),
        "{output}"
    );
    status
}

#[test]
fn of_a_service_account() {
    let machine = Machine::with_google();
    let robot = machine.google().service_account();
    let path = machine.write("key.json", robot.key_json());
    machine.configure(&format!("[providers.robot]\nkind = \"service_account\"\nkey_file = {path:?}\n"));
    let machine = machine.with("EE_AUTH_CHAIN", "robot");
    let status = status_json(&machine, &[]);
    assert_eq!((&status["provider"], &status["kind"]), (&json!("robot"), &json!("service_account")));
    assert_eq!(status["principal"], robot.email());
    assert_eq!(status["universe_domain"], "googleapis.com");
    assert!(status["origin"].as_str().expect("an origin").contains(path.to_str().expect("UTF-8")));
    assert_eq!(status["token"], json!({"cached": false, "expires_at": null}), "no exchange is made");
    assert_eq!(machine.google().requests().len(), 0);

    let text = machine.run(["status"]).expect(0);
    for word in ["robot (kind service_account)", robot.email(), "ee-auth-sandbox", "cloud-platform"] {
        assert!(text.stdout.contains(word), "{word}\n{text}");
    }
}

#[test]
fn of_a_login_offline_and_online() {
    let machine = Machine::with_google();
    let client = machine.google().client();
    let scopes =
        ["https://www.googleapis.com/auth/earthengine", "https://www.googleapis.com/auth/userinfo.email"];
    let user = machine.google().add_user("grace@example.com", &client, &scopes);
    machine.write(".config/earthengine/credentials", user.earthengine_file_json());
    for arguments in [&[][..], &["--offline"]] {
        let status = status_json(&machine, arguments);
        assert_eq!(status["principal"], Value::Null);
        assert_eq!(status["scopes"], json!(scopes));
        assert_eq!(status["quota_project"], machine.google().project_id());
        assert_eq!(machine.google().requests().len(), 0);
    }
    let status = status_json(&machine, &["--online"]);
    assert_eq!(status["principal"], "grace@example.com");
    assert!(is_timestamp(&status["token"]["expires_at"]));
    // The token goes in a body, never in an address, which ends up in logs.
    let requests = machine.google().requests();
    let info = requests.last().expect("a request");
    assert_eq!((info.service.name(), info.method.as_str()), ("tokeninfo", "POST"));
}

#[test]
fn of_a_token_that_google_does_not_know() {
    let machine = Machine::with_google();
    machine.google().set_token_lifetime(std::time::Duration::ZERO);
    let expired = machine.google().access_token();
    let machine = machine.with("EARTHENGINE_TOKEN", expired);
    machine.run(["status"]).expect(0);
    let output = machine.run(["status", "--online", "--format", "json"]).expect(5);
    assert_eq!(output.error()["code"], "rejected.token", "{output}");
}

#[test]
fn providers_lists_the_chain_first() {
    let machine = Machine::new();
    machine.configure(
        "chain = [\"robot\", \"notebook\", \"environment\"]\n\
         [providers.robot]\nkind = \"service_account\"\nkey_file = \"/key.json\"",
    );
    let listed = machine.run(["providers", "--format", "json"]).expect(0).json();
    let listed = listed.as_array().expect("a list");
    for provider in listed {
        assert_shape(
            provider,
            &[
                ("name", "string"),
                ("kind", "string"),
                ("declared_in", "string"),
                ("in_chain", "bool"),
                ("interactive", "bool"),
            ],
        );
    }
    let names: Vec<_> = listed.iter().filter_map(|provider| provider["name"].as_str()).collect();
    assert_eq!(names[..3], ["robot", "notebook", "environment"]);
    assert_eq!(names.len(), 11, "the ten built-in kinds and the declared one: {names:?}");
    assert!(listed.iter().enumerate().all(|(i, provider)| provider["in_chain"] == (i < 3)));
    assert_eq!(listed[0]["kind"], "service_account");
    let declared_in = listed[0]["declared_in"].as_str().expect("a place");
    assert!(declared_in.starts_with(&format!("{}:", machine.user_file().display())), "{declared_in}");
    assert_eq!((&listed[0]["interactive"], &listed[1]["interactive"]), (&json!(false), &json!(true)));

    let text = machine.run(["providers"]).expect(0);
    let (inside, outside) = text.stdout.split_once("Not in the chain").expect("both parts");
    assert!(inside.contains("robot") && inside.contains("kind service_account"), "{text}");
    assert!(outside.contains("persistent"), "{text}");
}
