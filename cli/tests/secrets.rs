//! No secret is ever printed but the token that `token` prints, on standard output.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests start processes, and panic where something is not as it should be"
)]

mod support;

use std::thread;

use serde_json::Value;
use support::Machine;

/// Every command that looks at credentials or prints settings, and some that fail.
const COMMANDS: [&[&str]; 12] = [
    &["token"],
    &["token", "--no-cache", "--format", "json"],
    &["status"],
    &["status", "--online", "--format", "json"],
    &["explain"],
    &["explain", "--offline", "--format", "json"],
    &["providers"],
    &["config", "show", "--origin"],
    &["config", "validate"],
    &["trust"],
    &["cache", "clear"],
    &["no-such-command"],
];

/// What is said, from nothing to everything.
const LEVELS: [&[&str]; 4] = [&["--silent"], &[], &["-v"], &["-vvv"]];

/// Runs every command at every level, and looks for the secrets in what it prints.
fn nothing_is_shown(machine: &Machine, secrets: &[String], what: &str) {
    thread::scope(|scope| {
        for command in COMMANDS {
            scope.spawn(move || {
                for level in LEVELS {
                    let arguments = [command, level].concat();
                    let outcome = machine.run(&arguments);
                    assert!(
                        !outcome.stderr.contains("panicked"),
                        "{what}: {arguments:?}: {}",
                        outcome.stderr
                    );
                    for secret in secrets {
                        // Long enough that it is no accident, short enough that a piece is found, too.
                        let piece = &secret[..secret.len().min(24)];
                        assert!(!outcome.stderr.contains(piece), "{what}: {arguments:?} shows a secret");
                        assert!(!outcome.stdout.contains(piece), "{what}: {arguments:?} shows a secret");
                    }
                    // A token is printed by `token` alone, and there on standard output alone.
                    assert!(!outcome.stderr.contains("ya29."), "{what}: {arguments:?} shows a token");
                    assert!(
                        command[0] == "token" || !outcome.stdout.contains("ya29."),
                        "{what}: {arguments:?}"
                    );
                }
            });
        }
    });
}

fn field(json: &str, name: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap();
    value[name].as_str().unwrap().to_owned()
}

/// The lines of a key that are its content, which is where a leak would show.
fn key_lines(key: &str) -> Vec<String> {
    let pem = field(key, "private_key");
    pem.lines().filter(|line| !line.starts_with('-')).take(3).map(str::to_owned).collect()
}

fn base64(text: &str) -> String {
    let mut child = std::process::Command::new("base64")
        .arg("-w0")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn a_key_is_never_shown_wherever_it_is_put() {
    let google = Machine::new();
    let key = google.google.service_account().key_json();
    let encoded = base64(&key);
    let mut secrets = key_lines(&key);
    secrets.push(encoded.chars().skip(40).take(60).collect());
    for name in [
        "EE_AUTH_CREDENTIALS",
        "EE_SERVICE_ACCOUNT",
        "GEE_KEY_FILE",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "CLOUDSDK_CONFIG",
        "EE_AUTH_PROJECT",
        "EARTHENGINE_PROJECT",
        "GOOGLE_CLOUD_PROJECT",
        "EE_AUTH_SCOPES",
        "EE_AUTH_PROFILE",
        "EE_AUTH_CHAIN",
        "EE_AUTH_LOG",
        "EE_AUTH_CACHE",
        "EE_AUTH_CONFIG",
        "GCE_METADATA_HOST",
    ] {
        for value in [&key, &encoded, &key[..key.len() / 2], &field(&key, "private_key")] {
            let mut machine = Machine::new();
            machine.set(name, value);
            nothing_is_shown_quickly(&machine, &secrets, name);
        }
    }
}

/// As [`nothing_is_shown`], with what has shown most at the level that shows most.
fn nothing_is_shown_quickly(machine: &Machine, secrets: &[String], what: &str) {
    for command in [&["token", "-vvv"][..], &["explain", "-vvv"], &["explain", "--format", "json"]] {
        let outcome = machine.run(command);
        for secret in secrets {
            let piece = &secret[..secret.len().min(24)];
            assert!(!outcome.stderr.contains(piece), "{what}: {command:?} shows a secret");
            assert!(!outcome.stdout.contains(piece), "{what}: {command:?} shows a secret");
        }
    }
}

#[test]
fn a_login_is_never_shown() {
    let machine = Machine::new();
    let login = machine.google.user().earthengine_file_json();
    let secrets = [field(&login, "refresh_token"), field(&login, "client_secret")];
    machine.home_file(".config/earthengine/credentials", &login);
    nothing_is_shown(&machine, &secrets, "a login");

    // Damaged, so that it is spoken of.
    machine.home_file(".config/earthengine/credentials", &login.replace("\"scopes\"", "\"scopes\" x"));
    nothing_is_shown(&machine, &secrets, "a damaged login");

    let tokens: Vec<String> = secrets.into();
    machine.home_file(".config/earthengine/credentials", &login);
    for fault in
        ["token=invalid_grant", "token=invalid_rapt", "token=html", "token=newline-token", "token=redirect"]
    {
        machine.google.heal();
        machine.google.fail(fault.parse().unwrap());
        nothing_is_shown(&machine, &tokens, fault);
    }
}

#[test]
fn a_key_that_works_is_never_shown() {
    let mut machine = Machine::new();
    let key = machine.google.service_account().key_json();
    machine.set("EE_SERVICE_ACCOUNT_KEY", &key);
    // The assertion that is sent is a secret too: it begins as every JWT does.
    let secrets = [key_lines(&key), vec!["eyJhbGciOi".to_owned(), "eyJraWQi".to_owned()]].concat();
    nothing_is_shown(&machine, &secrets, "a key");
    machine.set("EE_SERVICE_ACCOUNT_KEY", &key.replace("-----END", "-----EN"));
    nothing_is_shown(&machine, &secrets, "a damaged key");
}

#[test]
fn a_credential_on_the_command_line_is_not_repeated() {
    let machine = Machine::new();
    let token = machine.google.access_token();
    for command in [&["token", &token][..], &["token", "--project", &token], &["status", "--scopes", &token]]
    {
        let outcome = machine.run(command);
        assert_ne!(outcome.status, 0);
        assert!(
            !outcome.stderr.contains(&token[..12]) && !outcome.stdout.contains(&token[..12]),
            "{command:?}"
        );
    }
}
