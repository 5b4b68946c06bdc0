//! Text from outside, made fit to show: the only place that says which characters may reach a terminal.
//!
//! A name of a directory, a server's answer or a plugin's words may hold what moves the cursor, hides text or turns the direction
//! of writing, and so pass for something that `ee-auth` says. Such characters are not dropped but shown as escapes: whoever
//! looks for the file must see that there is something in its name.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

/// Whether a character acts on how text is seen instead of being seen: control characters, line breaks among them, marks that
/// turn the direction of writing (Unicode Standard Annex 9), and those that have no width (`Default_Ignorable_Code_Point`).
///
/// ```
/// use ee_auth_core::acts_on_terminal;
/// assert!(['\u{1b}', '\n', '\u{9b}', '\u{202e}', '\u{200b}'].into_iter().all(acts_on_terminal));
/// assert!(!"Ada Lovelace, Grüße, 東京 ✓".contains(acts_on_terminal));
/// ```
pub fn acts_on_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns `text` on one line, with every character that [acts on a terminal](acts_on_terminal) as an escape.
///
/// ```
/// use ee_auth_core::visible;
/// assert_eq!(visible("work\nhelp: \u{1b}[31mrun this"), r"work\nhelp: \u{1b}[31mrun this");
/// assert_eq!(visible("gpj.\u{202e}nosj"), r"gpj.\u{202e}nosj");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// As [`visible`], with its line breaks: for what is several lines by intention, whose parts from outside went through
/// [`visible`] before.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c == '\n')
}

/// As [`visible_lines`], with the colours, too, that `ee-auth` prints: the last look at what goes to a terminal. Other
/// sequences, as those that conceal, are shown as escapes.
pub fn visible_colored(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| c != '\n' && acts_on_terminal(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let (before, sequences) = text.split_once('\u{1b}').unwrap_or((text, ""));
    out += &visible_lines(before);
    if before.len() < text.len() {
        for sequence in sequences.split('\u{1b}') {
            let (color, rest) = split_color(sequence).unwrap_or((r"\u{1b}", sequence));
            if rest.len() < sequence.len() {
                out.push('\u{1b}');
            }
            out += color;
            out += &visible_lines(rest);
        }
    }
    Cow::Owned(out)
}

/// Splits off what follows the escape of a sequence of ours: ECMA-48, section 8.3.117, with the parameters for bold, faint,
/// italic, underlined, the 16 colours of text, and none of these.
fn split_color(text: &str) -> Option<(&str, &str)> {
    let end = text.find('m')? + 1;
    let (color, rest) = text.split_at_checked(end)?;
    let parameters = color.strip_prefix('[')?.strip_suffix('m')?;
    let is_ours = |parameter: &str| {
        matches!(parameter, "" | "0" | "1" | "2" | "3" | "4" | "39")
            || matches!(parameter.as_bytes(), [b'3' | b'9', b'0'..=b'7'])
    };
    parameters.split(';').all(is_ours).then_some((color, rest))
}

/// Returns JSON in which every character that [acts on a terminal](acts_on_terminal), line breaks between values aside, is
/// written as `\uXXXX` (RFC 8259, section 7): the same value for whoever parses it.
///
/// ```
/// use ee_auth_core::visible_json;
/// assert_eq!(visible_json("\"a\u{202e}b\u{e0041}\""), r#""a\u202eb\udb40\udc41""#);
/// ```
pub fn visible_json(json: &str) -> Cow<'_, str> {
    if !json.contains(|c| c != '\n' && acts_on_terminal(c)) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !acts_on_terminal(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    Cow::Owned(out)
}

/// A path as a person is shown it.
pub trait ShowPath {
    /// Returns the path on one line, as [`visible`] does, with bytes that are no UTF-8 as `\xff`. It is for eyes: what opens the
    /// file takes the path.
    fn shown(&self) -> String;
}

impl ShowPath for Path {
    fn shown(&self) -> String {
        let mut out = String::new();
        for chunk in self.as_os_str().as_encoded_bytes().utf8_chunks() {
            out += &visible(chunk.valid());
            for byte in chunk.invalid() {
                // Writing to a string does not fail.
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
        out
    }
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_escaped = |c: char| acts_on_terminal(c) && !is_kept(c);
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_escaped(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_shown_as_it_is_or_as_an_escape() {
        for c in '\0'..=char::MAX {
            let shown = visible(c.encode_utf8(&mut [0; 4])).into_owned();
            assert!(!shown.contains(acts_on_terminal), "{c:?}");
            if acts_on_terminal(c) {
                assert!(shown.starts_with('\\') && shown.is_ascii(), "{shown}");
            } else {
                assert_eq!(shown, c.to_string());
            }
        }
        for c in "\u{0}\t\n\r\u{1b}\u{7f}\u{80}\u{9b}\u{9f}\u{ad}\u{61c}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\
                  \u{202e}\u{2060}\u{2066}\u{2069}\u{fe0f}\u{feff}\u{e0001}\u{e0041}\u{e007f}\u{e0100}"
            .chars()
        {
            assert!(acts_on_terminal(c), "{c:?}");
        }
    }

    #[test]
    fn only_colours_of_ours_pass_the_last_look() {
        let ours = "\u{1b}[1m\u{1b}[91merror\u{1b}[0m: \u{1b}[32;1mfine\u{1b}[m\n";
        assert_eq!(visible_colored(ours), ours);
        for (text, shown) in [
            ("\u{1b}[8mhidden\u{1b}[0m", "\\u{1b}[8mhidden\u{1b}[0m"),
            ("\u{1b}[2J", r"\u{1b}[2J"),
            ("\u{1b}]8;;https://example.com\u{7}m", r"\u{1b}]8;;https://example.com\u{7}m"),
            ("\u{1b}[31", r"\u{1b}[31"),
            ("\u{1b}\u{1b}[31m", "\\u{1b}\u{1b}[31m"),
            ("\u{9b}31m\u{202e}", r"\u{9b}31m\u{202e}"),
        ] {
            assert_eq!(visible_colored(text), shown);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_path_shows_what_is_no_text() {
        use std::os::unix::ffi::OsStrExt as _;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/home/\xff\nhelp: \x1b[2J/k.json"));
        assert_eq!(path.shown(), r"/home/\xff\nhelp: \u{1b}[2J/k.json");
        assert_eq!(Path::new("/home/ada/Grüße").shown(), "/home/ada/Grüße");
    }
}
