//! What went wrong, said so that a person can act on it.

use std::fmt;
use std::sync::Arc;

use crate::chain::Attempt;

/// The ways in which a chain, a provider or an exchange ends without a token.
///
/// The program's exit status is [`Outcome::exit_status`]; the name is the first part of an error's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Outcome {
    /// Every provider was asked and none had a credential.
    NotFound,
    /// A credential could be had only by asking a person, and none may be asked.
    InteractionRequired,
    /// Something that a person wrote is wrong: a malformed file, a missing field, a bad option.
    Invalid,
    /// The other side looked at the credential and said no.
    Rejected,
    /// The other side could not be reached, or did not answer as it should.
    Unavailable,
    /// A file, host, plugin or project that nobody with the right to do so has vouched for.
    Untrusted,
    /// A plugin's answer breaks the protocol.
    Protocol,
    /// The command line was wrong.
    Usage,
    /// Anything else: a bug, or a machine out of resources.
    Internal,
}

impl Outcome {
    /// The name used in configuration (`on.unavailable`), in JSON and as the first part of an error's code.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::InteractionRequired => "interaction_required",
            Self::Invalid => "invalid",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Untrusted => "untrusted",
            Self::Protocol => "protocol",
            Self::Usage => "usage",
            Self::Internal => "internal",
        }
    }

    /// The exit status of the program when this is how it ends.
    ///
    /// ```
    /// use ee_auth_core::Outcome;
    /// assert_eq!(Outcome::NotFound.exit_status(), 4);
    /// assert_eq!(Outcome::Untrusted.exit_status(), 7);
    /// ```
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::NotFound | Self::InteractionRequired => 4,
            Self::Rejected => 5,
            Self::Unavailable => 6,
            Self::Untrusted => 7,
            Self::Protocol => 8,
        }
    }

    /// The failures of finding that `on.<outcome> = "continue"` may name.
    pub const FAILURES: [Self; 5] =
        [Self::Invalid, Self::Rejected, Self::Unavailable, Self::Untrusted, Self::Protocol];
}

/// An error for a person: what was tried, where, what was wrong; and, apart from it, what to do next.
///
/// Cheap to clone: one failed exchange is the answer to everyone who waited for it. It never holds a secret: whoever
/// makes one from somebody else's words passes them through [`redact`](crate::redact).
///
/// ```
/// use ee_auth_core::{Error, Outcome};
/// let error = Error::invalid("missing_field", "reading key.json: `client_email` is missing")
///     .hint("download the key again: https://console.cloud.google.com/iam-admin/serviceaccounts");
/// assert_eq!(error.outcome(), Outcome::Invalid);
/// assert_eq!(error.code(), "invalid.missing_field");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    outcome: Outcome,
    detail: &'static str,
    message: String,
    hint: Option<String>,
    provider: Option<String>,
    attempts: Vec<Attempt>,
    rendered: Option<String>,
}

impl Error {
    /// An error with an outcome, the more precise code after the dot (may be empty), and what happened.
    pub fn new(outcome: Outcome, detail: &'static str, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            outcome,
            detail,
            message: message.into(),
            hint: None,
            provider: None,
            attempts: Vec::new(),
            rendered: None,
        }))
    }

    /// [`Outcome::Invalid`].
    pub fn invalid(detail: &'static str, message: impl Into<String>) -> Self {
        Self::new(Outcome::Invalid, detail, message)
    }

    /// [`Outcome::Rejected`].
    pub fn rejected(detail: &'static str, message: impl Into<String>) -> Self {
        Self::new(Outcome::Rejected, detail, message)
    }

    /// [`Outcome::Unavailable`].
    pub fn unavailable(detail: &'static str, message: impl Into<String>) -> Self {
        Self::new(Outcome::Unavailable, detail, message)
    }

    /// [`Outcome::Untrusted`].
    pub fn untrusted(detail: &'static str, message: impl Into<String>) -> Self {
        Self::new(Outcome::Untrusted, detail, message)
    }

    /// [`Outcome::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Outcome::Internal, "", message)
    }

    /// The same error with what to do next, in place of what it said before.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.inner().hint = Some(hint.into());
        self
    }

    /// The same error, said of the provider with this name, unless it already names one.
    #[must_use]
    pub fn of_provider(mut self, name: &str) -> Self {
        self.inner().provider.get_or_insert_with(|| name.to_owned());
        self
    }

    /// The same error, said of the file or variable `place`.
    #[must_use]
    pub fn in_place(mut self, place: &str) -> Self {
        let inner = self.inner();
        inner.message = format!("{place}: {}", inner.message);
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
        self.inner().rendered = Some(rendered.into());
        self
    }

    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// The outcome's name, with a more precise code after a dot where there is one: `rejected.invalid_grant`.
    pub fn code(&self) -> String {
        match self.0.detail {
            "" => self.0.outcome.name().to_owned(),
            detail => format!("{}.{detail}", self.0.outcome.name()),
        }
    }

    /// The part of [`Error::code`] after the dot; empty where there is none.
    pub fn detail(&self) -> &'static str {
        self.0.detail
    }

    /// What was tried, where, and what was wrong.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do next.
    pub fn next_step(&self) -> Option<&str> {
        self.0.hint.as_deref()
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.code())
            .field("provider", &self.0.provider)
            .field("message", &self.0.message)
            .field("hint", &self.0.hint)
            .finish()
    }
}

impl std::error::Error for Error {}
