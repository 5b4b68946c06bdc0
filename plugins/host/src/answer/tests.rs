use ee_auth_core::ExposeSecret;
use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

fn parse(text: &str) -> Result<Answer, Error> {
    Answer::parse(Op::Get, text.as_bytes(), now())
}

fn granted(text: &str) -> Granted {
    match parse(text) {
        Ok(Answer::Granted(granted)) => granted,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_success_has_a_token_and_what_is_known_of_it() {
    let granted = granted(
        r#" {"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:access_token",
        "access_token":"t0ken","expiration_time":1800003600,"cache":"expires","scopes":["earthengine"],
        "principal":"robot@example.com","project":"my-project","colour":"red"}"#
            .replace('\n', "")
            .as_str(),
    );
    let Subject::AccessToken(token) = &granted.subject else { panic!("{granted:?}") };
    assert_eq!(token.expose_secret(), "t0ken");
    assert_eq!(granted.expires_at, Some(now() + Duration::from_secs(3600)));
    assert_eq!(granted.cache, Cache::Expires);
    assert_eq!(granted.scopes.unwrap().short_names().collect::<Vec<_>>(), ["earthengine"]);
    assert_eq!(granted.principal.as_deref(), Some("robot@example.com"));
    assert_eq!(granted.project.as_deref(), Some("my-project"));
}

#[test]
fn little_is_needed_and_null_means_nothing() {
    for text in [
        "{\"version\":1,\"success\":true,\"access_token\":\"t\"}\n",
        "\r\n{\"version\":1,\"success\":true,\"access_token\":\"t\",\"expiration_time\":null,\"scopes\":null}\r\n\r\n",
        r#"{"version":1,"success":true,"access_token":"t","scopes":[],"principal":""}"#,
    ] {
        let granted = granted(text);
        assert_eq!((granted.expires_at, granted.cache), (None, Cache::Session));
        assert!(granted.scopes.is_none() && granted.principal.is_none());
    }
    let never = granted(r#"{"version":1,"success":true,"access_token":"t","cache":"a while"}"#);
    assert_eq!(never.cache, Cache::Never);
}

#[test]
fn what_can_be_exchanged_is_told_apart_by_its_type() {
    for (fields, is_as_expected) in [
        (r#""id_token":"a.b.c""#, (|s| matches!(s, Subject::IdToken(_))) as fn(&Subject) -> bool),
        (r#""token_type":"urn:ietf:params:oauth:token-type:jwt","id_token":"a.b.c""#, |s| {
            matches!(s, Subject::IdToken(_))
        }),
        (r#""token_type":"urn:ietf:params:oauth:token-type:saml2","saml_response":"PHg+"#, |s| {
            matches!(s, Subject::SamlResponse(_))
        }),
        (
            r#""token_type":"urn:ietf:params:oauth:token-type:id_token","id_token":"a.b.c","access_token":"t""#,
            |s| matches!(s, Subject::IdToken(_)),
        ),
    ] {
        let text = format!(
            r#"{{"version":1,"success":true,{fields}{}}}"#,
            if fields.ends_with('+') { "\"" } else { "" }
        );
        assert!(is_as_expected(&granted(&text).subject), "{text}");
    }
}

#[test]
fn each_breach_has_its_own_words() {
    let success = r#"{"version":1,"success":true,"access_token":"t"}"#;
    for (text, code, words) in [
        ("", "silent", "answered nothing"),
        (" \n\n", "silent", "answered nothing"),
        ("hello", "malformed", "not JSON"),
        ("[1]", "malformed", "not a JSON object"),
        ("\"text\"", "malformed", "not a JSON object"),
        (&success[..20], "truncated", "breaks off"),
        (&format!("{success}\n{success}\n"), "two_answers", "more than once"),
        (&format!("{success}{success}"), "two_answers", "more than once"),
        (&format!("{success}\nbye"), "trailing", "after its answer"),
        (&format!("Loading…\n{success}"), "malformed", "not JSON"),
        ("{\n\"version\":1,\"success\":true}", "lines", "several lines"),
        (r#"{"success":true,"access_token":"t"}"#, "version", "no `version`"),
        (r#"{"version":2,"success":true}"#, "version", "version 2"),
        (r#"{"version":"1","success":true}"#, "version", "no `version`"),
        (r#"{"version":1}"#, "success", "`success`"),
        (r#"{"version":1,"success":"yes"}"#, "success", "`success`"),
        (r#"{"version":1,"success":true}"#, "no_token", "no `access_token`"),
        (r#"{"version":1,"success":true,"access_token":""}"#, "no_token", "no `access_token`"),
        (r#"{"version":1,"success":true,"access_token":"two words"}"#, "token", "characters"),
        (r#"{"version":1,"success":true,"access_token":7}"#, "field", "`access_token`"),
        (
            r#"{"version":1,"success":true,"access_token":"t","token_type":"mac"}"#,
            "token_type",
            "`token_type`",
        ),
        (
            r#"{"version":1,"success":true,"access_token":"t","expiration_time":1799999999}"#,
            "expired",
            "expired already",
        ),
        (
            r#"{"version":1,"success":true,"access_token":"t","expiration_time":1800003600000}"#,
            "expiration_time",
            "milliseconds",
        ),
        (
            r#"{"version":1,"success":true,"access_token":"t","expiration_time":"soon"}"#,
            "expiration_time",
            "seconds",
        ),
        (
            r#"{"version":1,"success":true,"access_token":"t","expiration_time":-1}"#,
            "expiration_time",
            "seconds",
        ),
        (r#"{"version":1,"success":true,"access_token":"t","scopes":"x"}"#, "field", "`scopes`"),
        (
            r#"{"version":1,"success":true,"access_token":"t","principal":"a\u001b[2Jb"}"#,
            "field",
            "`principal`",
        ),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.code(), format!("protocol.{code}"), "{text}");
        assert!(error.message().contains(words), "{text}: {error}");
        assert!(error.next_step().is_some());
    }
    assert_eq!(Answer::parse(Op::Get, b"\xff\xfe", now()).unwrap_err().code(), "protocol.encoding");
    let large = vec![b' '; MAX_ANSWER + 1];
    assert_eq!(Answer::parse(Op::Get, &large, now()).unwrap_err().code(), "protocol.too_large");
}

#[test]
fn a_no_has_a_reason() {
    for (code, expected) in [
        ("not_found", RefusalCode::NotFound),
        ("not_applicable", RefusalCode::NotApplicable),
        ("interaction_required", RefusalCode::InteractionRequired),
        ("unavailable", RefusalCode::Unavailable),
        ("rejected", RefusalCode::Rejected),
        ("invalid", RefusalCode::Invalid),
        ("on_holiday", RefusalCode::Invalid),
    ] {
        let text =
            format!(r#"{{"version":1,"success":false,"code":"{code}","message":"no\r\nee-auth: yes"}}"#);
        for op in [Op::Get, Op::Login, Op::Logout, Op::Describe] {
            let answer = Answer::parse(op, text.as_bytes(), now()).unwrap();
            let Answer::Refused(refusal) = answer else { panic!("{answer:?}") };
            assert_eq!(refusal, Refusal { code: expected, message: "no ee-auth: yes".to_owned() });
        }
    }
}

#[test]
fn googles_executables_may_write_over_several_lines() {
    let text = "{\n  \"version\": 1,\n  \"success\": true,\n  \"token_type\": \
                \"urn:ietf:params:oauth:token-type:id_token\",\n  \"id_token\": \"a.b.c\"\n}\n";
    assert!(matches!(Answer::parse_google(text.as_bytes(), now()), Ok(Answer::Granted(_))));
    let no = r#"{"version":1,"success":false,"code":"401","message":"Caller not authorized."}"#;
    let Ok(Answer::Refused(refusal)) = Answer::parse_google(no.as_bytes(), now()) else { panic!("a no") };
    assert_eq!(refusal.code, RefusalCode::Rejected);
}

#[test]
fn a_bare_token_is_a_token_alone() {
    assert!(matches!(Answer::parse_token(b" t0ken\n"), Ok(Answer::Granted(_))));
    for text in ["", "\n", "two words", "token\nand more", "t\u{fc}r"] {
        assert_eq!(Answer::parse_token(text.as_bytes()).unwrap_err().outcome(), Outcome::Protocol, "{text}");
    }
}

proptest! {
    #[test]
    fn nothing_that_is_written_panics_or_is_shown(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for op in [Op::Get, Op::Login, Op::Describe] {
            if let Err(error) = Answer::parse(op, &bytes, now()) {
                prop_assert_eq!(error.outcome(), Outcome::Protocol);
                prop_assert!(!error.message().contains(char::is_control));
            }
        }
    }

    #[test]
    fn an_answer_with_any_values_is_an_answer_or_a_breach(
        key in "(access_token|expiration_time|scopes|token_type|cache|principal|project|name|ops|http_hosts)",
        value in "(null|true|-?[0-9]{1,25}|1e999|\"[ -~]{0,40}\"|\\[\"[ -~&&[^\"\\\\]]{0,20}\"\\]|\\{\\})",
    ) {
        let text = format!(r#"{{"version":1,"success":true,"{key}":{value}}}"#);
        for op in [Op::Get, Op::Describe] {
            if let Err(error) = Answer::parse(op, text.as_bytes(), now()) {
                prop_assert_eq!(error.outcome(), Outcome::Protocol);
            }
        }
    }
}
