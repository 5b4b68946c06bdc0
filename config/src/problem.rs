//! What is wrong in a file, and how a person is told.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use ee_auth_core::ShowPath as _;
use ee_auth_core::{Error, Outcome};

use crate::source::Source;
use crate::words::masked;

/// The most problems of one file that are told at once.
pub(crate) const MAX_PROBLEMS: usize = 20;

/// The longest line, in bytes, that is shown. Whoever writes longer ones does not read them, and to underline something
/// in a line of a megabyte takes minutes.
const MAX_SHOWN_LINE: usize = 2000;

/// Something wrong at a place in a file.
///
/// A file that nobody vouches for may be somebody's secret under another name. Of its text nothing is shown: a message is,
/// where it was written here (`&'static str`) or is said to be [`public`](Problem::public).
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    /// What is said of it without a word of the file. Boxed, since an error is to be small.
    public: Box<Public>,
    /// Two or three words beside the underlining.
    label: Option<String>,
    /// What to do next.
    help: Option<String>,
    outcome: Outcome,
    detail: &'static str,
}

#[derive(Debug, Default)]
struct Public {
    message: Option<String>,
    help: Option<String>,
}

/// What is said of a place in a file of which nothing may be shown, where there are no other words.
const NOT_VALID: &str = "what stands here is not valid in an ee-auth.toml";

impl Problem {
    /// Something that is wrong.
    pub(crate) fn new(span: Range<usize>, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        let public = match &message {
            Cow::Borrowed(text) => Public { message: Some((*text).to_owned()), help: None },
            Cow::Owned(_) => Public::default(),
        };
        Self {
            span,
            message: message.into_owned(),
            public: Box::new(public),
            label: None,
            help: None,
            outcome: Outcome::Invalid,
            detail: "config",
        }
    }

    /// Something that would be right if the user vouched for the file.
    pub(crate) fn untrusted(
        span: Range<usize>,
        detail: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { outcome: Outcome::Untrusted, detail, ..Self::new(span, message) }
    }

    pub(crate) fn label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    pub(crate) fn help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        let help = help.into();
        if let Cow::Borrowed(text) = help {
            self.public.help = Some(text.to_owned());
        }
        Self { help: Some(help.into_owned()), ..self }
    }

    /// What is said of it where nothing of the file may be shown. It must not hold a word of the file.
    pub(crate) fn public(mut self, message: impl Into<String>) -> Self {
        self.public.message = Some(message.into());
        self
    }

    /// As [`Problem::public`], of the help.
    pub(crate) fn public_help(mut self, help: impl Into<String>) -> Self {
        self.public.help = Some(help.into());
        self
    }

    /// The same, said without a word of the file.
    fn without_text(self) -> Self {
        let Public { message, help } = *self.public;
        let message = message.unwrap_or_else(|| NOT_VALID.to_owned());
        Self { message, help, label: None, public: Box::default(), ..self }
    }
}

/// The error for a file in which something is wrong. The first problem is its message; all are in its rendered form.
/// What is not trusted comes before what is not valid. Of a file that is not to be shown, it says where and what was expected.
pub(crate) fn report(source: &Source, mut problems: Vec<Problem>, color: bool) -> Error {
    if !source.is_shown {
        problems = problems.into_iter().map(Problem::without_text).collect();
    }
    problems.sort_by_key(|problem| (problem.outcome != Outcome::Untrusted, problem.span.start));
    let Some(first) = problems.first() else {
        return Error::internal(format!("{}: refused for no reason", source.path.shown()));
    };
    let at = first.span.start;
    let place = format!("{}:{}:{}", source.path.shown(), source.line(at), source.column(at));
    let error = Error::new(first.outcome, first.detail, format!("{place}: {}", first.message));
    let hint = match &problems[..] {
        [only] => only.help.clone(),
        many => {
            let count = many.len();
            let or_more = if count >= MAX_PROBLEMS { " or more" } else { "" };
            Some(match &first.help {
                Some(help) if first.outcome == Outcome::Untrusted => help.clone(),
                _ => format!(
                    "the file has {count} problems{or_more}; `ee-auth config validate {}` shows them",
                    source.path.shown()
                ),
            })
        }
    };
    let mut rendered = String::new();
    for (i, problem) in problems.iter().enumerate() {
        let separator = if i == 0 { "" } else { "\n\n" };
        // What the hint says is told once, apart from the rest.
        let with_help = problem.help != hint;
        let _ = write!(rendered, "{separator}{}", render(source, problem, with_help, color));
    }
    let error = error.rendered_as(rendered);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn render(source: &Source, problem: &Problem, with_help: bool, color: bool) -> String {
    let (line, span) = source.line_of(&problem.span);
    let at = problem.span.start;
    let path = source.path.shown();
    let group = Group::with_title(Level::ERROR.primary_title(problem.message.as_str()));
    let shown = if line.len() <= MAX_SHOWN_LINE { masked(line) } else { String::new() };
    let mut group = if source.is_shown && line.len() <= MAX_SHOWN_LINE {
        // Masking keeps the number of characters, not of bytes.
        let place = |offset: usize| {
            let count = line.get(..floor_char_boundary(line, offset)).unwrap_or_default().chars().count();
            shown.char_indices().nth(count).map_or(shown.len(), |(at, _)| at)
        };
        let mut annotation = AnnotationKind::Primary.span(place(span.start)..place(span.end));
        if let Some(label) = &problem.label {
            annotation = annotation.label(label.as_str());
        }
        let snippet = Snippet::source(shown.as_str()).line_start(source.line(at)).path(path.as_str());
        group.element(snippet.annotation(annotation))
    } else {
        group.element(Origin::path(path.as_str()).line(source.line(at)).char_column(source.column(at)))
    };
    if let (Some(help), true) = (&problem.help, with_help) {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// `str::floor_char_boundary`, which this compiler does not have yet.
fn floor_char_boundary(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
