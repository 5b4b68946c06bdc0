//! What is not to be seen.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ee_auth_sandbox::Recorded;

/// Parts of secrets, to be looked for in what was printed.
#[derive(Clone, Default)]
pub(super) struct Secrets(HashSet<[u8; WINDOW]>);

const WINDOW: usize = 8;

impl Secrets {
    pub(super) fn add(&mut self, secret: &str) {
        self.add_text(secret);
        // The base64 of what holds the secret: it depends on where in three bytes the secret begins, and its first and
        // last characters on what stands around it.
        for offset in 0..3 {
            let padded = [&[0; 2][..offset], secret.as_bytes()].concat();
            let encoded = STANDARD.encode(padded);
            self.add_text(&encoded[4..encoded.len() - 4]);
        }
    }

    fn add_text(&mut self, text: &str) {
        self.0.extend(text.as_bytes().windows(WINDOW).map(window));
    }

    /// The text around the first part of a secret in `text`.
    pub(super) fn first_in<'a>(&self, text: &'a str) -> Option<&'a str> {
        let at = text.as_bytes().windows(WINDOW).position(|part| self.0.contains(&window(part)))?;
        Some(around(text, at))
    }

    /// What only came into being when it was sent: assertions, tokens.
    pub(super) fn add_request(&mut self, request: &Recorded) {
        let Some(content) = request.content() else { return };
        for field in
            ["assertion", "access_token", "refresh_token", "client_secret", "code", "code_verifier", "token"]
        {
            if let Some(secret) = content.field(field) {
                // The header of an assertion, the first part, is no secret; `formed` sees it all the same.
                self.add_text(secret.split_once('.').map_or(secret, |(_, rest)| rest));
            }
        }
        if let Some(token) = content.header("authorization") {
            self.add_text(token.trim_start_matches("Bearer "));
        }
    }
}

fn window(bytes: &[u8]) -> [u8; WINDOW] {
    let mut window = [0; WINDOW];
    window.copy_from_slice(bytes);
    window
}

/// What has the form of a secret of Google's: a token, a code, a client's secret, a JWT, a private key.
pub(super) fn formed(text: &str) -> Option<&str> {
    let is_secret = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '+');
    // The tour of the sandbox shows three characters of a token that is good for nothing.
    let prefixes = [("ya29.", 4), ("1//0", 4), ("4/0A", 4), ("GOCSPX-", 1), ("eyJ", 8), ("-----BEGIN", 0)];
    prefixes.into_iter().find_map(|(prefix, more)| {
        text.match_indices(prefix)
            // In the midst of random characters, as those of a code challenge, it is the beginning of nothing.
            .filter(|(at, _)| !text[..*at].ends_with(|c: char| c.is_ascii_alphanumeric() || "-_".contains(c)))
            .find(|(at, _)| {
                text[at + prefix.len()..].chars().take(more).filter(|c| is_secret(*c)).count() == more
            })
            .map(|(at, _)| around(text, at))
    })
}

fn around(text: &str, at: usize) -> &str {
    let start = (0..=at.saturating_sub(60)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let end = (at + 60..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    &text[start..end]
}
