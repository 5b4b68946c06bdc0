//! Words that stand in a file or a variable, as an error shows them.

use std::ops::Range;

use ee_auth_core::redact;

/// A word of the file for a message: no credential, no control character, not too long.
pub(crate) fn shown(word: &str) -> String {
    let shown = redact(&starred(word, &users(word)));
    match shown.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", part(&shown, 0..at)),
        None => shown,
    }
}

/// The candidate that somebody who wrote `word` most likely meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let plain = |word: &str| word.to_ascii_lowercase().replace(['-', ' '], "_");
    let wanted = plain(word);
    let allowed = wanted.chars().count().max(3) / 3;
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns "; did you mean `x`?", or nothing where no candidate is near enough.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// Whether a key of this name is likely to hold a secret.
pub(crate) fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["secret", "token", "passw", "passphrase", "credential", "private", "api_key", "apikey", "api-key"]
        .iter()
        .any(|word| key.contains(word))
}

/// A line of a file with what may be a secret starred out, character by character.
///
/// Stars stand for what [`redact`] knows as a credential, for the value of every key that is named like a secret and is
/// no address, and for the user and password in an address. An error shows the line in which something is wrong, and whoever put a password into a wrong key must not find it in
/// the log of a CI job.
pub(crate) fn masked(line: &str) -> String {
    let mut hidden = vec![false; line.len()];
    let mut start = 0;
    for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
        if !c.is_whitespace() && c != '"' && c != '\'' {
            continue;
        }
        hide(&mut hidden, secret_part(part(line, start..at)) + start..at);
        start = at + c.len_utf8();
        if start > line.len() {
            break;
        }
    }
    // `=` of TOML and, since people name a key file where a configuration should be, `:` of JSON.
    for (at, _) in line.match_indices(['=', ':']) {
        let key = part(line, 0..at).trim_end().rsplit([' ', '\t', ',', '{']).next().unwrap_or_default();
        let value = value_after(part(line, at + 1..line.len()));
        let value = at + 1 + value.start..at + 1 + value.end;
        let is_address = part(line, value.clone()).trim_start_matches(['"', '\'']).starts_with("http");
        if names_a_secret(key) && key != "token_hosts" && !is_address {
            hide(&mut hidden, value);
        }
    }
    for (known, user) in hidden.iter_mut().zip(users(line)) {
        *known |= user;
    }
    starred(line, &hidden)
}

/// The bytes of `text` that are the user or password in an address.
fn users(text: &str) -> Vec<bool> {
    let mut hidden = vec![false; text.len()];
    for (at, separator) in text.match_indices("://") {
        let start = at + separator.len();
        let rest = part(text, start..text.len());
        let authority = rest.split(['/', '"', '\'', ' ', ',']).next().unwrap_or_default();
        if let Some(user) = authority.rfind('@') {
            hide(&mut hidden, start..start + user);
        }
    }
    hidden
}

/// A part of a text; nothing where its ends are not between characters.
fn part(text: &str, part: Range<usize>) -> &str {
    text.get(part).unwrap_or_default()
}

/// Marks a part as hidden.
fn hide(hidden: &mut [bool], part: Range<usize>) {
    hidden.iter_mut().take(part.end).skip(part.start).for_each(|hidden| *hidden = true);
}

/// The text with a star for every character that is hidden.
fn starred(text: &str, hidden: &[bool]) -> String {
    text.char_indices().map(|(at, c)| if hidden.get(at) == Some(&false) { c } else { '*' }).collect()
}

/// Where in `piece` a secret begins; its end where there is none.
fn secret_part(piece: &str) -> usize {
    let shown = redact(piece);
    let Some(prefix) = shown.find("[hidden]") else {
        // What is too long is cut by `redact` and was not looked at whole.
        return piece.char_indices().nth(250).map_or(piece.len(), |(at, _)| at);
    };
    piece.char_indices().nth(part(&shown, 0..prefix).chars().count()).map_or(0, |(at, _)| at)
}

/// The value that begins `text`: what stands in its quotes, or all of it.
fn value_after(text: &str) -> Range<usize> {
    let value = text.trim_start();
    let start = text.len() - value.len();
    let all = start..text.len();
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => match value.rfind(quote) {
            Some(end) if end > 0 => start + 1..start + end,
            _ => all,
        },
        _ => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["project", "scopes", "chain", "allow_executables"];
        for (word, expected) in [
            ("projct", Some("project")),
            ("Project", Some("project")),
            ("scope", Some("scopes")),
            ("chian", Some("chain")),
            ("allow-executables", Some("allow_executables")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), expected, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), names), None);
    }

    #[test]
    fn stars_stand_for_secrets() {
        let long = "ab12".repeat(10);
        for (line, expected) in [
            ("projct = \"my-project\"".to_owned(), "projct = \"my-project\"".to_owned()),
            ("x = \"1//secret\"".to_owned(), "x = \"*********\"".to_owned()),
            (format!("x = \"pre.{long}\" # é"), format!("x = \"pre.{}\" # é", "*".repeat(40))),
            ("client_secret = \"hunter2\"".to_owned(), "client_secret = \"*******\"".to_owned()),
            ("a = { password = 'x\\'y', b = 1 }".to_owned(), "a = { password = '****', b = 1 }".to_owned()),
            ("my-token=[\"é\"]".to_owned(), "my-token=*****".to_owned()),
            ("token = ya29.a b".to_owned(), "token = ********".to_owned()),
            ("secret =".to_owned(), "secret =".to_owned()),
            ("{\"client_secret\": \"x\"}".to_owned(), "{\"client_secret\": \"*\"}".to_owned()),
            ("token = \"http://host/token\"".to_owned(), "token = \"http://host/token\"".to_owned()),
            ("token = \"https://u:p@host/\"".to_owned(), "token = \"https://***@host/\"".to_owned()),
            ("u = \"https://h/?token=abc\"".to_owned(), "u = \"https://h/?token=****".to_owned()),
            ("token_hosts = [\"*.x\"]".to_owned(), "token_hosts = [\"*.x\"]".to_owned()),
        ] {
            assert_eq!(masked(&line), expected);
        }
        assert!(!masked(&format!("a = \"{} {}\"", "x.".repeat(400), "1//secret")).contains("secret"));
        assert!(!masked(&format!("a = \"{}1//secret\"", "x.".repeat(400))).contains("secret"));
    }

    #[test]
    fn shown_words_are_short_and_plain() {
        assert_eq!(shown("a\u{1b}[31mb"), r"a\u{1b}[31mb");
        assert_eq!(shown(&"x.".repeat(50)).chars().count(), 61);
        assert_eq!(shown("ya29.abc"), "[hidden]");
        assert_eq!(shown("https://u:p@host:99999"), "https://***@host:99999");
    }
}
