//! Logins made by `ee-auth`, read by earthengine-api.

use ee_auth_sandbox::{Consent, DEFAULT_SCOPES};
use serde_json::{Value, json};

use crate::earthengine_api::{
    code_at, earthengine, finding_gcloud, finish, machine, start_and_open, used_by_a_script, with_gcloud,
};
use crate::support::{Machine, run};

/// The address and the verifier of a login that is left to be finished.
fn begin(machine: &Machine) -> (String, String) {
    let begun = machine.run(["login", "--mode", "notebook", "--quiet", "--format", "json"]).expect(0).json();
    let text = |name: &str| begun[name].as_str().expect("text").to_owned();
    (text("address"), text("code_verifier"))
}

fn scopes(mut scopes: Vec<&str>) -> Value {
    scopes.sort_unstable();
    json!(scopes)
}

#[test]
fn notebook() {
    let Some(machine) = machine() else { return };
    let (address, verifier) = begin(&machine);
    finish(&machine, &verifier, &code_at(&machine, &address)).expect(0);
    let used = used_by_a_script(&machine);
    assert_eq!(used["client_id"], machine.google().client().id());
    assert_eq!(used["project"], machine.google().project_number());
    assert_eq!(used["scopes"], scopes(DEFAULT_SCOPES.into()));
}

#[test]
fn notebook_finished_by_them() {
    let Some(machine) = machine() else { return };
    let (address, verifier) = begin(&machine);
    let code = format!("--authorization-code={}", code_at(&machine, &address));
    earthengine(&machine, &["authenticate", &code, &format!("--code-verifier={verifier}")]).expect(0);
    used_by_a_script(&machine);
    crate::earthengine_api::used_by_us(&machine);
}

#[test]
fn notebook_read_only() {
    let Some(machine) = machine() else { return };
    let chosen = "https://www.googleapis.com/auth/earthengine.readonly";
    machine.google().set_consent(Consent::GrantOnly(vec![chosen.to_owned()]));
    let (address, verifier) = begin(&machine);
    finish(&machine, &verifier, &code_at(&machine, &address)).expect(0);
    assert_eq!(used_by_a_script(&machine)["scopes"], scopes(vec![chosen]));
}

#[test]
fn localhost() {
    let Some(machine) = machine() else { return };
    let (mut login, _) = start_and_open(&machine, machine.command(["login", "--mode", "localhost:0"]));
    assert!(login.wait().expect("it ends").success());
    // Earth Engine's own client has no project that a person may use.
    machine.run(["set-project", &machine.google().project_id()]).expect(0);
    let used = used_by_a_script(&machine);
    assert_eq!(used["project"], machine.google().project_id());
    assert!(used["client_id"].as_str().expect("text").starts_with("517222506229-"), "{used}");

    machine.run(["unset-project"]).expect(0);
    let unused = run(&mut crate::earthengine_api::driver(&machine, &["use"])).expect(1);
    assert!(unused.stderr.contains("project"), "{unused}");
}

#[test]
fn localhost_with_a_client_of_ones_own() {
    let Some(machine) = machine() else { return };
    let client = machine.google().client();
    let file = machine.write("client.json", client.client_json());
    machine.configure(&format!("[login]\nclient_file = {file:?}"));
    let (mut login, _) = start_and_open(&machine, machine.command(["login", "--mode", "localhost:0"]));
    assert!(login.wait().expect("it ends").success());
    assert_eq!(used_by_a_script(&machine)["client_id"], client.id());
}

#[test]
fn gcloud() {
    for mode in ["gcloud", "gcloud-legacy"] {
        let Some(machine) = machine() else { return };
        let user = machine.google().user();
        let machine = with_gcloud(machine, &user);
        // As somebody with a browser: nothing has to be pasted.
        let mut login = finding_gcloud(&machine, machine.command(["login", "--mode", mode]));
        login.env("DISPLAY", ":0").env("BROWSER", "true");
        run(&mut login).expect(0);
        machine.run(["set-project", &machine.google().project_id()]).expect(0);
        assert_eq!(used_by_a_script(&machine)["client_id"], user.client().id(), "{mode}");
    }
}

/// Nothing is stored by this mode: earthengine-api finds the same credential by itself.
#[test]
fn application_default() {
    let Some(machine) = machine() else { return };
    let user = machine.google().user();
    machine.write(".config/gcloud/application_default_credentials.json", user.authorized_user_json());
    machine.run(["login", "--mode", "appdefault"]).expect(0);
    assert!(!machine.home().join(".config/earthengine/credentials").exists());
    assert_eq!(used_by_a_script(&machine)["project"], machine.google().project_id());
}
