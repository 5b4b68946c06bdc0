//! Strings that cannot be printed.

use std::fmt;

/// Re-exported so that reading a secret is spelt the same everywhere, and is easy to search for.
pub use secrecy::ExposeSecret;
use secrecy::SecretString;

/// A secret string: an access token, a refresh token, a private key, a client secret.
///
/// `Debug` and `Display` never show it, and its memory is overwritten when it is dropped.
///
/// ```
/// use ee_auth_core::{ExposeSecret, Secret};
/// let secret = Secret::from("hunter2");
/// assert_eq!(format!("{secret:?} {secret}"), "[hidden] [hidden]");
/// assert_eq!(secret.expose_secret(), "hunter2");
/// ```
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Whether both hold the same text. Takes the same time wherever they differ.
    pub fn same_as(&self, other: &Secret) -> bool {
        let (a, b) = (self.expose_secret().as_bytes(), other.expose_secret().as_bytes());
        a.len() == b.len() && a.iter().zip(b).fold(0, |different, (x, y)| different | (x ^ y)) == 0
    }
}

impl ExposeSecret<str> for Secret {
    fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(SecretString::from(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Somebody else's text, made fit to show: whatever looks like a credential is replaced, control characters are
/// dropped and the whole is cut at 300 characters.
///
/// Error messages of servers and plugins pass through here, since some of them repeat what they were sent.
///
/// ```
/// use ee_auth_core::redact;
/// assert_eq!(redact("bad token ya29.a0AbCdEf"), "bad token [hidden]");
/// assert_eq!(redact("expected\u{1b}[31m red"), "expected[31m red");
/// ```
pub fn redact(text: &str) -> String {
    let mut shown = String::new();
    for (i, word) in text.split_whitespace().enumerate() {
        if i > 0 {
            shown.push(' ');
        }
        match secret_start(word) {
            Some(start) => {
                shown.extend(word[..start].chars().filter(|c| !c.is_control()));
                shown.push_str("[hidden]");
            }
            None => shown.extend(word.chars().filter(|c| !c.is_control())),
        }
    }
    if shown.chars().count() > 300 {
        shown = shown.chars().take(299).collect();
        shown.push('…');
    }
    shown
}

/// Where in `word` something begins that should not be seen: a token or code of Google's, a JWT, a PEM body, or any
/// unbroken run of 40 characters of the base64 alphabets that mixes letters with digits.
fn secret_start(word: &str) -> Option<usize> {
    const PREFIXES: [&str; 6] = ["ya29.", "1//", "4/0", "eyJ", "GOCSPX-", "-----BEGIN"];
    let known = PREFIXES.iter().filter_map(|prefix| word.find(prefix)).min();
    let mut run = None;
    let mut start = 0;
    for (at, c) in word.char_indices().chain([(word.len(), ' ')]) {
        if c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=') {
            continue;
        }
        let part = &word[start..at];
        if part.len() >= 40
            && part.bytes().any(|b| b.is_ascii_digit())
            && part.bytes().any(|b| b.is_ascii_alphabetic())
        {
            run = Some(start);
            break;
        }
        start = at + c.len_utf8();
    }
    known.into_iter().chain(run).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redact_hides_what_looks_like_a_credential() {
        let long = "abcdefghij0123456789abcdefghij0123456789";
        for (text, shown) in [
            (format!("token={long}"), "[hidden]".to_owned()),
            (format!("x:{long}"), "x:[hidden]".to_owned()),
            ("assertion eyJhbGciOi.x.y rejected".to_owned(), "assertion [hidden] rejected".to_owned()),
            (
                "see https://console.cloud.google.com/iam".to_owned(),
                "see https://console.cloud.google.com/iam".to_owned(),
            ),
        ] {
            assert_eq!(redact(&text), shown);
        }
    }

    #[test]
    fn redact_cuts_long_texts() {
        assert_eq!(redact(&"word ".repeat(1000)).chars().count(), 300);
    }

    #[test]
    fn same_as_compares_content() {
        assert!(Secret::from("a").same_as(&Secret::from("a")));
        assert!(!Secret::from("a").same_as(&Secret::from("b")));
        assert!(!Secret::from("a").same_as(&Secret::from("ab")));
    }
}
