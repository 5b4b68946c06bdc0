//! What the program prints: data on standard output, everything else on standard error.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use ee_auth::{AttemptOutcome, Error, Outcome, visible, visible_colored, visible_json};
use serde_json::{Value, json};

use crate::arguments::{Format, Global, When};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const CAREFUL: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const NEXT: Style = AnsiColor::Cyan.on_default();
pub(crate) const STRONG: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();

/// Text of one line in a style; the streams leave the style out where it does not belong.
pub(crate) fn styled<T: fmt::Display>(style: Style, text: T) -> impl fmt::Display {
    struct Styled<T>(Style, T);
    impl<T: fmt::Display> fmt::Display for Styled<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}{}{}", self.0, visible(&self.1.to_string()), self.0.render_reset())
        }
    }
    Styled(style, text)
}

/// What writing to standard output came to. A reader that has gone away is no error.
pub(crate) fn written(result: io::Result<()>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::internal(format!("writing to standard output failed: {error}")))
        }
        _ => Ok(()),
    }
}

/// Where and how to print.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    format: Option<Format>,
    color: ColorChoice,
    silent: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        let color = match global.color {
            When::Auto => ColorChoice::Auto,
            When::Always => ColorChoice::Always,
            When::Never => ColorChoice::Never,
        };
        Self { format: global.format, color, silent: global.silent }
    }

    /// For what is wrong with the command line itself: whether it asks for JSON can be seen all the same.
    pub(crate) fn for_usage(arguments: &[OsString]) -> Self {
        let json = arguments.iter().any(|argument| argument == "--format=json")
            || arguments
                .windows(2)
                .any(|pair| matches!(pair, [flag, format] if flag == "--format" && format == "json"));
        Self { format: json.then_some(Format::Json), color: ColorChoice::Auto, silent: false }
    }

    /// Whether JSON is to be printed; text where nothing was asked for.
    ///
    /// # Errors
    /// Where a format was asked for that only `token` has.
    pub(crate) fn is_json(&self) -> Result<bool, Error> {
        match self.format {
            None | Some(Format::Text) => Ok(false),
            Some(Format::Json) => Ok(true),
            Some(_) => Err(Error::new(
                Outcome::Usage,
                "format",
                "--format raw, header and curl are for `ee-auth token`",
            )
            .hint("use --format text or --format json")),
        }
    }

    /// Whether errors are printed in colour.
    pub(crate) fn colors_errors(&self) -> bool {
        AutoStream::new(io::stderr(), self.color).current_choice() != ColorChoice::Never
    }

    /// The format that was asked for.
    pub(crate) fn format(&self) -> Option<Format> {
        self.format
    }

    /// Prints text. What acts on a terminal, line breaks and colours of ours aside, is shown as an escape.
    ///
    /// # Errors
    /// Where standard output cannot be written, a reader that has gone away aside.
    pub(crate) fn data(&self, text: impl fmt::Display) -> Result<(), Error> {
        self.exact(visible_colored(&text.to_string()))
    }

    /// Prints what a program reads, to the letter: a token, a script, settings of variables.
    ///
    /// # Errors
    /// As [`Output::data`].
    pub(crate) fn exact(&self, text: impl fmt::Display) -> Result<(), Error> {
        let mut stdout = AutoStream::new(io::stdout().lock(), self.color);
        written(writeln!(stdout, "{text}").and_then(|()| stdout.flush()))
    }

    /// Prints a JSON value: on one line in a pipe, over several on a terminal.
    ///
    /// # Errors
    /// As [`Output::data`].
    pub(crate) fn json(&self, value: &Value) -> Result<(), Error> {
        let text = if io::stdout().is_terminal() { format!("{value:#}") } else { value.to_string() };
        self.exact(visible_json(&text))
    }

    /// Tells a person something beside the data.
    pub(crate) fn tell(&self, text: impl fmt::Display) {
        if !self.silent {
            self.stderr(text);
        }
    }

    /// Tells of an error that is not the answer of a command.
    pub(crate) fn error(&self, text: &str) {
        self.stderr(format_args!("{} {text}", styled(BAD, "error:")));
    }

    /// Warns.
    pub(crate) fn warn(&self, text: &str) {
        self.tell(format_args!("{} {text}", styled(CAREFUL, "warning:")));
    }

    /// A log line.
    pub(crate) fn note(&self, level: &str, text: &str) {
        self.tell(format_args!("{} {text}", styled(FAINT, level.to_ascii_lowercase())));
    }

    /// Prints an error and gives the exit status that it means.
    pub(crate) fn fail(&self, error: &Error) -> ExitCode {
        if self.format == Some(Format::Json) {
            self.stderr(visible_json(&json!({ "error": error_json(error) }).to_string()));
        } else {
            self.stderr(self.error_text(error));
        }
        ExitCode::from(error.outcome().exit_status())
    }

    fn error_text(&self, error: &Error) -> String {
        let mut text = match error.rendered() {
            Some(rendered) => rendered.trim_end().to_owned(),
            None => format!("{} {}", styled(BAD, "error:"), folded(error.message(), "error: ".len())),
        };
        if matches!(error.outcome(), Outcome::NotFound | Outcome::InteractionRequired) {
            let width =
                error.attempts().iter().map(|attempt| attempt.provider.len()).max().unwrap_or_default();
            for attempt in error.attempts() {
                text += &format!("\n  {:width$}  {}", attempt.provider, summary(&attempt.outcome));
            }
        }
        if let Some(hint) = error.next_step() {
            text += &format!("\n{} {hint}", styled(NEXT, "help:"));
        }
        text
    }

    pub(crate) fn stderr(&self, text: impl fmt::Display) {
        let mut stderr = AutoStream::new(io::stderr().lock(), self.color);
        // There is nowhere left to say that this failed.
        let _ = writeln!(stderr, "{}", visible_colored(&text.to_string()));
    }
}

/// The most characters on a line of an error's message.
const LINE: usize = 100;

/// A message on lines of at most [`LINE`] characters, as far as its words allow: the first, after `taken` characters,
/// ends where a part of the message does, and the others are indented. What is in backticks is copied, so it stays whole.
fn folded(message: &str, taken: usize) -> String {
    let mut rest = message;
    let mut lines = Vec::new();
    let mut room = LINE - taken;
    while let Some(end) = fold(rest, room) {
        lines.push(rest[..end].trim_end());
        rest = rest[end..].trim_start();
        room = LINE - 2;
    }
    lines.push(rest);
    lines.join("\n  ")
}

/// Where the first line of `text` ends, if it has more than `room` characters: after the last `:`, `;` or full stop that
/// fits, else after a comma, else between words.
fn fold(text: &str, room: usize) -> Option<usize> {
    let limit = text.char_indices().nth(room).map(|(at, _)| at)?;
    let mut quoted = false;
    let mut ends = [None; 3];
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if c == ' ' && !quoted {
            let rank = match before {
                ':' | ';' | '.' => 0,
                ',' => 1,
                _ => 2,
            };
            if at <= limit {
                ends[rank] = Some(at);
            } else if ends == [None; 3] {
                // Nothing fits: a long path or command.
                return Some(at);
            } else {
                break;
            }
        }
        quoted ^= c == '`';
        before = c;
    }
    // A line of a few characters says less than one that ends at a comma or a word.
    let is_enough = |end: &usize| *end >= room / 4;
    ends.into_iter().flatten().find(is_enough).or_else(|| ends.into_iter().flatten().max())
}

/// An answer in one line.
pub(crate) fn summary(outcome: &AttemptOutcome) -> String {
    match outcome {
        AttemptOutcome::Found(origin) => origin.clone(),
        AttemptOutcome::Skipped(skip) => skip.message.clone(),
        AttemptOutcome::Failed { error, .. } => error.message().to_owned(),
        AttemptOutcome::NotProbed(reason) => format!("not probed: {reason}"),
        _ => "not reached".to_owned(),
    }
}

/// One attempt as JSON.
pub(crate) fn attempt_json(attempt: &ee_auth::Attempt) -> Value {
    let (outcome, code, reason, hint) = match &attempt.outcome {
        AttemptOutcome::Found(origin) => ("found", None, Some(origin.clone()), None),
        AttemptOutcome::Skipped(skip) => {
            ("skipped", Some(skip.reason.name().to_owned()), Some(skip.message.clone()), skip.hint.clone())
        }
        AttemptOutcome::Failed { error, .. } => (
            "failed",
            Some(error.code().to_string()),
            Some(error.message().to_owned()),
            error.next_step().map(str::to_owned),
        ),
        AttemptOutcome::NotProbed(reason) => ("not_probed", None, Some(reason.clone()), None),
        _ => ("not_reached", None, None, None),
    };
    let looked_at: Vec<_> = attempt.looked_at.iter().map(ee_auth::Look::place).collect();
    json!({
        "provider": attempt.provider,
        "kind": attempt.kind.name,
        "outcome": outcome,
        "code": code,
        "reason": reason,
        "hint": hint,
        "looked_at": looked_at,
    })
}

/// An error as JSON.
pub(crate) fn error_json(error: &Error) -> Value {
    json!({
        "code": error.code(),
        "provider": error.provider(),
        "message": error.message(),
        "hint": error.next_step(),
        "attempts": error.attempts().iter().map(attempt_json).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_folded_where_its_parts_end() {
        let folded = |message| folded(message, "error: ".len());
        assert_eq!(folded("a.json: `type` is missing"), "a.json: `type` is missing");
        assert_eq!(
            folded(
                "asking https://oauth2.googleapis.com/token for a token: no connection to oauth2.googleapis.com \
                 through the proxy 127.0.0.1:9 (HTTP_PROXY): Connection refused (os error 111)"
            ),
            "asking https://oauth2.googleapis.com/token for a token:\n  \
             no connection to oauth2.googleapis.com through the proxy 127.0.0.1:9 (HTTP_PROXY):\n  \
             Connection refused (os error 111)"
        );
        assert_eq!(
            folded(
                "GOOGLE_APPLICATION_CREDENTIALS holds what looks like a credential itself, and not the path of its \
                 file"
            ),
            "GOOGLE_APPLICATION_CREDENTIALS holds what looks like a credential itself,\n  \
             and not the path of its file"
        );
    }

    #[test]
    fn a_folded_message_has_all_its_words_and_no_line_is_too_long() {
        let parts = ["a", "path/to", "is:", "wrong;", "ééé,", "\u{201c}\u{201d}.", "(os", "error", "2)"];
        for count in 0..120 {
            let words: Vec<_> = parts.iter().cycle().skip(count % 7).take(count).copied().collect();
            let message = words.join(" ");
            let folded = folded(&message, 7);
            assert_eq!(folded.split_whitespace().collect::<Vec<_>>(), words);
            for (at, line) in folded.lines().enumerate() {
                assert!(line.chars().count() + if at == 0 { 7 } else { 0 } <= LINE, "{folded}");
            }
        }
    }

    #[test]
    fn what_is_to_be_copied_is_not_broken() {
        let command = format!("`{}`", ["word"; 30].join(" "));
        let message = format!("gcloud does not run, and neither does {command}, which is odd");
        assert!(folded(&message, 7).contains(&command), "{}", folded(&message, 7));
        let path = "x".repeat(150);
        assert_eq!(folded(&path, 7), path);
    }
}
