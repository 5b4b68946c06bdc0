//! What a plugin's standard error must not show.

use ee_auth_core::{Exchange, LoginRequest, OptionValue, Provider, Settings};
use ee_auth_fake::Fake;

use super::machine::Machine;

#[test]
fn a_secret_on_standard_error_is_hidden() {
    let machine = Machine::with(Fake::new().with_variable("VAULT_TOKEN", "tops3cret"));
    let mut config = serde_json::Map::new();
    config.insert("pin".to_owned(), serde_json::json!(["hunter2222"]));
    let plugin = machine
        .plugin(
            "echo \"debug: $VAULT_TOKEN hunter2222 opaque-token-1\" >&2\n\
             echo '{\"version\":1,\"success\":true,\"access_token\":\"opaque-token-1\",\"expiration_time\":1}'",
        )
        .set("env", OptionValue::Strings(vec!["VAULT_TOKEN".to_owned()]))
        .set("config", OptionValue::Table(config));
    let shown = format!("{:?} {:?}", plugin.error(), plugin.provider());
    assert!(shown.contains("debug: [hidden] [hidden] [hidden]"), "{shown}");
    for secret in ["tops3cret", "hunter2222", "opaque-token-1"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_secret_that_the_host_handed_over_is_hidden() {
    let machine = Machine::with(Fake::new().with_person(["swordfish-1"]));
    let ask = |event: &str| format!("echo '{event}'; read -r reply; echo \"$reply\" >&2\n");
    let typed = ask(r#"{"event":"prompt","kind":"secret","message":"PIN?"}"#);
    let plugin = machine.plugin(&format!("read -r request\n{typed}exit 3")).protocol("events");
    let request = LoginRequest::new(Exchange { host: machine.host(), settings: Settings::default() });
    let provider = plugin.provider();
    let error = pollster::block_on(provider.login().unwrap().log_in(&request)).unwrap_err();
    assert!(error.message().contains(r#""answer":"[hidden]""#), "{error}");

    let set = ask(r#"{"event":"store","op":"set","key":"pin","value":"swordfish-2"}"#);
    let get = ask(r#"{"event":"store","op":"get","key":"pin"}"#);
    let plugin = machine.plugin(&format!("read -r request\n{set}{get}echo swordfish-2 >&2; exit 3"));
    let error = plugin.protocol("events").error();
    assert!(error.message().contains(r#""value":"[hidden]"} [hidden]"#), "{error}");
}
