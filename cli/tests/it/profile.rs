//! `ee-auth profile`

use std::fs;

use serde_json::{Value, json};

use crate::support::{Machine, assert_shape};

const PROFILE: &[(&str, &str)] = &[
    ("name", "string?"),
    ("active", "bool"),
    ("logged_in", "bool"),
    ("project", "string?"),
    ("file", "string"),
    ("keyring", "string?"),
    ("table", "string?"),
    ("can_be_chosen", "bool"),
];

fn list(machine: &Machine) -> Vec<Value> {
    let output = machine.run(["profile", "list", "--format", "json"]).expect(0);
    let profiles = output.json().as_array().expect("an array").clone();
    profiles.iter().for_each(|profile| assert_shape(profile, PROFILE));
    profiles
}

fn named<'a>(profiles: &'a [Value], name: &str) -> &'a Value {
    profiles.iter().find(|profile| profile["name"] == name).unwrap_or_else(|| panic!("{name}: {profiles:#?}"))
}

/// A login under each of these names, which may be rgee's.
fn machine(names: &[&str]) -> Machine {
    let machine = Machine::with_google();
    for name in names {
        let login = machine.google().user().earthengine_file_json();
        machine.write(format!(".config/earthengine/{name}/credentials"), login);
    }
    machine
}

#[test]
fn logins_tables_and_rgees_users_are_listed() {
    let machine = machine(&["work", "ada lovelace", "ndef"]).with_login();
    machine.configure("[profiles.work]\nproject = \"p-work\"\n[profiles.home]\nproject = \"p-home\"");
    // What rgee leaves there, too.
    machine.write(".config/earthengine/rgee_sessioninfo.txt", "");
    machine.write(".config/earthengine/empty/notes", "");
    machine.write(".config/earthengine/damaged/credentials", "{");
    machine.write(".config/earthengine/project/credentials", "{\"project\": \"p-alone\"}");
    let profiles = list(&machine);
    let names: Vec<_> = profiles.iter().map(|profile| profile["name"].clone()).collect();
    assert_eq!(
        names,
        json!([null, "ada lovelace", "damaged", "home", "ndef", "project", "work"])
            .as_array()
            .expect("one")
            .clone()
    );
    assert_eq!((&profiles[0]["active"], &profiles[0]["logged_in"]), (&json!(true), &json!(true)));
    let odd = named(&profiles, "ada lovelace");
    assert_eq!(odd["can_be_chosen"], false);
    assert!(odd["file"].as_str().expect("a path").ends_with("/ada lovelace/credentials"));
    let home = named(&profiles, "home");
    assert_eq!((&home["logged_in"], &home["can_be_chosen"]), (&json!(false), &json!(true)));
    assert!(home["table"].is_string() && named(&profiles, "ndef")["table"].is_null());
    assert_eq!(named(&profiles, "damaged")["logged_in"], false);
    let alone = named(&profiles, "project");
    assert_eq!((&alone["logged_in"], &alone["project"]), (&json!(false), &json!("p-alone")));
    let text = machine.run(["profile", "list"]).expect(0);
    assert_eq!(text.stdout.lines().count(), profiles.len(), "{text}");
    assert!(text.stdout.starts_with("* (no profile)"), "{text}");
    let none = Machine::new().run(["profile", "list"]).expect(0);
    assert_eq!(none.stdout.lines().count(), 1, "{none}");
}

#[test]
fn the_one_that_is_used_is_remembered() {
    let machine = machine(&["work"]).with_login();
    let active =
        |machine: &Machine| machine.run(["status", "--format", "json"]).expect(0).json()["profile"].clone();
    assert_eq!(active(&machine), Value::Null);
    let used = machine.run(["profile", "use", "work"]).expect(0);
    assert!(used.stdout.is_empty() && !used.stderr.contains("warning"), "{used}");
    assert_eq!(active(&machine), "work");
    assert_eq!(named(&list(&machine), "work")["active"], true);
    let origin = machine.run(["status", "--format", "json"]).expect(0).json()["origin"].clone();
    assert!(origin.as_str().expect("text").contains("/work/credentials"), "{origin}");
    // A variable and a flag are nearer.
    let other =
        crate::support::run(machine.command(["status", "--format", "json"]).env("EE_AUTH_PROFILE", "other"));
    assert_eq!(other.expect(3).error()["code"], "invalid.profile");
    let none = machine.run(["profile", "use", "--none", "--format", "json"]).expect(0).json();
    assert_eq!(none, json!({ "name": null }));
    assert_eq!(active(&machine), Value::Null);

    let unknown = machine.run(["profile", "use", "wrok"]).expect(0);
    assert!(unknown.stderr.contains("profile wrok does not exist yet"), "{unknown}");
    let listed = machine.run(["profile", "list"]).expect(0);
    assert!(listed.stdout.contains("in use, does not exist"), "{listed}");
    let gone = machine.run(["token"]).expect(3);
    assert!(
        gone.stderr.contains("did you mean `work`?") && gone.stderr.contains("ee-auth profile use --none"),
        "{gone}"
    );
    machine.run(["profile", "use", "--none"]).expect(0);
    for wrong in ["../work", "ada lovelace", "credentials", ""] {
        let output = machine.run(["profile", "use", wrong, "--format", "json"]).expect(3);
        assert_eq!(output.error()["code"], "invalid.profile_name", "{output}");
    }
    machine.run(["profile", "use"]).expect(2);
    machine.run(["profile", "use", "work", "--none"]).expect(2);
}

#[test]
fn one_is_removed_and_the_others_stay() {
    let machine = machine(&["work", "home"]).with_login();
    machine.configure("[profiles.table]\nproject = \"p-table\"");
    machine.run(["profile", "use", "work"]).expect(0);
    let removed = machine.run(["profile", "remove", "work", "--format", "json"]).expect(0).json();
    assert_shape(&removed, &[("name", "string"), ("removed", "string?")]);
    let names: Vec<_> = list(&machine).iter().map(|profile| profile["name"].clone()).collect();
    assert_eq!(names, [Value::Null, json!("home"), json!("table")], "and it is not in use any more");
    machine.run(["token"]).expect(0);
    let table = machine.run(["profile", "remove", "table"]).expect(0);
    assert!(table.stderr.contains("its table stays in"), "{table}");
    let none = machine.run(["profile", "remove", "work"]).expect(4);
    assert!(none.stderr.contains("there is no profile work"), "{none}");
    machine.run(["profile", "remove", "../home"]).expect(3);
    assert!(fs::metadata(machine.home().join(".config/earthengine/home/credentials")).is_ok());
}

/// Every command that could use another identity instead.
#[test]
fn commands_refuse_a_profile_that_does_not_exist() {
    let machine = machine(&["work"]).with_login().with_key();
    let commands: &[&[&str]] = &[
        &["token"],
        &["token", "--id-token", "--audience", "https://a.example"],
        &["status"],
        &["explain"],
        &["exec", "--", "true"],
        &["serve"],
        &["env"],
        &["logout"],
        &["unset-project"],
        &["providers"],
        &["plugin", "list"],
        &["plugin", "check", "vault"],
        &["config", "show"],
        &["config", "validate"],
        &["login", "--mode", "appdefault"],
    ];
    for command in commands {
        let run = |more: &[&str]| machine.run(more.iter().chain(*command));
        for more in [&["--profile", "wrok", "--format", "json"][..], &["--profile=wrok", "-q"]] {
            let output = run(more).expect(3);
            assert_eq!(output.stdout, "", "{output}");
            assert!(output.stderr.contains("profile `wrok` does not exist"), "{output}");
        }
        let error = run(&["--profile", "wrok", "--format", "json"]).error();
        assert_eq!(error["code"], "invalid.profile", "{command:?}");
    }
    let serve = machine.run(["serve", "--profiles", "wrok"]).expect(3);
    assert!(serve.stderr.contains("did you mean `work`?"), "{serve}");
    assert_eq!(list(&machine).len(), 2, "and none was created");
    assert!(machine.google().requests().is_empty(), "and nothing was asked");
    // Those that tell what there is say it, and answer all the same.
    let path = machine.run(["--profile", "wrok", "config", "path"]).expect(0);
    assert!(
        path.stderr.contains("profile `wrok` does not exist") && path.stdout.contains("ee-auth.toml"),
        "{path}"
    );
    let doctor = machine.run(["--profile", "wrok", "doctor", "--format", "json"]).expect(3);
    assert!(doctor.stdout.contains("configuration.profile"), "{doctor}");
}

#[test]
fn a_project_creates_a_profile() {
    let machine = machine(&[]);
    machine.run(["--profile", "new", "set-project", "p-new"]).expect(0);
    machine.run(["--profile", "new", "token"]).expect(4);
    let shown = machine.run(["--profile", "new", "config", "show", "--format", "json"]).expect(0).json();
    assert_eq!(shown["values"]["profile"]["value"], "new");
}

#[test]
fn logout_says_that_the_profile_in_use_has_gone() {
    let machine = machine(&["work"]).with_login();
    machine.run(["profile", "use", "work"]).expect(0);
    let out = machine.run(["logout"]).expect(0);
    assert!(
        out.stderr.contains("profile work no longer exists") && out.stderr.contains("profile use --none"),
        "{out}"
    );
}
