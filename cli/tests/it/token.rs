//! `ee-auth token`

use std::process::Command;
use std::time::Duration;

use ee_auth_sandbox::DEFAULT_SCOPES;
use serde_json::{Value, json};

use crate::support::{Machine, assert_shape, is_timestamp, run, run_with_input, share, there_is};

const TOKEN: &[(&str, &str)] = &[
    ("access_token", "string"),
    ("token_type", "string"),
    ("expires_at", "string"),
    ("expires_in", "number"),
    ("scopes", "[string]"),
    ("project", "string?"),
    ("principal", "string?"),
    ("provider", "string"),
    ("cached", "bool"),
];

/// The token of a machine as JSON, in the shape of the contract.
#[track_caller]
fn token_json(machine: &Machine) -> Value {
    let output = machine.run(["token", "--format", "json"]).expect(0);
    assert_eq!(output.stdout.lines().count(), 1, "JSON in a pipe is one line\n{output}");
    let token = output.json();
    assert_shape(&token, TOKEN);
    assert_eq!(token["token_type"], "Bearer");
    assert!(is_timestamp(&token["expires_at"]), "{token}");
    assert_eq!(token["cached"], false, "nothing was there before");
    token
}

#[test]
fn json_of_a_service_account() {
    let machine = Machine::with_google().with_key();
    let token = token_json(&machine);
    assert!(token["access_token"].as_str().expect("a token").starts_with("ya29."));
    assert!((3500..=3599).contains(&token["expires_in"].as_u64().expect("a number")), "{token}");
    assert_eq!(token["scopes"], json!(DEFAULT_SCOPES));
    assert_eq!(token["project"], machine.google().project_id());
    assert_eq!(token["principal"], machine.google().service_account().email());
    assert_eq!(token["provider"], "environment");
}

#[test]
fn json_of_a_login() {
    let machine = Machine::with_google().with_login();
    let token = token_json(&machine);
    assert_eq!(token["principal"], Value::Null, "a refresh token does not say whose it is");
    assert_eq!(token["provider"], "persistent");
    assert_eq!(token["scopes"], json!(DEFAULT_SCOPES));
    assert_eq!(token["project"], machine.google().project_id());
}

#[test]
fn json_of_a_bare_access_token() {
    let machine = Machine::with_google();
    let secret = machine.google().access_token();
    let machine = machine.with("EARTHENGINE_TOKEN", &secret);
    let token = token_json(&machine);
    assert_eq!(token["access_token"], *secret);
    assert_eq!(token["scopes"], json!([]));
    assert_eq!(token["project"], Value::Null);
    assert_eq!(token["principal"], Value::Null);
}

#[test]
fn raw_is_the_token_and_nothing_else() {
    let machine = Machine::with_google();
    let secret = machine.google().access_token();
    let machine = machine.with("EE_AUTH_CREDENTIALS", &secret);
    for arguments in
        [&["token"][..], &["token", "--format", "raw"], &["--format", "text", "token"], &["token", "-vvv"]]
    {
        assert_eq!(machine.run(arguments).expect(0).stdout, format!("{secret}\n"));
    }
    let header = machine.run(["token", "--format", "header"]).expect(0);
    assert_eq!(header.stdout, format!("Authorization: Bearer {secret}\n"));
}

#[test]
fn curl_takes_its_configuration() {
    if !there_is("curl") {
        return;
    }
    let machine = Machine::with_google().with_key();
    let google = machine.google();
    let url = format!("{}/v1/projects/{}/algorithms", google.base_url(), google.project_id());
    let curl = |configuration: &[u8]| {
        let mut curl = Command::new("curl");
        // `-q`: not what this machine's own .curlrc says.
        curl.args(["-q", "--silent", "--show-error", "--fail", "--noproxy", "*", "-K", "-", &url]);
        run_with_input(&mut curl, configuration)
    };
    let configuration = machine.run(["token", "--format", "curl"]).expect(0).stdout;
    assert_eq!(configuration.lines().count(), 1);
    let answer = curl(configuration.as_bytes()).expect(0).json();
    assert!(!answer["algorithms"].as_array().expect("algorithms").is_empty());
    // Without the token the same request is refused: curl's 22 is an HTTP error.
    curl(b"# nothing\n").expect(22);
}

#[test]
fn a_token_works_at_earth_engine_with_the_scopes_asked_for() {
    let machine = Machine::with_google().with_key();
    let output =
        machine.run(["token", "--scopes", "earthengine.readonly,drive", "--format", "json"]).expect(0);
    let wanted =
        ["https://www.googleapis.com/auth/earthengine.readonly", "https://www.googleapis.com/auth/drive"];
    assert_eq!(output.json()["scopes"], json!(wanted));
    let status =
        machine.run(["status", "--online", "--scopes", "earthengine", "--format", "json"]).expect(0).json();
    assert_eq!(status["scopes"], json!(["https://www.googleapis.com/auth/earthengine"]));
}

#[test]
fn min_ttl_is_asked_of_the_server_and_told_where_it_is_not_met() {
    let machine = Machine::with_google().with_key();
    let enough = machine.run(["token", "--min-ttl", "5m"]).expect(0);
    assert_eq!(enough.stderr, "", "{enough}");

    let machine = Machine::with_google().with_key();
    machine.google().set_token_lifetime(Duration::from_secs(120));
    let short = machine.run(["token", "--min-ttl", "5m"]).expect(0);
    assert!(short.stdout.starts_with("ya29."), "{short}");
    assert!(short.stderr.starts_with("warning: the token is valid for "), "{short}");
    assert_eq!(machine.run(["token", "--min-ttl", "5m", "-q"]).expect(0).stderr, "");
}

#[test]
fn a_valid_token_is_had_for_any_time_up_to_its_expiry() {
    let machine = Machine::with_google().with_key();
    machine.google().set_token_lifetime(Duration::from_secs(600));
    for least in ["0s", "30s", "9m"] {
        let output = machine.run(["token", "--min-ttl", least]).expect(0);
        assert_eq!(output.stderr, "", "{output}");
    }
}

#[test]
fn no_cache_gets_a_new_token_each_time() {
    let machine = Machine::with_google().with_key();
    let first = machine.run(["token", "--no-cache"]).expect(0).stdout;
    let second = machine.run(["token", "--no-cache"]).expect(0).stdout;
    assert_ne!(first, second);
    assert_eq!(machine.google().requests().len(), 2);
}

#[test]
fn silent_leaves_errors_and_no_warnings() {
    let machine = Machine::with_google();
    let path = machine.write("key.json", machine.google().service_account().key_json());
    share(&path);
    let machine = machine.with("GOOGLE_APPLICATION_CREDENTIALS", &path);
    let loud = machine.run(["token"]).expect(0);
    assert!(loud.stderr.starts_with("warning: "), "{loud}");
    assert!(loud.stderr.contains("can be read by other users"), "{loud}");
    for flag in ["-q", "--silent"] {
        let silent = machine.run(["token", flag]).expect(0);
        assert_eq!(silent.stderr, "", "{silent}");
    }
    let failed = Machine::new().run(["token", "-q"]).expect(4);
    assert!(failed.stderr.starts_with("error: "), "{failed}");
}

#[test]
fn the_projects_places_are_asked_in_order() {
    let google = Machine::with_google();
    let project = |machine: &Machine, arguments: &[&str]| {
        let arguments = ["status", "--format", "json"].iter().chain(arguments);
        machine.run(arguments).expect(0).json()["project"].clone()
    };
    let machine = google.with_login();
    assert_eq!(project(&machine, &[]), "ee-auth-sandbox");
    machine.configure("project = \"of-the-file\"");
    assert_eq!(project(&machine, &[]), "of-the-file");
    let machine = machine.with("EARTHENGINE_PROJECT", "of-earthengine");
    assert_eq!(project(&machine, &[]), "of-earthengine");
    let machine = machine.with("EE_AUTH_PROJECT", "of-the-variable");
    assert_eq!(project(&machine, &[]), "of-the-variable");
    assert_eq!(project(&machine, &["--project", "of-the-flag"]), "of-the-flag");
}

#[test]
fn a_profile_has_its_own_login() {
    let machine = Machine::with_google().with_key();
    let user = machine.google().user();
    machine.write(".config/earthengine/work/credentials", user.earthengine_file_json());
    let output = machine.run(["token", "--profile", "work", "--format", "json"]).expect(0);
    assert_eq!(output.json()["provider"], "persistent");
    let machine = machine.with("EE_AUTH_PROFILE", "work");
    let output = machine.run(["status", "--format", "json"]).expect(0);
    assert_eq!(
        (&output.json()["provider"], &output.json()["profile"]),
        (&json!("persistent"), &json!("work"))
    );
}

#[test]
fn the_environment_is_read_in_every_shape_that_people_paste() {
    let machine = Machine::with_google();
    let robot = machine.google().service_account();
    let user = machine.google().user();
    let key = robot.key_json();
    let base64 = {
        let mut encoder = Command::new("base64");
        run_with_input(&mut encoder, key.as_bytes()).expect(0).stdout
    };
    let path = machine.write("work/key.json", &key);
    let (name, login) = ("EE_AUTH_CREDENTIALS", user.earthengine_file_json());
    let shapes = [
        key.clone(),
        format!("  \u{feff}'{key}'\n"),
        key.replace('\n', ""),
        base64.clone(),
        base64.replace('\n', ""),
        login,
        path.display().to_string(),
        "key.json".to_owned(),
        "~/work/key.json".to_owned(),
    ];
    for shape in shapes {
        let mut command = machine.command(["token"]);
        let output = run(command.env(name, &shape)).expect(0);
        assert!(output.stdout.starts_with("ya29."), "{output}");
    }
}
