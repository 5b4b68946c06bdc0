//! Whether a text shows any part of a secret.

use std::collections::HashSet;

/// How many characters in a row of a secret are too many to be seen. What Google's tokens all begin with (`ya29.`,
/// `1//0`, `GOCSPX-`) is shorter, and no word of a message has this many characters of base64 by chance.
const WINDOW: usize = 8;

/// Secrets, so that a text can be searched for all parts of all of them at once.
#[derive(Clone, Default)]
pub struct Secrets {
    windows: HashSet<[u8; WINDOW]>,
}

impl Secrets {
    /// Adds a secret. What is shorter than eight characters is none.
    pub fn add(&mut self, secret: &str) {
        self.windows.extend(secret.as_bytes().windows(WINDOW).map(window));
    }

    /// The text around the first part of a secret in `text`, if there is one.
    pub fn first_in<'a>(&self, text: &'a str) -> Option<&'a str> {
        let at = text.as_bytes().windows(WINDOW).position(|part| self.windows.contains(&window(part)))?;
        let start = (0..=at.saturating_sub(80)).rev().find(|at| text.is_char_boundary(*at))?;
        let end = (at + 80..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        Some(&text[start..end])
    }
}

fn window(bytes: &[u8]) -> [u8; WINDOW] {
    let mut window = [0; WINDOW];
    window.copy_from_slice(bytes);
    window
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_secret_is_found_wherever_it_is() {
        let mut secrets = Secrets::default();
        secrets.add("correct horse battery staple");
        for text in ["orse bat", "é: xx horse batt", "correct horse battery staple"] {
            assert!(secrets.first_in(text).is_some(), "{text}");
        }
        for text in ["", "horse", "a horse, its staple"] {
            assert_eq!(secrets.first_in(text), None, "{text}");
        }
    }
}
