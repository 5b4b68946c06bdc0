use std::io::{ErrorKind, Read as _};
use std::time::{Duration, Instant};

use ee_auth_sandbox::{Sandbox, User, faults};
use serde_json::{Value, json};

use crate::client::*;

fn refresh(sandbox: &Sandbox, user: &User) -> std::io::Result<Answer> {
    let client = user.client();
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", user.refresh_token()),
        ("client_id", client.id()),
        ("client_secret", client.secret()),
    ];
    try_form(sandbox, "/token", &fields)
}

/// What the fault makes of a refresh that would succeed.
fn under(fault: &str) -> std::io::Result<Answer> {
    let sandbox = sandbox();
    sandbox.fail(format!("token={fault}").parse().unwrap());
    refresh(&sandbox, &sandbox.user())
}

#[test]
fn a_fault_happens_as_often_as_it_was_asked_for() {
    let sandbox = sandbox();
    let user = sandbox.user();
    sandbox.fail("token=503x2".parse().unwrap());
    sandbox.fail("sts=500".parse().unwrap());
    let statuses: Vec<_> = (0..3).map(|_| refresh(&sandbox, &user).unwrap().status).collect();
    assert_eq!(statuses, [503, 503, 200]);
    sandbox.fail("all=401".parse().unwrap());
    assert_eq!(refresh(&sandbox, &user).unwrap().status, 401);
    sandbox.heal();
    assert_eq!(refresh(&sandbox, &user).unwrap().status, 200);
    let faulty: Vec<_> = sandbox.requests().iter().map(|request| request.faulty).collect();
    assert_eq!(faulty, [true, true, false, true, false]);
}

#[test]
fn statuses_have_the_error_body_of_their_service() {
    for status in [400, 401, 403, 404, 408, 429, 500, 503] {
        let answer = under(&status.to_string()).unwrap();
        assert_eq!(answer.status, status);
        assert!(answer.json()["error"].is_string(), "{status}");

        let sandbox = sandbox();
        sandbox.fail(format!("earthengine={status}").parse().unwrap());
        let answer = get(&sandbox, "/v1/projects/p/algorithms", &[]);
        assert_eq!(answer.json()["error"]["code"], status);
        sandbox.fail(format!("metadata={status}").parse().unwrap());
        let answer = get(&sandbox, "/", &[]);
        assert_eq!((answer.status, answer.header("metadata-flavor")), (status, Some("Google")));
    }
    for status in [502, 504] {
        let answer = under(&status.to_string()).unwrap();
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("text/html; charset=utf-8"))
        );
    }
    assert_eq!(under("429").unwrap().header("retry-after"), Some("1"));
    assert_eq!(under("503").unwrap().header("retry-after"), None);
    assert_eq!(under("503:7").unwrap().header("retry-after"), Some("7"));
}

#[test]
fn oauth_errors_are_googles() {
    for (fault, error) in [
        ("invalid_grant", "400 invalid_grant: Bad Request"),
        ("expired", "400 invalid_grant: Token has been expired or revoked."),
        ("invalid_client", "401 invalid_client: The OAuth client was not found."),
        ("deleted_client", "401 deleted_client: The OAuth client was deleted."),
    ] {
        assert_eq!(under(fault).unwrap().oauth_error(), error);
    }
    let reauthenticate = json!({
        "error": "invalid_grant",
        "error_description": "reauth related error (invalid_rapt)",
        "error_subtype": "invalid_rapt",
    });
    assert_eq!(under("invalid_rapt").unwrap().json(), reauthenticate);
}

#[test]
fn connections_fail() {
    assert_eq!(under("reset").err().unwrap().kind(), ErrorKind::ConnectionReset);
    assert_eq!(under("close").err().unwrap().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(under("truncated").err().unwrap().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn half_of_a_truncated_body_arrives() {
    let sandbox = sandbox();
    sandbox.fail("metadata=truncated".parse().unwrap());
    let mut stream = std::net::TcpStream::connect(sandbox.address()).unwrap();
    std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut read = String::new();
    let _ = stream.read_to_string(&mut read);
    assert!(read.contains("content-length: 17\r\n") && read.ends_with("\r\n\r\ncomputeM"), "{read}");
}

#[test]
fn a_server_hangs_and_stops_with_the_sandbox() {
    let sandbox = sandbox();
    sandbox.fail("metadata=hang".parse().unwrap());
    let error = send(&sandbox, "GET", "/", &[], b"", Duration::from_millis(100)).err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    assert_eq!(sandbox.requests()[0].status, None);

    let mut waiting = std::net::TcpStream::connect(sandbox.address()).unwrap();
    std::io::Write::write_all(&mut waiting, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    drop(sandbox);
    assert!(matches!(waiting.read(&mut [0; 16]), Ok(0) | Err(_)));
}

#[test]
fn answers_are_late_or_slow() {
    let start = Instant::now();
    assert_eq!(under("delay:0.3").unwrap().status, 200);
    assert!(start.elapsed() >= Duration::from_millis(300));

    let start = Instant::now();
    let sandbox = sandbox();
    sandbox.fail("metadata=drip:0.01".parse().unwrap());
    assert_eq!(get(&sandbox, "/", &[]).text(), "computeMetadata/\n");
    assert!(start.elapsed() >= Duration::from_millis(170));
}

#[test]
fn answers_are_no_answers() {
    for (fault, body) in
        [("html", "<!DOCTYPE html>\n<title>Sign in"), ("empty", ""), ("not-json", "{\n  \"access_token")]
    {
        let answer = under(fault).unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.text().starts_with(body) && (body.is_empty() == answer.body.is_empty()), "{fault}");
        assert!(serde_json::from_slice::<Value>(&answer.body).is_err(), "{fault}");
    }
    assert_eq!(under("nested").unwrap().body.len(), 200_000);
}

#[test]
fn answers_are_too_large_and_otherwise_good() {
    let big = under("big").unwrap();
    assert!(big.body.len() > 2 << 20);
    assert!(big.json()["access_token"].is_string());

    let bomb = under("gzip-bomb").unwrap();
    assert_eq!(bomb.header("content-encoding"), Some("gzip"));
    assert!(bomb.body.len() < 128 << 10, "{}", bomb.body.len());
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(&*bomb.body).read_to_end(&mut inflated).unwrap();
    assert!(inflated.len() > 16 << 20);
    assert!(serde_json::from_slice::<Value>(&inflated).unwrap()["access_token"].is_string());
}

#[test]
fn redirects_lead_elsewhere() {
    let answer = under("redirect").unwrap();
    assert_eq!((answer.status, answer.header("location")), (307, Some("/elsewhere")));
    let answer = under("redirect:https://evil.example/x").unwrap();
    assert_eq!(answer.header("location"), Some("https://evil.example/x"));
}

#[test]
fn fields_are_missing_or_wrong() {
    for (fault, field, value) in [
        ("no-token", "access_token", Value::Null),
        ("empty-token", "access_token", json!("")),
        ("number-token", "access_token", json!(12345)),
        ("wrong-token-type", "token_type", json!("mac")),
        ("no-expiry", "expires_in", Value::Null),
        ("text-expiry", "expires_in", json!("3599")),
        ("float-expiry", "expires_in", json!(3599.5)),
        ("zero-expiry", "expires_in", json!(0)),
        ("negative-expiry", "expires_in", json!(-60)),
        ("huge-expiry", "expires_in", json!(1_000_000_000_000_000_000_u64)),
    ] {
        let answer = under(fault).unwrap().json();
        assert_eq!(answer[field], value, "{fault}");
        assert_eq!(answer.get(field).is_some(), !value.is_null(), "{fault}");
        assert_eq!(answer["scope"].as_str().unwrap().split(' ').count(), 4, "{fault}");
    }
    let newline = under("newline-token").unwrap().json();
    assert!(newline["access_token"].as_str().unwrap().ends_with("\r\nX-Injected: yes"));
}

#[test]
fn the_iam_api_has_fields_of_its_own() {
    let sandbox = sandbox();
    let robot = format!("robot@{}.iam.gserviceaccount.com", sandbox.project_id());
    let target = format!("/v1/projects/-/serviceAccounts/{robot}:generateAccessToken");
    let caller = sandbox.access_token();
    for (fault, field, value) in [
        ("no-token", "accessToken", Value::Null),
        ("no-expiry", "expireTime", Value::Null),
        ("zero-expiry", "expireTime", json!("1970-01-01T00:00:00Z")),
    ] {
        sandbox.heal();
        sandbox.fail(format!("iam_credentials={fault}").parse().unwrap());
        let answer = api(&sandbox, &target, &caller, &json!({"scope": [EARTH_ENGINE]})).json();
        assert_eq!(answer[field], value, "{fault}");
    }
}

#[test]
fn every_fault_changes_what_a_client_sees() {
    // Those that concern other answers than a refresh's.
    let elsewhere = ["no-refresh-token", "wrong-state"];
    let slow = ["hang", "delay", "drip"];
    for (name, _) in faults().filter(|(name, _)| !elsewhere.contains(name) && !slow.contains(name)) {
        let seen = under(name).map(|answer| {
            let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
            (
                answer.status,
                answer.body.len() < 1 << 20,
                answer.header("content-encoding").is_some(),
                {
                    let token = body["access_token"].as_str().unwrap_or_default().to_owned();
                    token.starts_with("ya29.") && !token.contains('\n') && body["token_type"] == "Bearer"
                },
                body["expires_in"].clone(),
            )
        });
        assert!(
            !matches!(seen, Ok((200, true, false, true, ref expiry)) if *expiry == json!(3599)),
            "{name}"
        );
    }
}
