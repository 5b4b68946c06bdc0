//! What programs rely on: exit statuses, JSON, where what is printed.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the tests start processes, and panic where something is not as it should be"
)]

mod support;

use std::process::Stdio;

use serde_json::{Value, json};
use support::{Machine, keys};

/// A machine with a service account's key in a variable.
fn with_key() -> Machine {
    let mut machine = Machine::new();
    let key = machine.google.service_account().key_json();
    machine.set("EE_AUTH_CREDENTIALS", &key);
    machine
}

#[test]
fn a_token_is_printed_in_every_format() {
    let machine = with_key();
    let raw = machine.run(&["token", "--no-cache"]);
    assert_eq!((raw.status, raw.stderr.as_str()), (0, ""));
    assert!(raw.stdout.starts_with("ya29.") && raw.stdout.ends_with('\n'));
    let header = machine.run(&["token", "--format", "header"]).stdout;
    assert!(header.starts_with("Authorization: Bearer ya29."));
    let curl = machine.run(&["token", "--format", "curl"]).stdout;
    assert!(curl.starts_with("header = \"Authorization: Bearer ya29.") && curl.ends_with("\"\n"));

    let token = machine.json(&["token", "--no-cache"]);
    let expected = [
        "access_token",
        "cached",
        "expires_at",
        "expires_in",
        "principal",
        "project",
        "provider",
        "scopes",
        "token_type",
    ];
    assert_eq!(keys(&token), expected);
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["provider"], "environment");
    assert_eq!(token["principal"], machine.google.service_account().email());
    assert_eq!(token["project"], machine.google.project_id());
    assert_eq!(token["cached"], false);
    assert!((3000..=3600).contains(&token["expires_in"].as_u64().unwrap()));
    assert!(token["expires_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(token["scopes"][0], "https://www.googleapis.com/auth/earthengine");
    let status = machine.run(&["token", "--min-ttl", "5m"]);
    assert_eq!(status.status, 0);
}

#[test]
fn curl_takes_the_token_to_earth_engine() {
    let machine = with_key();
    let config = machine.file("curl.conf", &machine.run(&["token", "--format", "curl"]).stdout);
    let project = machine.google.project_id();
    let output = std::process::Command::new("curl")
        .args(["--silent", "--noproxy", "*", "--config"])
        .arg(config)
        .arg(format!("{}/v1/projects/{project}/algorithms", machine.google.base_url()))
        .output();
    let Ok(output) = output else {
        println!("SKIPPED: there is no curl");
        return;
    };
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answer["algorithms"].is_array(), "{answer}");
}

#[test]
fn status_says_who_and_what() {
    let machine = with_key();
    let status = machine.json(&["status"]);
    let expected = [
        "kind",
        "origin",
        "principal",
        "profile",
        "project",
        "provider",
        "quota_project",
        "scopes",
        "token",
        "universe_domain",
    ];
    assert_eq!(keys(&status), expected);
    assert_eq!(status["token"], json!({ "cached": false, "expires_at": null }));
    assert_eq!(status["universe_domain"], "googleapis.com");
    assert_eq!(status["profile"], Value::Null);
    assert!(machine.google.requests().is_empty(), "no exchange is made");
    let online = machine.json(&["status", "--online"]);
    assert_eq!(online["principal"], machine.google.service_account().email());
    let text = machine.run(&["status"]).stdout;
    assert!(text.contains("environment") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn explain_lists_every_provider_in_order() {
    let mut machine = Machine::new();
    machine.home_file(".config/earthengine/credentials", &machine.google.user().earthengine_file_json());
    let explained = machine.json(&["explain"]);
    assert_eq!(keys(&explained), ["attempts", "project", "resolved"]);
    assert_eq!(explained["resolved"], "persistent");
    let attempts = explained["attempts"].as_array().unwrap();
    let names: Vec<_> = attempts.iter().map(|attempt| attempt["provider"].as_str().unwrap()).collect();
    assert_eq!(names, ee_auth::config::DEFAULT_CHAIN);
    let outcomes: Vec<_> = attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes[..5], ["skipped", "skipped", "skipped", "found", "not_reached"]);
    for attempt in attempts {
        assert_eq!(keys(attempt), ["code", "hint", "kind", "looked_at", "outcome", "provider", "reason"]);
    }
    let file = machine.home().join(".config/earthengine/credentials");
    assert!(attempts[3]["looked_at"].as_array().unwrap().contains(&json!(file)));

    machine.set("GCE_METADATA_HOST", machine.google.address().to_string().as_str());
    machine.configure("chain = [\"metadata\"]", "");
    let outcome = machine.run(&["explain", "--offline", "--format", "json"]);
    assert_eq!(outcome.status, 4);
    let explained: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(explained["attempts"][0]["outcome"], "not_probed");
    assert_eq!(explained["resolved"], Value::Null);
    assert!(machine.google.requests().is_empty(), "offline, nothing is asked");
    assert_eq!(machine.run(&["token"]).status, 0, "online, the metadata server is");
}

#[test]
fn explain_with_nothing_configured_starts_nothing() {
    let mut machine = Machine::new();
    machine.unset("EE_AUTH_CONFIG");
    let outcome = machine.run(&["explain", "-vv"]);
    assert_eq!(outcome.status, 4);
    for started in ["thread", "HTTP client", "trust store"] {
        assert!(!outcome.stderr.contains(started), "{}", outcome.stderr);
    }
    // The same words do appear where there is an exchange; over plain http, no certificate is looked at.
    let outcome = with_key().run(&["token", "-vv"]);
    assert!(
        outcome.stderr.contains("thread") && outcome.stderr.contains("HTTP client"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("trust store"));
}

#[test]
fn each_way_of_failing_has_its_exit_status() {
    let mut machine = with_key();
    let key = machine.google.service_account().key_json();
    for (fault, status, code) in [
        ("token=invalid_grant", 5, "rejected.invalid_grant"),
        ("token=invalid_scope", 5, "rejected.invalid_scope"),
        ("token=deleted_client", 5, "rejected.deleted_client"),
        ("token=html", 6, "unavailable.malformed"),
        ("token=no-expiry", 6, "unavailable.malformed"),
        ("token=redirect", 6, "unavailable.redirected"),
    ] {
        machine.google.heal();
        machine.google.fail(fault.parse().unwrap());
        let error = machine.error(&["token", "--no-cache"], status);
        assert_eq!(error["code"], code, "{fault}");
        assert_eq!(keys(&error), ["attempts", "code", "hint", "message", "provider"]);
        assert_eq!(error["provider"], "environment");
        assert!(!error["hint"].as_str().unwrap().is_empty());
    }
    machine.google.heal();

    machine.set("EE_AUTH_CREDENTIALS", "{\"type\": \"service_account\"}");
    assert_eq!(machine.error(&["token"], 3)["code"], "invalid.missing_field");
    machine.set("EE_AUTH_CREDENTIALS", &key.replace(&machine.google.base_url(), "https://evil.example"));
    let error = machine.error(&["token"], 7);
    assert_eq!(error["code"], "untrusted.host");
    machine.unset("EE_AUTH_CREDENTIALS");
    let error = machine.error(&["token"], 4);
    assert_eq!(error["code"], "interaction_required");
    assert_eq!(error["attempts"].as_array().unwrap().len(), 9);
    machine.configure("chain = [\"environment\"]", "");
    assert_eq!(machine.error(&["token"], 4)["code"], "not_found");
    assert_eq!(machine.error(&["tokn"], 2)["code"], "usage");
    assert_eq!(machine.run(&["tokn"]).status, 2);
    assert_eq!(machine.run(&["--help"]).status, 0);
    assert_eq!(machine.run(&["status", "--format", "curl"]).status, 2);
    machine.configure("chian = []", "");
    let outcome = machine.run(&["token"]);
    assert_eq!(outcome.status, 3);
    assert!(outcome.stderr.contains("did you mean `chain`?") && outcome.stderr.contains("ee-auth.toml:1:1"));
    assert_eq!(outcome.stdout, "");
}

#[test]
fn output_that_cannot_be_written_is_no_panic() {
    let machine = Machine::new();
    for target in ["/dev/full", "closed"] {
        let mut command = machine.command(&["config", "show"]);
        command.stderr(Stdio::piped());
        match target {
            "closed" => {
                // The reader of the pipe is gone before anything is written.
                let mut reader = std::process::Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
                let writer = reader.stdin.take().unwrap();
                reader.wait().unwrap();
                command.stdout(writer);
            }
            path => {
                command.stdout(std::fs::OpenOptions::new().write(true).open(path).unwrap());
            }
        }
        let output = command.output().unwrap();
        let expected = if target == "closed" { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(expected), "{target}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
    }
}

#[test]
fn colour_is_for_terminals_and_for_who_asks() {
    let machine = Machine::new();
    assert!(!machine.run(&["explain"]).stdout.contains('\u{1b}'));
    assert!(machine.run(&["explain", "--color", "always"]).stdout.contains('\u{1b}'));
    assert!(!machine.run(&["explain", "--color", "never"]).stdout.contains('\u{1b}'));
}

#[test]
fn a_project_file_is_trusted_until_it_changes() {
    let machine = with_key();
    let file = machine.home_file("repository/ee-auth.toml", "[cache]\nstore = \"none\"\n");
    let run = |arguments: &[&str]| {
        let output = machine.command(arguments).current_dir(file.parent().unwrap()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, stderr) = run(&["token"]);
    assert_eq!(status, 7);
    assert!(stderr.contains("cache.store") && stderr.contains("ee-auth trust"), "{stderr}");
    assert_eq!(run(&["trust"]).0, 0);
    assert_eq!(run(&["token"]).0, 0);
    assert!(machine.run(&["trust", "--list"]).stdout.contains("repository/ee-auth.toml"));
    machine.home_file("repository/ee-auth.toml", "[cache]\nstore = \"memory\"\n");
    let (status, stderr) = run(&["token"]);
    assert_eq!(status, 7);
    assert!(stderr.contains("changed"), "{stderr}");
    assert_eq!(run(&["trust"]).0, 0);
    assert_eq!(run(&["trust", "--revoke"]).0, 0);
    assert_eq!(run(&["token"]).0, 7);
}

#[test]
fn configuration_can_be_begun_shown_and_checked() {
    let mut machine = Machine::new();
    machine.unset("EE_AUTH_CONFIG");
    assert_eq!(machine.run(&["config", "init"]).status, 0);
    assert_eq!(machine.run(&["config", "validate"]).status, 0);
    let again = machine.run(&["config", "init"]);
    assert_eq!(again.status, 3, "an existing file is left alone");
    let shown = machine.json(&["config", "show"]);
    assert_eq!(keys(&shown), ["layers", "values"]);
    assert_eq!(keys(&shown["values"]["cache.store"]), ["origin", "value"]);
    let path = machine.run(&["config", "path"]).stdout;
    assert!(path.trim().ends_with("ee-auth/ee-auth.toml"), "{path}");
    let schema: Value = serde_json::from_str(&machine.run(&["config", "schema"]).stdout).unwrap();
    assert!(schema["properties"]["chain"].is_object());
    let providers = machine.json(&["providers"]);
    assert_eq!(keys(&providers[0]), ["declared_in", "in_chain", "interactive", "kind", "name"]);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(machine.run(&["completions", shell]).stdout.contains("ee-auth"), "{shell}");
    }
    for page in [&["man"][..], &["man", "token"]] {
        assert!(machine.run(page).stdout.starts_with(".ie"), "{page:?}");
    }
}

#[test]
fn the_sandbox_shows_the_chain_and_runs_commands() {
    let mut machine = Machine::new();
    machine.home_file(".config/earthengine/credentials", &machine.google.user().earthengine_file_json());
    let tour = machine.run(&["sandbox"]);
    assert_eq!(tour.status, 0, "{}", tour.stderr);
    assert_eq!(tour.stdout.matches("Earth Engine 1 + 2 = 3").count(), 2);
    assert!(tour.stdout.contains("invalid_grant"));

    let program = env!("CARGO_BIN_EXE_ee-auth");
    machine.set("EE_AUTH_CREDENTIALS", "real");
    let inside =
        machine.run(&["sandbox", "--fail", "token=503x1", "--", program, "token", "--format", "json"]);
    assert_eq!(inside.status, 0, "{}", inside.stderr);
    let token: Value = serde_json::from_str(&inside.stdout).unwrap();
    assert_eq!(token["provider"], "application_default", "nothing of the user's is seen");
    assert!(inside.stderr.contains("EE_AUTH_CREDENTIALS"), "what is hidden is said");
    let refused = machine.run(&["sandbox", "--fail", "token=invalid_grant", "--", program, "token"]);
    assert_eq!(refused.status, 5);
    for (command, status) in [("exit 7", 7), ("kill -TERM $$", 143)] {
        assert_eq!(machine.run(&["sandbox", "--", "/bin/sh", "-c", command]).status, status);
    }
    assert_eq!(machine.run(&["sandbox", "--", "/no/such/program"]).status, 127);
    assert_eq!(machine.run(&["sandbox", "--", "/etc/passwd"]).status, 126);
    assert_eq!(machine.run(&["sandbox", "--fail", "tokn=503"]).status, 2);
    assert!(machine.google.requests().is_empty(), "another sandbox is nothing to this one");
}
