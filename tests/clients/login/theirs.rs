//! Logins made by earthengine-api, read by `ee-auth`.

use std::io::Write;
use std::process::Stdio;

use ee_auth_sandbox::DEFAULT_SCOPES;
use serde_json::json;

use crate::earthengine_api::{
    code_at, driver, earthengine, finding_gcloud, finish, machine, start_and_open, used_by_a_script,
    used_by_us, with_gcloud,
};
use crate::support::run;

#[test]
fn notebook() {
    let Some(machine) = machine() else { return };
    let mut login = driver(&machine, &["earthengine", "authenticate", "--auth_mode=notebook"]);
    login.stdin(Stdio::piped());
    let (mut login, code) = start_and_open(&machine, login);
    login.stdin.take().expect("a pipe").write_all(format!("{code}\n").as_bytes()).expect("it reads");
    assert!(login.wait().expect("it ends").success());
    let status = used_by_us(&machine);
    assert_eq!(status["project"], machine.google().project_number());
    assert_eq!(status["scopes"], json!(DEFAULT_SCOPES));
}

#[test]
fn notebook_finished_by_us() {
    let Some(machine) = machine() else { return };
    let begun = earthengine(&machine, &["authenticate", "--quiet", "--auth_mode=notebook"]);
    let words: Vec<_> = begun.stdout.split_whitespace().collect();
    let after = |start: &str| words.iter().find_map(|word| word.strip_prefix(start));
    let verifier = after("--code-verifier=").expect("a verifier");
    let address = format!("https://{}", after("https://").expect("an address"));
    // What is printed with it is the whole of it: it asks for the code all the same, and nobody answers.
    finish(&machine, verifier, &code_at(&machine, &address)).expect(0);
    used_by_us(&machine);
    used_by_a_script(&machine);
}

#[test]
fn localhost() {
    let Some(machine) = machine() else { return };
    let login = driver(&machine, &["earthengine", "authenticate", "--auth_mode=localhost:0"]);
    let (mut login, _) = start_and_open(&machine, login);
    assert!(login.wait().expect("it ends").success());
    assert_eq!(used_by_us(&machine)["project"], serde_json::Value::Null);
    // The project is theirs to set and to take away.
    let project = machine.google().project_id();
    earthengine(&machine, &["set_project", &project]).expect(0);
    assert_eq!(used_by_us(&machine)["project"], project);
    earthengine(&machine, &["unset_project"]).expect(0);
    assert_eq!(used_by_us(&machine)["project"], serde_json::Value::Null);
}

#[test]
fn gcloud() {
    let Some(machine) = machine() else { return };
    let user = machine.google().user();
    let machine = with_gcloud(machine, &user);
    let login = driver(&machine, &["earthengine", "authenticate", "--auth_mode=gcloud"]);
    run(&mut finding_gcloud(&machine, login)).expect(0);
    let status = used_by_us(&machine);
    assert_eq!(status["project"], machine.google().project_id());
}

/// Theirs is replaced by ours and ours by theirs, and the project that one of them stored is not lost by us.
#[test]
fn one_after_the_other() {
    let Some(machine) = machine() else { return };
    let project = machine.google().project_id();
    earthengine(&machine, &["set_project", &project]).expect(0);
    let (mut login, _) = start_and_open(&machine, machine.command(["login", "--mode", "localhost:0"]));
    assert!(login.wait().expect("it ends").success());
    assert_eq!(used_by_a_script(&machine)["project"], project);

    // A login that works is kept by both.
    let kept = earthengine(&machine, &["authenticate", "--auth_mode=notebook"]).expect(0);
    assert!(kept.stdout.contains("Credentials already exist"), "{kept}");
    let kept = machine.run(["login", "--format", "json"]).expect(0).json();
    assert_eq!(kept["kept"], true, "{kept}");
}
