//! Strings that cannot be printed.

use std::fmt;

/// Re-exported so that reading a secret is spelt the same everywhere, and is easy to search for.
pub use secrecy::ExposeSecret;
use secrecy::SecretString;

use crate::visible;

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
    #[inline]
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

/// Whether `text` is a credential, or holds one, as far as can be told from its looks: for texts that a person may have
/// put into the wrong place, and that would otherwise be shown.
///
/// ```
/// use ee_auth_core::looks_like_credential;
/// assert!(looks_like_credential("ya29.a0AbCdEf"));
/// assert!(looks_like_credential("{\"private_key\": \"…\"}"));
/// assert!(!looks_like_credential("/home/ada/key.json"));
/// ```
pub fn looks_like_credential(text: &str) -> bool {
    // From the fifth on, the beginnings of base64: of `{` in its spellings, of UTF-16, of a PEM, of a refresh token and of
    // an access token.
    const STARTS: [&str; 12] = [
        "ya29.",
        "1//",
        "4/0",
        "GOCSPX-",
        "eyJ",
        "eyA",
        "ewo",
        "ew0K",
        "//57",
        "LS0tLS1CRUdJTi",
        "MS8v",
        "eWEyOS",
    ];
    const MARKS: [&str; 3] = ["-----BEGIN", "private_key", "refresh_token"];
    /// Longer than any name of a file or project, shorter than any token in base64.
    const LONGEST_NAME: usize = 80;
    let starts = |word: &str| STARTS.iter().any(|start| word.starts_with(start));
    let text = text.trim_matches(|c: char| c.is_whitespace() || "\u{feff}\"'".contains(c));
    let names_password =
        |rest: &str| rest.split(['/', '?']).next().is_some_and(|authority| authority.contains('@'));
    MARKS.iter().any(|mark| text.contains(mark))
        || text.split_once("://").is_some_and(|(_, rest)| names_password(rest))
        || (text.starts_with('{') && text.contains('"'))
        || text.split(|c: char| c.is_whitespace() || "\"',=".contains(c)).any(starts)
        || text
            .split(|c: char| !(c.is_ascii_alphanumeric() || "+-_".contains(c)))
            .any(|run| run.len() > LONGEST_NAME)
}

/// `text` in quotes, for an error that has to name what a person wrote; without it where it looks like a credential or is
/// too long to be what was wanted.
///
/// ```
/// use ee_auth_core::quoted;
/// assert_eq!(quoted("My Project"), "\"My Project\"");
/// assert_eq!(quoted("ya29.a0AbCdEf"), "[hidden]");
/// ```
pub fn quoted(text: &str) -> String {
    if text.chars().count() > 80 || looks_like_credential(text) {
        "[hidden]".to_owned()
    } else {
        visible(&format!("{text:?}")).into_owned()
    }
}

/// Somebody else's text, made fit to show: on one line and [`visible()`], whatever looks like a credential is replaced, and the
/// whole is cut at 300 characters.
///
/// Error messages of servers and plugins pass through here, since some of them repeat what they were sent.
///
/// ```
/// use ee_auth_core::redact;
/// assert_eq!(redact("bad token ya29.a0AbCdEf"), "bad token [hidden]");
/// assert_eq!(redact("expected\u{1b}[31m red"), r"expected\u{1b}[31m red");
/// ```
pub fn redact(text: &str) -> String {
    let mut shown = String::new();
    for (i, word) in text.split_whitespace().enumerate() {
        if i > 0 {
            shown.push(' ');
        }
        match secret_start(word) {
            Some(start) => {
                shown.push_str(&visible(word.get(..start).unwrap_or_default()));
                shown.push_str("[hidden]");
            }
            None => shown.push_str(&visible(word)),
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
        let part = word.get(start..at).unwrap_or_default();
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
