//! The account that is logged in to gcloud: how it is found, and how tokens are asked of gcloud.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use ee_auth_core::host::{Command, Output, ProcessError, Variables};
use ee_auth_core::{Error, Exchange, Finding, Found, Provider, Scopes, Search, Settings, Token};
use ee_auth_fake::{Entry, Fake, Node};
use ee_auth_gcloud::Gcloud;

const DIRECTORY: &str = "/home/user/.config/gcloud";

/// A machine with gcloud and an account in its configuration `default`.
fn machine() -> Fake {
    Fake::new()
        .with_program("gcloud", "/usr/bin/gcloud")
        .with_file(format!("{DIRECTORY}/credentials.db"), "SQLite")
        .with_file(
            format!("{DIRECTORY}/configurations/config_default"),
            "[core]\naccount = ada@example.com\n",
        )
}

fn find(fake: &Fake) -> Finding {
    find_with(fake, Settings::default())
}

fn find_with(fake: &Fake, settings: Settings) -> Finding {
    pollster::block_on(Gcloud { legacy: false }.find(&Search::new(fake.host(), settings)))
}

fn found(fake: &Fake) -> Found {
    match find(fake) {
        Finding::Found(found) => *found,
        other => panic!("{other:?}"),
    }
}

fn skipped(fake: &Fake) -> String {
    match find(fake) {
        Finding::Skipped(skip) => {
            assert!(skip.hint.is_some());
            skip.message
        }
        other => panic!("{other:?}"),
    }
}

fn exchange(found: &Found, fake: &Fake) -> Result<Token, Error> {
    let exchange = Exchange { host: fake.host(), settings: Settings::default() };
    pollster::block_on(found.source.exchange(&exchange))
}

fn output(status: i32, stdout: &str, stderr: &str) -> Output {
    Output { status: Some(status), stdout: stdout.as_bytes().to_vec().into(), stderr: stderr.to_owned() }
}

/// What `gcloud config config-helper --format=json` says.
fn helper(token: &str, expiry: &str) -> String {
    format!(
        r#"{{"configuration": {{"active_configuration": "default", "properties": {{}}}},
            "credential": {{"access_token": "{token}", "id_token": null, "token_expiry": {expiry}}},
            "sentinels": {{"config_sentinel": "/x"}}}}"#
    )
}

fn arguments(command: &Command) -> Vec<&str> {
    command.arguments.iter().map(|argument| argument.to_str().unwrap()).collect()
}

#[test]
fn finding_runs_nothing_and_the_exchange_asks_gcloud() {
    let fake = machine();
    let found = found(&fake);
    assert_eq!(found.principal.as_deref(), Some("ada@example.com"));
    assert_eq!(found.scopes.to_string(), "cloud-platform");
    assert!(
        found.origin.contains("ada@example.com") && found.origin.contains("`default`"),
        "{}",
        found.origin
    );
    assert!(found.source.key().is_none() && found.warnings.is_empty());
    assert!(fake.commands().is_empty());
    let fake = fake.with_output(0, helper("gcloud-token", "\"2026-01-01T00:59:00Z\""), "");
    let token = exchange(&found, &fake).unwrap();
    assert_eq!(token.secret(), "gcloud-token");
    assert_eq!(token.lifetime(), Duration::from_secs(59 * 60));
    assert_eq!(token.principal(), Some("ada@example.com"));
    let commands = fake.commands();
    assert_eq!(
        arguments(&commands[0]),
        ["config", "config-helper", "--format=json", "--min-expiry=5m", "--account=ada@example.com"]
    );
    assert_eq!(commands[0].timeout, Duration::from_secs(30));
    assert!(commands[0].input.is_none());
    let Variables::Inherit(more) = &commands[0].variables else { panic!("gcloud needs its variables") };
    assert_eq!(more[..], [("CLOUDSDK_CORE_DISABLE_PROMPTS".into(), "1".into())]);
}

/// Whoever asks for impersonation, or for none, means ee-auth's: gcloud would do it a second time, or all the same.
#[test]
fn gcloud_does_not_impersonate_beside_ee_auth() {
    for named in ["none", "robot@p.iam.gserviceaccount.com"] {
        let fake = machine().with_output(0, helper("gcloud-token", "null"), "");
        let settings = Settings { impersonate: Some(named.parse().unwrap()), ..Settings::default() };
        let exchange = Exchange { host: fake.host(), settings };
        pollster::block_on(found(&fake).source.exchange(&exchange)).unwrap();
        let Variables::Inherit(more) = &fake.commands()[0].variables else {
            panic!("gcloud needs its variables")
        };
        assert!(more.contains(&("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT".into(), "".into())), "{more:?}");
    }
}

#[test]
fn gclouds_variables_choose_configuration_and_account() {
    let work = || {
        machine().with_file(
            format!("{DIRECTORY}/configurations/config_work"),
            "[compute]\naccount = no\n[core]\naccount=bob@example.com\n",
        )
    };
    for (fake, expected) in [
        (work(), Some("ada@example.com")),
        (work().with_file(format!("{DIRECTORY}/active_config"), "work\n"), Some("bob@example.com")),
        (work().with_file(format!("{DIRECTORY}/active_config"), ""), Some("ada@example.com")),
        (work().with_variable("CLOUDSDK_ACTIVE_CONFIG_NAME", "work"), Some("bob@example.com")),
        (work().with_variable("CLOUDSDK_CORE_ACCOUNT", "eve@example.com"), Some("eve@example.com")),
        (work().with_variable("CLOUDSDK_AUTH_ACCESS_TOKEN", "t"), None),
        (work().with_variable("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "/f"), None),
    ] {
        assert_eq!(found(&fake).principal.as_deref(), expected);
    }
    let elsewhere = Fake::new()
        .with_program("gcloud", "/usr/bin/gcloud")
        .with_variable("CLOUDSDK_CONFIG", "/data/gcloud")
        .with_file("/data/gcloud/access_tokens.db", "SQLite")
        .with_file("/data/gcloud/configurations/config_default", "[core]\naccount = carl@example.com\n");
    assert_eq!(found(&elsewhere).principal.as_deref(), Some("carl@example.com"));
    // A token that a variable gives has no account, and may be replaced at any time.
    let fake = Fake::new()
        .with_program("gcloud", "/usr/bin/gcloud")
        .with_variable("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "/token")
        .with_output(0, helper("t", "null"), "");
    let token = exchange(&found(&fake), &fake).unwrap();
    assert_eq!(token.lifetime(), Duration::from_secs(300));
    assert!(!arguments(&fake.commands()[0]).iter().any(|argument| argument.starts_with("--account")));
}

#[test]
fn without_a_login_there_is_nothing_to_ask() {
    let no_account = machine().with_file(format!("{DIRECTORY}/configurations/config_default"), "[core]\n");
    let never = Fake::new().with_program("gcloud", "/usr/bin/gcloud");
    let none = machine().with_variable("CLOUDSDK_ACTIVE_CONFIG_NAME", "NONE");
    let foreign = machine()
        .with_variable("CLOUDSDK_ACTIVE_CONFIG_NAME", "../../x")
        .with_file(format!("{DIRECTORY}/x"), "[core]\naccount = a@b.c\n");
    let unreadable = machine().with_entry(
        format!("{DIRECTORY}/configurations/config_default"),
        Entry::new(Node::Unreadable(std::io::ErrorKind::PermissionDenied)),
    );
    for fake in [no_account, never, none, foreign, unreadable, Fake::new()] {
        assert!(skipped(&fake).contains("no account"));
        assert!(fake.commands().is_empty());
    }
    let no_program = Fake::new()
        .with_file(format!("{DIRECTORY}/credentials.db"), "SQLite")
        .with_variable("CLOUDSDK_CORE_ACCOUNT", "ada@example.com");
    assert!(skipped(&no_program).contains("not on the PATH"));
}

#[test]
fn offline_gcloud_is_not_asked() {
    let search = Search::new(machine().host(), Settings::default()).offline(true);
    let finding = pollster::block_on(Gcloud { legacy: false }.find(&search));
    assert!(matches!(finding, Finding::NotProbed(_)), "{finding:?}");
}

#[test]
fn scopes_that_gcloud_cannot_have_are_told() {
    let asking =
        |names: &[&str]| Settings { scopes: Some(Scopes::new(names).unwrap()), ..Settings::default() };
    for (names, warned) in
        [(&["earthengine", "devstorage.read_only"][..], false), (&["earthengine", "drive"], true)]
    {
        let Finding::Found(found) = find_with(&machine(), asking(names)) else { panic!("nothing found") };
        assert_eq!(found.warnings.iter().any(|warning| warning.contains("drive")), warned, "{names:?}");
    }
}

#[test]
fn what_gcloud_says_when_it_has_no_token_is_explained() {
    const LOGIN: &str = "\nPlease run:\n\n  $ gcloud auth login\n\nto obtain new credentials.\n";
    let refresh =
        "ERROR: (gcloud.config.config-helper) There was a problem refreshing your current auth tokens: ";
    for (said, expected, shown) in [
        (
            "Reauthentication failed. cannot prompt during non-interactive execution.",
            "rejected.gcloud",
            "Reauthentication",
        ),
        (
            "('invalid_grant: Token has been expired or revoked.', {})",
            "rejected.gcloud",
            "expired or revoked",
        ),
        (
            "HTTPSConnectionPool(host='oauth2.googleapis.com', port=443): Max retries exceeded with url: /token",
            "unavailable.network",
            "Max retries",
        ),
    ] {
        let fake = machine().with_output(1, "", format!("{refresh}{said}{LOGIN}"));
        let error = exchange(&found(&fake), &fake).unwrap_err();
        assert_eq!(error.code(), expected, "{error:?}");
        assert!(error.message().contains(shown) && !error.message().contains("Please run"), "{error}");
        let login = error.next_step().unwrap().contains("gcloud auth login");
        assert_eq!(login, expected == "rejected.gcloud");
    }
    let secret = format!("ya29.{}", "a1".repeat(30));
    let fake = machine().with_output(1, "", format!("ERROR: token {secret}"));
    let error = exchange(&found(&fake), &fake).unwrap_err();
    assert!(!format!("{error:?}").contains("a1a1"), "{error:?}");
}

#[test]
fn answers_that_make_no_sense_are_no_tokens() {
    for stdout in [
        "".to_owned(),
        "gcloud-token".to_owned(),
        "{}".to_owned(),
        helper("", "null"),
        helper("two words", "null"),
        helper("t", "\"soon\""),
        helper("t", "\"2025-12-31T23:59:59Z\""),
    ] {
        let fake = machine().with_output(0, stdout.clone(), "");
        let error = exchange(&found(&fake), &fake).unwrap_err();
        assert!(
            ["unavailable.malformed", "unavailable.expired"].contains(&error.code().to_string().as_str()),
            "{stdout}"
        );
        assert!(error.next_step().is_some());
    }
    for (error, expected) in [
        (ProcessError::Timeout(Duration::from_secs(30)), "unavailable.timeout"),
        (ProcessError::Start("permission denied".to_owned()), "unavailable.gcloud"),
        (ProcessError::TooMuchOutput(5), "unavailable.gcloud"),
    ] {
        let fake = machine().with_run(move |_| Err(error.clone()));
        assert_eq!(exchange(&found(&fake), &fake).unwrap_err().code(), expected);
    }
}

#[test]
fn a_token_that_was_taken_back_is_replaced() {
    let fake = machine();
    let found = found(&fake);
    let fresh = |command: &Command| arguments(command).contains(&"--force-auth-refresh");
    let fake = fake.with_processes(move |command| {
        let token = if fresh(command) { "second" } else { "first" };
        Ok(output(0, &helper(token, "\"2026-01-01T01:00:00Z\""), ""))
    });
    assert_eq!(exchange(&found, &fake).unwrap().secret(), "first");
    assert_eq!(fake.commands().len(), 1);
    // gcloud still remembers the first.
    assert_eq!(exchange(&found, &fake).unwrap().secret(), "second");
    assert_eq!(fake.commands().len(), 3);
}
