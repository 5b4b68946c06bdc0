//! Logins through a gcloud that does as it is told, on a machine in memory.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::{Arc, Mutex};

use ee_auth_core::host::{Command, Output, ProcessError};
use ee_auth_core::{
    Error, Exchange, ExposeSecret, Grant, LoggedIn, Login, LoginRequest, OAuthClient, Outcome, Scopes,
    Secret, Settings,
};
use ee_auth_fake::{Change, Fake, answer};
use ee_auth_gcloud::Gcloud;

const DIRECTORY: &str = "/home/user/.config/gcloud";
const FILE: &str = "/home/user/.config/gcloud/application_default_credentials.json";
const CLIENT_FILE: &str = "/home/user/.config/gcloud/ee-auth-client-id.json";

const ALL: &str = "--scopes=https://www.googleapis.com/auth/earthengine,\
                   https://www.googleapis.com/auth/cloud-platform,https://www.googleapis.com/auth/drive,\
                   https://www.googleapis.com/auth/devstorage.full_control";
const WITHOUT_DRIVE: &str = "--scopes=https://www.googleapis.com/auth/earthengine,\
                             https://www.googleapis.com/auth/cloud-platform,\
                             https://www.googleapis.com/auth/devstorage.full_control";

/// What gcloud writes for this refresh token, with more fields.
fn login(refresh_token: &str, more: &str) -> String {
    format!(
        r#"{{"account": "", "client_id": "gcloud-client", "client_secret": "gcloud-secret",
            "refresh_token": "{refresh_token}", "type": "authorized_user"{more}}}"#
    )
}

/// A person with a browser, gcloud, and a token endpoint that grants these scopes.
fn machine(granted: &str) -> Fake {
    let body = format!(
        r#"{{"access_token": "t", "expires_in": 3599, "token_type": "Bearer", "scope": "{granted}"}}"#
    );
    Fake::new()
        .with_person(Vec::<Secret>::new())
        .with_browser()
        .with_program("gcloud", "/opt/google cloud/bin/gcloud")
        .with_server(move |_| Ok(answer(200, body.clone())))
}

fn all() -> String {
    Scopes::earth_engine().to_parameter()
}

/// The machine, on which gcloud writes this file and ends well.
fn writing(fake: Fake, content: &str) -> Fake {
    let (seen, content) = (fake.clone(), content.to_owned());
    fake.with_run(move |_| {
        seen.set_file(FILE, content.clone());
        Ok(ended(Some(0)))
    })
}

fn ended(status: Option<i32>) -> Output {
    Output { status, stdout: Vec::new().into(), stderr: String::new() }
}

fn request(fake: &Fake) -> LoginRequest {
    LoginRequest::new(Exchange { host: fake.host(), settings: Settings::default() })
}

fn log_in(legacy: bool, request: &LoginRequest) -> Result<LoggedIn, Error> {
    pollster::block_on(Gcloud { legacy }.log_in(request))
}

fn granted(outcome: Result<LoggedIn, Error>) -> Grant {
    match outcome.unwrap() {
        LoggedIn::Granted(grant) => grant,
        other => panic!("{other:?}"),
    }
}

fn arguments(command: &Command) -> Vec<String> {
    command.arguments.iter().map(|argument| argument.to_str().unwrap().to_owned()).collect()
}

fn run_once(fake: &Fake) -> Vec<String> {
    let commands = fake.commands();
    assert_eq!(commands.len(), 1);
    assert_eq!(commands[0].program.to_str(), Some("/opt/google cloud/bin/gcloud"));
    arguments(&commands[0])
}

fn says(texts: &[String], words: &str) -> bool {
    texts.iter().any(|text| text.contains(words))
}

fn own_client() -> OAuthClient {
    OAuthClient {
        id: "own-client".to_owned(),
        secret: Some(Secret::from("own-secret")),
        redirect_uris: Vec::new(),
        origin: "/home/user/client.json".to_owned(),
    }
}

#[test]
fn gclouds_own_client_is_asked_without_drive() {
    let fake = machine(
        "https://www.googleapis.com/auth/earthengine https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/devstorage.full_control",
    );
    let fake = writing(fake, &login("new", ""));
    let grant = granted(log_in(false, &request(&fake)));
    assert_eq!(run_once(&fake), ["auth", "application-default", "login", WITHOUT_DRIVE]);
    assert!(says(&fake.told(), "drive") && says(&fake.told(), "gcloud-legacy"), "{:?}", fake.told());
    let client = grant.client.unwrap();
    assert_eq!(client.id, "gcloud-client");
    assert_eq!(client.secret.unwrap().expose_secret(), "gcloud-secret");
    assert_eq!(grant.refresh_token.expose_secret(), "new");
    assert_eq!(grant.scopes.to_string(), "earthengine, cloud-platform, devstorage.full_control");
    assert!(grant.warnings.is_empty(), "{:?}", grant.warnings);
    assert!(fake.asked().is_empty());
    assert!(fake.changes().is_empty());
    fake.assert_all_used();
}

#[test]
fn nothing_is_said_of_drive_where_nobody_wants_it() {
    let fake = writing(machine(""), &login("new", ""));
    let scopes = Scopes::new(["earthengine", "cloud-platform", "drive.file"]).unwrap();
    let grant = granted(log_in(false, &LoginRequest { scopes: scopes.clone(), ..request(&fake) }));
    assert!(!says(&fake.told(), "rive"), "{:?}", fake.told());
    // An answer that says nothing of scopes grants what was asked.
    assert_eq!(grant.scopes, scopes);
}

#[test]
fn the_legacy_mode_hands_over_earth_engines_client_for_as_long_as_it_takes() {
    let seen = Arc::new(Mutex::new(None));
    let fake = machine(&all());
    let (inside, content) = (fake.clone(), seen.clone());
    let fake = fake.with_run(move |_| {
        *content.lock().unwrap() =
            inside.entry(CLIENT_FILE).map(|entry| entry.mode).zip(inside.file(CLIENT_FILE));
        inside.set_file(FILE, login("new", ""));
        Ok(ended(Some(0)))
    });
    let grant = granted(log_in(true, &request(&fake)));
    let client_file = format!("--client-id-file={CLIENT_FILE}");
    assert_eq!(run_once(&fake), ["auth", "application-default", "login", ALL, &client_file]);
    let (mode, text) = seen.lock().unwrap().take().unwrap();
    assert_eq!(mode, Some(0o600));
    assert!(text.starts_with(r#"{"installed":{"#), "{text}");
    assert!(text.contains("517222506229-") && text.contains("https://oauth2.googleapis.com/token"), "{text}");
    assert_eq!(fake.entry(CLIENT_FILE), None);
    assert_eq!(grant.scopes, Scopes::earth_engine());
    assert!(!says(&fake.told(), "drive"), "{:?}", fake.told());
}

#[test]
fn the_persons_own_client_is_used_in_both_modes() {
    for legacy in [false, true] {
        let fake = machine(&all());
        let inside = fake.clone();
        let fake = fake.with_run(move |_| {
            let text = inside.file(CLIENT_FILE).unwrap();
            assert!(text.contains("own-client") && text.contains("own-secret"), "{text}");
            inside.set_file(FILE, login("new", ""));
            Ok(ended(Some(0)))
        });
        let grant = granted(log_in(legacy, &LoginRequest { client: Some(own_client()), ..request(&fake) }));
        // A client of one's own may have Drive.
        assert!(run_once(&fake).contains(&ALL.to_owned()));
        assert_eq!(grant.client.unwrap().origin, "/home/user/client.json");
        let [Change::WrittenPrivate(_), Change::Removed(removed)] = &fake.changes()[..] else {
            panic!("{:?}", fake.changes());
        };
        assert_eq!(removed.to_str(), Some(CLIENT_FILE));
    }
}

#[test]
fn a_client_that_gcloud_would_refuse_is_not_handed_over() {
    let web = OAuthClient { redirect_uris: vec!["https://a.example/".to_owned()], ..own_client() };
    for client in [web, OAuthClient { secret: None, ..own_client() }] {
        let fake = machine(&all());
        let error = log_in(false, &LoginRequest { client: Some(client), ..request(&fake) }).unwrap_err();
        assert_eq!(error.code(), "invalid.client_file");
        assert!(error.message().contains("/home/user/client.json"));
        assert!(fake.commands().is_empty() && fake.changes().is_empty());
    }
}

#[test]
fn the_client_file_is_removed_however_it_ends() {
    type Run = fn(&Command) -> Result<Output, ProcessError>;
    let runs: [(Run, &str); 5] = [
        (|_| Ok(ended(Some(1))), "rejected.gcloud"),
        (|_| Ok(ended(None)), "rejected.gcloud"),
        (|_| Ok(ended(Some(0))), "rejected.unchanged"),
        (|command| Err(ProcessError::Timeout(command.timeout)), "unavailable.timeout"),
        (|_| Err(ProcessError::Start("no such file".to_owned())), "unavailable.gcloud"),
    ];
    for (run, expected) in runs {
        let fake = machine(&all()).with_run(run);
        let error = log_in(true, &request(&fake)).unwrap_err();
        assert_eq!(error.code(), expected);
        assert!(error.next_step().is_some());
        assert_eq!(fake.entry(CLIENT_FILE), None, "{expected}");
        assert!(matches!(fake.changes().last(), Some(Change::Removed(_))), "{expected}");
        assert!(fake.locks().is_empty());
    }
    // A full disk ends it before gcloud is started.
    let fake = machine(&all());
    fake.refuse_changes(Some(std::io::ErrorKind::StorageFull));
    let error = log_in(true, &request(&fake)).unwrap_err();
    assert!(error.message().contains(CLIENT_FILE), "{error}");
    assert!(fake.commands().is_empty());
}

#[test]
fn what_a_killed_login_left_goes_with_the_next() {
    for legacy in [false, true] {
        let fake = writing(machine(&all()).with_file(CLIENT_FILE, "{}"), &login("new", ""));
        granted(log_in(legacy, &request(&fake)));
        assert_eq!(fake.entry(CLIENT_FILE), None);
    }
}

#[test]
fn gclouds_exit_status_is_told() {
    let fake = machine(&all()).with_run(|_| Ok(ended(Some(2)))).with_run(|_| Ok(ended(Some(0))));
    let error = log_in(false, &request(&fake)).unwrap_err();
    assert!(error.message().contains("exit status 2"));
    for words in ["redirect_uri_mismatch", "--quiet", "invalid_request", "--mode notebook"] {
        assert!(error.next_step().unwrap().contains(words), "{words}");
    }
}

#[test]
fn a_gcloud_that_does_not_run_is_told_with_its_words() {
    let said = "Traceback (most recent call last):\nModuleNotFoundError: No module named 'imp'\n";
    let fake = machine(&all())
        .with_run(|_| Ok(ended(Some(1))))
        .with_run(|_| Ok(Output { stderr: said.to_owned(), ..ended(Some(1)) }));
    let error = log_in(false, &request(&fake)).unwrap_err();
    assert_eq!(error.code(), "unavailable.gcloud");
    assert!(error.message().contains("gcloud does not run"), "{error}");
    assert!(error.message().contains("No module named 'imp'"), "{error}");
    for words in ["CLOUDSDK_PYTHON", "ee-auth login --mode notebook"] {
        assert!(error.next_step().unwrap().contains(words), "{words}");
    }
    assert_eq!(fake.commands()[1].arguments, ["version"]);
}

#[test]
fn without_a_browser_gcloud_is_told_so() {
    let blind = || {
        Fake::new()
            .with_program("gcloud", "/opt/google cloud/bin/gcloud")
            .with_server(|_| Ok(answer(200, r#"{"access_token": "t", "expires_in": 3599}"#)))
    };
    let fake = writing(blind().with_person(Vec::<Secret>::new()), &login("new", ""));
    granted(log_in(false, &request(&fake)));
    assert_eq!(run_once(&fake).last().unwrap(), "--no-browser");
    let fake = writing(machine(&all()), &login("new", ""));
    granted(log_in(false, &LoginRequest { quiet: true, ..request(&fake) }));
    assert_eq!(run_once(&fake).last().unwrap(), "--no-browser");
    // Without a browser an answer has to be carried back, which somebody who only watches cannot do.
    for fake in [blind(), blind().with_watcher(), blind().with_browser()] {
        for legacy in [false, true] {
            let error = log_in(legacy, &request(&fake)).unwrap_err();
            assert_eq!(error.outcome(), Outcome::InteractionRequired);
            let mode = if legacy { "--mode gcloud-legacy`" } else { "--mode gcloud`" };
            assert!(error.next_step().unwrap().contains(mode), "{error:?}");
        }
        assert!(fake.commands().is_empty());
    }
    let fake = writing(blind().with_watcher().with_browser(), &login("new", ""));
    granted(log_in(false, &request(&fake)));
    assert!(!run_once(&fake).contains(&"--no-browser".to_owned()));
}

#[test]
fn a_missing_gcloud_is_no_dead_end() {
    let fake = Fake::new().with_person(Vec::<Secret>::new()).with_browser();
    let error = log_in(false, &request(&fake)).unwrap_err();
    assert_eq!(error.code(), "not_found.gcloud");
    for mode in ["--mode localhost", "--mode notebook"] {
        assert!(error.next_step().unwrap().contains(mode));
    }
}

#[test]
fn nothing_is_granted_that_nobody_asked_for() {
    for scopes in [Scopes::earth_engine_read_only(), Scopes::new(["earthengine"]).unwrap()] {
        let fake = machine(&all());
        let error = log_in(false, &LoginRequest { scopes, ..request(&fake) }).unwrap_err();
        assert_eq!(error.code(), "usage.scopes");
        assert!(error.next_step().unwrap().contains("--mode localhost"));
        assert!(fake.commands().is_empty());
    }
}

#[test]
fn before_a_file_is_replaced_its_owner_is_named_and_the_person_asked() {
    let old = login("old", r#", "quota_project_id": "old-project""#)
        .replace(r#""account": """#, r#""account": "bob@example.com""#);
    for (answers, goes_on) in
        [(vec![""], true), (vec!["Y"], true), (vec!["n"], false), (vec!["quit"], false), (vec![], false)]
    {
        let fake = machine(&all()).with_person(answers.clone()).with_file(FILE, old.clone());
        let fake = if goes_on { writing(fake, &login("new", "")) } else { fake };
        let outcome = log_in(true, &request(&fake));
        for words in [FILE, "\"authorized_user\"", "bob@example.com", "quota project old-project"] {
            assert!(says(&fake.told(), words), "{words}: {:?}", fake.told());
        }
        assert_eq!(fake.asked().len(), 1);
        if goes_on {
            let warnings = granted(outcome).warnings;
            assert!(says(&warnings, "set-quota-project old-project"), "{warnings:?}");
            continue;
        }
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), "interaction_required.kept", "{answers:?}");
        assert!(fake.commands().is_empty());
        assert_eq!(fake.file(FILE).unwrap(), old);
    }
}

#[test]
fn who_cannot_answer_is_only_warned() {
    let fake = machine(&all()).with_watcher().with_file(FILE, "{damaged");
    let fake = writing(fake, &login("new", ""));
    let grant = granted(log_in(false, &request(&fake)));
    assert!(says(&fake.told(), "holds no credential"), "{:?}", fake.told());
    assert!(fake.asked().is_empty());
    assert_eq!(grant.refresh_token.expose_secret(), "new");
}

#[test]
fn a_file_that_is_as_it_was_is_no_login() {
    let old = login("old", "");
    let fake = writing(machine(&all()).with_person([""]).with_file(FILE, old.clone()), &old);
    let error = log_in(false, &request(&fake)).unwrap_err();
    assert_eq!(error.code(), "rejected.unchanged");
    assert!(fake.requests().is_empty(), "the old login was used");
}

#[test]
fn a_quota_project_that_stays_is_not_mentioned() {
    let project = r#", "quota_project_id": "p""#;
    let fake = machine(&all()).with_person([""]).with_file(FILE, login("old", project));
    let grant = granted(log_in(true, &request(&writing(fake, &login("new", project)))));
    assert!(grant.warnings.is_empty(), "{:?}", grant.warnings);
}

#[test]
fn less_than_was_asked_for_is_told_and_kept_as_granted() {
    let fake = machine("https://www.googleapis.com/auth/cloud-platform");
    let grant = granted(log_in(true, &request(&writing(fake, &login("new", "")))));
    assert_eq!(grant.scopes.to_string(), "cloud-platform");
    assert!(says(&grant.warnings, "earthengine, drive"), "{:?}", grant.warnings);
}

#[test]
fn a_login_that_gives_no_token_is_none() {
    let fake = writing(machine(&all()), &login("new", ""))
        .with_server(|_| Ok(answer(400, r#"{"error": "invalid_grant"}"#)));
    assert_eq!(log_in(false, &request(&fake)).unwrap_err().outcome(), Outcome::Rejected);
    // The network is another matter.
    let fake = writing(machine(&all()), &login("new", "")).with_server(|_| {
        Err(ee_auth_fake::failure(ee_auth_core::host::HttpErrorKind::Connect, "connection refused"))
    });
    let grant = granted(log_in(true, &request(&fake)));
    assert_eq!(grant.scopes, Scopes::earth_engine());
    assert!(says(&grant.warnings, "not known"), "{:?}", grant.warnings);
}

#[test]
fn what_gcloud_wrote_must_be_a_login() {
    for (content, expected) in [
        ("{", "invalid.truncated"),
        (r#"{"type": "authorized_user", "refresh_token": "r"}"#, "invalid.missing_field"),
        (r#"{"type": "nothing_known"}"#, "invalid.type"),
    ] {
        let fake = writing(machine(&all()), content);
        assert_eq!(log_in(false, &request(&fake)).unwrap_err().code(), expected, "{content}");
    }
}

#[test]
fn two_logins_take_turns() {
    let fake = writing(machine(&all()), &login("new", ""));
    let lock = format!("{DIRECTORY}/ee-auth-login.lock");
    let held = fake.host().files.try_lock(lock.as_ref()).unwrap();
    assert_eq!(log_in(false, &request(&fake)).unwrap_err().code(), "unavailable.busy");
    assert!(fake.commands().is_empty());
    drop(held);
    // A file system without locks keeps nobody out.
    fake.refuse_locks(Some(std::io::ErrorKind::Unsupported));
    granted(log_in(false, &request(&fake)));
}

#[test]
fn gclouds_directory_may_be_elsewhere() {
    let fake = machine(&all()).with_variable("CLOUDSDK_CONFIG", "/data/my gcloud");
    let inside = fake.clone();
    let fake = fake.with_run(move |command| {
        let client_file = "--client-id-file=/data/my gcloud/ee-auth-client-id.json";
        assert_eq!(arguments(command).last().unwrap(), client_file);
        inside.set_file("/data/my gcloud/application_default_credentials.json", login("new", ""));
        Ok(ended(Some(0)))
    });
    assert_eq!(granted(log_in(true, &request(&fake))).refresh_token.expose_secret(), "new");
    let lost = machine(&all()).without_directory(ee_auth_core::host::Directory::Home);
    assert_eq!(log_in(false, &request(&lost)).unwrap_err().code(), "invalid.no_home");
}

#[test]
fn what_is_no_persons_login_stays_where_it_is() {
    let source = login("new", "");
    let impersonated = format!(
        r#"{{"type": "impersonated_service_account", "source_credentials": {source},
            "service_account_impersonation_url":
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/r@p.iam.gserviceaccount.com:generateAccessToken"}}"#
    );
    let fake = writing(machine(&all()), &impersonated).with_server(|request| {
        Ok(match request.url.path() {
            "/token" => answer(200, r#"{"access_token": "t", "expires_in": 3599}"#),
            _ => answer(200, r#"{"accessToken": "t", "expireTime": "2026-01-01T01:00:00Z"}"#),
        })
    });
    match log_in(false, &request(&fake)).unwrap() {
        LoggedIn::Elsewhere(place) => assert!(place.contains(FILE), "{place}"),
        other => panic!("{other:?}"),
    }
}
