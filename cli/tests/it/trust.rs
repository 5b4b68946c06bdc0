//! `ee-auth trust`: a project's file is not the user's word until the user says so.

use std::fs;

use serde_json::json;

use crate::support::Machine;

const FORBIDDEN: &str = "project = \"theirs\"\n\n[security]\ntoken_hosts = [\"sts.corp.example\"]\n";

#[test]
fn the_whole_life() {
    let machine = Machine::with_google().with_key();
    let file = machine.write("work/ee-auth.toml", FORBIDDEN);
    let shown = file.display().to_string();
    let refused = || {
        let output = machine.run(["token"]).expect(7);
        assert!(output.stderr.contains("security.token_hosts"), "it names the key\n{output}");
        assert!(output.stderr.contains(&format!("ee-auth trust {shown}")), "it names the command\n{output}");
        assert!(output.stderr.contains(&format!("{shown}:4:1")), "it names the place\n{output}");
        let error = machine.run(["token", "--format", "json"]).expect(7).error();
        assert_eq!(error["code"], "untrusted.project_file");
        output
    };
    refused();
    assert_eq!(machine.run(["trust", "--list", "--format", "json"]).expect(0).json(), json!([]));

    let output = machine.run(["trust"]).expect(0);
    assert_eq!(output.stdout, format!("{shown}\n"));
    assert!(output.stderr.contains("until it changes"), "{output}");
    machine.run(["token"]).expect(0);
    let show = machine.run(["config", "show", "--format", "json"]).expect(0).json();
    assert_eq!(show["values"]["project"], json!({"value": "theirs", "origin": format!("{shown}:1")}));
    let layers = show["layers"].as_array().expect("layers");
    assert!(layers.iter().any(|layer| layer["path"] == json!(file) && layer["state"] == "trusted"), "{show}");

    assert_eq!(machine.run(["trust", "--list"]).expect(0).stdout, format!("{shown}\n"));
    let listed = machine.run(["trust", "--list", "--format", "json"]).expect(0).json();
    assert_eq!(listed[0]["path"], json!(file));
    assert_eq!(listed[0]["sha256"].as_str().map(str::len), Some(64));

    // It changes: one byte is enough, and the change is said.
    fs::write(&file, format!("{FORBIDDEN}#")).expect("it can be written");
    let output = refused();
    assert!(output.stderr.contains("has changed since you trusted it"), "{output}");
    // What was trusted is trusted again when it is back.
    fs::write(&file, FORBIDDEN).expect("it can be written");
    machine.run(["token"]).expect(0);

    let output = machine.run(["trust", "--revoke"]).expect(0);
    assert_eq!(output.stdout, format!("{shown}\n"));
    let output = refused();
    assert!(!output.stderr.contains("has changed"), "{output}");
    assert_eq!(machine.run(["trust", "--list"]).expect(0).stdout, "");
    machine.run(["trust", "--revoke"]).expect(0);
}

#[test]
fn json_says_what_was_done() {
    let machine = Machine::new();
    let file = machine.write("elsewhere/ee-auth.toml", FORBIDDEN);
    let path = file.to_str().expect("UTF-8");
    let trusted = machine.run(["trust", path, "--format", "json"]).expect(0).json();
    assert_eq!((&trusted["path"], &trusted["trusted"]), (&json!(path), &json!(true)));
    let revoked = machine.run(["trust", "--revoke", path, "--format", "json"]).expect(0).json();
    assert_eq!((&revoked["path"], &revoked["trusted"]), (&json!(path), &json!(false)));
}

#[test]
fn an_untrusted_file_may_set_what_is_harmless() {
    let machine = Machine::with_google().with_key().with_login();
    machine.write(
        "work/ee-auth.toml",
        "project = \"theirs\"\nscopes = [\"earthengine\"]\nchain = [\"persistent\"]\n",
    );
    let status = machine.run(["status", "--format", "json"]).expect(0).json();
    assert_eq!((&status["project"], &status["provider"]), (&json!("theirs"), &json!("persistent")));

    // More scopes than the user's own, or a provider of its own, are not.
    machine.write("work/ee-auth.toml", "scopes = [\"earthengine\", \"userinfo.email\"]\n");
    let output = machine.run(["token"]).expect(7);
    assert!(
        output.stderr.contains("may not ask for a scope") && !output.stderr.contains("userinfo"),
        "{output}"
    );
    for forbidden in [
        "[providers.own]\nkind = \"service_account\"\nkey_file = \"key.json\"\n",
        "[profiles.own]\nproject = \"p\"\n",
        "[endpoints]\ntoken = \"https://evil.example/token\"\n",
        "[cache]\nstore = \"none\"\n",
    ] {
        machine.write("work/ee-auth.toml", forbidden);
        machine.run(["token"]).expect(7);
        machine.run(["explain"]).expect(7);
    }
}

#[test]
fn there_must_be_something_to_trust() {
    let machine = Machine::new();
    let none = machine.run(["trust", "--format", "json"]).expect(3);
    assert_eq!(none.error()["code"], "invalid.no_such_file");
    machine.run(["trust", "no-such-file.toml"]).expect(3);
    #[cfg(unix)]
    {
        let file = machine.write("elsewhere/ee-auth.toml", "");
        let link = machine.working().join("ee-auth.toml");
        std::os::unix::fs::symlink(file, &link).expect("nothing is there");
        let output = machine.run(["trust"]).expect(3);
        assert!(output.stderr.contains("work/ee-auth.toml is a symbolic link"), "{output}");
    }
}

#[test]
fn a_sibling_is_not_trusted_with_it() {
    let machine = Machine::new();
    let trusted = machine.write("work/a/ee-auth.toml", FORBIDDEN);
    machine.write("work/b/ee-auth.toml", FORBIDDEN);
    machine.run([&"trust", &trusted.to_str().expect("UTF-8")]).expect(0);
    for (directory, status) in [("a", 4), ("b", 7)] {
        let mut command = machine.command(["token"]);
        crate::support::run(command.current_dir(machine.working().join(directory))).expect(status);
    }
}
