//! One configuration file: its text, its lines, its tree.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ee_auth_core::Error;
use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{FileRead, FileReadError, Host};
use toml::Spanned;
use toml::de::DeTable;
use toml_parser::lexer::TokenKind;

use crate::origin::Origin;
use crate::problem::Problem;

/// The most bytes that a configuration file may have: 1 MiB.
pub(crate) const MAX_CONFIG_FILE: u64 = 1 << 20;

/// The most tables and arrays inside each other that a value may have, and the most names in a dotted key. The parser
/// has limits of its own, which multiply: dotted keys in nested tables come to thousands of levels, too many to walk
/// on the stack of a small thread.
const MAX_DEPTH: usize = 16;

/// The text of a configuration file.
pub(crate) struct Source {
    pub(crate) path: Arc<Path>,
    /// Whether errors may show what stands in it.
    pub(crate) is_shown: bool,
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl Source {
    /// The text in the content of a file.
    pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(error) => {
                let utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
                let message = if utf16 {
                    format!("{}: the file is UTF-16, not UTF-8", path.shown())
                } else {
                    let line =
                        1 + bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
                    format!("{}:{line}: the file is not UTF-8 text", path.shown())
                };
                return Err(Error::invalid("encoding", message).hint("save it again as UTF-8"));
            }
        };
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(newlines).collect();
        Ok(Self { path: path.into(), is_shown: true, text, lines })
    }

    /// The same file, of which errors show nothing.
    pub(crate) fn hidden(self) -> Self {
        Self { is_shown: false, ..self }
    }

    /// The tree.
    pub(crate) fn parse(&self) -> Result<DeTable<'_>, Problem> {
        self.check_depth()?;
        DeTable::parse(&self.text).map(Spanned::into_inner).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let (line, in_line) = self.line_of(&span);
            // The parser says what it expected, and quotes nothing.
            let problem = |message: &str| Problem::new(span.clone(), message.to_owned()).public(message);
            match error.message() {
                "duplicate key" => {
                    let key = self.text.get(span.clone()).unwrap_or_default();
                    problem(&format!("the key `{}` is given twice", crate::words::shown(key)))
                        .public("a key is given twice")
                        .help("leave out one of the two")
                }
                message if line.get(..in_line.start).is_some_and(|before| before.contains('\\')) => problem(
                    message,
                )
                .help("in double quotes `\\` begins an escape: write a path of Windows in single quotes"),
                message if self.text.trim_start().starts_with('{') => problem(message)
                    .help("this looks like JSON, as credentials are; the configuration is written in TOML"),
                message => problem(message),
            }
        })
    }

    fn check_depth(&self) -> Result<(), Problem> {
        let mut open = Vec::new();
        let mut dots = 0;
        for token in toml_parser::Source::new(&self.text).lex() {
            match token.kind() {
                TokenKind::Dot => dots += 1,
                kind @ (TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket) => {
                    open.push(kind);
                    dots = 0;
                }
                // What closes nothing is a mistake that the parser will find.
                TokenKind::RightSquareBracket if open.last() == Some(&TokenKind::LeftSquareBracket) => {
                    open.pop();
                }
                TokenKind::RightCurlyBracket if open.last() == Some(&TokenKind::LeftCurlyBracket) => {
                    open.pop();
                }
                TokenKind::Newline | TokenKind::Equals | TokenKind::Comma => dots = 0,
                _ => {}
            }
            if open.len() > MAX_DEPTH || dots >= MAX_DEPTH {
                let span = token.span().start()..token.span().end();
                let message = format!("tables and arrays are nested more than {MAX_DEPTH} deep here");
                return Err(Problem::new(span, message.clone()).public(message));
            }
        }
        Ok(())
    }

    /// The line, from 1, on which `offset` stands, and where the line begins.
    fn line_start(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        (line, self.lines.get(line - 1).copied().unwrap_or_default())
    }

    /// The line, from 1, on which `offset` stands.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.line_start(offset).0
    }

    /// The column, from 1 and in characters, at which `offset` stands.
    pub(crate) fn column(&self, offset: usize) -> usize {
        let (_, start) = self.line_start(offset);
        1 + self.text.get(start..offset).unwrap_or_default().chars().count()
    }

    /// The text of the line on which `span` begins, and the part of `span` that is on it.
    pub(crate) fn line_of(&self, span: &Range<usize>) -> (&str, Range<usize>) {
        let (line, start) = self.line_start(span.start);
        let end = self.lines.get(line).map_or(self.text.len(), |next| next - 1);
        let text = self.text.get(start..end).unwrap_or_default().trim_end_matches('\r');
        let clamp = |offset: usize| offset.saturating_sub(start).min(text.len());
        (text, clamp(span.start)..clamp(span.end))
    }

    /// The origin of what stands at `offset`.
    pub(crate) fn origin(&self, offset: usize) -> Origin {
        Origin::File { path: self.path.clone(), line: self.line(offset) }
    }
}

/// The content of a configuration file that nobody named; `None` where there is none.
pub(crate) fn read(host: &Host, path: &Path) -> Result<Option<FileRead>, Error> {
    match host.files.read(path, MAX_CONFIG_FILE) {
        Ok(read) => Ok(Some(read)),
        Err(error) if host.counts_as_absent(path, &error) => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// The content of a configuration file that a person named.
pub(crate) fn read_named(host: &Host, path: &Path) -> Result<FileRead, Error> {
    host.files.read(path, MAX_CONFIG_FILE).map_err(|error| unreadable(path, &error))
}

pub(crate) fn unreadable(path: &Path, error: &FileReadError) -> Error {
    let hint = match error {
        FileReadError::TooLarge { .. } => "an ee-auth.toml has a few hundred bytes: is it another file?",
        FileReadError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            "let your user read it, or name another file with `--config`"
        }
        _ => "put a file there, or name another with `--config`",
    };
    Error::invalid("config_file", format!("reading the configuration {}: {error}", path.shown())).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::decode(Path::new("/f"), text.as_bytes()).unwrap()
    }

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let source = source("a\r\näb = 1\n");
        assert_eq!((source.line(0), source.column(0)), (1, 1));
        let b = "a\r\nä".len();
        assert_eq!((source.line(b), source.column(b)), (2, 2));
        assert_eq!(source.line_of(&(0..1)), ("a", 0..1));
        assert_eq!(source.line_of(&(b..b + 1)), ("äb = 1", 2..3));
        let end = "a\r\näb = 1\n".len();
        assert_eq!((source.line(end), source.line_of(&(end..end))), (3, ("", 0..0)));
    }

    #[test]
    fn a_part_over_several_lines_is_cut_at_the_first() {
        let source = source("a = [\n1,\n]");
        assert_eq!(source.line_of(&(4..10)), ("a = [", 4..5));
    }

    #[test]
    fn deep_nesting_is_refused_before_it_is_walked() {
        let dotted = vec!["b"; 79].join(".");
        for text in [
            format!("a = {}", "[".repeat(100_000)),
            format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
            format!("a = {}", "{a = ".repeat(100_000)),
            format!("{}a = 1", "a.".repeat(100_000)),
            format!("[{}a]", "a.".repeat(100_000)),
            format!("[[{}a]]", "a.".repeat(100_000)),
            format!("a = {}1{}", format!("{{{dotted} = ").repeat(78), "}".repeat(78)),
            format!("a = {}", "[}".repeat(100_000)),
        ] {
            let problem = source(&text).parse().expect_err("too deep");
            assert!(problem.message.contains("nested more than 16 deep"), "{}", problem.message);
        }
        let fits = format!("a = {}1{}", "[".repeat(15), "]".repeat(15));
        assert!(source(&fits).parse().is_ok());
    }
}
