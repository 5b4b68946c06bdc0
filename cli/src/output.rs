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
            None => format!("{} {}", styled(BAD, "error:"), error.message()),
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
