//! One way to obtain a credential.

use std::fmt;

use crate::error::owned;
use crate::host::BoxFuture;
use crate::{Error, Found, Kind, Login, Member, Search};

/// One way to obtain a credential.
///
/// Finding is the cheap step: *is there a credential here?* A provider looks through the [`Search`] it is given,
/// which remembers where it looked, and answers with a [`Finding`]. It does not get a token; the [`Found`] it returns
/// can.
///
/// ```
/// use std::sync::Arc;
/// use ee_auth_core::{BoxFuture, Error, Finding, Kind, Options, Provider, Search};
///
/// /// Finds nothing, and says why.
/// #[derive(Debug)]
/// struct Nothing;
///
/// pub const KIND: Kind = Kind {
///     name: "nothing",
///     summary: "finds nothing",
///     interactive: false,
///     declared_only: false,
///     options: &[],
///     build: |_name, _options| Ok(Arc::new(Nothing)),
/// };
///
/// impl Provider for Nothing {
///     fn kind(&self) -> &'static Kind {
///         &KIND
///     }
///
///     fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
///         Box::pin(async move {
///             match search.path_variable("NOTHING") {
///                 None => Finding::not_found("NOTHING is not set"),
///                 Some(_) => Finding::from(Error::invalid("", "NOTHING must stay unset")),
///             }
///         })
///     }
/// }
/// ```
pub trait Provider: Send + Sync + fmt::Debug {
    /// The kind it is of.
    fn kind(&self) -> &'static Kind;

    /// Whether there is a credential here. No network, [`Kind`] `metadata` and plugins aside.
    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding>;

    /// The provider that this one wraps, where it makes something else of what another finds. Where its failures are to
    /// count as a skip (`on` in its table), they do so here, too.
    fn source(&self) -> Option<&Member> {
        None
    }

    /// The provider as what it is, for those who know a kind that can do more than this interface says: plugins.
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        None
    }

    /// The login that this provider has, where a person can obtain a credential through it.
    fn login(&self) -> Option<&dyn Login> {
        None
    }
}

/// What a provider answers.
#[derive(Debug)]
#[non_exhaustive]
pub enum Finding {
    /// There is a credential here. The chain stops.
    Found(Box<Found>),
    /// There is none. The chain asks the next.
    Skipped(Skip),
    /// There is something, and it is wrong. The chain stops.
    Failed(Error),
    /// Answering would have taken a process or the network, and the search may use neither.
    NotProbed(String),
}

impl Finding {
    /// A skip: there is nothing here.
    pub fn not_found(reason: impl Into<String>) -> Self {
        Self::Skipped(Skip::new(SkipReason::NotFound, reason))
    }

    /// A skip: this provider has nothing to do with the present set-up.
    pub fn not_applicable(reason: impl Into<String>) -> Self {
        Self::Skipped(Skip::new(SkipReason::NotApplicable, reason))
    }

    /// A skip: a person would have to be asked.
    pub fn interaction_required(reason: impl Into<String>) -> Self {
        Self::Skipped(Skip::new(SkipReason::InteractionRequired, reason))
    }

    /// The same answer with what would make this provider find something. Changes nothing but a skip.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Skipped(skip) = &mut self {
            skip.hint = Some(owned(hint));
        }
        self
    }

    /// The same answer with something that the error for an empty chain says, since it is the likely cause. Changes nothing but
    /// a skip.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        if let Self::Skipped(skip) = &mut self {
            skip.notes.push(owned(note));
        }
        self
    }
}

impl From<Error> for Finding {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Result<Found, Error>> for Finding {
    fn from(result: Result<Found, Error>) -> Self {
        match result {
            Ok(found) => Self::Found(Box::new(found)),
            Err(error) => Self::Failed(error),
        }
    }
}

/// Why a provider has nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The reason as programs see it.
    pub reason: SkipReason,
    /// The reason as people see it.
    pub message: String,
    /// What would make this provider find something.
    pub hint: Option<String>,
    /// Likely causes, for the error where the whole chain finds nothing: a variable with almost the right name.
    pub notes: Vec<String>,
}

impl Skip {
    /// A skip without hint or notes.
    pub fn new(reason: SkipReason, message: impl Into<String>) -> Self {
        Self { reason, message: owned(message), hint: None, notes: Vec::new() }
    }
}

/// The reasons for a skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// There is nothing here.
    NotFound,
    /// This provider has nothing to do with the present set-up.
    NotApplicable,
    /// A person would have to be asked.
    InteractionRequired,
}

impl SkipReason {
    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NotApplicable => "not_applicable",
            Self::InteractionRequired => "interaction_required",
        }
    }
}
