use ee_auth_core::ExposeSecret;

use super::*;

const NOW: u64 = 1_800_000_000;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

fn read(members: &str) -> Result<ExecutableAnswer, Breach> {
    let json = format!(
        r#"{{"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:jwt","id_token":"a.b.c"{members}}}"#
    );
    ExecutableAnswer::read(json.as_bytes(), now())
}

#[test]
fn a_fractional_expiry_is_rounded_down() {
    for (written, expected) in [
        ("1800000001", Ok(Some(1))),
        ("1800000001.999", Ok(Some(1))),
        ("1.800000001e9", Ok(Some(1))),
        ("null", Ok(None)),
        ("1800000000", Err("expired")),
        ("1800000000.999", Err("expired")),
        ("0", Err("expired")),
        ("-0.5", Err("expiration_time")),
        ("true", Err("expiration_time")),
        ("\"1800000001\"", Err("expiration_time")),
        ("1800000001000", Err("expiration_time")),
        ("18446744073709551616", Err("expiration_time")),
    ] {
        let expires_at = match read(&format!(r#","expiration_time":{written}"#)) {
            Ok(ExecutableAnswer::Token(token)) => {
                Ok(token.expires_at.map(|at| at.duration_since(now()).unwrap().as_secs()))
            }
            Ok(failure) => panic!("{failure:?}"),
            Err(breach) => Err(breach.detail),
        };
        assert_eq!(expires_at, expected, "{written}");
    }
}

#[test]
fn a_saml_response_may_go_over_several_lines() {
    let json = r#"{"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:saml2","saml_response":"PHg+\nPC94Pg==\n"}"#;
    let Ok(ExecutableAnswer::Token(token)) = ExecutableAnswer::read(json.as_bytes(), now()) else { panic!() };
    assert_eq!(token.kind, SubjectTokenKind::SamlResponse);
    assert_eq!(token.secret.expose_secret(), "PHg+\nPC94Pg==");
}

#[test]
fn what_is_no_answer_is_a_breach() {
    let large = vec![b' '; MAX_ANSWER + 1];
    for (written, detail) in [
        (&b""[..], "silent"),
        (b" \n", "silent"),
        (b"{\"version\":1", "truncated"),
        (b"\xff\xfe{", "malformed"),
        (b"\xef\xbb\xbf{}", "malformed"),
        (b"{} {}", "malformed"),
        (b"[1]", "malformed"),
        (b"{}", "version"),
        (&large, "too_large"),
    ] {
        let breach = ExecutableAnswer::read(written, now()).unwrap_err();
        assert_eq!(breach.detail, detail, "{}", String::from_utf8_lossy(&written[..written.len().min(20)]));
    }
}

#[test]
fn a_failure_is_made_fit_to_show() {
    let json =
        r#"{"version":1,"success":false,"code":"4\u001b[2J","message":"no ya29.a0AbCdEf\r\nlogged in"}"#;
    let Ok(ExecutableAnswer::Failure { code, message }) = ExecutableAnswer::read(json.as_bytes(), now())
    else {
        panic!()
    };
    assert!(!code.contains(char::is_control) && !message.contains(char::is_control), "{code:?} {message:?}");
    assert!(!message.contains("ya29"), "{message}");
}
