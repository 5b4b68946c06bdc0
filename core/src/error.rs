//! What went wrong, said so that a person can act on it.

mod code;
mod kind;

use std::borrow::Cow;
use std::sync::Arc;
use std::{fmt, io};

use crate::chain::Attempt;
use crate::host::shortage;
use crate::{visible, visible_colored, visible_lines};

pub use code::{Code, Detail, NotACode};
pub use kind::ErrorKind;

/// An error for a person: what failed, where, what was found and expected; and, apart from it, what to do next.
///
/// Cheap to clone: one failed exchange answers every caller that waited for it. It never holds a secret: text from outside
/// passes through [`redact`](crate::redact), [`quoted`](crate::quoted) or [`visible`](fn@crate::visible) before it becomes part of an
/// error. What acts on a terminal, line breaks aside, is made visible here in any case.
///
/// `{}` prints the message, `{:#}` the help and the causes on lines of their own, and `{:?}` all of that with the code, so that
/// an error returned from `main` is readable.
///
/// ```
/// use ee_auth_core::{Detail, Error, ErrorKind};
/// let error = Error::invalid(Detail::MissingField, "key.json: `client_email` is missing")
///     .with_help("download the key again: https://console.cloud.google.com/iam-admin/serviceaccounts");
/// assert_eq!(error.kind(), ErrorKind::Invalid);
/// assert_eq!(error.code(), "invalid.missing_field");
/// assert_eq!(error.to_string(), "key.json: `client_email` is missing");
/// assert!(format!("{error:#}").contains("\nhelp: download the key again"));
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    detail: Detail,
    message: String,
    help: Option<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    provider: Option<String>,
    attempts: Vec<Attempt>,
    rendered: Option<String>,
}

impl Error {
    /// Makes an error of a kind, with what exactly went wrong (`""` where the kind says it all) and the message.
    pub fn new(kind: ErrorKind, detail: impl Into<Detail>, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            detail: detail.into(),
            message: owned(message),
            help: None,
            source: None,
            provider: None,
            attempts: Vec::new(),
            rendered: None,
        }))
    }

    /// Makes an error of [`ErrorKind::Invalid`].
    pub fn invalid(detail: impl Into<Detail>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, detail, message)
    }

    /// Makes an error of [`ErrorKind::Rejected`].
    pub fn rejected(detail: impl Into<Detail>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Rejected, detail, message)
    }

    /// Makes an error of [`ErrorKind::Unavailable`].
    pub fn unavailable(detail: impl Into<Detail>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, detail, message)
    }

    /// Makes an error of [`ErrorKind::Untrusted`].
    pub fn untrusted(detail: impl Into<Detail>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Untrusted, detail, message)
    }

    /// Makes an error of [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, "", message)
    }

    /// Returns an [`ErrorKind::Internal`]: the system refused something while `doing` was under way. Its help says what to do where
    /// the system has run out of descriptors, threads or memory.
    pub fn system(doing: &str, error: &io::Error) -> Self {
        let failed = Self::internal(format!("{doing}: {error}"));
        match shortage(error) {
            Some(help) => failed.with_help(help),
            None => failed,
        }
    }

    /// Returns the same error with what to do next; replaces earlier help.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.inner().help = Some(owned(help));
        self
    }

    /// As [`Error::with_help`].
    #[must_use]
    #[doc(hidden)]
    pub fn hint(self, help: impl Into<String>) -> Self {
        self.with_help(help)
    }

    /// Returns the same error with the error that caused it, whose text holds no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.inner().source = Some(Arc::new(source));
        self
    }

    /// Returns the same error of another kind or with another code, as where a plugin's failure becomes ours.
    #[must_use]
    pub fn with_code(mut self, kind: ErrorKind, detail: impl Into<Detail>) -> Self {
        let inner = self.inner();
        (inner.kind, inner.detail) = (kind, detail.into());
        self
    }

    /// The same error, said of the provider with this name, unless it already names one.
    #[must_use]
    pub fn of_provider(mut self, name: &str) -> Self {
        self.inner().provider.get_or_insert_with(|| visible(name).into_owned());
        self
    }

    /// The same error, said of the file or variable `place`.
    #[must_use]
    pub fn in_place(mut self, place: &str) -> Self {
        let inner = self.inner();
        inner.message = format!("{}: {}", visible(place), inner.message);
        self
    }

    /// The same error with what the chain tried before.
    #[must_use]
    pub fn with_attempts(mut self, attempts: &[Attempt]) -> Self {
        self.inner().attempts = attempts.to_vec();
        self
    }

    /// The same error with a longer form for a terminal: a source line with the offending part underlined. It is
    /// shown in place of the message.
    #[must_use]
    pub fn rendered_as(mut self, rendered: impl Into<String>) -> Self {
        self.inner().rendered = Some(visible_colored(&rendered.into()).into_owned());
        self
    }

    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }

    /// Returns the kind: what a caller decides by.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// As [`Error::kind`].
    #[doc(hidden)]
    pub fn outcome(&self) -> ErrorKind {
        self.kind()
    }

    /// Returns the stable code: the kind's name, and a more precise one after a dot: `rejected.invalid_grant`.
    pub fn code(&self) -> Code {
        Code::new(self.0.kind, self.0.detail.clone())
    }

    /// Returns what exactly went wrong; its name is empty where the kind says it all.
    pub fn detail(&self) -> &Detail {
        &self.0.detail
    }

    /// Returns what failed, where, what was found and what was expected.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns what to do next.
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// As [`Error::help`].
    #[doc(hidden)]
    pub fn next_step(&self) -> Option<&str> {
        self.help()
    }

    /// Whether the same call may succeed later without a change: the network or the other side failed.
    pub fn is_transient(&self) -> bool {
        let needs_a_change =
            matches!(self.0.detail, Detail::Tls | Detail::Proxy | Detail::Client | Detail::Redirected);
        self.0.kind == ErrorKind::Unavailable && !needs_a_change
    }

    /// The name of the provider that failed.
    pub fn provider(&self) -> Option<&str> {
        self.0.provider.as_deref()
    }

    /// What the chain tried, in order.
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.attempts
    }

    /// The longer form for a terminal, where there is one; it may hold ANSI colours only if asked for when made.
    pub fn rendered(&self) -> Option<&str> {
        self.0.rendered.as_deref()
    }
}

/// Text of several lines, without a copy where nothing in it has to be changed.
pub(crate) fn owned(text: impl Into<String>) -> String {
    let text = text.into();
    match visible_lines(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(shown) => shown,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if !f.alternate() {
            return Ok(());
        }
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, "\ncaused by: {}", visible(&error.to_string()))?;
            cause = error.source();
        }
        match self.help() {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

/// What `main` prints of an error that it returns.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(provider) = self.provider() {
            write!(f, "{provider}: ")?;
        }
        write!(f, "{self:#} [{}]", self.code())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.0.source.as_deref()?;
        Some(source)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use super::*;

    #[test]
    fn the_alternate_form_has_causes_and_help_on_lines_of_their_own() {
        let cause = io::Error::new(io::ErrorKind::StorageFull, "no space left on device");
        let error =
            Error::internal("cannot write cache/token").with_source(cause).with_help("free some space");
        assert_eq!(error.to_string(), "cannot write cache/token");
        assert_eq!(
            format!("{error:#}"),
            "cannot write cache/token\ncaused by: no space left on device\nhelp: free some space"
        );
        assert!(error.source().is_some_and(|source| source.is::<io::Error>()));
    }

    #[test]
    fn an_error_returned_from_main_is_readable() {
        let error = Error::rejected(Detail::InvalidGrant, "the login has ended").of_provider("persistent");
        assert_eq!(format!("{error:?}"), "persistent: the login has ended [rejected.invalid_grant]");
    }

    #[test]
    fn only_what_passes_by_itself_is_transient() {
        assert!(Error::unavailable(Detail::Timeout, "").is_transient());
        assert!(!Error::unavailable(Detail::Tls, "").is_transient());
        assert!(!Error::rejected(Detail::InvalidGrant, "").is_transient());
    }
}
