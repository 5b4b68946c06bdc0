//! Why a text is not JSON: what stands where the parser stopped, and what usually puts it there.

/// What stands at the place, and its usual cause.
pub(crate) struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1 and in characters.
    pub column: usize,
    /// What stands there and what it means: one character at most of the text itself.
    pub what: String,
    /// What to do.
    pub help: &'static str,
}

/// The place where a parser stopped.
struct Place<'a> {
    text: &'a str,
    before: &'a str,
    rest: &'a str,
    /// The parser's own words.
    words: &'a str,
}

impl Place<'_> {
    fn starts(&self, starts: &[&str]) -> bool {
        starts.iter().any(|start| self.rest.starts_with(start))
    }

    fn is(&self, test: impl Fn(char) -> bool) -> bool {
        self.rest.chars().next().is_some_and(test)
    }
}

struct Cause {
    fits: fn(&Place<'_>) -> bool,
    what: &'static str,
    help: &'static str,
}

const AGAIN: &str = "download or copy it again, unchanged";
const PYTHON: &str =
    "write it with Python's `json.dumps(…)`; `str(…)`, `print(…)` and f-strings print Python, not JSON";

/// The first that fits counts.
const CAUSES: &[Cause] = &[
    Cause {
        fits: |p| p.starts(&["&quot;", "&#34;", "&#x22;", "&#39;", "&apos;", "&amp;", "&lt;", "&nbsp;"]),
        what: "quotes as a web page's source has them, `&quot;`",
        help: "copy what the page shows, not its source; or decode it: python3 -c 'import html, sys; print(html.unescape(sys.stdin.read()))'",
    },
    Cause {
        fits: |p| p.is(|c| "“”„‟‘’‚‛«»‹›″＂".contains(c)),
        what: "curly quotes, which word processors and chats put in place of \"",
        help: "copy it from the file itself, opened in a plain text editor",
    },
    Cause {
        fits: |p| {
            p.is(|c| {
                matches!(
                    c,
                    '\u{a0}' | '\u{202f}' | '\u{2000}'
                        ..='\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{3000}' | '\u{feff}'
                )
            })
        },
        what: "a space that is not a plain one, as web pages and PDFs have",
        help: "copy it from the file itself; or replace all such spaces with plain ones",
    },
    Cause {
        fits: |p| p.is(|c| c == '\''),
        what: "single quotes, as Python prints a dictionary",
        help: PYTHON,
    },
    Cause {
        fits: |p| p.starts(&["None", "True", "False", "nan", "inf"]),
        what: "a value as Python prints it, where JSON has null, true or false",
        help: PYTHON,
    },
    Cause {
        fits: |p| p.starts(&["NaN", "Infinity", "-Infinity", "undefined"]),
        what: "a value of JavaScript that JSON does not have",
        help: "write it with `JSON.stringify(…)`",
    },
    Cause {
        fits: |p| p.is(|c| matches!(c, '}' | ']')) && p.before.trim_end().ends_with(','),
        what: "a comma after the last member",
        help: "remove that comma",
    },
    Cause {
        fits: |p| p.is(|c| c == ',') && p.before.trim_end().ends_with([',', '{', '[']),
        what: "a comma too many",
        help: "remove that comma",
    },
    Cause {
        fits: |p| p.starts(&["//", "/*", "#"]),
        what: "a comment, which JSON does not have",
        help: "remove the comments",
    },
    Cause {
        fits: |p| p.starts(&["\\\"", "\\\\\""]),
        what: "a backslash before a quote: it was escaped once too often",
        help: "take it out of the string that it stood in: `jq -r .` does; or copy the file itself",
    },
    Cause {
        fits: |p| p.is(|c| c == '`'),
        what: "a backtick, as JavaScript has around strings",
        help: "JSON has \" around strings",
    },
    Cause {
        fits: |p| {
            p.words.starts_with("invalid escape")
                || p.words.contains("surrogate")
                || p.words.contains("code point")
        },
        what: "a backslash with something behind it that JSON does not know",
        help: "a backslash of the value itself is written twice, as in C:\\\\keys; line breaks are written \\n",
    },
    Cause {
        fits: |p| !p.text.contains('"') && p.is(|c| c.is_alphanumeric() || c == '_'),
        what: "no quotes at all: a shell took them away",
        help: "set it from the file: export EE_AUTH_CREDENTIALS=\"$(cat key.json)\"; or put single quotes around the JSON",
    },
    Cause {
        fits: |p| p.words.starts_with("key must be a string"),
        what: "a name without quotes, as JavaScript and YAML allow",
        help: "JSON has \" around each name: download or copy it again",
    },
    Cause {
        fits: |p| p.words.starts_with("expected `:`") && p.is(|c| c == '='),
        what: "`=` where JSON has `:`",
        help: AGAIN,
    },
    Cause {
        fits: |p| p.words.starts_with("expected `,`") && p.is(|c| c == '"'),
        what: "a comma is missing before it",
        help: "put a comma between the members",
    },
    Cause {
        fits: |p| p.words.starts_with("expected `,`") && p.before.trim_end().ends_with('"'),
        what: "a quote inside a value ended it",
        help: "write a quote inside a value as \\\"; or download or copy it again, unchanged",
    },
    Cause {
        fits: |p| p.words.starts_with("trailing characters") && p.is(|c| c == '{'),
        what: "a second document after the first",
        help: "keep the one that is wanted",
    },
    Cause {
        fits: |p| p.words.starts_with("trailing characters"),
        what: "something after the closing `}`",
        help: "remove what comes after the last `}`: more than the credential was copied",
    },
    Cause {
        fits: |p| p.is(|c| c.is_alphabetic()),
        what: "a value without quotes",
        help: "JSON has \" around each text: download or copy it again",
    },
];

/// What is wrong at the place where the parser stopped: `line` and `column` as serde_json counts them, the column in bytes.
pub(crate) fn at(text: &str, line: usize, column: usize, words: &str) -> Fault {
    let lines = || text.split_inclusive('\n');
    // A line break that is wrong itself is column 0 of the line after it.
    let (line, column) = match column {
        0 => (line.saturating_sub(1).max(1), lines().nth(line.saturating_sub(2)).map_or(1, str::len).max(1)),
        column => (line, column),
    };
    let start: usize = lines().take(line - 1).map(str::len).sum();
    let mut offset = (start + column - 1).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let (before, rest) = text.split_at(offset);
    let place = Place { text, before, rest, words };
    let stands = rest.chars().next().map(shown).unwrap_or_default();
    let (what, help) = match CAUSES.iter().find(|cause| (cause.fits)(&place)) {
        Some(cause) => (format!("{stands}: {}", cause.what), cause.help),
        None => (stands, "a credential file begins with `{` and ends with `}`; download or copy it again"),
    };
    Fault { line, column: 1 + before.get(start..).unwrap_or_default().chars().count(), what, help }
}

/// A character for a person, by its number where it cannot be told by its looks.
fn shown(c: char) -> String {
    match c {
        '\n' | '\r' => "a line break".to_owned(),
        '\t' => "a tab".to_owned(),
        '`' => "a backtick".to_owned(),
        c if c.is_ascii_graphic() => format!("`{c}`"),
        ' ' => "a space".to_owned(),
        c if c.is_alphanumeric() || "“”„‘’‚«»".contains(c) => {
            format!("`{c}` (U+{:04X})", u32::from(c))
        }
        c => format!("U+{:04X}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use crate::Document;

    #[test]
    fn the_character_and_its_usual_cause_are_named() {
        for (text, what, help) in [
            (
                "{'type': 'service_account'}",
                "column 2: this is not JSON: `'`: single quotes, as Python",
                "json.dumps",
            ),
            ("{\"a\": None}", "`N`: a value as Python prints it", "json.dumps"),
            ("{\"a\": \"b\",}", "`}`: a comma after the last member", "remove that comma"),
            ("{\"a\": [1,]}", "`]`: a comma after the last member", "remove that comma"),
            ("{“type”: “x”}", "`“` (U+201C): curly quotes", "plain text editor"),
            ("{\u{a0}\"type\": 1}", "U+00A0: a space that is not a plain one", "plain ones"),
            ("{&quot;type&quot;: 1}", "`&`: quotes as a web page's source", "not its source"),
            ("{ // key\n\"a\": 1}", "`/`: a comment", "comments"),
            ("{\"a\": 1\n# key\n}", "line 2, column 1: this is not JSON: `#`: a comment", "comments"),
            ("{type: service_account}", "`t`: no quotes at all: a shell", "export"),
            ("{type: \"service_account\"}", "`t`: a name without quotes", "around each name"),
            ("{\\\"type\\\": 1}", "a backslash before a quote", "jq -r"),
            ("{\"a\": 1 \"b\": 2}", "a comma is missing", "comma between"),
            ("{\"a\" = 1}", "`=` where JSON has `:`", "unchanged"),
            ("{\"a\": 1};", "something after the closing", "last `}`"),
            ("{} {}", "a second document", "keep the one"),
            ("{\"a\": \"C:\\keys\"}", "a backslash with something behind it", "twice"),
            (
                "{\"é\": 1,\n \"ä\": x}",
                "line 2, column 7: this is not JSON: `x`: a value without quotes",
                "each text",
            ),
        ] {
            let error = Document::parse(text, "key.json").expect_err(text);
            assert_eq!(error.code(), "invalid.json");
            assert!(error.message().contains(what), "{text}: {}", error.message());
            assert!(error.next_step().unwrap().contains(help), "{text}: {:?}", error.next_step());
        }
    }
}
