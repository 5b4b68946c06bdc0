//! A token that is printed, lent or cached has no scope that was not asked for.
#![allow(clippy::print_stderr, reason = "a test may say that it was skipped")]

use std::collections::BTreeSet;

use ee_auth_sandbox::{DEFAULT_SCOPES, visit};
use serde_json::{Value, json};

use crate::login::log_in;
use crate::support::{Machine, Output, PROGRAM, run, there_is};

/// The scopes that Google says a token has, in their short spelling.
#[track_caller]
fn scopes_of(machine: &Machine, token: &str) -> BTreeSet<String> {
    let url = format!("{}/tokeninfo?access_token={}", machine.google().base_url(), token.trim());
    let page = visit(&url).expect("tokeninfo answers");
    let info: Value = serde_json::from_str(&page.body).expect("JSON");
    let scope = info["scope"].as_str().unwrap_or_else(|| panic!("{info}"));
    scope.split(' ').map(|scope| scope.rsplit('/').next().unwrap_or_default().to_owned()).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

/// Nothing on standard output, and an error that names the login which helps.
#[track_caller]
fn refused(output: Output) -> Output {
    let output = output.expect(5);
    assert_eq!(output.stdout, "", "{output}");
    assert!(output.stderr.contains("ee-auth login --read-only --profile ro"), "{output}");
    output
}

#[test]
fn a_full_login_gives_no_read_only_token_and_the_advice_works() {
    let machine = Machine::with_google().with_login();
    let global = ["--scopes", "earthengine.readonly"];
    for command in [
        &["token"][..],
        &["-q", "token"],
        &["token", "--no-cache"],
        &["status"],
        &["env"],
        &["exec", "--", "sh", "-c", "echo ran"],
        &["serve", "--listen", "127.0.0.1:0"],
    ] {
        refused(machine.run([&global[..], command].concat()));
    }
    refused(run(machine.command(["token"]).env("EE_AUTH_SCOPES", "earthengine.readonly,drive.readonly")));
    let error = machine.run([&global[..], &["--format", "json", "token"]].concat()).expect(5).error();
    assert_eq!((&error["code"], &error["provider"]), (&json!("rejected.scopes"), &json!("persistent")));
    machine.configure("scopes = [\"earthengine.readonly\"]\n");
    refused(machine.run(["token"]));
    assert!(machine.google().requests().is_empty(), "nothing was sent");

    log_in(&machine, &["--read-only", "--profile", "ro"]);
    let token = machine.run(["--profile", "ro", "token"]).expect(0);
    assert_eq!(scopes_of(&machine, &token.stdout), set(["earthengine.readonly"]));
    assert_eq!(token.stderr, "");
    machine.configure("");
    let own = machine.run(["token"]).expect(0).stdout;
    assert_eq!(scopes_of(&machine, &own).len(), DEFAULT_SCOPES.len(), "the other login is as it was");
}

#[test]
fn a_login_is_narrowed_to_what_was_granted_and_each_set_is_cached_by_itself() {
    let machine = Machine::with_google().with_login();
    let all = machine.run(["token"]).expect(0).stdout;
    assert_eq!(scopes_of(&machine, &all).len(), DEFAULT_SCOPES.len());
    let asked = ["--scopes", "drive,gmail.readonly,earthengine", "token"];
    let first = machine.run(asked).expect(0);
    assert_eq!(scopes_of(&machine, &first.stdout), set(["drive", "earthengine"]));
    assert!(first.stderr.contains("and not gmail.readonly"), "{first}");
    let again = machine.run([&["-q"][..], &asked].concat()).expect(0);
    assert_eq!((again.stdout, again.stderr.as_str()), (first.stdout, ""), "it comes from the cache");
    let narrow = machine.run(["--scopes", "earthengine", "token", "--format", "json"]).expect(0);
    assert_eq!(narrow.json()["cached"], false, "a wider token is not used for it");
    assert_eq!(narrow.json()["scopes"], json!(["https://www.googleapis.com/auth/earthengine"]));
    let token = narrow.json()["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(scopes_of(&machine, &token), set(["earthengine"]));
}

#[test]
fn what_a_client_asks_the_endpoint_for_does_not_widen_the_token() {
    if !there_is("curl") {
        eprintln!("SKIPPED: there is no curl");
        return;
    }
    let machine = Machine::with_google().with_login();
    let ask = |path: &str| {
        let url =
            format!("http://$GCE_METADATA_HOST/computeMetadata/v1/instance/service-accounts/default/{path}");
        let script = format!("curl -q --silent --noproxy '*' -H 'Metadata-Flavor: Google' \"{url}\"");
        let all = ["--scopes", "earthengine", "exec", "--via", "both", "--", "sh", "-c", &script];
        machine.run(all).expect(0)
    };
    for query in ["", "?scopes=https://www.googleapis.com/auth/cloud-platform", "?scopes=", "?scopes=a,b"] {
        let answer = ask(&format!("token{query}")).json();
        let token = answer["access_token"].as_str().expect("a token");
        assert_eq!(scopes_of(&machine, token), set(["earthengine"]), "{query}");
    }
    assert_eq!(ask("scopes").stdout, "https://www.googleapis.com/auth/earthengine\n");
    let refresh = r#"curl -q --silent --noproxy '*' "$GOA2_AUTH_URL_TOKEN" -d grant_type=refresh_token \
        -d "refresh_token=$(sed -n 's/.*"refresh_token": *"\([^"]*\)".*/\1/p' "$GOOGLE_APPLICATION_CREDENTIALS")" \
        --data-urlencode scope=https://www.googleapis.com/auth/cloud-platform"#;
    let output = machine.run(["--scopes", "earthengine", "exec", "--", "sh", "-c", refresh]).expect(0);
    let answer = output.json();
    let token = answer["access_token"].as_str().unwrap_or_else(|| panic!("{output}"));
    assert_eq!(scopes_of(&machine, token), set(["earthengine"]));
}

#[test]
fn what_cannot_be_checked_is_said() {
    const UNCHECKED: &str = "could not check the scopes of its tokens; asked for: earthengine.readonly";
    let machine = Machine::with_google();
    let bare = machine.google().access_token();
    let machine = machine.with("EARTHENGINE_TOKEN", &bare);
    let asked = ["--scopes", "earthengine.readonly", "token"];
    let output = machine.run(asked).expect(0);
    assert_eq!(output.stdout, format!("{bare}\n"));
    assert!(output.stderr.contains(UNCHECKED), "{output}");
    assert_eq!(machine.run(["token"]).expect(0).stderr, "", "nobody asked for scopes");
    assert_eq!(machine.run([&["-q"][..], &asked].concat()).expect(0).stderr, "");
}

/// An `ee-auth` under `exec` knows the scopes of what it is lent, and refuses more than it was asked for.
#[test]
fn what_exec_lends_is_not_wider_than_a_nested_command_asks_for() {
    let nested = |outer: &[&str], via: &str, inner: &str| {
        let machine = Machine::with_google().with_key();
        let mut arguments = outer.to_vec();
        arguments
            .extend(["exec", "--via", via, "--", PROGRAM, "--scopes", inner, "token", "--format", "json"]);
        (machine.run(arguments), machine)
    };
    for via in ["file", "both"] {
        let (output, _) = nested(&[], via, "earthengine.readonly");
        let output = output.expect(5);
        assert_eq!(
            (&output.error()["code"], output.stdout.as_str()),
            (&json!("rejected.scopes"), ""),
            "{output}"
        );
        assert!(output.stderr.contains("under `ee-auth exec`, give these --scopes to it"), "{output}");
        assert!(!output.stderr.contains("could not check"), "{output}");
        let narrow = ["--scopes", "earthengine.readonly"];
        let (output, machine) = nested(&narrow, via, "earthengine.readonly,drive");
        let output = output.expect(0);
        assert_eq!(output.stderr, "");
        let wanted = set(["earthengine.readonly"]);
        assert_eq!(scopes_of(&machine, output.json()["access_token"].as_str().expect("a token")), wanted);
        assert_eq!(output.json()["scopes"].as_array().map(Vec::len), Some(1), "{output}");
    }
    // A metadata server says the scopes of a token with the token.
    if cfg!(target_os = "linux") {
        let (output, _) = nested(&[], "metadata", "earthengine.readonly");
        assert_eq!(output.expect(5).error()["code"], "rejected.scopes");
    }
}

#[test]
fn machines_and_keys_are_asked_for_these_scopes() {
    let machine = Machine::with_google().with_key();
    let asked = ["--scopes", "earthengine.readonly,https://www.googleapis.com/auth/drive.readonly"];
    let wanted = set(["earthengine.readonly", "drive.readonly"]);
    let output = machine.run([&asked[..], &["token"]].concat()).expect(0);
    assert_eq!((scopes_of(&machine, &output.stdout), output.stderr.as_str()), (wanted.clone(), ""));
    let id_token =
        machine.run([&asked[..], &["token", "--id-token", "--audience", "https://a.example"]].concat());
    assert_eq!(id_token.expect(0).stdout.matches('.').count(), 2, "an ID token has no scopes");

    let host = machine.google().address().to_string();
    let mut command = machine.command([&asked[..], &["token"]].concat());
    let output = run(command.env_remove("EE_AUTH_CREDENTIALS").env("GCE_METADATA_HOST", host)).expect(0);
    assert_eq!(scopes_of(&machine, &output.stdout), wanted);
    assert!(output.stderr.contains("could not check the scopes"), "{output}");
}
