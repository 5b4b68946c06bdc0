//! Executables that run: shell scripts, on the system.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "the tests write the scripts that are run")]

mod checks;
mod machine;
mod secrets;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ee_auth_core::{
    Chain, Exchange, Expectation, Finding, LoggedIn, LoginRequest, Member, OptionValue, Options, Outcome,
    Provider, Search, Settings, SkipReason,
};
use ee_auth_fake::{Fake, answer};
use ee_auth_plugin_host::trust::Pin;

use self::machine::Machine;
use super::*;

/// A script that answers with this line, after it has read the request.
fn answers(line: &str) -> String {
    format!("cat > \"$HOME/request\" 2>/dev/null || cat > /dev/null\nprintf '%s\\n' '{line}'")
}

const SUCCESS: &str =
    r#"{"version":1,"success":true,"access_token":"t0ken","principal":"ada@example.com","project":"p"}"#;

#[test]
fn a_request_goes_in_and_a_token_comes_out() {
    let machine = Machine::new();
    machine.fake.set_variable("HOME", machine.directory.path());
    let mut config = serde_json::Map::new();
    config.insert("mount".to_owned(), "gcp".into());
    let plugin = machine.plugin(&answers(SUCCESS)).set("config", OptionValue::Table(config));
    let found = plugin.found();
    assert_eq!(found.principal.as_deref(), Some("ada@example.com"));
    assert_eq!(found.quota_project.as_deref(), Some("p"));
    assert_eq!(plugin.exchange(&found).unwrap().secret(), "t0ken");
    let request: serde_json::Value =
        serde_json::from_slice(&fs::read(machine.path("request")).unwrap()).unwrap();
    assert_eq!(request["v"], serde_json::json!([1]));
    assert_eq!(request["op"], "get");
    assert_eq!(request["reason"], "initial");
    assert_eq!(request["interactive"], false);
    assert_eq!(request["deadline_ms"], 20000);
    assert_eq!(request["config"]["mount"], "gcp");
    assert_eq!(request["scopes"][0], "https://www.googleapis.com/auth/earthengine");
    // The second exchange asks again, and says that the first token was refused: it has not expired.
    plugin.exchange(&found).unwrap();
    let request = fs::read_to_string(machine.path("request")).unwrap();
    assert!(request.contains(r#""reason":"rejected""#), "{request}");
}

#[test]
fn it_gets_the_allowed_variables_and_no_others() {
    let fake = Fake::new()
        .with_variable("LANG", "C.UTF-8")
        .with_variable("HTTPS_PROXY", "http://proxy.example:3128")
        .with_variable("VAULT_ADDR", "https://vault.example")
        .with_variable("AWS_SECRET_ACCESS_KEY", "unseen")
        .with_variable("LD_PRELOAD", "/evil.so");
    let machine = Machine::with(fake);
    let plugin = machine
        .plugin(r#"env | sort | tr '\n' ' ' >&2; exit 3"#)
        .set("env", OptionValue::Strings(vec!["VAULT_ADDR".to_owned()]));
    let message = plugin.error().message().to_owned();
    for there in ["LANG=", "HTTPS_PROXY=", "VAULT_ADDR=", "PATH="] {
        assert!(message.contains(there), "{there}: {message}");
    }
    assert!(!message.contains("unseen") && !message.contains("LD_PRELOAD"), "{message}");
    let mut options = plugin.options.clone();
    for name in ["LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "A=B", ""] {
        options.set("env", OptionValue::Strings(vec![name.to_owned()]));
        assert_eq!(provider("x", &options).unwrap_err().code(), "invalid.env", "{name}");
    }
}

#[test]
fn a_no_is_a_skip_or_a_failure_in_its_own_words() {
    let machine = Machine::new();
    let refusing = |code: &str| {
        machine.plugin(&answers(&format!(
            r#"{{"version":1,"success":false,"code":"{code}","message":"sealed\nee-auth: all is well"}}"#
        )))
    };
    for (code, reason) in [
        ("not_found", SkipReason::NotFound),
        ("not_applicable", SkipReason::NotApplicable),
        ("interaction_required", SkipReason::InteractionRequired),
    ] {
        let Finding::Skipped(skip) = refusing(code).find() else { panic!("{code}") };
        assert_eq!(skip.reason, reason);
        assert_eq!(skip.message, "vault says: sealed ee-auth: all is well");
        assert!(skip.hint.is_some());
    }
    for (code, outcome) in [
        ("unavailable", Outcome::Unavailable),
        ("rejected", Outcome::Rejected),
        ("invalid", Outcome::Invalid),
        ("out_of_coffee", Outcome::Invalid),
    ] {
        assert_eq!(refusing(code).error().outcome(), outcome, "{code}");
    }
}

#[test]
fn each_breach_is_said_in_words() {
    let machine = Machine::new();
    for (body, code, words) in [
        ("cat > /dev/null", "protocol.silent", "answered nothing"),
        ("echo garbage", "protocol.malformed", "not JSON"),
        (r#"printf '{"version":1,"succ'"#, "protocol.truncated", "breaks off"),
        ("head -c 100000000 /dev/zero | tr '\\0' x", "protocol.too_large", "more than 1048576 bytes"),
        (
            r#"echo '{"version":1,"success":false,"code":"x"}'; echo '{"version":1,"success":true}'"#,
            "protocol.two_answers",
            "more than once",
        ),
        (r"printf '\377\376'", "protocol.encoding", "not UTF-8"),
        (r#"echo '{"version":1,"success":true}'"#, "protocol.no_token", "gives no `access_token`"),
        (
            r#"echo '{"version":1,"success":true,"access_token":"t","expiration_time":1000}'"#,
            "protocol.expired",
            "expired already",
        ),
        ("kill -SEGV $$", "protocol.crash", "signal"),
        (r#"echo '{"version":1,"success":true,"access_token":"t"}'; exit 7"#, "protocol.crash", "status 7"),
        ("exit 7", "protocol.crash", "status 7"),
    ] {
        let error = machine.plugin(body).error();
        assert_eq!(error.code(), code, "{body}: {error:?}");
        assert!(error.message().contains(words), "{body}: {error:?}");
        assert!(error.message().starts_with("vault: "), "{error:?}");
    }
}

#[test]
fn a_deadline_ends_it_and_all_that_it_started() {
    let machine = Machine::new();
    let pid = machine.path("pid");
    let body = format!("trap '' TERM\nsleep 300 &\necho $! > {}\nsleep 300", pid.display());
    let plugin = machine.plugin(&body).set("timeout", OptionValue::Duration(Duration::from_millis(500)));
    let begun = Instant::now();
    let error = plugin.error();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(error.code(), "unavailable.timeout");
    assert!(error.message().contains("within 0.5 s"), "{error}");
    assert!(is_gone(&pid));
}

/// Whether the process whose number is in this file has ended. It may be dead and not waited for yet, by whoever waits for
/// orphans here.
fn is_gone(pid: &Path) -> bool {
    let pid = fs::read_to_string(pid).unwrap();
    let state =
        std::process::Command::new("ps").args(["-o", "stat=", "-p", pid.trim()]).output().unwrap().stdout;
    state.trim_ascii().is_empty() || state.trim_ascii().starts_with(b"Z")
}

#[test]
fn children_that_it_leaves_behind_are_ended_and_nobody_waits_for_them() {
    let machine = Machine::new();
    let pid = machine.path("pid");
    let body = format!("sleep 300 &\necho $! > {}\n{}", pid.display(), answers(SUCCESS));
    let begun = Instant::now();
    assert_eq!(machine.plugin(&body).token(), "t0ken");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(is_gone(&pid));
}

#[test]
fn a_pinned_file_runs_as_it_was_hashed() {
    let machine = Machine::new();
    // It replaces itself while it runs, and answers with where it runs from.
    let own = machine.path("plugin");
    let body = format!(
        "echo '#!/bin/sh' > {}.new && mv {0}.new {0}\necho \"$0\" >&2\n{}",
        own.display(),
        answers(SUCCESS)
    );
    let plugin = machine.plugin(&body);
    let pin = Pin::of(&fs::read(&own).unwrap()).to_string();
    let plugin = plugin.set("sha256", OptionValue::String(pin.clone()));
    assert_eq!(plugin.found().principal.as_deref(), Some("ada@example.com"));
    let error = plugin.error();
    assert_eq!(error.code(), "untrusted.sha256");
    assert!(error.message().contains("not the file that was pinned"), "{error}");
    let copy = machine.path("Cache").join("ee-auth").join("plugins").join(&pin).join("plugin");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o500);
}

#[test]
fn a_script_that_needs_its_siblings_runs_in_place() {
    let machine = Machine::new();
    fs::write(machine.path("answer.json"), SUCCESS).unwrap();
    let plugin = machine.plugin("cat \"$(dirname \"$0\")/answer.json\"");
    let pin = Pin::of(&fs::read(machine.path("plugin")).unwrap()).to_string();
    let plugin = plugin.set("sha256", OptionValue::String(pin));
    assert_eq!(plugin.error().outcome(), Outcome::Protocol);
    assert_eq!(plugin.set("in_place", OptionValue::Bool(true)).token(), "t0ken");
}

#[test]
fn what_others_can_write_does_not_run() {
    let machine = Machine::new();
    let plugin = machine.plugin(&format!("touch {}\n{}", machine.path("ran").display(), answers(SUCCESS)));
    fs::set_permissions(machine.path("plugin"), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(plugin.error().code(), "untrusted.permissions");
    fs::set_permissions(machine.path("plugin"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(machine.directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(plugin.error().code(), "untrusted.permissions");
    assert!(!machine.path("ran").exists());
    fs::set_permissions(machine.directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(plugin.token(), "t0ken");
}

#[test]
fn what_is_not_there_or_no_program_is_invalid() {
    let machine = Machine::new();
    let plugin = machine.plugin("true");
    fs::set_permissions(machine.path("plugin"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(plugin.error().code(), "invalid.start");
    fs::remove_file(machine.path("plugin")).unwrap();
    assert_eq!(plugin.error().code(), "invalid.no_such_file");
    for command in ["", "./plugin", "bin/plugin", "~/plugin", "..", "."] {
        let mut options = Options::default();
        options.set("command", OptionValue::Strings(vec![command.to_owned()]));
        assert_eq!(provider("x", &options).unwrap_err().code(), "invalid.command", "{command}");
    }
}

#[test]
fn a_bare_name_is_looked_for_among_the_plugins_alone() {
    let machine = Machine::new();
    let elsewhere = machine.script("bin/tool", &answers(SUCCESS));
    machine
        .fake
        .set_variable("PATH", format!("{}:/usr/bin:/bin", Path::new(&elsewhere).parent().unwrap().display()));
    let plugin = machine.plugin("true").set("command", OptionValue::Strings(vec!["tool".to_owned()]));
    assert_eq!(plugin.error().code(), "invalid.no_such_file");
    machine.script("Data/ee-auth/plugins/tool", &answers(SUCCESS));
    assert_eq!(plugin.token(), "t0ken");
    assert_eq!(installed(&machine.host()), ["tool"]);
    // Whoever looks at it looks at that file, and an error says where it was looked for.
    assert_eq!(plugin.provider().file(&machine.host()), Some(machine.path("Data/ee-auth/plugins/tool")));
    fs::remove_file(machine.path("Data/ee-auth/plugins/tool")).unwrap();
    let error = plugin.error();
    assert!(error.message().contains("Data/ee-auth/plugins/tool: it cannot be used"), "{error}");
}

#[test]
fn offline_nothing_runs() {
    let machine = Machine::new();
    let plugin = machine.plugin(&format!("touch {}", machine.path("ran").display()));
    let search = Search::with_defaults(machine.host()).offline(true);
    assert!(matches!(pollster::block_on(plugin.provider().find(&search)), Finding::NotProbed(_)));
    assert!(!machine.path("ran").exists());
}

#[test]
fn another_principal_than_expected_is_rejected() {
    let machine = Machine::new();
    let plugin = machine.plugin(&answers(SUCCESS));
    let expect = Expectation { principal: Some("grace@example.com".to_owned()), project: None };
    let member = Member { expect, ..Member::new("vault", Arc::new(plugin.provider())) };
    let resolution =
        pollster::block_on(Chain::new(vec![member]).resolve(&Search::with_defaults(machine.host())));
    let error = resolution.result.err().unwrap();
    assert_eq!(error.code(), "rejected.unexpected");
    assert!(error.message().contains("is ada@example.com"), "{error}");
    // And it does not become another's later.
    let found = plugin.found();
    plugin.exchange(&found).unwrap();
    machine.script("plugin", &answers(&SUCCESS.replace("ada@", "eve@")));
    let error = plugin.exchange(&found).unwrap_err();
    assert_eq!(error.code(), "rejected.unexpected");
    assert!(error.message().contains("eve@example.com"), "{error}");
}

#[test]
fn an_id_token_is_exchanged_where_there_is_an_audience() {
    let fake = Fake::new().with_response(answer(
        200,
        r#"{"access_token":"exchanged","expires_in":3600,"token_type":"Bearer"}"#,
    ));
    let machine = Machine::with(fake);
    let id_token = r#"{"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:id_token","id_token":"a.b.c"}"#;
    let plugin = machine.plugin(&answers(id_token));
    assert_eq!(plugin.error().code(), "invalid.audience");
    let (provider, host) = (plugin.provider(), machine.host());
    let report = pollster::block_on(ee_auth_plugin_host::conformance::check(&provider, &host));
    let warned = report.checks.iter().find(|check| check.verdict.words().contains("set `audience`")).unwrap();
    assert_eq!(warned.verdict.word(), "warning", "{report:?}");
    let plugin = plugin.set("audience", OptionValue::String("//iam.googleapis.com/pool".to_owned()));
    assert_eq!(plugin.token(), "exchanged");
    let requests = machine.fake.requests();
    assert_eq!(requests[0].url.as_str(), "https://sts.googleapis.com/v1/token");
}

#[test]
fn googles_executables_run_as_they_are() {
    let fake = Fake::new().with_response(answer(
        200,
        r#"{"access_token":"exchanged","expires_in":3600,"token_type":"Bearer"}"#,
    ));
    let machine = Machine::with(fake);
    let body = r#"[ "$GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES" = 1 ] || exit 1
printf '{\n "version": 1, "success": true,\n "token_type": "%s",\n "id_token": "a.b.c" }\n' "$GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE""#;
    let plugin = machine
        .plugin(body)
        .protocol("google-executable")
        .set("audience", OptionValue::String("//iam.googleapis.com/pool".to_owned()));
    assert_eq!(plugin.token(), "exchanged");
    assert!(plugin.provider().login().is_none());
    let no = machine
        .plugin(r#"echo '{"version":1,"success":false,"code":"401","message":"not allowed"}'"#)
        .protocol("google-executable");
    let error = no.error();
    assert_eq!((error.outcome(), error.message()), (Outcome::Rejected, "vault says: 401: not allowed"));
}

#[test]
fn a_bare_token_is_taken_from_standard_output() {
    let machine = Machine::new();
    let plugin = machine.plugin("echo ' t0ken '; echo 'a warning' >&2").protocol("token-stdout");
    let found = plugin.found();
    let token = plugin.exchange(&found).unwrap();
    assert_eq!(token.secret(), "t0ken");
    assert_eq!(token.lifetime(), ee_auth_plugin_host::ASSUMED_LIFETIME);
    assert!(found.source.key().is_none());
    let failing = machine.plugin("echo 'Error: not signed in' >&2; exit 2").protocol("token-stdout");
    let error = failing.error();
    assert_eq!(error.code(), "protocol.crash");
    assert!(error.message().contains("Error: not signed in"), "{error}");
    assert_eq!(
        machine.plugin("echo You are not signed in").protocol("token-stdout").error().code(),
        "protocol.token"
    );
}

/// A script that speaks with the host, a line each way.
const DIALOGUE: &str = r#"
read -r request
case "$request" in
  *'"op":"describe"'*)
    echo '{"version":1,"success":true,"name":"talker","ops":["get","login"],"http_hosts":["vault.example.com"]}'
    exit ;;
esac
ask() { echo "$1"; read -r reply; }
ask '{"event":"log","level":"info","message":"hello"}'
case "$request" in *'"op":"login"'*)
  ask '{"event":"prompt","kind":"secret","message":"PIN?"}'
  ask "{\"event\":\"store\",\"op\":\"set\",\"key\":\"pin\",\"value\":$(echo "$reply" | sed 's/.*"answer":\("[^"]*"\).*/\1/')}"
  echo '{"version":1,"success":true}'
  exit ;;
esac
ask '{"event":"prompt","kind":"secret","message":"PIN?"}'
case "$reply" in *interaction_required*) ;; *) exit 9 ;; esac
ask '{"event":"store","op":"get","key":"pin"}'
case "$reply" in *'"value":null'*)
  echo '{"version":1,"success":false,"code":"interaction_required","message":"sign in first"}'
  exit ;;
esac
ask '{"event":"http","url":"https://evil.example/"}'
case "$reply" in *'"ok":true'*) exit 9 ;; esac
ask '{"event":"http","url":"https://vault.example.com/v1/token"}'
token=$(echo "$reply" | sed 's/.*"body":"\([^"]*\)".*/\1/')
echo "{\"version\":1,\"success\":true,\"access_token\":\"$token\"}"
"#;

#[test]
fn events_are_replied_to_until_the_answer() {
    let fake = Fake::new().with_person(["hunter2"]).with_server(|_| Ok(answer(200, "t0ken")));
    let machine = Machine::with(fake);
    let plugin = machine.plugin(DIALOGUE).protocol("events");
    let Finding::Skipped(skip) = plugin.find() else { panic!("nobody has signed in yet") };
    assert_eq!(
        (skip.reason, skip.message.as_str()),
        (SkipReason::InteractionRequired, "vault says: sign in first")
    );
    let exchange = Exchange { host: machine.host(), settings: Settings::default() };
    let request = LoginRequest::new(exchange);
    let provider = plugin.provider();
    let logged_in = pollster::block_on(provider.login().unwrap().log_in(&request)).unwrap();
    assert!(matches!(logged_in, LoggedIn::Elsewhere(_)));
    assert_eq!(machine.fake.asked(), ["vault says: PIN?"]);
    assert_eq!(plugin.token(), "t0ken");
    let asked: Vec<_> = machine.fake.requests().iter().map(|request| request.url.to_string()).collect();
    assert_eq!(asked, ["https://vault.example.com/v1/token"]);
    let manifest = pollster::block_on(provider.describe(&machine.host())).unwrap();
    assert_eq!(manifest.name, "talker");
}

#[test]
fn events_without_end_or_without_an_answer_are_a_breach() {
    let machine = Machine::new();
    let log = r#"{"event":"log","message":"x"}"#;
    for (body, code) in [
        (format!("echo '{log}'"), "protocol.silent"),
        (format!("while echo '{log}'; do read -r reply || exit; done"), "protocol.no_success"),
        (format!("echo '{log}'; read -r reply; echo garbage"), "protocol.malformed"),
        (format!("read -r r; echo '{SUCCESS}'; echo '{log}'"), "protocol.two_answers"),
        ("head -c 2000000 /dev/zero | tr '\\0' x".to_owned(), "protocol.too_large"),
    ] {
        let error = machine.plugin(&body).protocol("events").error();
        assert_eq!(error.outcome(), Outcome::Protocol, "{body}: {error:?}");
        if code != "protocol.no_success" {
            assert_eq!(error.code(), code, "{body}: {error:?}");
        }
    }
}

#[test]
fn options_that_cannot_be_right_are_invalid() {
    let machine = Machine::new();
    let plugin = machine.plugin("true");
    for (name, value, code) in [
        ("protocol", OptionValue::String("json-rpc".to_owned()), "invalid.protocol"),
        ("sha256", OptionValue::String("abc".to_owned()), "invalid.sha256"),
        ("timeout", OptionValue::Duration(Duration::ZERO), "invalid.timeout"),
        ("command", OptionValue::Strings(Vec::new()), "invalid.command"),
    ] {
        let mut options = plugin.options.clone();
        options.set(name, value);
        assert_eq!(provider("x", &options).unwrap_err().code(), code);
    }
}
