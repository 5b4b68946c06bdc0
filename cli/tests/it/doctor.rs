//! `ee-auth doctor`

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ee_auth_sandbox::ProjectState;
use serde_json::Value;

use crate::support::{Machine, Output, PROGRAM, assert_shape, share};

const FINDING: &[(&str, &str)] = &[
    ("check", "string"),
    ("level", "string"),
    ("title", "string"),
    ("detail", "string?"),
    ("fix", "string?"),
    ("origin", "string?"),
];

/// The findings, each of the documented shape.
#[track_caller]
fn findings(output: &Output) -> Vec<Value> {
    let json = output.json();
    assert_shape(&json, &[("version", "string"), ("exit_status", "number"), ("findings", "[object]")]);
    assert_eq!(json["exit_status"].as_u64(), u64::try_from(output.status).ok(), "{output}");
    let findings = json["findings"].as_array().expect("findings").clone();
    for finding in &findings {
        assert_shape(finding, FINDING);
        let level = finding["level"].as_str().expect("a level");
        assert!(["ok", "note", "warning", "error"].contains(&level), "{finding}");
        // Whatever is wrong has a meaning and something to do.
        assert_eq!(finding["fix"].is_null(), level == "ok", "{finding}");
    }
    let has_error = findings.iter().any(|finding| finding["level"] == "error");
    assert_eq!(has_error, output.status != 0, "{output}");
    findings
}

#[track_caller]
fn doctor(machine: &Machine, arguments: &[&str], status: i32) -> Vec<Value> {
    findings(&machine.run(["doctor", "--format", "json"].iter().chain(arguments)).expect(status))
}

#[track_caller]
fn the<'a>(findings: &'a [Value], rule: &str) -> &'a Value {
    let found = findings.iter().find(|finding| finding["check"] == rule);
    found.unwrap_or_else(|| panic!("{rule} does not come up: {findings:#?}"))
}

/// Everything below the home directory, with its content.
fn files(directory: &Path) -> BTreeSet<(PathBuf, Vec<u8>)> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(directory).expect("it can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(files(&path));
            all.insert((path, Vec::new()));
        } else {
            let content = fs::read(&path).unwrap_or_default();
            all.insert((path, content));
        }
    }
    all
}

#[test]
fn on_an_empty_machine_it_says_how_to_log_in() {
    let machine = Machine::new();
    let before = files(&machine.home());
    let found = doctor(&machine, &[], 4);
    let none = the(&found, "chain.none");
    assert_eq!(none["level"], "error");
    assert!(none["fix"].as_str().expect("a fix").contains("`ee-auth login`"), "{none}");
    let output = machine.run(["doctor"]).expect(4);
    assert!(output.stdout.contains("✗ ") && output.stdout.contains("fix: "), "{output}");
    assert_eq!(output.stderr, "", "{output}");
    assert_eq!(files(&machine.home()), before, "nothing was changed");
    // As a program has it from any command that fails.
    let json = machine.run(["doctor", "--format", "json"]).expect(4);
    assert_eq!(json.error()["code"], "interaction_required", "{json}");
}

#[test]
fn on_a_machine_that_works_it_says_so() {
    let machine = Machine::with_google().with_login();
    let before = files(&machine.home());
    let output = machine.run(["doctor"]).expect(0);
    assert!(output.stdout.contains("chain: persistent"), "{output}");
    assert!(output.stdout.contains("other checks found nothing: -v lists them"), "{output}");
    assert_eq!(machine.google().requests().len(), 0, "nobody is asked");
    assert_eq!(files(&machine.home()), before, "nothing was changed");
    let all = machine.run(["doctor", "-v"]).expect(0);
    for check in ["clock:", "cache:", "trust_store:"] {
        assert!(all.stdout.contains(check) && !output.stdout.contains(check), "{check}\n{all}");
    }

    let found = doctor(&machine, &["--online"], 0);
    for check in ["network", "token", "earth_engine", "clock"] {
        assert_eq!(the(&found, check)["level"], "ok");
    }
    assert!(the(&found, "token")["title"].as_str().expect("a title").contains("minutes"));
    machine.run(["doctor", "--online", "--offline"]).expect(2);
}

#[test]
fn what_earth_engine_refuses_is_explained() {
    for (state, rule, fix) in [
        (ProjectState::ApiDisabled, "earth_engine.api_disabled", "apis/library/earthengine.googleapis.com"),
        (
            ProjectState::NotRegistered,
            "earth_engine.not_registered",
            "earth-engine/configuration?project=my-project",
        ),
        (ProjectState::NoPermission, "earth_engine.permission", "roles/serviceusage.serviceUsageConsumer"),
    ] {
        let machine = Machine::with_google().with_key();
        machine.google().set_project("my-project", state);
        let machine = machine.with("EARTHENGINE_PROJECT", "my-project");
        let found = doctor(&machine, &["--online"], 5);
        let refusal = the(&found, rule);
        assert!(refusal["fix"].as_str().expect("a fix").contains(fix), "{refusal}");
        assert_eq!(the(&found, "token")["level"], "ok");
        // Without asking, nobody can know.
        doctor(&machine, &[], 0);
    }
    let machine = Machine::with_google().with_key().with("EARTHENGINE_PROJECT", "no-such-project");
    the(&doctor(&machine, &["--online"], 5), "earth_engine.no_project");
}

#[test]
fn what_goes_wrong_online_has_a_finding() {
    for (fault, status, rule) in [
        ("token=invalid_grant", 5, "token.refused"),
        ("token=expired", 5, "token.refused"),
        ("token=html", 6, "token.unavailable"),
        ("tokeninfo=401", 0, "token.unknown"),
        ("earthengine=401", 5, "earth_engine.token"),
        ("earthengine=html", 6, "earth_engine.unavailable"),
        ("earthengine=not-registered", 5, "earth_engine.not_registered"),
        ("earthengine=api-disabled", 5, "earth_engine.api_disabled"),
        ("earthengine=no-permission", 5, "earth_engine.permission"),
        ("tokeninfo=redirect", 6, "network.unreachable"),
    ] {
        let machine = Machine::with_google().with_login();
        machine.google().fail(fault.parse().expect("a fault"));
        the(&doctor(&machine, &["--online"], status), rule);
    }
    let machine = Machine::with_google().with_login();
    let drive = machine
        .google()
        .access_token_for(&machine.google().user(), &["https://www.googleapis.com/auth/drive"]);
    let project = machine.google().project_id();
    let machine = machine.with("EE_AUTH_CREDENTIALS", drive).with("EARTHENGINE_PROJECT", project);
    let found = doctor(&machine, &["--online"], 5);
    the(&found, "token.scopes");
    the(&found, "earth_engine.scope");
}

#[test]
fn a_wrong_clock_is_told_beside_what_it_does() {
    let machine = Machine::with_google().with_key();
    machine.google().set_clock_offset(2 * 3600);
    let found = doctor(&machine, &["--online"], 5);
    let wrong = the(&found, "clock.wrong");
    assert_eq!(wrong["title"], "this machine's clock is 2 hours behind Google's");
    the(&found, "token.refused");
}

#[test]
fn without_a_project_earth_engine_is_not_asked() {
    let machine = Machine::with_google();
    let mut login: Value =
        serde_json::from_str(&machine.google().user().earthengine_file_json()).expect("JSON");
    login.as_object_mut().expect("an object").remove("project");
    login["client_id"].take();
    machine.write(".config/earthengine/credentials", login.to_string());
    let found = doctor(&machine, &[], 0);
    assert_eq!(the(&found, "project.missing")["level"], "warning");
    let found = findings(&machine.run(["doctor", "--online", "--format", "json"]));
    assert_eq!(the(&found, "project.missing")["level"], "error");
}

#[test]
fn the_status_is_that_of_token() {
    for (machine, status) in [
        (Machine::new().with("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file.json"), 3),
        (Machine::new().with("EE_AUTH_CREDENTIALS", "${{ secrets.KEY }}"), 3),
        (Machine::new().with("EE_AUTH_CHAIN", "environment"), 4),
        (Machine::new().with("EE_AUTH_CONFIG", "/no/such/ee-auth.toml"), 3),
    ] {
        machine.run(["token"]).expect(status);
        doctor(&machine, &[], status);
        doctor(&machine, &["--ci"], status);
        machine.run(["doctor"]).expect(status);
    }
    let machine = Machine::with_google().with_key();
    machine.write("work/ee-auth.toml", "[security]\ntoken_hosts = [\"evil.example\"]\n");
    the(&doctor(&machine, &[], 7), "configuration.untrusted");
}

#[test]
fn a_mistake_in_the_configuration_is_underlined() {
    let machine = Machine::new();
    machine.configure("projct = \"p\"");
    let output = machine.run(["doctor", "--color", "always"]).expect(3);
    assert!(output.stdout.contains("^^^^^^"), "{output}");
    assert!(output.stdout.contains("did you mean `project`?"), "{output}");
}

#[test]
fn a_broken_plugin_is_a_finding() {
    let machine = Machine::with_google().with_login();
    let plugin = machine.write("plugin", "#!/bin/sh\necho nonsense\n");
    fs::set_permissions(&plugin, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("its mode");
    machine.configure(&format!(
        "chain = [\"persistent\", \"mine\"]\n[providers.mine]\nkind = \"exec\"\ncommand = [{plugin:?}]\n"
    ));
    let found = doctor(&machine, &[], 0);
    let broken = the(&found, "plugins.broken");
    assert!(broken["fix"].as_str().expect("a fix").contains("`ee-auth plugin check mine`"), "{broken}");
    the(&found, "plugins.unpinned");
    // Nothing is run.
    let found = doctor(&machine, &["--offline"], 0);
    assert!(!found.iter().any(|finding| finding["check"] == "plugins.broken"), "{found:#?}");
    fs::set_permissions(&plugin, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("its mode");
    the(&doctor(&machine, &[], 0), "plugins.untrusted");
}

#[test]
fn a_plugin_by_its_bare_name_is_looked_at_where_it_is() {
    let machine = Machine::new();
    let answer = r#"{"version":1,"success":true,"name":"x","ops":["get"],"access_token":"t0ken"}"#;
    let plugin = machine.write(".local/share/ee-auth/plugins/mine", format!("#!/bin/sh\necho '{answer}'\n"));
    fs::set_permissions(&plugin, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("its mode");
    // Not this one, which others can write.
    let other = machine.write("work/mine", "#!/bin/sh\n");
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("its mode");
    machine.configure("chain = [\"mine\"]\n[providers.mine]\nkind = \"exec\"\ncommand = [\"mine\"]\n");
    let found = doctor(&machine, &[], 0);
    assert!(!found.iter().any(|finding| finding["check"] == "plugins.untrusted"), "{found:#?}");
    let fix = the(&found, "plugins.unpinned")["fix"].as_str().expect("a fix").to_owned();
    assert_eq!(fix, format!("`ee-auth plugin add {} --name mine`", plugin.display()));
}

#[test]
fn what_others_can_read_and_what_comes_first_is_told() {
    let machine = Machine::with_google().with_login().with_key();
    let login = machine.home().join(".config/earthengine/credentials");
    share(&login);
    let found = doctor(&machine, &[], 0);
    let readable = the(&found, "credential_files.readable");
    assert_eq!(readable["fix"], format!("`chmod 600 {}`", login.display()));
    assert!(
        the(&found, "conflicts.earthengine_login")["fix"]
            .as_str()
            .expect("a fix")
            .contains("ee-auth exec -- CMD")
    );
}

#[test]
fn variables_of_a_server_that_has_ended_are_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    drop(listener);
    let machine = Machine::with_google().with_login().with("GCE_METADATA_HOST", &address);
    let found = doctor(&machine, &[], 0);
    let dead = the(&found, "leftovers.dead_server");
    assert!(dead["title"].as_str().expect("a title").contains(&address), "{dead}");
    let found = doctor(&machine, &["--offline"], 0);
    assert!(!found.iter().any(|finding| finding["check"] == "leftovers.dead_server"));
}

#[test]
fn in_ci_it_annotates_and_shows_no_value() {
    let quoted = "'1//quoted-and-not-to-be-seen'";
    let machine = Machine::new()
        .with("GITHUB_ACTIONS", "true")
        .with("EE_SERVICE_ACCOUNT_KEY", "")
        .with("EE_AUTH_CREDENTIALS", quoted)
        .with("CI", "true");
    let output = machine.run(["doctor", "--ci", "--color", "always"]).expect(0);
    let annotations: Vec<_> = output.stdout.lines().filter(|line| line.starts_with("::")).collect();
    assert!(
        annotations.iter().any(
            |line| line.starts_with("::warning title=ee-auth doctor%3A ci.empty::EE_SERVICE_ACCOUNT_KEY")
        ),
        "{output}"
    );
    assert!(
        annotations.iter().any(|line| line.starts_with("::notice title=ee-auth doctor%3A ci.wrapped::")),
        "{output}"
    );
    assert!(annotations.iter().any(|line| line.contains("%0Afix: ")), "{output}");
    assert!(!output.stdout.contains('\u{1b}') && !output.stdout.contains("quoted-and"), "{output}");

    // Elsewhere the same in words.
    let machine = Machine::new().with("EE_AUTH_CREDENTIALS", "***");
    let output = machine.run(["doctor", "--ci"]).expect(3);
    assert!(output.stdout.contains("error: EE_AUTH_CREDENTIALS is set, but holds no credential"), "{output}");
    assert!(!output.stdout.contains("::error"), "{output}");

    // JSON stays JSON.
    let machine = Machine::new().with("GITHUB_ACTIONS", "true");
    let output = machine.run(["doctor", "--ci", "--format", "json"]).expect(4);
    the(&findings(&output), "ci.github_id_token");
    assert!(output.stderr.contains("::error title=ee-auth doctor%3A chain.none::"), "{output}");
}

#[cfg(feature = "sandbox")]
#[test]
fn it_runs_inside_of_the_sandbox() {
    let machine = Machine::new();
    let inside = |flags: &[&str], online: &[&str]| {
        machine.run(["sandbox"].iter().chain(flags).chain(&["--", PROGRAM, "doctor"]).chain(online))
    };
    inside(&[], &["--online"]).expect(0);
    let output = inside(&["--fail", "earthengine=not-registered"], &["--online"]).expect(5);
    assert!(output.stdout.contains("[earth_engine.not_registered]"), "{output}");
}
