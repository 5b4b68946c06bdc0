use std::io::Cursor;

use super::*;
use crate::{Answer, Manifest, Request};

struct Shop;

impl Provider for Shop {
    type Config = serde_json::Map<String, Value>;

    const MANIFEST: Manifest = Manifest::new("shop", "1.0.0").with_login();

    fn create(config: Self::Config, _host: &Host<'_>) -> Result<Self, Failure> {
        if config.contains_key("refuse") { Err(Failure::invalid("`refuse` is set")) } else { Ok(Self) }
    }

    fn get(&self, request: &Request, host: &Host<'_>) -> Result<Answer, Failure> {
        assert!(!host.is_cancelled() && request.remaining().as_millis() <= 10_000);
        host.info("asking");
        let asked = HttpRequest::post_form("https://shop.example/token", [("a", "b")]).header("x-shop", "1");
        let response = host.http(&asked)?;
        host.store("last", &response.body)?;
        let last = host.stored("last")?.unwrap_or_default();
        Ok(Answer::access_token(last)
            .project(host.stored("none")?.unwrap_or_else(|| "no-project".to_owned())))
    }

    fn login(&self, _request: &Request, host: &Host<'_>) -> Result<(), Failure> {
        host.open("sign in", "https://shop.example/device", "AB-12")?;
        match host.secret("the word")?.as_str() {
            "panic" => panic!("a secret"),
            _ => Ok(()),
        }
    }
}

fn run(input: &str, events: bool) -> Vec<Value> {
    let mut written = Vec::new();
    serve::<Shop, _, _>(Cursor::new(input.to_owned()), &mut written, events).unwrap();
    let text = String::from_utf8(written).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const GET: &str = r#"{"v":[1],"op":"get","scopes":[],"deadline_ms":10000,"config":{}}"#;
const LOGIN: &str = r#"{"v":[1],"op":"login","interactive":true,"deadline_ms":10000}"#;

#[test]
fn events_come_before_the_answer_and_wait_for_their_replies() {
    let input = format!(
        "{GET}\n{}\n{}\n{}\n{}\n{}\n",
        r#"{"ok":true}"#,
        r#"{"ok":true,"status":200,"content_type":"text/plain","body":"token-1"}"#,
        r#"{"ok":true}"#,
        r#"{"ok":true,"value":"token-1"}"#,
        r#"{"ok":true,"value":null}"#,
    );
    let written = run(&input, true);
    assert_eq!(
        written[..5],
        [
            json!({"event": "log", "level": "info", "message": "asking"}),
            json!({"event": "http", "method": "POST", "url": "https://shop.example/token", "headers": {"x-shop": "1"}, "form": {"a": "b"}}),
            json!({"event": "store", "op": "set", "key": "last", "value": "token-1"}),
            json!({"event": "store", "op": "get", "key": "last"}),
            json!({"event": "store", "op": "get", "key": "none"}),
        ]
    );
    assert_eq!(written[5]["access_token"], "token-1");
    assert_eq!(written[5]["project"], "no-project");
    assert_eq!(written.len(), 6);
}

#[test]
fn what_the_host_refuses_becomes_the_answer() {
    let refused = |reply: &str| {
        let written = run(&format!("{GET}\n{{\"ok\":true}}\n{reply}"), true);
        written.last().unwrap().clone()
    };
    let answer = refused("{\"ok\":false,\"message\":\"that host is not in the manifest\"}\n");
    assert_eq!((&answer["code"], &answer["success"]), (&json!("unavailable"), &json!(false)));
    assert_eq!(answer["message"], "that host is not in the manifest");
    for reply in ["", "{", "[]\n"] {
        assert_eq!(refused(reply)["code"], "unavailable", "{reply}");
    }
}

#[test]
fn without_events_there_are_no_services() {
    let written = run(GET, false);
    assert_eq!(written.len(), 1);
    assert_eq!(written[0]["code"], "invalid");
    assert!(written[0]["message"].as_str().unwrap().contains("protocol = \"events\""));
}

#[test]
fn login_prompts_and_a_panic_is_an_answer_without_its_words() {
    let replies = "{\"ok\":true}\n{\"ok\":true,\"answer\":\"word\"}\n";
    let written = run(&format!("{LOGIN}\n{replies}"), true);
    assert_eq!(written[0]["code"], "AB-12");
    assert_eq!(written[1], json!({"event": "prompt", "kind": "secret", "message": "the word"}));
    assert_eq!(written[2], json!({"version": 1, "success": true}));
    let written = run(&format!("{LOGIN}\n{}", replies.replace("word", "panic")), true);
    let said = written[2]["message"].as_str().unwrap();
    assert!(said.contains("stdio_tests.rs:") && !said.contains("a secret"), "{said}");
}

#[test]
fn describe_needs_no_configuration() {
    let written = run(r#"{"v":[1],"op":"describe","config":{"refuse":1}}"#, false);
    assert_eq!(written[0]["name"], "shop");
    assert_eq!(written[0]["ops"], json!(["get", "login"]));
}

#[test]
fn what_cannot_be_answered_is_a_failure() {
    for (input, code) in [
        ("", "invalid"),
        ("{}", "invalid"),
        (r#"{"v":[9],"op":"get"}"#, "invalid"),
        (r#"{"v":[1],"op":"get","config":{"refuse":1}}"#, "invalid"),
        (r#"{"v":[1],"op":"logout"}"#, "not_applicable"),
        (r#"{"v":[1],"op":"fly"}"#, "not_applicable"),
    ] {
        let written = run(input, false);
        assert_eq!((written.len(), &written[0]["code"]), (1, &json!(code)), "{input}");
    }
}
