//! Exit statuses and the errors that programs read, each with a cause from real life.

use serde_json::Value;

use crate::support::{Machine, assert_shape};

const ERROR: &[(&str, &str)] = &[
    ("code", "string"),
    ("provider", "string?"),
    ("message", "string"),
    ("hint", "string?"),
    ("attempts", "[object]"),
];

const ATTEMPT: &[(&str, &str)] = &[
    ("provider", "string"),
    ("kind", "string"),
    ("outcome", "string"),
    ("code", "string?"),
    ("reason", "string?"),
    ("hint", "string?"),
    ("looked_at", "[string]"),
];

/// Checks what `explain` and errors say of each provider.
#[track_caller]
pub(crate) fn assert_attempts(attempts: &Value) {
    for attempt in attempts.as_array().expect("attempts") {
        assert_shape(attempt, ATTEMPT);
        let outcome = attempt["outcome"].as_str().expect("an outcome");
        let known = ["found", "skipped", "failed", "not_reached", "not_probed"];
        assert!(known.contains(&outcome), "{attempt:#}");
        // Whoever did not look has nothing to say; whoever has no credential says why.
        assert_eq!(attempt["code"].is_string(), matches!(outcome, "skipped" | "failed"), "{attempt:#}");
        assert_eq!(attempt["reason"].is_null(), outcome == "not_reached", "{attempt:#}");
    }
}

/// Runs the command in both formats. The error is told in words, and as JSON in the last line; each time with the same
/// status, and with nothing on standard output.
#[track_caller]
fn assert_fails(machine: &Machine, arguments: &[&str], status: i32, code: &str) -> Value {
    let text = machine.run(arguments).expect(status);
    assert_eq!(text.stdout, "", "{text}");
    assert!(text.stderr.starts_with("error"), "{text}");
    assert!(text.stderr.contains("\nhelp: "), "an error says what to do next\n{text}");

    let json = machine.run(arguments.iter().chain(&["--format", "json"])).expect(status);
    assert_eq!(json.stdout, "", "{json}");
    let error = json.error();
    assert_shape(&error, ERROR);
    assert_attempts(&error["attempts"]);
    assert_eq!(error["code"], code, "{json}");
    error
}

#[test]
fn status_0_a_token() {
    let machine = Machine::with_google().with_key();
    let output = machine.run(["token"]).expect(0);
    assert!(output.stdout.starts_with("ya29."), "{output}");
    assert_eq!(output.stderr, "", "{output}");
}

#[test]
fn status_1_something_else() {
    let machine = Machine::new();
    let file = machine.write("file", "");
    for below in ["ee-auth.toml", "directory/ee-auth.toml"] {
        let below_a_file = file.join(below);
        let below_a_file = below_a_file.to_str().expect("UTF-8");
        let error = assert_fails(&machine, &["config", "init", below_a_file], 1, "internal");
        assert!(error["message"].as_str().expect("a message").contains(below_a_file));
    }
}

#[test]
fn status_2_a_wrong_command_line() {
    let machine = Machine::new();
    for arguments in [
        &["tokne"][..],
        &["token", "--no-such-flag"],
        &["token", "an argument"],
        &["token", "--min-ttl", "soon"],
        &["token", "--format", "xml"],
        &["token", "--color", "green"],
        &["token", "-q", "-v"],
        &["status", "--online", "--offline"],
        &["explain", "--format", "curl"],
        &["doctor", "--online", "--offline"],
        &["doctor", "--format", "header"],
        &["providers", "--format", "raw"],
        &["config"],
        &["config", "shw"],
        &["trust", "--revoke", "--list"],
        &["completions", "csh"],
        &["man", "tokne"],
        &[],
    ] {
        let output = machine.run(arguments).expect(2);
        assert_eq!(output.stdout, "", "{output}");
        assert_ne!(output.stderr, "", "{output}");
    }
}

#[test]
fn status_2_is_told_in_json_too() {
    let machine = Machine::new();
    for arguments in [
        &["tokne", "--format", "json"][..],
        &["--format", "json", "token", "--no-such-flag"],
        &["token", "--format=json", "-q", "-v"],
        &["man", "tokne", "--format", "json"],
    ] {
        let output = machine.run(arguments).expect(2);
        let error = output.error();
        assert_shape(&error, ERROR);
        assert_eq!(error["code"].as_str().and_then(|code| code.split('.').next()), Some("usage"), "{output}");
        assert_eq!(output.stdout, "", "{output}");
    }
}

#[test]
fn a_code_without_its_verifier_names_the_missing_flag() {
    let code = format!("4/0A{}", "b".repeat(30));
    for format in ["text", "json"] {
        let arguments = ["login", "--mode=notebook", "--authorization-code", &code, "--format", format];
        let output = Machine::new().run(arguments).expect(2);
        assert!(output.stderr.contains("--code-verifier"), "{output}");
        assert!(!output.stderr.contains(&code), "{output}");
    }
    // What repeats the word that was given is still kept from the terminal.
    let output = Machine::new().run(["login", &code]).expect(2);
    assert!(!output.stderr.contains(&code), "{output}");
}

#[cfg(feature = "sandbox")]
#[test]
fn status_2_a_fault_that_does_not_exist() {
    let error = assert_fails(&Machine::new(), &["sandbox", "--fail", "tokn=503"], 2, "usage.fault");
    assert!(error["message"].as_str().expect("a message").contains("did you mean `token`?"));
}

#[test]
fn status_3_what_was_written_is_wrong() {
    let key = |content: &str| {
        let machine = Machine::with_google();
        let path = machine.write("key.json", content);
        machine.with("GOOGLE_APPLICATION_CREDENTIALS", path)
    };
    let google = Machine::with_google();
    let (robot, other) = (google.google().service_account(), google.google().user());
    for (machine, code) in [
        (key("{\"type\": \"service_account\""), "invalid.truncated"),
        (key(""), "invalid.empty"),
        (key("{\"type\": \"service_account\"}"), "invalid.missing_field"),
        (key("{\"type\": \"unheard_of\"}"), "invalid.type"),
        (Machine::new().with("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file.json"), "invalid.no_such_file"),
        (Machine::new().with("EE_SERVICE_ACCOUNT", robot.email()), "invalid.half_pair"),
        (
            Machine::new()
                .with("EARTHENGINE_TOKEN", robot.key_json())
                .with("EE_CREDENTIALS_JSON", other.authorized_user_json()),
            "invalid.contradiction",
        ),
        (Machine::new().with("EE_AUTH_CREDENTIALS", "${{ secrets.KEY }}"), "invalid.unrecognised"),
        (Machine::new().with("EE_AUTH_CHAIN", "enviroment"), "invalid.config"),
        (Machine::new().with("EE_AUTH_CONFIG", "/no/such/ee-auth.toml"), "invalid.config_file"),
        (Machine::new().with("EE_AUTH_LOG", "loud"), "invalid.log"),
        (Machine::new().with("EE_AUTH_SCOPES", "earth engine\""), "invalid.config"),
    ] {
        assert_fails(&machine, &["token"], 3, code);
    }
    let machine = Machine::new();
    machine.configure("projct = \"p\"");
    assert_fails(&machine, &["token"], 3, "invalid.config");
}

#[test]
fn status_4_no_credential() {
    let machine = Machine::new();
    for arguments in [&["token"][..], &["token", "--no-input"], &["status"]] {
        let error = assert_fails(&machine, arguments, 4, "interaction_required");
        let attempts = error["attempts"].as_array().expect("attempts");
        assert_eq!(attempts.len(), 9);
        assert!(attempts.iter().all(|attempt| attempt["outcome"] == "skipped"));
        assert_eq!(error["provider"], Value::Null);
    }
    let machine = machine.with("EE_AUTH_CHAIN", "environment,persistent");
    assert_fails(&machine, &["token"], 4, "not_found");
    assert_eq!(machine.run(["explain"]).expect(4).stderr, "");
}

#[test]
fn status_5_refused() {
    let machine = Machine::with_google().with_key();
    let robot = machine.google().service_account();
    machine.google().delete_keys(robot.email());
    let error = assert_fails(&machine, &["token"], 5, "rejected.invalid_grant");
    assert_eq!(error["provider"], "environment");
    assert!(error["message"].as_str().expect("a message").contains(robot.email()));

    let machine = Machine::with_google();
    let user = machine.google().user();
    machine.write(".config/earthengine/credentials", user.earthengine_file_json());
    machine.google().revoke(user.refresh_token());
    let error = assert_fails(&machine, &["token"], 5, "rejected.invalid_grant");
    assert_eq!(error["provider"], "persistent");
    assert_fails(&machine, &["status", "--online"], 5, "rejected.invalid_grant");
    // Finding makes no exchange, and so is not refused.
    machine.run(["explain"]).expect(0);
    machine.run(["status"]).expect(0);
}

#[test]
fn status_6_not_reached() {
    let machine = Machine::with_google().with_key();
    machine.google().fail("token=html".parse().expect("a fault"));
    assert_fails(&machine, &["token"], 6, "unavailable.malformed");

    let machine = Machine::with_google();
    machine.google().fail("metadata=html".parse().expect("a fault"));
    let host = machine.google().address().to_string();
    let machine = machine.with("GCE_METADATA_HOST", host);
    let error = assert_fails(&machine, &["token"], 6, "unavailable.malformed");
    assert_eq!(error["provider"], "metadata");
    let json = machine.run(["explain", "--format", "json"]).expect(6);
    assert_shape(&json.error(), ERROR);
}

#[test]
fn status_7_not_trusted() {
    // The key says that its assertions go to 127.0.0.1, and nobody has said that this is right.
    let google = Machine::with_google();
    let key = google.google().service_account().key_json();
    let machine = Machine::new().with("EE_AUTH_CREDENTIALS", key);
    let error = assert_fails(&machine, &["token"], 7, "untrusted.host");
    assert!(error["hint"].as_str().expect("a hint").contains("security.token_hosts"));
    assert_eq!(google.google().requests().len(), 0, "nothing was sent");

    let machine = Machine::with_google().with_key();
    machine.write("work/ee-auth.toml", "[security]\ntoken_hosts = [\"evil.example\"]\n");
    assert_fails(&machine, &["token"], 7, "untrusted.project_file");
}

#[test]
fn status_130_interrupted() {
    let machine = Machine::with_google().with_key();
    machine.google().fail("token=hang".parse().expect("a fault"));
    let mut child = machine.command(["token"]).spawn().expect("it can be run");
    while machine.google().requests().is_empty() {
        assert!(child.try_wait().expect("a child").is_none(), "it waits for the answer");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.expect("there is a `kill`").success());
    let status = child.wait().expect("it has ended");
    // A shell makes 130 of the signal.
    let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
    assert_eq!(status.code().or(signal), Some(130));
}

#[test]
fn a_found_credential_is_the_answer_even_where_its_exchange_fails() {
    // There is a login that would work, and it is not asked.
    let machine = Machine::with_google().with_key().with_login();
    machine.google().delete_service_account(machine.google().service_account().email());
    let error = assert_fails(&machine, &["token"], 5, "rejected.invalid_grant");
    assert_eq!(error["provider"], "environment");
    let grants: Vec<_> =
        machine.google().requests().iter().filter_map(|r| r.grant_type().map(str::to_owned)).collect();
    assert!(grants.iter().all(|grant| grant.ends_with("jwt-bearer")), "{grants:?}");
}
