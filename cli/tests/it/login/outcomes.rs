//! How logins end that do not end well, and what they say of the account that they made.

use std::time::Instant;

use ee_auth_sandbox::{Consent, ProjectState};
use serde_json::{Value, json};

use super::{Begun, Waiting, content, log_in, stored};
use crate::support::{Machine, run};

#[test]
fn without_a_person_nothing_waits() {
    let machine = Machine::with_google();
    let modes = [&[][..], &["--mode", "notebook"], &["--mode", "localhost"], &["--mode", "localhost:0"]];
    for mode in modes {
        for no_input in [&["--no-input"][..], &["EE_AUTH_NO_INPUT=1"]] {
            let began = Instant::now();
            let mut command = machine.command(["login", "--format", "json"].iter().chain(mode));
            match no_input[0].split_once('=') {
                Some((name, value)) => command.env(name, value),
                None => command.args(no_input),
            };
            let output = run(&mut command).expect(4);
            assert!(began.elapsed().as_secs() < 20, "{output}");
            let error = output.error();
            assert_eq!(error["code"], "interaction_required", "{output}");
            assert!(error["hint"].as_str().expect("a hint").contains("`ee-auth login --mode"), "{output}");
            assert_eq!(output.stdout, "");
        }
    }
    assert!(!stored(&machine).exists());
    // A code has to be typed, and a pipe is no keyboard.
    let output = machine.run(["login", "--mode", "notebook", "--format", "json"]).expect(4);
    assert!(output.error()["message"].as_str().expect("words").contains("no terminal"), "{output}");
    // The second pass of the chain is for a terminal.
    machine.run(["token", "--no-input"]).expect(4);
    machine.run(["token"]).expect(4);
}

#[test]
fn a_person_may_say_no() {
    let machine = Machine::with_google();
    log_in(&machine, &[]);
    let first = content(&machine);
    machine.google().set_consent(Consent::Deny);
    let login = ["login", "--mode", "localhost:0", "--force", "--format", "json"];
    let waiting = Waiting::start(machine.command(login));
    let page = waiting.open();
    assert!(page.body.contains("<html"), "{}", page.body);
    let (status, stdout, stderr) = waiting.end();
    assert_eq!((status, stdout.as_str()), (5, ""), "{stderr}");
    assert!(stderr.lines().last().expect("a line").contains("rejected.access_denied"), "{stderr}");
    assert_eq!(content(&machine), first);
}

#[test]
fn fewer_scopes_are_told_and_stored_as_granted() {
    let machine = Machine::with_google();
    let granted = "https://www.googleapis.com/auth/earthengine";
    machine.google().set_consent(Consent::GrantOnly(vec![granted.to_owned()]));
    let waiting = Waiting::start(machine.command(["login", "--mode", "localhost:0"]));
    waiting.open();
    let (status, _, stderr) = waiting.end();
    assert_eq!(status, 0, "{stderr}");
    assert!(stderr.contains("not granted: cloud-platform, drive, devstorage.full_control"), "{stderr}");
    assert_eq!(content(&machine)["scopes"], json!([granted]));
    machine.run(["token"]).expect(0);
}

/// Where most people are stuck: each case says what to do.
#[test]
fn whether_the_project_can_be_used_is_told() {
    for (state, code, hint) in [
        (Some(ProjectState::Ready), None, ""),
        (Some(ProjectState::ApiDisabled), Some("rejected.api_disabled"), "turn the Earth Engine API on"),
        (Some(ProjectState::NotRegistered), Some("rejected.not_registered"), "register my-project"),
        (Some(ProjectState::NoPermission), Some("rejected.permission"), "roles"),
        (None, Some("invalid.project"), "ee-auth set-project"),
    ] {
        let machine = Machine::with_google();
        if let Some(state) = state {
            machine.google().set_project("my-project", state);
            machine.run(["set-project", "my-project"]).expect(0);
        }
        let login = ["login", "--mode", "localhost:0", "--format", "json"];
        let waiting = Waiting::start(machine.command(login));
        waiting.open();
        let (status, stdout, stderr) = waiting.end();
        assert_eq!(status, 0, "who has logged in has logged in\n{stderr}");
        let login: Value = serde_json::from_str(&stdout).expect("JSON");
        assert_eq!(login["usable"], code.is_none(), "{login:#}");
        let Some(code) = code else { continue };
        assert_eq!(login["problem"]["code"], code, "{login:#}");
        assert!(login["problem"]["hint"].as_str().expect("a hint").contains(hint), "{login:#}");
    }
}

#[test]
fn the_account_is_told_where_google_tells_it() {
    let machine = Machine::with_google();
    let login = log_in(&machine, &["--scopes", "earthengine,cloud-platform,openid,email"]);
    assert_eq!(login["principal"], "ada@example.com");
    assert_eq!(login["warnings"], json!([]));
}

#[test]
fn who_is_asked_first_is_told() {
    let machine = Machine::with_google().with_key();
    let login = log_in(&machine, &[]);
    let warning = login["warnings"][0].as_str().expect("a warning");
    assert!(warning.contains("environment") && warning.contains("ee-auth explain"), "{warning}");
    let kept = machine.run(["login", "--format", "json"]).expect(0).json();
    assert_eq!(kept["warnings"], login["warnings"]);
}

#[test]
fn a_client_of_ones_own() {
    let machine = Machine::with_google();
    let client = machine.google().client();
    let installed = machine.write("installed.json", client.client_json());
    machine.configure(&format!("[login]\nclient_file = {installed:?}"));
    // Without gcloud, wherever the tests run.
    let mut login = machine.command(["login"]);
    login.env("PATH", machine.home());
    let waiting = Waiting::start(login);
    assert!(waiting.address.contains(client.id()));
    waiting.open();
    let (status, _, stderr) = waiting.end();
    assert_eq!(status, 0, "{stderr}");
    assert!(stderr.contains("Logging in with localhost"), "{stderr}");
    assert_eq!(content(&machine)["client_id"], client.id());
    let refused = machine.run(["login", "--mode", "notebook", "--force", "--format", "json"]).expect(3);
    assert_eq!(refused.error()["code"], "invalid.client_file", "{refused}");

    // A web client comes back to registered addresses alone.
    let port = free_port();
    let redirect = format!("http://localhost:{port}/");
    let web = json!({ "web": { "client_id": client.id(), "client_secret": client.secret(), "redirect_uris": [redirect] } });
    let web = machine.write("web.json", web.to_string());
    machine.configure(&format!("[login]\nclient_file = {web:?}"));
    let mode = format!("localhost:{port}");
    let waiting = Waiting::start(machine.command(["login", "--force", "--mode", &mode]));
    waiting.open();
    let (status, _, stderr) = waiting.end();
    assert_eq!(status, 0, "{stderr}");
    assert_eq!(content(&machine)["redirect_uri"], redirect, "as it was registered");
    let other = machine.run(["login", "--force", "--mode", "localhost:9", "--format", "json"]).expect(3);
    assert_eq!(other.error()["code"], "invalid.redirect_uri", "{other}");

    for (text, code) in [
        ("{}", "invalid.client_file"),
        (r#"{"web": {"client_id": "x"}}"#, "invalid.client_file"),
        (r#"{"installed": {}}"#, "invalid.missing_field"),
        (&machine.google().user().authorized_user_json(), "invalid.client_file"),
    ] {
        let wrong = machine.write("wrong.json", text);
        machine.configure(&format!("[login]\nclient_file = {wrong:?}"));
        let output = machine.run(["login", "--format", "json"]).expect(3);
        assert_eq!(output.error()["code"], code, "{output}");
    }
    machine.configure("[login]\nclient_file = \"/no/such/client.json\"");
    machine.run(["login"]).expect(3);
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("there is a port");
    listener.local_addr().expect("it has an address").port()
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let machine = Machine::with_google();
    let begun = Begun::new(&machine, &["--mode", "notebook"]);
    let code = begun.code();
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let finish = |variables: &[(&str, &str)]| {
        let arguments = ["login", "--code-verifier", &begun.verifier, "--authorization-code", &code];
        run(machine.command(arguments).arg("--format=json").envs(variables.iter().copied()))
    };
    let output = finish(&[("HTTP_PROXY", &nowhere), ("http_proxy", &nowhere)]).expect(6);
    let error = output.error();
    assert_eq!(error["code"], "unavailable.connect", "{output}");
    let words = format!("{} {}", error["message"], error["hint"]);
    assert!(words.contains("proxy"), "{output}");
    assert!(!stored(&machine).exists());
    // Nothing was used up, and this machine is reached past the proxy.
    finish(&[("HTTP_PROXY", &nowhere), ("http_proxy", &nowhere), ("NO_PROXY", "127.0.0.1")]).expect(0);
}

#[test]
fn faults_of_the_page_and_of_the_token_endpoint() {
    for (rule, status, code) in [
        ("client_auth=html", 6, "unavailable.malformed"),
        ("client_auth=not-json", 6, "unavailable.malformed"),
        ("client_auth=503", 6, "unavailable.status"),
        ("client_auth=404", 5, "rejected.request"),
        ("client_auth=503x1", 0, ""),
        ("token=invalid_grant", 5, "rejected.invalid_grant"),
        ("token=deleted_client", 5, "rejected.deleted_client"),
        ("token=no-refresh-token", 5, "rejected.no_refresh_token"),
        ("token=html", 6, "unavailable.malformed"),
        ("token=reset", 6, "unavailable.interrupted"),
        // What follows the login does not undo it.
        ("tokeninfo=503", 0, ""),
        ("earthengine=html", 0, ""),
    ] {
        let machine = Machine::with_google();
        let begun = Begun::new(&machine, &["--mode", "notebook"]);
        let pasted = begun.code();
        machine.google().fail(rule.parse().expect("a fault"));
        let output = begun.finish(&machine, &pasted, &[]).expect(status);
        assert_eq!(stored(&machine).exists(), status == 0, "{rule}: {output}");
        if status == 0 {
            assert_eq!(output.json()["usable"], !rule.starts_with("earthengine"), "{rule}: {output}");
        } else {
            assert_eq!(output.error()["code"], code, "{rule}: {output}");
        }
    }
}
