//! A plugin's words, made fit to show: they come from somebody else, and must not look like `ee-auth`'s own.

use std::path::Path;

use ee_auth_core::host::Environment;
use ee_auth_core::{ExposeSecret, Secret, redact};
use serde_json::{Map, Value};

/// One line of what a plugin says: [`redact`]ed, by which it is on one line and nothing in it acts on a terminal.
///
/// ```
/// use ee_auth_plugin_host::words;
/// assert_eq!(words::line("sign in\nee-auth: done \u{202e}evil"), r"sign in ee-auth: done \u{202e}evil");
/// ```
pub fn line(text: &str) -> String {
    redact(text)
}

/// What a plugin says to the person, with the provider's name before it, so that it cannot pass for `ee-auth`'s own words.
///
/// ```
/// use ee_auth_plugin_host::words;
/// assert_eq!(words::said("vault", "open the page"), "vault says: open the page");
/// ```
pub fn said(provider: &str, text: &str) -> String {
    format!("{provider} says: {}", line(text))
}

/// What a plugin left on standard error, for an error: its last lines, where a program says what went wrong. `None` where
/// there is nothing to say.
pub fn complaint(stderr: &str, secrets: &[Secret]) -> Option<String> {
    let hidden = hide(stderr, secrets);
    let lines: Vec<_> = hidden.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default();
    let shown = line(&last.join(" "));
    (!shown.is_empty()).then_some(shown)
}

/// Shows what a plugin left on standard error to whoever looks for a mistake.
pub fn note(provider: &str, stderr: &str, secrets: &[Secret]) {
    for line in stderr.lines().filter(|line| !line.trim().is_empty()) {
        log::info!("{}", said(provider, &hide(line, secrets)));
    }
}

/// What a plugin's standard error must not show: what was handed to it in the variables of `env` and in `config`, and the
/// tokens on its standard output. Addresses and paths are left in, since they are of use in an error.
pub fn secrets(
    environment: &dyn Environment,
    env: &[String],
    config: &Map<String, Value>,
    stdout: &[u8],
) -> Vec<Secret> {
    let mut secrets = Vec::new();
    let values = env.iter().filter_map(|name| environment.variable_os(name)?.into_string().ok());
    values.for_each(|value| collect(&Value::String(value), &mut secrets));
    config.values().for_each(|value| collect(value, &mut secrets));
    let answers =
        stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    for answer in answers {
        let tokens = ["access_token", "id_token", "saml_response"].map(|key| answer.get(key)?.as_str());
        secrets.extend(tokens.into_iter().flatten().map(Secret::from));
    }
    secrets
}

/// The strings in a value that may be secret.
fn collect(value: &Value, into: &mut Vec<Secret>) {
    match value {
        Value::String(text) if may_be_secret(text) => into.push(Secret::from(text.as_str())),
        Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
        Value::Object(values) => values.values().for_each(|value| collect(value, into)),
        _ => {}
    }
}

/// Whether a text may be a secret: one that is neither a path nor an address without a password.
fn may_be_secret(value: &str) -> bool {
    let is_address =
        (value.starts_with("https://") || value.starts_with("http://")) && !value.contains(['@', '?', '#']);
    !(is_address || Path::new(value).is_absolute())
}

/// `text` without these secrets. Those under eight bytes are left in: a secret so short could be any word.
pub fn hide(text: &str, secrets: &[Secret]) -> String {
    secrets
        .iter()
        .map(ExposeSecret::expose_secret)
        .filter(|secret| secret.len() >= 8)
        .fold(text.to_owned(), |text, secret| text.replace(secret, "[hidden]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let secret = Secret::from("correct horse battery");
        let shown = complaint("first\nkey=<correct horse battery>\n\n", &[secret]).unwrap();
        assert_eq!(shown, "first key=<[hidden]>");
        assert_eq!(complaint(" \n", &[]), None);
    }

    #[test]
    fn what_was_handed_over_and_what_was_answered_is_secret() {
        let fake = ee_auth_fake::Fake::new()
            .with_variable("VAULT_TOKEN", "correct horse battery")
            .with_variable("VAULT_ADDR", "https://vault.example.com:8200");
        let config = serde_json::json!({ "pins": ["swordfish 1"], "file": "/run/secrets/token", "tries": 3 });
        let Value::Object(config) = config else { panic!() };
        let env = ["VAULT_TOKEN", "VAULT_ADDR", "NOT_SET"].map(str::to_owned);
        let stdout = b"no json\n{\"access_token\":\"a short token\"}\n";
        let secrets = secrets(&*fake.host().environment, &env, &config, stdout);
        let secrets: Vec<_> = secrets.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(secrets, ["correct horse battery", "swordfish 1", "a short token"]);
    }

    #[test]
    fn the_last_lines_say_what_went_wrong() {
        let text = "Traceback:\n one\n two\n three\nKeyError: 'VAULT_ADDR'\n";
        assert_eq!(complaint(text, &[]).unwrap(), "two three KeyError: 'VAULT_ADDR'");
    }
}
