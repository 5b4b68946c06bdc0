use ee_auth_core::host::{Body, HttpErrorKind};
use ee_auth_core::{Exchange, ExposeSecret, Grant, OAuthClient, Scopes, Settings};
use ee_auth_fake::{Fake, answer};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::*;

const CODE: &str = "4/0Ab-c_d";
const CLIENT: &str = "123456789012-page.apps.googleusercontent.com";
const FETCH: &str = "https://code.earthengine.google.com/client-auth/fetch";

/// A machine on which the page answers so, and then the token endpoint.
fn machine(page: &Value) -> Fake {
    machine_with(page, &json!({ "access_token": "a", "expires_in": 3599, "refresh_token": "r" }))
}

fn machine_with(page: &Value, token: &Value) -> Fake {
    let fake = Fake::new().with_response(answer(200, page.to_string()));
    fake.with_response(answer(200, token.to_string()))
}

fn page() -> Value {
    json!({ "client_id": CLIENT, "client_secret": "s", "scopes": Scopes::earth_engine().iter().collect::<Vec<_>>() })
}

fn request(fake: &Fake) -> LoginRequest {
    LoginRequest::new(Exchange { host: fake.host(), settings: Settings::default() })
}

fn log_in(request: &LoginRequest) -> Result<LoggedIn, Error> {
    pollster::block_on(Notebook.log_in(request))
}

fn finish(fake: &Fake, verifier: &str) -> Result<LoggedIn, Error> {
    pollster::block_on(Notebook.finish(&request(fake), Secret::from(CODE), Secret::from(verifier)))
}

#[track_caller]
fn grant(logged_in: Result<LoggedIn, Error>) -> Grant {
    match logged_in {
        Ok(LoggedIn::Granted(grant)) => grant,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unfinished(fake: &Fake) -> Unfinished {
    match log_in(&LoginRequest { quiet: true, ..request(fake) }) {
        Ok(LoggedIn::Unfinished(unfinished)) => unfinished,
        other => panic!("{other:?}"),
    }
}

/// The fields of the bodies that were sent.
fn sent(fake: &Fake) -> Vec<Value> {
    let body = |body: Option<Body>| match body {
        Some(Body::Json(json)) => serde_json::from_str(json.expose_secret()).unwrap(),
        Some(Body::Form(form)) => {
            let fields = form_urlencoded::parse(form.expose_secret().as_bytes());
            Value::Object(
                fields.map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect(),
            )
        }
        None => Value::Null,
    };
    fake.requests().into_iter().map(|request| body(request.body)).collect()
}

#[test]
fn the_address_is_that_of_earthengine_api() {
    let fake = Fake::new();
    let Unfinished { address, verifier } = unfinished(&fake);
    let verifier = verifier.expose_secret().to_owned();
    let [request_id, token, client] = verifier.split(':').collect::<Vec<_>>()[..] else {
        panic!("{verifier}")
    };
    // `_nonce_table`: 32 bytes in base64url without padding, each its own.
    assert!([request_id, token, client].iter().all(|nonce| nonce.len() == 43));
    assert!(request_id != token && token != client);
    let challenge = |verifier: &str| ee_auth_google::authorization::s256(&Secret::from(verifier));
    // `AUTH_URL_TEMPLATE`, with `urllib.parse.quote` of the scopes.
    let scopes = "https%3A//www.googleapis.com/auth/earthengine%20https%3A//www.googleapis.com/auth/cloud-platform%20\
                  https%3A//www.googleapis.com/auth/drive%20https%3A//www.googleapis.com/auth/devstorage.full_control";
    assert_eq!(
        address.as_str(),
        format!(
            "https://code.earthengine.google.com/client-auth?scopes={scopes}&request_id={request_id}&tc={}&cc={}",
            challenge(token),
            challenge(client)
        )
    );
    // RFC 7636, appendix B.
    assert_eq!(
        challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    );
    assert!(fake.requests().is_empty() && fake.told().is_empty() && fake.asked().is_empty());
    assert_ne!(unfinished(&fake).verifier.expose_secret(), verifier);
}

#[test]
fn a_code_is_pasted_and_the_pages_own_choices_win() {
    let read_only = "https://www.googleapis.com/auth/earthengine.readonly";
    let fake = machine(&json!({ "client_id": CLIENT, "client_secret": "s", "scopes": [read_only] }));
    let fake = fake.with_person([format!("  {CODE} ")]);
    let grant = grant(log_in(&request(&fake)));
    fake.assert_all_used();
    let client = grant.client.unwrap();
    assert_eq!((client.id.as_str(), client.secret.unwrap().expose_secret()), (CLIENT, "s"));
    assert_eq!(grant.refresh_token.expose_secret(), "r");
    assert_eq!(grant.scopes.iter().collect::<Vec<_>>(), [read_only]);
    assert_eq!((grant.project.as_deref(), grant.redirect_uri), (Some("123456789012"), None));
    assert_eq!(grant.warnings, [""; 0]);

    let [fetch, exchange] = &sent(&fake)[..] else { panic!("two requests are wanted") };
    assert_eq!(fake.requests()[0].url.as_str(), FETCH);
    let shown = fake.shown().pop().unwrap();
    let shown = |name: &str| shown.query_pairs().find(|(field, _)| field == name).unwrap().1.into_owned();
    let challenge =
        |verifier: &Value| ee_auth_google::authorization::s256(&Secret::from(verifier.as_str().unwrap()));
    assert_eq!(fetch["request_id"], shown("request_id"));
    assert_eq!(challenge(&fetch["client_verifier"]), shown("cc"));
    assert_eq!(challenge(&exchange["code_verifier"]), shown("tc"));
    assert_eq!(exchange["redirect_uri"], "urn:ietf:wg:oauth:2.0:oob");
    for (name, value) in
        [("code", CODE), ("client_id", CLIENT), ("client_secret", "s"), ("grant_type", "authorization_code")]
    {
        assert_eq!(exchange[name], value);
    }
}

#[test]
fn another_process_finishes_it() {
    let verifier = unfinished(&Fake::new()).verifier;
    let fake = machine(&page());
    grant(finish(&fake, verifier.expose_secret()));
    let parts: Vec<_> = verifier.expose_secret().split(':').collect();
    let [fetch, exchange] = &sent(&fake)[..] else { panic!("two requests are wanted") };
    assert_eq!(fetch, &json!({ "request_id": parts[0], "client_verifier": parts[2] }));
    assert_eq!(exchange["code_verifier"], parts[1]);
    for wrong in ["", "a", "a:b", "a:b:c:d", ":b:c", "a::c", "a:b:", "a:b:c d", "a:b:\u{e9}"] {
        let fake = Fake::new();
        assert_eq!(finish(&fake, wrong).unwrap_err().code(), "invalid.code_verifier", "{wrong}");
        assert!(fake.requests().is_empty());
    }
}

#[test]
fn what_was_granted_is_what_counts() {
    let granted = "https://www.googleapis.com/auth/earthengine";
    let token = json!({ "access_token": "a", "expires_in": 3599, "refresh_token": "r", "scope": granted });
    let grant_of = |page: &Value| grant(finish(&machine_with(page, &token), "a:b:c"));
    let fewer = grant_of(&page());
    assert_eq!(fewer.scopes.to_string(), "earthengine");
    assert!(
        fewer.warnings[0].contains("cloud-platform, drive, devstorage.full_control"),
        "{:?}",
        fewer.warnings
    );
    // A page that does not say has what was asked for.
    let unsaid = grant(finish(&machine(&json!({ "client_id": CLIENT, "client_secret": "s" })), "a:b:c"));
    assert_eq!(unsaid.scopes, Scopes::earth_engine());
    let unsaid = grant(finish(&machine(&json!({ "client_id": CLIENT, "scopes": [] })), "a:b:c"));
    assert_eq!(unsaid.scopes, Scopes::earth_engine());
}

/// Nobody may use the project of a client of Google's own, so the one that was stored before is better.
#[test]
fn googles_own_projects_are_not_stored() {
    for (id, project) in [
        (ee_auth_google::earth_engine_client::ID, None),
        ("764086051850-x.apps.googleusercontent.com", None),
        ("client", None),
        ("42-x.apps.googleusercontent.com", Some("42")),
    ] {
        let grant = grant(finish(&machine(&json!({ "client_id": id, "client_secret": "s" })), "a:b:c"));
        assert_eq!(grant.project.as_deref(), project);
        // A file without a client means Earth Engine's own.
        assert_eq!(grant.client.is_none(), id == ee_auth_google::earth_engine_client::ID);
    }
}

#[test]
fn who_cannot_type_is_not_asked() {
    for (fake, why) in [(Fake::new(), "nobody is to be asked"), (Fake::new().with_watcher(), "no terminal")] {
        let error = log_in(&request(&fake)).unwrap_err();
        assert_eq!(error.outcome(), Outcome::InteractionRequired);
        assert!(error.message().contains(why), "{error}");
        assert!(error.next_step().unwrap().contains("`ee-auth login --mode notebook --quiet`"));
        assert!(fake.shown().is_empty() && fake.asked().is_empty() && fake.browsed().is_empty());
    }
    // Somebody who goes away.
    let error = log_in(&request(&Fake::new().with_person([""; 0]))).unwrap_err();
    assert_eq!(error.outcome(), Outcome::InteractionRequired);
}

#[test]
fn what_is_no_code_is_asked_for_again_three_times_in_all() {
    let fake = machine(&page()).with_person(["", "{}", CODE]);
    grant(log_in(&request(&fake)));
    assert_eq!(fake.asked().len(), 3);
    assert!(fake.told().iter().any(|told| told.contains("nothing was pasted")), "{:?}", fake.told());
    let fake = Fake::new().with_person(["", "{}", "é", CODE]);
    let error = log_in(&request(&fake)).unwrap_err();
    assert_eq!((error.code().to_string().as_str(), fake.asked().len()), ("invalid.authorization_code", 3));
    // An address in which Google says no is an answer.
    let fake = Fake::new().with_person(["http://localhost:8085/?error=access_denied", CODE]);
    let error = log_in(&request(&fake)).unwrap_err();
    assert_eq!((error.code().to_string().as_str(), fake.asked().len()), ("rejected.access_denied", 1));
}

#[test]
fn a_browser_is_opened_where_there_is_one() {
    let fake = machine(&page()).with_person([CODE]).with_browser();
    grant(log_in(&request(&fake)));
    assert_eq!(fake.browsed(), fake.shown());
    let fake = machine(&page()).with_person([CODE]);
    grant(log_in(&request(&fake)));
    assert!(fake.browsed().is_empty());
}

#[test]
fn a_client_of_ones_own_is_not_the_pages() {
    let fake = Fake::new().with_person([CODE]);
    let origin = "client.json".to_owned();
    let client = OAuthClient { id: "x".to_owned(), secret: None, redirect_uris: Vec::new(), origin };
    let request = LoginRequest { client: Some(client), ..request(&fake) };
    let finished = Notebook.finish(&request, Secret::from(CODE), Secret::from("a:b:c"));
    for error in [log_in(&request).unwrap_err(), pollster::block_on(finished).unwrap_err()] {
        assert_eq!(error.code(), "invalid.client_file");
        assert!(error.message().contains("client.json") && error.next_step().unwrap().contains("localhost"));
    }
    assert!(fake.requests().is_empty() && fake.shown().is_empty());
}

#[test]
fn the_page_fails_in_its_own_ways() {
    for (status, body, code) in [
        (200, r#"{"error": "Unknown request_id"}"#, "rejected.request"),
        (400, r#"{"error": "Invalid client_verifier"}"#, "rejected.request"),
        (200, "<html>Sign in to the network</html>", "unavailable.malformed"),
        (200, "", "unavailable.malformed"),
        (200, "[]", "unavailable.malformed"),
        (200, "{}", "unavailable.malformed"),
        (200, r#"{"client_id": 1}"#, "unavailable.malformed"),
        (200, r#"{"client_id": "x", "scopes": "earthengine"}"#, "unavailable.malformed"),
        (200, r#"{"client_id": "x", "scopes": ["a b"]}"#, "unavailable.malformed"),
        (403, "<html>", "unavailable.malformed"),
        (404, r#"{"client_id": "x"}"#, "unavailable.malformed"),
        (503, r#"{"error": "try again"}"#, "unavailable.status"),
        (429, "", "unavailable.status"),
    ] {
        let fake = Fake::new().with_server(move |_| Ok(answer(status, body)));
        let error = finish(&fake, "a:b:c").unwrap_err();
        assert_eq!(error.code(), code, "{status} {body}");
        assert!(error.next_step().is_some());
        assert!(!error.message().contains("Sign in"), "{error}");
        assert!(fake.requests().iter().all(|request| request.url.as_str() == FETCH), "no code is sent");
    }
    let fake = Fake::new().with_server(|_| Err(ee_auth_fake::failure(HttpErrorKind::Connect, "refused")));
    assert_eq!(finish(&fake, "a:b:c").unwrap_err().code(), "unavailable.connect");
    assert_eq!(fake.requests().len(), 4);
    let secret = "1//0abcdefgh";
    let repeats = json!({ "error": format!("no {secret}") });
    let error = finish(&Fake::new().with_response(answer(200, repeats.to_string())), "a:b:c").unwrap_err();
    assert!(!error.message().contains("abcdefgh"), "{error}");
}

#[test]
fn a_code_is_sent_once() {
    for (status, body, code) in [
        (400, r#"{"error": "invalid_grant"}"#, "rejected.invalid_grant"),
        (503, "", "unavailable.status"),
        (200, r#"{"access_token": "a", "expires_in": 3599}"#, "rejected.no_refresh_token"),
    ] {
        let fake = Fake::new().with_response(answer(200, page().to_string()));
        let fake = fake.with_server(move |_| Ok(answer(status, body)));
        assert_eq!(finish(&fake, "a:b:c").unwrap_err().code(), code);
        assert_eq!(fake.requests().len(), 2, "{code}");
    }
}

#[test]
fn it_finds_nothing_by_itself() {
    let fake = Fake::new();
    let search = Search::new(fake.host(), Settings::default());
    let Finding::Skipped(skip) = pollster::block_on(Notebook.find(&search)) else {
        panic!("a skip is wanted")
    };
    assert_eq!(skip.reason, ee_auth_core::SkipReason::InteractionRequired);
    assert!(fake.requests().is_empty());
}
