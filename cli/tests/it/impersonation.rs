//! `--as`, `EE_AUTH_AS`, `impersonate` in ee-auth.toml, and the variables of gcloud and terraform.

use serde_json::{Value, json};

use crate::support::Machine;

const GCLOUD: &str = "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT";
const TERRAFORM: &str = "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT";

/// A machine on which Ada has logged in, who may impersonate the robot.
fn machine() -> Machine {
    Machine::with_google().with_login()
}

fn robot(machine: &Machine) -> String {
    machine.google().service_account().email().to_owned()
}

fn status(machine: &Machine, more: &[&str]) -> Value {
    machine.run(["status", "--format", "json"].iter().chain(more)).expect(0).json()
}

/// For which account tokens were got since the last call: `None` for the login's own.
fn tokens(machine: &Machine) -> Vec<Option<String>> {
    let requests = machine.google().requests();
    machine.google().clear_requests();
    let of = |path: &str| {
        let account = path.rsplit_once('/')?.1.split_once(":generate")?.0;
        Some(account.to_owned())
    };
    let asked = requests
        .iter()
        .filter(|request| request.path.contains("token") || request.path.contains(":generate"));
    asked.map(|request| of(&request.path)).collect()
}

#[test]
fn status_explain_and_verbose_name_the_setting() {
    let base = machine();
    let robot = robot(&base);
    let machine = base.with(GCLOUD, &robot);
    let shown = status(&machine, &[]);
    assert_eq!((&shown["impersonates"], &shown["principal"]), (&json!(robot), &json!(robot)));
    assert_eq!(shown["provider"], "persistent");
    for command in [&["status"][..], &["explain"], &["-v", "token"], &["doctor"]] {
        let output = machine.run(command).expect(0);
        let all = format!("{}{}", output.stdout, output.stderr);
        assert!(all.contains(GCLOUD) && all.contains(&robot), "{output}");
    }
    let explained = machine.run(["explain", "--format", "json"]).expect(0).json();
    assert!(explained.to_string().contains(GCLOUD), "{explained}");
    assert_eq!(status(&machine, &["--as", "none"])["impersonates"], Value::Null);
    let machine = machine.with("EE_AUTH_AS", "none");
    assert_eq!(status(&machine, &[])["impersonates"], Value::Null);
    let by_flag = machine.run(["--as", robot.as_str(), "status"]).expect(0);
    assert!(by_flag.stdout.contains("(from --as)"), "{by_flag}");
}

#[test]
fn each_account_has_its_own_stored_token() {
    let machine = machine();
    let robot = robot(&machine);
    let token =
        |more: &[&str]| machine.run(["token", "--format", "json"].iter().chain(more)).expect(0).json();
    let own = token(&[]);
    let robots = token(&["--as", &robot]);
    assert_ne!(own["access_token"], robots["access_token"]);
    assert_eq!(robots["principal"], json!(robot));
    assert_eq!(tokens(&machine), [None, None, Some(robot.clone())]);
    // Kept, each under its own key.
    assert_eq!(token(&["--as", &robot])["access_token"], robots["access_token"]);
    assert_eq!(token(&["--as", "none"])["access_token"], own["access_token"]);
    assert_eq!(tokens(&machine), [] as [Option<String>; 0]);
}

#[test]
fn exec_runs_as_the_account_and_passes_no_setting_on() {
    let base = machine();
    let robot = robot(&base);
    for name in [GCLOUD, TERRAFORM, "EE_AUTH_AS"] {
        let machine = machine().with(name, robot.as_str());
        let show = format!("echo ${{{GCLOUD}-unset}} ${{{TERRAFORM}-unset}} $EE_AUTH_AS");
        let output = machine.run(["exec", "--", "sh", "-c", &show]).expect(0);
        assert_eq!(output.stdout.trim(), "unset unset none", "{output}");
        assert_eq!(tokens(&machine), [None, Some(robot.clone())], "{name}");
    }
}

#[test]
fn id_tokens_and_env_are_the_accounts() {
    let base = machine();
    let robot = robot(&base);
    let machine = base.with(GCLOUD, &robot);
    let id = machine
        .run(["token", "--id-token", "--audience", "https://a.example", "--format", "json"])
        .expect(0)
        .json();
    assert_eq!(id["principal"], json!(robot));
    let env = machine.run(["env", "--format", "json"]).expect(0).json();
    assert_eq!(env[GCLOUD], "", "gcloud would have the account impersonate itself");
    assert!(env.get(TERRAFORM).is_none(), "what is not set stays so");
    assert!(tokens(&machine).contains(&Some(robot)));
}

#[test]
fn a_login_is_not_impersonated_and_says_what_commands_do() {
    let base = machine();
    let robot = robot(&base);
    let machine = base.with(GCLOUD, &robot);
    let kept = machine.run(["login", "--mode", "notebook", "--format", "json"]).expect(0).json();
    assert_eq!(kept["kept"], true);
    let warnings = kept["warnings"].to_string();
    assert!(
        warnings.contains(GCLOUD) && warnings.contains(&robot) && warnings.contains("--as none"),
        "{kept}"
    );
    assert!(!warnings.contains("chain"), "{kept}");
    assert!(!tokens(&machine).contains(&Some(robot.clone())), "nobody is impersonated by a login");
    let by_flag =
        machine.run(["--as", "none", "login", "--mode", "notebook", "--format", "json"]).expect(0).json();
    assert_eq!(by_flag["warnings"], json!([]));
}

#[test]
fn what_is_no_account_is_refused_with_its_place() {
    let machine = machine().with(GCLOUD, "robot");
    let error = machine.run(["token", "--format", "json"]).expect(3).error();
    assert!(error["message"].as_str().is_some_and(|message| message.starts_with(GCLOUD)), "{error}");
    machine.run(["--as", "none", "token"]).expect(0);
    for bad in ["", "robot", "a@b.c,", "a@b.c d@e.f"] {
        let error = machine.run(["--as", bad, "token", "--format", "json"]).expect(3).error();
        assert!(error["message"].as_str().is_some_and(|message| message.starts_with("--as")), "{error}");
    }
    machine.configure("impersonate = \"robot\"");
    let shown = machine.run(["--as", "none", "token"]).expect(3);
    assert!(
        shown.stderr.contains("ee-auth.toml:1") && shown.stderr.contains("is not a service account"),
        "{shown}"
    );
}

#[test]
fn a_refusal_names_the_setting() {
    let machine = machine().with(TERRAFORM, "nobody@my-project.iam.gserviceaccount.com");
    let refused = machine.run(["token"]).expect(5);
    assert!(refused.stderr.contains(TERRAFORM) && refused.stderr.contains("--as none"), "{refused}");
}
