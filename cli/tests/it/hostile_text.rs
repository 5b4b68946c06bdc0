//! Text from outside that would act on a terminal, in every place where it can come from.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::support::{Machine, Output, run};

/// Moves the cursor, begins a line of its own, turns the direction of writing and hides text.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}[31m\u{7}\r\nhelp: FORGED\u{9b}2J\u{7f}\u{202e}\u{2066}\u{200b}\u{2028}\u{feff}\u{e0041}y";

/// Every command that reads something and ends by itself, and every place of the command line.
const COMMANDS: &[&[&str]] = &[
    &["token"],
    &["status"],
    &["explain"],
    &["providers"],
    &["doctor", "--offline"],
    &["config", "show", "--origin"],
    &["config", "path"],
    &["config", "validate"],
    &["profile", "list"],
    &["trust", "--list"],
    &["trust"],
    &["plugin", "list"],
    &["plugin", "check"],
    &["env"],
    &["exec", "--", "true"],
    &["logout"],
    &["set-project", HOSTILE],
    &["profile", "use", HOSTILE],
    &["config", "validate", HOSTILE],
    &["config", "init", HOSTILE],
    &["plugin", "add", HOSTILE],
    &["token", "--profile", HOSTILE],
    &["token", "--project", HOSTILE],
    &["token", "--scopes", HOSTILE],
    &["token", "--config", HOSTILE],
    &["token", "--providers", HOSTILE],
    &["man", HOSTILE],
    &[HOSTILE],
    &["token", HOSTILE],
    &["completions", HOSTILE],
];

#[track_caller]
fn assert_harmless(output: &Output) {
    for (stream, text) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let odd = text.chars().find(|c| *c != '\n' && ee_auth::acts_on_terminal(*c));
        assert_eq!(odd, None, "on {stream}: {text:?}\n{output}");
        let forged = text.lines().any(|line| line.trim_start().starts_with("help: FORGED"));
        assert!(!forged, "a line on {stream} is not ours:\n{output}");
    }
}

#[track_caller]
fn assert_every_command_is_harmless(machine: &Machine) {
    for command in COMMANDS {
        for flags in [&[][..], &["-vvv"], &["--format=json"]] {
            assert_harmless(&machine.run(flags.iter().chain(*command)));
        }
    }
}

#[test]
fn names_of_directories_do_not_act_on_the_terminal() {
    let machine = Machine::with_google();
    let name = HOSTILE.replace('/', "_");
    let home = machine.home().join(&name);
    fs::create_dir_all(home.join(".config/earthengine")).expect("the file system takes it");
    fs::create_dir_all(home.join("work")).expect("a directory");
    fs::write(home.join(".config/earthengine/credentials"), "{").expect("a file");
    fs::write(home.join("work/ee-auth.toml"), "projct = 1").expect("a file");
    let machine = machine.with("HOME", &home);
    for command in COMMANDS {
        for flags in [&[][..], &["-vvv"], &["--format=json"]] {
            assert_harmless(&run(machine
                .command(flags.iter().chain(*command))
                .current_dir(home.join("work"))));
        }
    }
}

#[test]
fn variables_do_not_act_on_the_terminal() {
    for name in [
        "EE_AUTH_CREDENTIALS",
        "EE_AUTH_PROFILE",
        "EE_AUTH_PROVIDERS",
        "EE_AUTH_PROJECT",
        "EE_AUTH_SCOPES",
        "EE_AUTH_CONFIG",
        "EE_AUTH_LOG",
        "EARTHENGINE_PROJECT",
        "EARTHENGINE_TOKEN",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_PROJECT",
        "EE_SERVICE_ACCOUNT",
        "CLOUDSDK_CONFIG",
        "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT",
        "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME",
        "HTTPS_PROXY",
        "GCE_METADATA_HOST",
        "TMPDIR",
    ] {
        for value in [HOSTILE.to_owned(), format!("/{HOSTILE}")] {
            let machine = Machine::new().with(name, value);
            for command in &COMMANDS[..11] {
                for flags in [&[][..], &["-vvv"], &["--format=json"]] {
                    assert_harmless(&machine.run(flags.iter().chain(*command)));
                }
            }
        }
    }
}

#[test]
fn keys_and_values_of_files_do_not_act_on_the_terminal() {
    let quoted = json!(HOSTILE).to_string().replace('\u{7f}', "\\u007f");
    for text in [
        format!("{quoted} = 1"),
        format!("project = {quoted}"),
        format!("chain = [{quoted}]"),
        format!("scopes = [{quoted}]"),
        format!("profile = {quoted}"),
        format!("[providers.{quoted}]\nkind = \"exec\""),
        format!("[providers.a]\nkind = {quoted}"),
        format!("[providers.a]\nkind = \"exec\"\ncommand = [{quoted}]"),
        format!("chain = [\"a\"]\n[providers.a]\nkind = \"service_account\"\nkey_file = {quoted}"),
        format!("# {}\nprojct = 1 # \u{202e}\u{1b}[31m", HOSTILE.replace(['\r', '\n'], "")),
    ] {
        let machine = Machine::new();
        machine.configure(&text);
        assert_every_command_is_harmless(&machine);
    }
    for member in [
        "type",
        "client_email",
        "private_key_id",
        "project_id",
        "token_uri",
        "quota_project_id",
        "universe_domain",
    ] {
        let machine = Machine::with_google();
        let mut key: serde_json::Value =
            serde_json::from_str(&machine.google().service_account().key_json()).expect("a key");
        key[member] = json!(HOSTILE);
        assert_every_command_is_harmless(&machine.with("EE_AUTH_CREDENTIALS", key.to_string()));
    }
}

#[test]
fn answers_of_a_plugin_do_not_act_on_the_terminal() {
    for answer in [
        json!({ "version": 1, "success": false, "code": HOSTILE, "message": HOSTILE }),
        json!({ "version": 1, "success": true, "access_token": "t", "expires_in": 3000, "principal": HOSTILE }),
        json!({ "version": 1, "success": true, "access_token": "t", "expires_in": 3000, "project": HOSTILE, "scopes": [HOSTILE] }),
        json!(HOSTILE),
    ] {
        let machine = Machine::new();
        machine.write("answer.json", answer.to_string());
        machine.write("words", HOSTILE);
        let home = machine.home();
        let script = format!("#!/bin/sh\ncat {0}/words >&2\ncat {0}/answer.json\n", home.display());
        let plugin = machine.write("plugin", script);
        fs::set_permissions(&plugin, fs::Permissions::from_mode(0o700)).expect("its mode can be set");
        machine.configure(&format!(
            "chain = [\"mine\"]\n[providers.mine]\nkind = \"exec\"\ncommand = [{:?}]",
            plugin.to_string_lossy()
        ));
        assert_every_command_is_harmless(&machine);
    }
}
