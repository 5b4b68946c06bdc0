use ee_auth_core::ExposeSecret;
use ee_auth_fake::{Fake, answer};
use serde_json::{Value, json};

use super::*;

fn services(fake: &Fake) -> Services {
    let hosts = ["vault.example.com".to_owned(), "127.0.0.1:8200".to_owned()];
    Services::new(fake.host(), "vault", "/opt/vault", Duration::from_secs(10)).with_http_hosts(&hosts)
}

fn reply(services: &Services, event: Value) -> Value {
    let Value::Object(event) = event else { panic!("an event is an object") };
    let reply = pollster::block_on(services.reply(&event));
    assert!(!reply.expose_secret().contains('\n'));
    serde_json::from_str(reply.expose_secret()).unwrap()
}

#[test]
fn a_store_keeps_what_a_plugin_gives_it_and_from_others() {
    let fake = Fake::new();
    let mine = services(&fake);
    let get = json!({"event": "store", "op": "get", "key": "refresh"});
    assert_eq!(reply(&mine, get.clone())["value"], Value::Null);
    let set = json!({"event": "store", "id": 7, "op": "set", "key": "refresh", "value": "a secret"});
    assert_eq!(reply(&mine, set), json!({"event": "store", "id": 7, "ok": true}));
    assert_eq!(reply(&mine, get.clone())["value"], "a secret");
    let other = Services::new(fake.host(), "vault", "/opt/other", Duration::from_secs(10));
    assert_eq!(reply(&other, get.clone())["value"], Value::Null);
    let path = fake.host().environment.directory(ee_auth_core::host::Directory::State).unwrap();
    let files = fake.host().files.list(&path.join("ee-auth/plugins")).unwrap();
    assert_eq!(files.len(), 1, "{files:?}");
    let entry = fake.entry(path.join("ee-auth/plugins").join(&files[0])).unwrap();
    assert_eq!(entry.mode, Some(0o600));
    reply(&mine, json!({"event": "store", "op": "delete", "key": "refresh"}));
    assert_eq!(reply(&mine, get)["value"], Value::Null);
}

#[test]
fn a_store_has_bounds() {
    let fake = Fake::new();
    let mine = services(&fake);
    let set = |key: &str, value: &str| {
        reply(&mine, json!({"event": "store", "op": "set", "key": key, "value": value}))
    };
    assert_eq!(set("", "x")["ok"], false);
    assert_eq!(set(&"k".repeat(129), "x")["ok"], false);
    assert_eq!(set("k", &"v".repeat(64 * 1024 + 1))["ok"], false);
    for number in 0..64 {
        assert_eq!(set(&number.to_string(), "x")["ok"], true);
    }
    assert_eq!(set("64", "x")["code"], "invalid");
}

#[test]
fn requests_go_to_declared_hosts_alone_and_over_tls() {
    let fake = Fake::new().with_response(answer(200, r#"{"data": 1}"#));
    let mine = services(&fake);
    let get =
        |url: &str| reply(&mine, json!({"event": "http", "url": url, "headers": {"X-Vault-Token": "t"}}));
    for url in [
        "https://evil.example/",
        "https://vault.example.com:8443/",
        "https://vault.example.com.evil.example/",
        "https://evil.example@vault.example.com/",
        "http://vault.example.com/",
        "file:///etc/passwd",
        "no address",
    ] {
        assert_eq!(get(url)["ok"], false, "{url}");
    }
    assert!(fake.requests().is_empty());
    let reply = get("https://vault.example.com/v1/gcp");
    assert_eq!((&reply["status"], &reply["body"]), (&json!(200), &json!(r#"{"data": 1}"#)));
    assert_eq!(fake.requests()[0].headers[0].0, "x-vault-token");
}

#[test]
fn a_person_is_asked_only_in_a_login_and_sees_who_asks() {
    let fake = Fake::new().with_person(["hunter2"]);
    let ask = json!({"event": "prompt", "kind": "secret", "message": "PIN?\r\n\u{1b}[2Jee-auth: done"});
    let refused = reply(&services(&fake), ask.clone());
    assert_eq!(refused["code"], "interaction_required");
    assert!(fake.asked().is_empty());
    let mine = services(&fake).interactive(true);
    assert_eq!(reply(&mine, ask)["answer"], "hunter2");
    assert_eq!(fake.asked(), [r"vault says: PIN? \u{1b}[2Jee-auth: done"]);
    assert_eq!(fake.asked_unseen(), fake.asked());
    let code = json!({"event": "prompt", "kind": "code", "message": "sign in", "url": "https://vault.example.com/device",
        "code": "ABCD-1234"});
    assert_eq!(reply(&mine, code)["ok"], true);
    assert_eq!(fake.shown()[0].as_str(), "https://vault.example.com/device");
    assert!(fake.told()[0].contains("ABCD-1234"));
    let code =
        json!({"event": "prompt", "kind": "code", "message": "x", "url": "javascript:alert(1)", "code": "A"});
    assert_eq!(reply(&mine, code)["ok"], false);
}

#[test]
fn an_event_of_no_service_is_refused() {
    let mine = services(&Fake::new());
    assert_eq!(reply(&mine, json!({"event": "fly"}))["code"], "invalid");
    assert_eq!(reply(&mine, json!({"event": "log"}))["code"], "invalid");
    assert_eq!(reply(&mine, json!({"event": "log", "message": "x", "level": "warn"}))["ok"], true);
}
