//! A plugin's words, made fit to show: they come from somebody else, and must not look like `ee-auth`'s own.

use ee_auth_core::{ExposeSecret, Secret, redact};

/// One line of what a plugin says: no control characters, nothing that turns the direction of writing, nothing that looks
/// like a credential, at most 300 characters.
///
/// ```
/// use ee_auth_plugin_protocol::words;
/// assert_eq!(words::line("sign in\nee-auth: done \u{202e}evil"), "sign in ee-auth: done evil");
/// ```
pub fn line(text: &str) -> String {
    redact(&visible(text))
}

/// What a plugin says to the person, with the provider's name before it, so that it cannot pass for `ee-auth`'s own words.
///
/// ```
/// use ee_auth_plugin_protocol::words;
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
    let last = &lines[lines.len().saturating_sub(3)..];
    let shown = line(&last.join(" "));
    (!shown.is_empty()).then_some(shown)
}

/// `text` without these secrets. Those under eight bytes are left in: a secret so short could be any word.
pub fn hide(text: &str, secrets: &[Secret]) -> String {
    secrets
        .iter()
        .map(ExposeSecret::expose_secret)
        .filter(|secret| secret.len() >= 8)
        .fold(text.to_owned(), |text, secret| text.replace(secret, "[hidden]"))
}

/// Without what is not seen and changes how the rest is seen: the marks that turn the direction of writing (Unicode
/// Standard Annex 9), and characters without width.
fn visible(text: &str) -> String {
    let is_unseen = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    text.chars().filter(|c| !is_unseen(*c)).collect()
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
    fn the_last_lines_say_what_went_wrong() {
        let text = "Traceback:\n one\n two\n three\nKeyError: 'VAULT_ADDR'\n";
        assert_eq!(complaint(text, &[]).unwrap(), "two three KeyError: 'VAULT_ADDR'");
    }
}
