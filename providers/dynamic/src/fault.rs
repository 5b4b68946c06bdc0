//! What is wrong with a library, and how the process that runs it tells the one that asked.

use ee_auth_core::{Detail, Error, Outcome};
use serde_json::{Value, json};

const AUTHOR: &str = "this is a fault of the plugin; `ee-auth plugin check` says what its author has to mend";

/// An error of [`Outcome::Protocol`]: the library breaks what `ee_auth_plugin.h` says. The message goes on where
/// `/path/to/library.so: ` stands.
pub(crate) fn breach(detail: &'static str, message: impl Into<String>) -> Error {
    Error::new(Outcome::Protocol, detail, message).hint(AUTHOR)
}

/// An error of [`Outcome::Invalid`]: the file that was named is no library for this machine.
pub(crate) fn unusable(detail: &'static str, message: impl Into<String>) -> Error {
    Error::invalid(detail, message).hint("name a library in `path` that was built for this machine")
}

/// The outcomes that cross.
const OUTCOMES: [Outcome; 4] = [Outcome::Protocol, Outcome::Invalid, Outcome::Untrusted, Outcome::Internal];

/// The line by which the process that runs a library says that it cannot: `{"fault":{…}}`.
pub(crate) fn to_line(error: &Error) -> String {
    let fault = json!({
        "outcome": error.outcome().name(),
        "detail": error.detail(),
        "message": error.message(),
        "hint": error.next_step(),
    });
    json!({ "fault": fault }).to_string()
}

/// The error in a line of [`to_line`]; `None` where it is something else.
pub(crate) fn from_line(line: &[u8]) -> Option<Error> {
    let line: Value = serde_json::from_slice(line.trim_ascii()).ok()?;
    let fault = line.as_object().filter(|line| line.len() == 1)?.get("fault")?;
    let outcome = OUTCOMES.into_iter().find(|outcome| fault["outcome"] == outcome.name())?;
    let detail = Detail::from(fault["detail"].as_str().unwrap_or_default().to_owned());
    let error = Error::new(outcome, detail, ee_auth_core::redact(fault["message"].as_str()?));
    Some(match fault["hint"].as_str() {
        Some(hint) => error.hint(ee_auth_core::redact(hint)),
        None => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_crosses_and_nothing_else_is_one() {
        let error = breach("magic", "it is no plugin");
        let crossed = from_line(to_line(&error).as_bytes()).unwrap();
        assert_eq!(
            (crossed.code(), crossed.message(), crossed.next_step()),
            ("protocol.magic".parse().unwrap(), "it is no plugin", Some(AUTHOR))
        );
        for line in [
            "",
            "{}",
            r#"{"version":1,"success":true,"access_token":"x"}"#,
            r#"{"fault":{"outcome":"usage","message":"x"}}"#,
            r#"{"fault":{"outcome":"protocol"}}"#,
            r#"{"fault":{"outcome":"protocol","message":"x"},"success":true}"#,
        ] {
            assert!(from_line(line.as_bytes()).is_none(), "{line}");
        }
    }
}
