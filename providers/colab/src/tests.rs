use ee_auth_core::{ExposeSecret, OAuthClient, Settings};
use ee_auth_fake::{Fake, answer};

use super::*;

const ACCOUNT: &str =
    r#"{"email": "ada@example.com", "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}"#;

fn hosted() -> Fake {
    Fake::new().with_variable("COLAB_RELEASE_TAG", "release-colab_1").with_variable("USE_AUTH_EPHEM", "1")
}

/// A metadata server that answers so for the account, and with a token.
fn serving(fake: Fake, status: u16, account: &'static str) -> Fake {
    fake.with_server(move |request| {
        let mut response = match request.url.path() {
            path if path.ends_with("/token") => {
                answer(200, r#"{"access_token": "token", "expires_in": 3599, "token_type": "Bearer"}"#)
            }
            _ => answer(status, account),
        };
        response.metadata_flavor = Some("Google".to_owned());
        Ok(response)
    })
}

fn find(fake: &Fake) -> Finding {
    pollster::block_on(Colab.find(&Search::new(fake.host(), Settings::default())))
}

fn request(fake: &Fake) -> LoginRequest {
    LoginRequest::new(Exchange { host: fake.host(), settings: Settings::default() })
}

fn log_in(request: &LoginRequest) -> Result<LoggedIn, Error> {
    pollster::block_on(Colab.log_in(request))
}

#[test]
fn who_is_signed_in_is_found_and_gets_tokens() {
    let fake = serving(hosted(), 200, ACCOUNT);
    let Finding::Found(found) = find(&fake) else { panic!("nothing was found") };
    assert_eq!(found.principal.as_deref(), Some("ada@example.com"));
    let exchange = request(&fake).exchange;
    let token = pollster::block_on(found.source.exchange(&exchange)).unwrap();
    assert_eq!(token.secret(), "token");
    assert!(found.source.key().is_none());
    for request in fake.requests() {
        assert!(request.direct);
        assert!(request.headers.iter().any(|(_, value)| value.expose_secret() == "Google"));
    }
    match log_in(&request(&fake)).unwrap() {
        LoggedIn::Elsewhere(place) => assert!(place.contains("Colab"), "{place}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn before_anybody_signs_in_the_cell_to_run_is_said() {
    let fake = serving(hosted(), 404, "");
    let error = log_in(&request(&fake)).unwrap_err();
    assert_eq!(error.code(), "interaction_required.colab");
    assert!(error.next_step().unwrap().contains(CELL));
    let Finding::Skipped(skip) = find(&fake) else { panic!("something was found") };
    assert!(skip.hint.unwrap().contains(CELL));
}

#[test]
fn older_runtimes_have_a_file() {
    let old = || Fake::new().with_variable("COLAB_RELEASE_TAG", "x");
    let adc = r#"{"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}"#;
    assert!(matches!(find(&old().with_file("/content/.adc/adc.json", adc)), Finding::Found(_)));
    let elsewhere =
        old().with_variable("DATALAB_ROOT", "/root").with_file("/root/content/.adc/adc.json", adc);
    assert!(matches!(find(&elsewhere), Finding::Found(_)));
    assert!(matches!(find(&old().with_file("/content/.adc/adc.json", "{")), Finding::Failed(_)));
    let error = log_in(&request(&old())).unwrap_err();
    assert_eq!(error.outcome(), Outcome::InteractionRequired);
}

#[test]
fn outside_colab_it_says_so() {
    let fake = Fake::new();
    let error = log_in(&request(&fake)).unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotFound);
    assert!(error.message().contains("not Colab"));
    assert!(error.next_step().unwrap().contains("--mode notebook"));
    let enterprise = hosted().with_variable("VERTEX_PRODUCT", "COLAB_ENTERPRISE");
    let error = log_in(&request(&enterprise)).unwrap_err();
    assert!(error.next_step().unwrap().contains("metadata"), "{error:?}");
}

#[test]
fn a_runtime_on_another_machine_has_no_server() {
    let fake = hosted().with_server(|_| {
        Err(ee_auth_fake::failure(ee_auth_core::host::HttpErrorKind::Connect, "connection refused"))
    });
    let error = log_in(&request(&fake)).unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotFound);
    let offline = Search::new(hosted().host(), Settings::default()).offline(true);
    assert!(matches!(pollster::block_on(Colab.find(&offline)), Finding::NotProbed(_)));
}

#[test]
fn a_server_that_refuses_or_makes_no_sense_is_told() {
    for (status, body, expected) in
        [(403, "no", "rejected.refused"), (200, "<html>", "not_found.colab"), (503, "", "not_found.colab")]
    {
        let error = log_in(&request(&serving(hosted(), status, body))).unwrap_err();
        assert_eq!(error.code(), expected, "{error:?}");
        assert!(error.next_step().is_some_and(|hint| !hint.is_empty()));
    }
}

#[test]
fn what_colab_chooses_nobody_else_can() {
    let fake = serving(hosted(), 200, ACCOUNT);
    let read_only = LoginRequest { scopes: Scopes::earth_engine_read_only(), ..request(&fake) };
    assert_eq!(log_in(&read_only).unwrap_err().code(), "usage.scopes");
    let all = Scopes::earth_engine();
    let mut reversed: Vec<_> = all.iter().collect();
    reversed.reverse();
    let same = LoginRequest { scopes: Scopes::new(reversed).unwrap(), ..request(&fake) };
    assert!(log_in(&same).is_ok());
    let client = OAuthClient {
        id: "c".to_owned(),
        secret: None,
        redirect_uris: Vec::new(),
        origin: "/client.json".to_owned(),
    };
    let own = LoginRequest { client: Some(client), ..request(&fake) };
    assert!(log_in(&own).unwrap_err().message().contains("/client.json"));
}
