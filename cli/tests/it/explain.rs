//! `ee-auth explain`: what people come for.

use serde_json::{Value, json};

use crate::contract::assert_attempts;
use crate::support::{Machine, Output, assert_shape};

/// The order of the design, written down once more.
const DEFAULT_CHAIN: [&str; 9] = [
    "explicit",
    "environment",
    "service_account",
    "persistent",
    "application_default",
    "gcloud",
    "metadata",
    "notebook",
    "localhost",
];

#[track_caller]
fn explain(machine: &Machine, status: i32, arguments: &[&str]) -> (Value, Output) {
    let output = machine.run(["explain", "--format", "json"].iter().chain(arguments)).expect(status);
    let answer = output.json();
    assert_shape(&answer, &[("resolved", "string?"), ("project", "string?"), ("attempts", "[object]")]);
    assert_attempts(&answer["attempts"]);
    (answer, output)
}

fn all<'a>(answer: &'a Value, key: &str) -> Vec<&'a str> {
    let attempts = answer["attempts"].as_array().expect("attempts").iter();
    attempts.map(|attempt| attempt[key].as_str().unwrap_or_default()).collect()
}

fn attempt<'a>(answer: &'a Value, provider: &str) -> &'a Value {
    let mut attempts = answer["attempts"].as_array().expect("attempts").iter();
    attempts.find(|attempt| attempt["provider"] == provider).expect("it is in the chain")
}

#[test]
fn with_nothing_configured_every_provider_says_why_it_has_none() {
    let machine = Machine::new();
    let (answer, output) = explain(&machine, 4, &[]);
    assert_eq!(all(&answer, "provider"), DEFAULT_CHAIN);
    assert_eq!(all(&answer, "kind"), DEFAULT_CHAIN);
    assert_eq!(all(&answer, "outcome"), ["skipped"; 9]);
    assert_eq!(answer["resolved"], Value::Null);
    assert_eq!(answer["project"], Value::Null);
    assert_eq!(output.error()["attempts"], answer["attempts"], "the error says the same");
    let looked_at = attempt(&answer, "persistent")["looked_at"].clone();
    assert_eq!(looked_at, json!([machine.home().join(".config/earthengine/credentials")]));

    let text = machine.run(["explain"]).expect(4);
    assert_eq!(text.stderr, "", "{text}");
    for (place, name) in DEFAULT_CHAIN.iter().enumerate() {
        let line = text.stdout.lines().find(|line| line.starts_with(&format!("{:2} ", place + 1)));
        assert!(line.is_some_and(|line| line.contains(name)), "{name} is number {}\n{text}", place + 1);
    }
    assert!(text.stdout.contains("EE_AUTH_CREDENTIALS"), "{text}");
    assert!(text.stdout.contains("fix: "), "{text}");
}

#[test]
fn the_first_that_finds_wins_and_the_rest_is_not_reached() {
    let machine = Machine::with_google().with_login();
    let (answer, output) = explain(&machine, 0, &[]);
    assert_eq!(output.stderr, "", "{output}");
    assert_eq!(answer["resolved"], "persistent");
    assert_eq!(answer["project"], machine.google().project_id());
    let outcomes = all(&answer, "outcome");
    assert_eq!(outcomes[..3], ["skipped"; 3]);
    assert_eq!(outcomes[3], "found");
    assert_eq!(outcomes[4..], ["not_reached"; 5]);
    assert_eq!(attempt(&answer, "gcloud")["looked_at"], json!([]));
    assert_eq!(machine.google().requests().len(), 0, "finding makes no exchange");

    let text = machine.run(["explain"]).expect(0);
    assert!(text.stdout.contains("Uses persistent"), "{text}");
    assert!(text.stdout.contains("Project ee-auth-sandbox (from "), "{text}");
    assert!(text.stdout.contains("not reached"), "{text}");
}

#[test]
fn the_chain_is_asked_in_the_order_that_is_configured() {
    let machine = Machine::with_google().with_key().with_login();
    machine.configure("chain = [\"gcloud\", \"persistent\", \"environment\"]");
    let (answer, _) = explain(&machine, 0, &[]);
    assert_eq!(all(&answer, "provider"), ["gcloud", "persistent", "environment"]);
    assert_eq!(all(&answer, "outcome"), ["skipped", "found", "not_reached"]);
    let text = machine.run(["explain"]).expect(0);
    assert!(
        text.stdout.contains(&format!("The chain is from {}:1", machine.user_file().display())),
        "{text}"
    );

    let machine = machine.with("EE_AUTH_CHAIN", "environment");
    let (answer, _) = explain(&machine, 0, &[]);
    assert_eq!(answer["resolved"], "environment");
}

#[test]
fn a_failure_stops_the_chain() {
    let machine = Machine::with_google().with_login().with("EE_AUTH_CREDENTIALS", "{\"type\":");
    let (answer, output) = explain(&machine, 3, &[]);
    assert_eq!(answer["resolved"], Value::Null);
    let outcomes = all(&answer, "outcome");
    assert_eq!(outcomes[..2], ["skipped", "failed"]);
    assert_eq!(outcomes[2..], ["not_reached"; 7]);
    let failed = attempt(&answer, "environment");
    assert_eq!(failed["code"], "invalid.truncated");
    assert_eq!(output.error()["code"], "invalid.truncated");
    assert_eq!(output.error()["message"], failed["reason"]);
    assert_eq!(output.error()["provider"], "environment");

    let text = machine.run(["explain"]).expect(3);
    let again = machine.run(["token"]).expect(3);
    let said = failed["reason"].as_str().expect("a reason");
    assert!(text.stdout.contains(said) && again.stderr.contains(said), "{text}\n{again}");
}

#[test]
fn a_failure_that_may_be_passed_over_is_passed_over() {
    let machine = Machine::with_google();
    machine.google().fail("metadata=html".parse().expect("a fault"));
    let host = machine.google().address().to_string();
    let machine = machine.with("GCE_METADATA_HOST", host);
    let chain = "chain = [\"metadata\", \"persistent\"]";
    machine.configure(chain);
    let (answer, _) = explain(&machine, 6, &[]);
    assert_eq!(all(&answer, "outcome"), ["failed", "not_reached"]);

    // Nothing is found afterwards: then the failure is the answer.
    machine.configure(&format!("{chain}\n[providers.metadata]\non.unavailable = \"continue\""));
    let (answer, output) = explain(&machine, 6, &[]);
    assert_eq!(all(&answer, "outcome"), ["failed", "skipped"]);
    assert_eq!(output.error()["code"], "unavailable.malformed");
    machine.run(["token"]).expect(6);

    let machine = machine.with_login();
    let (answer, _) = explain(&machine, 0, &[]);
    assert_eq!(all(&answer, "outcome"), ["failed", "found"]);
    assert_eq!(answer["resolved"], "persistent");
    let text = machine.run(["explain"]).expect(0);
    assert!(text.stdout.contains("the chain went on, as `on` in ee-auth.toml says"), "{text}");
    machine.run(["token"]).expect(0);

    // Another kind of failure is not meant.
    machine.configure(&format!("{chain}\n[providers.metadata]\non.rejected = \"continue\""));
    explain(&machine, 6, &[]);
}

#[test]
fn a_credential_that_is_not_the_expected_one_is_refused() {
    let machine = Machine::with_google();
    let robot = machine.google().service_account();
    let path = machine.write("key.json", robot.key_json());
    let configure = |expected: &str| {
        machine.configure(&format!(
            "[providers.service_account]\nkey_file = {path:?}\nexpect.principal = {expected:?}"
        ))
    };
    configure("somebody@else.example");
    let (answer, _) = explain(&machine, 5, &[]);
    let failed = attempt(&answer, "service_account");
    assert_eq!((&failed["outcome"], &failed["code"]), (&json!("failed"), &json!("rejected.unexpected")));
    let reason = failed["reason"].as_str().expect("a reason");
    assert!(reason.contains("somebody@else.example") && reason.contains(robot.email()), "{reason}");
    machine.run(["token"]).expect(5);
    assert_eq!(machine.google().requests().len(), 0, "no assertion of the wrong account is sent");

    configure(robot.email());
    explain(&machine, 0, &[]);
    machine.run(["token"]).expect(0);
}

#[test]
fn offline_nothing_is_asked() {
    let machine = Machine::with_google();
    let host = machine.google().address().to_string();
    let machine = machine.with("GCE_METADATA_HOST", host);
    let (answer, _) = explain(&machine, 4, &["--offline"]);
    let metadata = attempt(&answer, "metadata");
    assert_eq!(metadata["outcome"], "not_probed");
    assert_eq!(machine.google().requests().len(), 0);
    let text = machine.run(["explain", "--offline"]).expect(4);
    assert!(text.stdout.contains("not probed: "), "{text}");
    machine.run(["status", "--offline"]).expect(4);
    assert_eq!(machine.google().requests().len(), 0);

    let (answer, _) = explain(&machine, 0, &[]);
    assert_eq!(answer["resolved"], "metadata");
    assert_ne!(machine.google().requests().len(), 0);
}

#[test]
fn a_wrong_configuration_is_told_before_any_provider_is_asked() {
    let machine = Machine::with_google().with_login();
    machine.configure("chain = [\"persistant\"]");
    let output = machine.run(["explain", "--format", "json"]).expect(3);
    assert_eq!(output.stdout, "", "{output}");
    let error = output.error();
    assert_eq!(error["attempts"], json!([]));
    assert!(error["message"].as_str().expect("a message").contains("did you mean `persistent`?"), "{output}");
}

#[test]
fn with_nothing_configured_nothing_is_started() {
    let output = Machine::new().run(["explain", "-vv"]).expect(4);
    for started in ["the thread for exchanges", "HTTP client", "trust store"] {
        assert!(!output.stderr.contains(started), "{}", output.stderr);
    }
    // The same words do appear where there is an exchange; over plain http no certificate is looked at.
    let output = Machine::with_google().with_key().run(["token", "--no-cache", "-vv"]).expect(0);
    for started in ["the thread for exchanges", "HTTP client"] {
        assert!(output.stderr.contains(started), "{}", output.stderr);
    }
    assert!(!output.stderr.contains("trust store"), "{}", output.stderr);
}
