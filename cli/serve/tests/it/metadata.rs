//! Compute Engine's metadata protocol: every path that a client was seen to ask for.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use ee_auth_core::{Error, ProfileName};
use ee_auth_serve::{Profiles, Refusal, Served};
use serde_json::json;

use crate::support::{LIFETIME, Machine, credential, request};

const SCOPES: [&str; 4] = ["earthengine", "cloud-platform", "drive", "devstorage.full_control"];

#[test]
fn every_path_that_clients_ask_for_is_there() {
    let machine = Machine::new();
    let account = "/computeMetadata/v1/instance/service-accounts";
    for (path, body) in [
        ("/", "computeMetadata/\n"),
        ("/computeMetadata/v1/", "instance/\nproject/\nuniverse/\n"),
        ("/computeMetadata/v1/instance", "service-accounts/\n"),
        ("/computeMetadata/v1/instance/", "service-accounts/\n"),
        ("/computeMetadata/v1/project/project-id", "my-project"),
        ("/computeMetadata/v1/project/numeric-project-id", "0"),
        ("/computeMetadata/v1/universe/universe-domain", "googleapis.com"),
        (&format!("{account}/"), "default/\nada@example.com/\n"),
        (&format!("{account}/default/email"), "ada@example.com"),
        (&format!("{account}/ada@example.com/email"), "ada@example.com"),
        (&format!("{account}/ada%40example.com/email"), "ada@example.com"),
        (&format!("{account}/default/"), "aliases\nemail\nidentity\nscopes\ntoken\n"),
        (&format!("{account}/default/aliases"), "default\n"),
    ] {
        let answer = machine.get(path);
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{path}");
        assert_eq!(answer.header("metadata-flavor"), Some("google"), "{path}");
    }
    for name in ["default", "ada@example.com"] {
        let answer = machine.get(&format!("{account}/{name}/?recursive=True"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let scopes = SCOPES.map(|name| format!("https://www.googleapis.com/auth/{name}"));
        assert_eq!(
            answer.json(),
            json!({"aliases": ["default"], "email": "ada@example.com", "scopes": scopes})
        );
        let token = machine.get(&format!("{account}/{name}/token?scopes=a,b")).json();
        assert_eq!(token, json!({"access_token": "token-1", "expires_in": LIFETIME, "token_type": "Bearer"}));
    }
    assert_eq!(machine.exchanges.made(), 1);
    let all = machine.get(&format!("{account}/?recursive=true")).json();
    assert_eq!(all["default"]["email"], "ada@example.com");
    assert_eq!(all["ada@example.com"], all["default"]);
    assert_eq!(machine.server.refusals(), []);
}

#[test]
fn nothing_else_is_there() {
    let machine = Machine::new();
    let account = "/computeMetadata/v1/instance/service-accounts";
    let paths = [
        "/computeMetadata",
        "/computeMetadata/v1beta1/instance",
        "/computeMetadata/v1/instance/id",
        "/computeMetadata/v1/instance/attributes/ssh-keys",
        "/computeMetadata/v1//instance",
        "/computeMetadata/v1/../v1/instance",
        &format!("{account}/default/identity/?audience=a"),
        &format!("{account}/default/token/"),
        &format!("{account}/somebody@example.com/token"),
        &format!("{account}//token"),
        "/v1/oauthtoken",
        "/profiles/work/computeMetadata/v1/instance",
        "/profiles/",
        "/favicon.ico",
    ];
    for path in paths {
        let answer = machine.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("metadata-flavor"), Some("google"), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "CONNECT"] {
        let answer = machine.send(method, "/computeMetadata/v1/instance", &["Metadata-Flavor: Google"], "");
        assert!(matches!(answer.status, 400 | 404), "{method}: {answer:?}");
        assert!(!answer.head.contains("access-control"), "{method}: {answer:?}");
    }
    assert!(machine.refused(Refusal::Path) >= paths.len() as u64);
    assert_eq!(machine.exchanges.made(), 0);
}

#[test]
fn a_service_account_is_not_called_by_its_name() {
    let machine = Machine::serving(|fake, exchanges| {
        let robot = "robot@my-project.iam.gserviceaccount.com";
        Profiles::new(Served::new(credential(fake, exchanges, Some(robot))))
    });
    let answer = machine.get("/computeMetadata/v1/instance/service-accounts/default/?recursive=true");
    assert_eq!(answer.json()["email"], "robot@my-project.iam.invalid");
    assert!(!answer.body.contains("gserviceaccount.com"));
}

#[test]
fn profiles_are_apart() {
    let machine = Machine::serving(|fake, exchanges| {
        let served = |email| Served::new(credential(fake, exchanges, Some(email)));
        let work: ProfileName = "work".parse().unwrap();
        Profiles::new(served("ada@example.com")).with(&work, served("grace@example.com"))
    });
    let email = "/computeMetadata/v1/instance/service-accounts/default/email";
    assert_eq!(machine.get(email).body, "ada@example.com");
    assert_eq!(machine.get(&format!("/profiles/work{email}")).body, "grace@example.com");
    for ping in ["/profiles/work", "/profiles/work/"] {
        assert_eq!(machine.get(ping).status, 200);
    }
    assert_eq!(machine.get(&format!("/profiles/other{email}")).status, 404);
}

#[test]
fn a_failed_exchange_is_told_with_what_to_do() {
    for (error, status) in [
        (
            Error::unavailable("connect", "Google could not be reached").hint("see whether you are online"),
            503,
        ),
        (Error::rejected("invalid_grant", "the login was revoked").hint("log in again"), 403),
    ] {
        let machine = Machine::new();
        machine.exchanges.fail(error.clone());
        let answer = machine.get("/computeMetadata/v1/instance/service-accounts/default/token");
        assert_eq!(answer.status, status);
        assert!(answer.body.contains(error.message()) && answer.body.contains(error.next_step().unwrap()));
    }
}

const IDENTITY: &str = "/computeMetadata/v1/instance/service-accounts/default/identity";

#[test]
fn an_id_token_is_kept_for_its_audience() {
    let machine = Machine::new();
    let ask = |query: &str| machine.get(&format!("{IDENTITY}{query}"));
    let first = ask("?audience=https%3A%2F%2Fa.example&format=full");
    assert_eq!((first.status, first.body.as_str()), (200, "jwt-1-https://a.example"));
    assert_eq!(first.header("content-type"), Some("application/text"));
    assert_eq!(ask("?format=standard&audience=https://a.example").body, first.body);
    assert_eq!(ask("?audience=b").body, "jwt-2-b");
    let by_name = "/computeMetadata/v1/instance/service-accounts/ada@example.com/identity?audience=b";
    assert_eq!(machine.get(by_name).body, "jwt-2-b");

    // Shortly before it expires there is another; while there is none to be had, the old one is good until its end.
    machine.fake.advance(Duration::from_secs(LIFETIME - 301));
    assert_eq!(ask("?audience=b").body, "jwt-2-b");
    machine.fake.advance(Duration::from_secs(1));
    machine.exchanges.fail(Error::unavailable("connect", "Google could not be reached"));
    assert_eq!(ask("?audience=b").body, "jwt-2-b");
    machine.fake.advance(Duration::from_secs(300));
    assert_eq!(ask("?audience=b").status, 503);
    machine.exchanges.mend();
    assert!(ask("?audience=b").body.ends_with("-b"));

    for nobody in ["", "?audience=", "?audiences=a"] {
        let answer = ask(nobody);
        assert_eq!((answer.status, answer.body.as_str()), (400, "non-empty audience parameter required\n"));
    }
    assert_eq!(machine.send("GET", &format!("{IDENTITY}?audience=b"), &[], "").status, 403);
}

#[test]
fn many_that_want_one_id_token_make_one_exchange() {
    let machine = Machine::new();
    let held = machine.exchanges.hold();
    thread::scope(|scope| {
        let ask = || machine.get(&format!("{IDENTITY}?audience=a")).body;
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        while machine.exchanges.made() == 0 {
            thread::yield_now();
        }
        drop(held);
        for client in clients {
            assert_eq!(client.join().unwrap(), "jwt-1-a");
        }
    });
    assert_eq!(machine.exchanges.made(), 1);
}

/// As google-auth does after three seconds.
#[test]
fn who_gives_up_and_asks_again_gets_the_id_token_that_was_asked_for() {
    let machine = Machine::new();
    let held = machine.exchanges.hold();
    let mut first = machine.connect();
    let host = format!("Host: {}", machine.address);
    let question = request("GET", &format!("{IDENTITY}?audience=a"), &["Metadata-Flavor: Google", &host], "");
    first.write_all(question.as_bytes()).unwrap();
    while machine.exchanges.made() == 0 {
        thread::yield_now();
    }
    // Its end is noticed: the server closes the connection, without an answer.
    first.shutdown(Shutdown::Write).unwrap();
    assert_eq!(first.read_to_end(&mut Vec::new()).unwrap(), 0);
    drop(held);
    assert_eq!(machine.get(&format!("{IDENTITY}?audience=a")).body, "jwt-1-a");
    assert_eq!(machine.exchanges.made(), 1);
}

#[test]
fn no_more_id_tokens_are_kept_than_clients_have_use_for() {
    let machine = Machine::new();
    let ask = |audience: u32| machine.get(&format!("{IDENTITY}?audience={audience}")).body;
    for audience in 0..65 {
        ask(audience);
    }
    assert_eq!(ask(64), "jwt-65-64", "the last is kept");
    assert_eq!(ask(0), "jwt-66-0");
}

#[test]
fn a_credential_without_id_tokens_says_so_as_google_does() {
    let machine = Machine::new();
    machine.exchanges.fail(Error::invalid("id_token", "this credential has none").hint("use another"));
    let answer = machine.get(&format!("{IDENTITY}?audience=a"));
    assert_eq!(answer.status, 404);
    assert!(answer.body.starts_with("The requested URL was not found on this server"), "{answer:?}");
    assert!(answer.body.contains("this credential has none; use another"), "{answer:?}");
}
