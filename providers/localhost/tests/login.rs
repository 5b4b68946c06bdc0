//! The login on a machine in memory: what browsers and people do, and what they are told.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use ee_auth_core::host::{Body, Page, Request};
use ee_auth_core::{
    Error, Exchange, ExposeSecret, Grant, LoggedIn, LoginRequest, OAuthClient, OptionValue, Options, Outcome,
    Provider, Scopes, Secret, Settings,
};
use ee_auth_fake::{Fake, answer};
use ee_auth_localhost::KIND;
use url::Url;

fn provider(options: &[(&str, OptionValue)]) -> Arc<dyn Provider> {
    let mut all = Options::default();
    for (name, value) in options {
        all.set(*name, value.clone());
    }
    (KIND.build)("localhost", &all).unwrap()
}

fn request(fake: &Fake) -> LoginRequest {
    LoginRequest::new(Exchange { host: fake.host(), settings: Settings::default() })
}

fn log_in_with(
    fake: &Fake,
    options: &[(&str, OptionValue)],
    client: Option<OAuthClient>,
) -> Result<Grant, Error> {
    let request = LoginRequest { client, ..request(fake) };
    match pollster::block_on(provider(options).login().unwrap().log_in(&request))? {
        LoggedIn::Granted(grant) => Ok(grant),
        other => panic!("{other:?}"),
    }
}

fn log_in(fake: &Fake) -> Result<Grant, Error> {
    log_in_with(fake, &[], None)
}

/// A parameter of the address that was shown.
fn shown(address: &Url, name: &str) -> String {
    address
        .query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// A browser that asks for `target`, in which `STATE` is this login's.
fn visit(fake: Fake, target: &'static str) -> Fake {
    fake.with_visit(move |address| {
        let host = Url::parse(&shown(address, "redirect_uri")).unwrap()
            [url::Position::BeforeHost..url::Position::AfterPort]
            .to_owned();
        ("GET".to_owned(), target.replace("STATE", &shown(address, "state")), Some(host))
    })
}

const ANSWER: &str = "/?state=STATE&code=4/the-code&scope=x";

fn token() -> String {
    format!(
        r#"{{"access_token":"t","expires_in":3599,"token_type":"Bearer","refresh_token":"{}"}}"#,
        refresh_token()
    )
}

fn refresh_token() -> String {
    ["1/", "/refresh"].concat()
}

/// A machine on which the token endpoint gives a token.
fn machine() -> Fake {
    Fake::new().with_response(answer(200, token()))
}

fn form(fake: &Fake, name: &str) -> String {
    let requests = fake.requests();
    let body = format!("http://x/?{}", String::from_utf8_lossy(body(&requests[0])));
    shown(&Url::parse(&body).unwrap(), name)
}

fn body(request: &Request) -> &[u8] {
    match &request.body {
        Some(Body::Form(form)) => form.expose_secret().as_bytes(),
        _ => panic!("not a form"),
    }
}

fn heading(page: &Page) -> &str {
    page.html.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0
}

#[test]
fn a_browser_comes_back_with_a_code() {
    let fake = visit(machine().with_watcher(), ANSWER);
    let grant = log_in(&fake).unwrap();
    assert_eq!(grant.refresh_token.expose_secret(), refresh_token());
    assert_eq!(grant.redirect_uri.as_deref(), Some("http://localhost:8085"));
    assert!(grant.client.is_none(), "Earth Engine's own");
    assert_eq!(grant.scopes, Scopes::earth_engine());

    let [address] = &fake.shown()[..] else { panic!() };
    assert!(address.as_str().starts_with("https://accounts.google.com/o/oauth2/v2/auth?"));
    assert_eq!(shown(address, "redirect_uri"), "http://localhost:8085");
    assert_eq!(shown(address, "code_challenge_method"), "S256");
    assert_eq!(shown(address, "access_type"), "offline");
    assert_eq!(shown(address, "scope"), Scopes::earth_engine().to_parameter());
    assert_eq!(form(&fake, "code"), "4/the-code");
    assert_eq!(form(&fake, "redirect_uri"), "http://localhost:8085");
    assert_eq!(fake.listened(), [8085]);

    let [page] = &fake.pages()[..] else { panic!() };
    assert_eq!((page.status, heading(page)), (200, "You are logged in"));
    let told = fake.told().join("\n");
    assert!(told.contains("http://localhost:8085, for 10m at most. Ctrl-C stops."), "{told}");
    for secret in ["the-code", &refresh_token(), &form(&fake, "code_verifier")] {
        assert!(!told.contains(secret) && !page.html.contains(secret));
    }
    assert!(fake.browsed().is_empty() && fake.asked().is_empty());
    fake.assert_all_used();
}

#[test]
fn the_browser_is_opened_where_there_is_one() {
    let fake = visit(machine().with_watcher().with_browser(), ANSWER);
    log_in(&fake).unwrap();
    assert_eq!(fake.browsed(), fake.shown());
    let fake = visit(machine().with_watcher().with_broken_browser(), ANSWER);
    log_in(&fake).unwrap();
    assert!(
        fake.told().join("\n").contains("could not be started (permission denied): please open"),
        "{:?}",
        fake.told()
    );
}

#[test]
fn what_is_not_the_answer_does_not_end_the_wait() {
    let mut fake = machine().with_watcher();
    let strays = [
        ("/favicon.ico", 404, "There is nothing here"),
        ("/", 400, "The login is still waiting"),
        ("/?code=x&state=theirs", 400, "This page belongs to another login"),
        ("/?error=access_denied&state=theirs", 400, "This page belongs to another login"),
        ("/?code=x", 400, "This page belongs to another login"),
        ("/?code=x&code=y&state=STATE", 400, "This address says something twice"),
    ];
    for (target, ..) in strays {
        fake = visit(fake, target);
    }
    for (method, host) in [("POST", "localhost:8085"), ("HEAD", "localhost:8085"), ("GET", "evil.test:8085")]
    {
        fake = fake.with_visit(move |address| {
            (method.to_owned(), format!("/?code=x&state={}", shown(address, "state")), Some(host.to_owned()))
        });
    }
    let fake = visit(fake, ANSWER);
    log_in(&fake).unwrap();
    assert_eq!(form(&fake, "code"), "4/the-code");
    let pages = fake.pages();
    let expected = strays.map(|(_, status, heading)| (status, heading)).into_iter();
    let expected = expected.chain([(404, "There is nothing here"); 3]).chain([(200, "You are logged in")]);
    assert_eq!(
        pages.iter().map(|page| (page.status, heading(page))).collect::<Vec<_>>(),
        expected.collect::<Vec<_>>()
    );
}

#[test]
fn another_users_process_is_refused_and_the_wait_goes_on() {
    let fake = visit(machine().with_watcher(), "/?state=STATE&code=4/theirs").of_user(1001);
    let fake = visit(fake, "/?state=STATE&error=access_denied").of_user(1001);
    // Of root is what sshd or WSL forwards.
    let fake = visit(fake, ANSWER).of_user(0);
    log_in(&fake).unwrap();
    assert_eq!(form(&fake, "code"), "4/the-code");
    let pages: Vec<_> = fake.pages().iter().map(|page| page.status).collect();
    assert_eq!(pages, [403, 403, 200]);
    let told = fake.told().join("\n");
    assert_eq!(
        told.matches("warning: a process of another user of this machine (number 1001)").count(),
        1,
        "{told}"
    );
}

#[test]
fn a_refusal_is_told_to_browser_and_person() {
    for (error, code, title) in [
        ("access_denied", "rejected.access_denied", "Access was not given"),
        ("admin_policy_enforced", "rejected.admin_policy_enforced", "Google refused the login"),
        ("org_internal", "rejected.org_internal", "Google refused the login"),
        ("invalid_scope", "rejected.invalid_scope", "Google refused the login"),
        ("something_new", "rejected.refused", "Google refused the login"),
    ] {
        let fake = Fake::new().with_watcher().with_visit(move |address| {
            let state = shown(address, "state");
            (
                "GET".to_owned(),
                format!("/?error={error}&error_description=%3Cb%3Eno&state={state}"),
                Some("localhost:8085".to_owned()),
            )
        });
        let told = log_in(&fake).unwrap_err();
        assert_eq!(told.code(), code);
        assert!(told.next_step().is_some());
        let page = &fake.pages()[0];
        assert_eq!(heading(page), title);
        assert!(page.html.contains("What to do: ") && !page.html.contains("<b>"), "{}", page.html);
        let description = if error == "access_denied" { "did not allow" } else { "&lt;b&gt;no" };
        assert!(page.html.contains(description), "{}", page.html);
    }
}

#[test]
fn the_page_tells_how_the_exchange_ended() {
    let fake = visit(
        Fake::new()
            .with_response(answer(400, r#"{"error":"invalid_grant","error_description":"Bad Request"}"#))
            .with_watcher(),
        ANSWER,
    );
    assert_eq!(log_in(&fake).unwrap_err().code(), "rejected.invalid_grant");
    assert_eq!(heading(&fake.pages()[0]), "The login could not be finished");

    let body = token().replace('}', r#","scope":"https://www.googleapis.com/auth/earthengine"}"#);
    let fake = visit(Fake::new().with_response(answer(200, body)).with_watcher(), ANSWER);
    let grant = log_in(&fake).unwrap();
    assert_eq!(grant.scopes, "earthengine".parse().unwrap());
    let page = &fake.pages()[0];
    assert!(page.html.contains(&grant.warnings[0]) && page.html.contains("class=\"note\""), "{}", page.html);
}

#[test]
fn a_wait_has_an_end_that_says_what_came() {
    let fake = Fake::new().with_watcher();
    let error = log_in(&fake).unwrap_err();
    assert_eq!(
        (error.code().to_string().as_str(), error.outcome().exit_status()),
        ("unavailable.timeout", 6)
    );
    assert_eq!(error.message(), "no browser came back to http://localhost:8085 within 10m");
    assert!(error.next_step().unwrap().contains("--mode notebook"));
    assert_eq!(fake.sleeps(), [Duration::from_secs(600)]);

    let fake = visit(visit(visit(Fake::new().with_watcher(), "/favicon.ico"), "/?code=x&state=y"), "/");
    let timeout = OptionValue::Duration(Duration::from_secs(90));
    let error = log_in_with(&fake, &[("timeout", timeout)], None).unwrap_err();
    assert_eq!(
        error.message(),
        "no browser came back to http://localhost:8085 within 1m 30s (1 request came that belonged to another login, and 2 \
         that brought no answer)"
    );
    let error = log_in(&visit(Fake::new().with_watcher(), "/x")).unwrap_err();
    assert!(error.message().ends_with("within 10m (1 request came that brought no answer)"), "{error}");
}

#[test]
fn the_address_or_the_code_can_be_pasted() {
    for pasted in [
        "http://localhost:8085/?code=4/the-code",
        " 4/the-code ",
        "localhost:8085/?scope=x&code=4%2Fthe-code",
    ] {
        let fake = machine().with_person([pasted]);
        log_in(&fake).unwrap();
        assert_eq!(form(&fake, "code"), "4/the-code", "{pasted}");
        assert!(fake.pages().is_empty());
    }
}

#[test]
fn what_cannot_be_used_is_explained_and_asked_for_again() {
    let fake = machine().with_person(["", "http://localhost:8085/?state=theirs&code=x", "4/the-code"]);
    log_in(&fake).unwrap();
    assert_eq!(form(&fake, "code"), "4/the-code");
    assert_eq!(fake.asked().len(), 3);
    let told = fake.told().join("\n");
    assert!(told.contains("nothing was pasted.") && told.contains("belongs to another login"), "{told}");

    let fake = Fake::new().with_person(["http://localhost:8085/?error=access_denied&state=x"]);
    assert_eq!(log_in(&fake).unwrap_err().code(), "rejected.access_denied");
    // A terminal that has ended stops nobody.
    let fake = Fake::new().with_person([] as [&str; 0]);
    assert_eq!(log_in(&fake).unwrap_err().code(), "unavailable.timeout");
}

#[test]
fn a_browser_is_quicker_than_a_person() {
    let fake = visit(machine().with_person(["4/of-the-person"]), ANSWER);
    log_in(&fake).unwrap();
    assert_eq!(form(&fake, "code"), "4/the-code");
}

#[test]
fn in_an_ssh_session_the_way_back_is_said() {
    let remote = |fake: Fake| {
        fake.with_variable("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.7 22")
            .with_variable("USER", "ada")
            .with_watcher()
    };
    let fake = visit(remote(machine()), ANSWER);
    log_in(&fake).unwrap();
    let line = "ssh -N -L 8085:localhost:8085 ada@192.0.2.7";
    assert!(fake.told().join("\n").contains(line), "{:?}", fake.told());
    let fake = visit(remote(machine()).with_browser(), ANSWER);
    log_in(&fake).unwrap();
    assert!(!fake.told().join("\n").contains("ssh"), "the browser is on this machine: {:?}", fake.told());
}

#[test]
fn nobody_is_not_waited_for() {
    let fake = Fake::new();
    let error = log_in(&fake).unwrap_err();
    assert_eq!(error.outcome(), Outcome::InteractionRequired);
    assert!(error.next_step().unwrap().contains("--mode localhost"));
    assert!(fake.listened().is_empty() && fake.shown().is_empty());
}

#[test]
fn the_port_is_chosen_or_picked() {
    let port = |port| [("port", OptionValue::Port(port))];
    let fake = visit(machine().with_watcher(), ANSWER);
    let grant = log_in_with(&fake, &port(9000), None).unwrap();
    assert_eq!((fake.listened(), grant.redirect_uri.as_deref()), (vec![9000], Some("http://localhost:9000")));
    let fake = visit(machine().with_watcher(), ANSWER);
    let grant = log_in_with(&fake, &port(0), None).unwrap();
    assert_eq!((fake.listened(), grant.redirect_uri.as_deref()), (vec![0], Some("http://localhost:40000")));

    let fake = Fake::new().with_watcher().with_taken_port(8085);
    let error = log_in(&fake).unwrap_err();
    assert_eq!(error.code(), "unavailable.listen");
    assert!(error.message().contains("another program uses port 8085"), "{error}");
    assert!(error.next_step().unwrap().contains("--mode localhost:0"));
    assert!(fake.shown().is_empty(), "nothing is shown that would lead nowhere");
}

fn client(redirect_uris: &[&str]) -> OAuthClient {
    OAuthClient {
        id: "123-x.apps.googleusercontent.com".to_owned(),
        secret: Some(Secret::from("x")),
        redirect_uris: redirect_uris.iter().map(|uri| (*uri).to_owned()).collect(),
        origin: "client.json".to_owned(),
    }
}

#[test]
fn a_client_of_ones_own_is_used() {
    let fake = visit(machine().with_watcher(), ANSWER);
    let grant = log_in_with(&fake, &[], Some(client(&[]))).unwrap();
    assert_eq!(grant.client.unwrap().id, "123-x.apps.googleusercontent.com");
    assert_eq!(shown(&fake.shown()[0], "client_id"), "123-x.apps.googleusercontent.com");
    assert_eq!(form(&fake, "client_id"), "123-x.apps.googleusercontent.com");
}

#[test]
fn a_web_client_comes_back_to_what_is_registered_for_it() {
    let web =
        client(&["https://app.example.com/callback", "http://localhost:8080/", "http://localhost:9000"]);
    let fake = visit(machine().with_watcher(), ANSWER);
    let grant = log_in_with(&fake, &[], Some(web.clone())).unwrap();
    assert_eq!(
        (fake.listened(), grant.redirect_uri.as_deref()),
        (vec![8080], Some("http://localhost:8080/"))
    );
    assert_eq!(form(&fake, "redirect_uri"), "http://localhost:8080/", "letter by letter");

    for (options, registered) in [
        (vec![], &["https://app.example.com/callback"][..]),
        (vec![("port", OptionValue::Port(9001))], &["http://localhost:8080"]),
        (vec![("port", OptionValue::Port(0))], &["https://app.example.com/callback"]),
    ] {
        let fake = Fake::new().with_watcher();
        let error = log_in_with(&fake, &options, Some(client(registered))).unwrap_err();
        assert_eq!(error.code(), "invalid.redirect_uri");
        assert!(error.message().contains("client.json") && fake.listened().is_empty(), "{error}");
    }
    let fake = Fake::new().with_watcher().with_taken_port(8080);
    let error = log_in_with(&fake, &[], Some(web)).unwrap_err();
    assert!(error.next_step().unwrap().contains("register http://localhost:PORT"), "{error:?}");
}

#[test]
fn a_quiet_login_is_finished_later() {
    let fake = Fake::new();
    let request = LoginRequest { quiet: true, ..request(&fake) };
    let provider = provider(&[]);
    let outcome = pollster::block_on(provider.login().unwrap().log_in(&request)).unwrap();
    let LoggedIn::Unfinished(unfinished) = outcome else { panic!("{outcome:?}") };
    assert_eq!(shown(&unfinished.address, "redirect_uri"), "http://localhost:8085");
    assert!(fake.listened().is_empty() && fake.told().is_empty() && fake.shown().is_empty());

    for (pasted, redirect_uri) in [
        ("4/the-code", "http://localhost:8085"),
        ("http://localhost:8085/?state=x&code=4/the-code", "http://localhost:8085"),
        ("http://localhost:9000/?state=x&code=4/the-code", "http://localhost:9000"),
    ] {
        let fake = machine();
        let request = LoginRequest {
            exchange: Exchange { host: fake.host(), ..request.exchange.clone() },
            ..request.clone()
        };
        let finished =
            provider.login().unwrap().finish(&request, Secret::from(pasted), unfinished.verifier.clone());
        let LoggedIn::Granted(grant) = pollster::block_on(finished).unwrap() else { panic!() };
        assert_eq!(grant.redirect_uri.as_deref(), Some(redirect_uri));
        assert_eq!(
            (form(&fake, "code"), form(&fake, "redirect_uri")),
            ("4/the-code".into(), redirect_uri.into())
        );
        assert_eq!(form(&fake, "code_verifier"), unfinished.verifier.expose_secret());
    }
}

#[test]
fn finding_says_how_to_log_in() {
    let search = ee_auth_core::Search::new(Fake::new().host(), Settings::default());
    let finding = format!("{:?}", pollster::block_on(provider(&[]).find(&search)));
    assert!(
        finding.contains("InteractionRequired") && finding.contains("ee-auth login --mode localhost"),
        "{finding}"
    );
}
