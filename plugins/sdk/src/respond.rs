//! From a request in JSON to an answer in JSON, whichever way the two travel.

use crate::request::{Op, Wire};
use crate::{Failure, Host, Provider, answer};

/// An answer, and whether it is a success.
pub(crate) struct Response {
    pub(crate) json: String,
    pub(crate) success: bool,
}

impl From<Failure> for Response {
    fn from(failure: Failure) -> Self {
        Self { json: failure.to_json(), success: false }
    }
}

/// The request in `json`.
pub(crate) fn parse(json: &str) -> Result<Wire, Failure> {
    let wire: Wire = serde_json::from_str(json)
        .map_err(|error| Failure::invalid(format!("the request is not one of version 1: {error}")))?;
    if !wire.versions.contains(&1) {
        return Err(Failure::invalid(
            "this plugin speaks version 1 of the protocol, which the host does not",
        ));
    }
    Ok(wire)
}

/// The provider that `config` asks for. What is wrong with it is named by key, never by value.
pub(crate) fn create<P: Provider>(config: serde_json::Value, host: &Host<'_>) -> Result<P, Failure> {
    let config = serde_json::from_value(config).map_err(|error| {
        Failure::invalid(format!(
            "`config` in the plugin's table of ee-auth.toml: {}",
            without_values(&error)
        ))
    })?;
    P::create(config, host)
}

/// A message of serde quotes the value that it did not expect, which may be a secret in the wrong place. Names of keys stand
/// in backticks.
fn without_values(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let Some((kind, rest)) = message.split_once(": ") else { return message };
    match rest.split_once(", expected ") {
        Some((_, expected)) => format!("{kind}, expected {expected}"),
        None => kind.to_owned(),
    }
}

/// What `provider` answers to a request.
pub(crate) fn respond<P: Provider>(provider: &P, wire: Wire, host: &Host<'_>) -> Response {
    let op = wire.op;
    let request = wire.into_request();
    let answer = match op {
        Op::Describe => Ok(P::MANIFEST.to_string()),
        Op::Get => provider.get(&request, host).map(|answer| answer.to_json()),
        Op::Login => provider.login(&request, host).map(|()| answer::done()),
        Op::Logout => provider.logout(&request, host).map(|()| answer::done()),
        Op::Unknown => Err(Failure::not_applicable("this plugin does not know the operation")),
    };
    match answer {
        Ok(json) => Response { json, success: true },
        Err(failure) => failure.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[allow(dead_code, reason = "only its type matters")]
        count: u32,
    }

    #[test]
    fn what_is_wrong_with_a_configuration_is_said_without_its_values() {
        let said = |json: &str| without_values(&serde_json::from_str::<Config>(json).unwrap_err());
        assert!(!said(r#"{"count":"a secret: x"}"#).contains("secret"));
        assert!(said(r#"{"count":"a secret"}"#).starts_with("invalid type, expected u32"));
        assert!(said("{}").contains("missing field `count`"));
        assert!(said(r#"{"counts":1}"#).contains("unknown field `counts`, expected `count`"));
    }

    #[test]
    fn a_request_of_another_version_is_refused() {
        assert!(parse(r#"{"v":[1,2],"op":"get"}"#).is_ok());
        assert!(parse(r#"{"v":[1],"op":"something","new":true,"reason":"new"}"#).is_ok());
        for json in [r#"{"v":[2],"op":"get"}"#, r#"{"op":"get"}"#, "", "[]", r#"{"v":[1]}"#] {
            assert_eq!(parse(json).err().unwrap().code(), "invalid", "{json}");
        }
    }
}
