//! The chain: providers in order, the first that finds a credential wins.

use crate::ShowPath as _;
use crate::error::owned;
use crate::host::Host;
use crate::{
    Error, Finding, Found, Kind, Look, Outcome, Provider, Saw, Search, Settings, Skip, SkipReason, visible,
};
use std::sync::Arc;

/// A provider in its place in a chain, with what the configuration says about its answers.
#[derive(Clone, Debug)]
pub struct Member {
    /// The name in `chain`: a kind, or the name under which a provider was declared.
    pub name: String,
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// The failures of finding that count as a skip: `on.<outcome> = "continue"`.
    pub continue_on: Vec<Outcome>,
    /// What the credential that it finds must be.
    pub expect: Expectation,
}

impl Member {
    /// A provider under its name, with no expectations.
    pub fn new(name: impl Into<String>, provider: Arc<dyn Provider>) -> Self {
        Self { name: name.into(), provider, continue_on: Vec::new(), expect: Expectation::default() }
    }

    /// What the provider answers, once what it found passed [`Member::accept`].
    pub async fn find(&self, search: &Search) -> Finding {
        match self.provider.find(search).await {
            Finding::Found(found) => Finding::from(self.accept(*found, search.settings())),
            other => other,
        }
    }

    /// Holds what was found against [`Member::expect`] and the scopes that were asked for.
    ///
    /// # Errors
    /// [`Outcome::Rejected`] where it is another than expected, or its tokens have scopes that were not asked for.
    pub fn accept(&self, mut found: Found, settings: &Settings) -> Result<Found, Error> {
        self.expect.check(&found)?;
        settings.limit(&mut found)?;
        // What is shown of it. Of a provider from elsewhere nobody knows what it has looked at.
        found.origin = visible(&found.origin).into_owned();
        found.principal = found.principal.map(|principal| visible(&principal).into_owned());
        found.warnings = found.warnings.into_iter().map(owned).collect();
        Ok(found)
    }

    /// Whether a failure counts as a skip: by what is said of this provider, or of one that it wraps.
    fn continues_on(&self, failure: Outcome) -> bool {
        self.continue_on.contains(&failure)
            || self.provider.source().is_some_and(|source| source.continues_on(failure))
    }
}

/// The same provider under the same name.
impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && Arc::ptr_eq(&self.provider, &other.provider)
            && self.continue_on == other.continue_on
            && self.expect == other.expect
    }
}

/// `expect`: what a credential must be, or it is rejected. What is not known does not match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// The account's e-mail.
    pub principal: Option<String>,
    /// The project that the credential names: its quota project or the one it belongs to.
    pub project: Option<String>,
}

impl Expectation {
    /// Holds a credential against it.
    ///
    /// # Errors
    /// [`Outcome::Rejected`] where it is another, or does not say.
    pub fn check(&self, found: &Found) -> Result<(), Error> {
        let project = found.quota_project.as_ref().or(found.project.as_ref());
        for (what, expected, actual) in
            [("principal", &self.principal, found.principal.as_ref()), ("project", &self.project, project)]
        {
            let Some(expected) = expected else { continue };
            if actual != Some(expected) {
                let is = match actual {
                    Some(actual) => format!("its {what} is {actual}"),
                    None => format!("it names no {what}"),
                };
                return Err(Error::rejected(
                    "unexpected",
                    format!("{}: {is}, and `expect` wants {expected}", found.origin),
                )
                .hint(format!("use a credential of {expected}, or change `expect.{what}` in ee-auth.toml")));
            }
        }
        Ok(())
    }
}

/// What one provider of a chain answered.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its name in the chain.
    pub provider: String,
    /// Its kind.
    pub kind: &'static Kind,
    /// Its answer.
    pub outcome: AttemptOutcome,
    /// Where it looked, in order.
    pub looked_at: Vec<Look>,
}

/// The answer of one provider of a chain.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// It has the credential that is used; where it is and what it was taken for.
    Found(String),
    /// It has none.
    Skipped(Skip),
    /// It failed. The chain stopped here, unless the configuration said to go on.
    Failed {
        /// How.
        error: Error,
        /// Whether the chain went on, by `on.<outcome> = "continue"`.
        continued: bool,
    },
    /// The chain had ended before.
    NotReached,
    /// It would have taken a process or the network, and the search was offline.
    NotProbed(String),
}

/// What a chain came to.
#[derive(Debug)]
pub struct Resolution {
    /// One for every member, in order.
    pub attempts: Vec<Attempt>,
    /// The credential and the member that found it; or why there is none.
    pub result: Result<(Member, Found), Error>,
}

/// Providers in order. The first that finds a credential wins; a failure stops; only a skip goes on.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    members: Vec<Member>,
}

impl Chain {
    /// A chain of `members`, asked in this order.
    pub fn new(members: Vec<Member>) -> Self {
        Self { members }
    }

    /// The members, in order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Asks one provider after the other.
    ///
    /// - *found*: stops. The credential is used; it never falls through to another identity afterwards.
    /// - *skipped*: asks the next.
    /// - *failed*: stops with that error, unless `on.<outcome> = "continue"` was set for that provider; if then
    ///   nothing is found, the first such error is the answer.
    ///
    /// `search` collects where was looked, so it serves one resolution at a time.
    pub async fn resolve(&self, search: &Search) -> Resolution {
        let mut attempts = Vec::with_capacity(self.members.len());
        let mut deferred = None;
        let mut members = self.members.iter();
        let mut result = None;
        for member in members.by_ref() {
            let outcome = match member.find(search).await {
                Finding::Found(found) => {
                    let outcome = AttemptOutcome::Found(found.origin.clone());
                    result = Some(Ok((member.clone(), *found)));
                    outcome
                }
                Finding::Skipped(skip) => AttemptOutcome::Skipped(skip),
                Finding::NotProbed(reason) => AttemptOutcome::NotProbed(reason),
                Finding::Failed(error) => {
                    let error = error.of_provider(&member.name);
                    let continued = member.continues_on(error.outcome());
                    if continued {
                        deferred.get_or_insert(error.clone());
                    } else {
                        result = Some(Err(error.clone()));
                    }
                    AttemptOutcome::Failed { error, continued }
                }
            };
            log::debug!("{}: {outcome:?}", member.name);
            attempts.push(Attempt {
                provider: member.name.clone(),
                kind: member.provider.kind(),
                outcome,
                looked_at: search.take_looks(),
            });
            if result.is_some() {
                break;
            }
        }
        attempts.extend(members.map(|member| Attempt {
            provider: member.name.clone(),
            kind: member.provider.kind(),
            outcome: AttemptOutcome::NotReached,
            looked_at: Vec::new(),
        }));
        let result = result
            .unwrap_or_else(|| Err(deferred.unwrap_or_else(|| nothing_found(&attempts))))
            .map_err(|error| error.with_attempts(&attempts));
        Resolution { attempts, result }
    }
}

/// The error for a chain in which every provider skipped.
fn nothing_found(attempts: &[Attempt]) -> Error {
    let interaction = attempts.iter().any(|attempt| {
        matches!(&attempt.outcome, AttemptOutcome::Skipped(skip) if skip.reason == SkipReason::InteractionRequired)
    });
    let outcome = if interaction { Outcome::InteractionRequired } else { Outcome::NotFound };
    let asked = match attempts {
        [] => "the chain is empty".to_owned(),
        [one] => format!("the only provider of the chain, {}, found none", one.provider),
        many => format!("none of the {} providers of the chain found one", many.len()),
    };
    let notes = notes(attempts);
    let asked = if notes.is_empty() { asked } else { notes.join("; ") };
    let own = match attempts {
        [Attempt { outcome: AttemptOutcome::Skipped(skip), .. }] => skip.hint.clone(),
        _ => None,
    };
    let hint = own.unwrap_or_else(|| match attempts {
        [] => "name providers in `chain` in ee-auth.toml, or leave it out for the default chain".to_owned(),
        _ => "`ee-auth explain` shows where each of them looked and what would make it find one".to_owned(),
    });
    Error::new(outcome, "", format!("no Earth Engine credential: {asked}")).hint(hint)
}

/// What is likely to be the cause: variables that are set and empty, files that may not be looked at, and what the
/// providers noted.
fn notes(attempts: &[Attempt]) -> Vec<String> {
    let mut notes = Vec::new();
    for attempt in attempts {
        for look in &attempt.looked_at {
            let note = match look {
                Look::Variable(name, Saw::Empty) => format!("{name} is set and empty"),
                Look::File(path, Saw::Unreadable) => format!("{} may not be read", path.shown()),
                _ => continue,
            };
            notes.push(note);
        }
        if let AttemptOutcome::Skipped(skip) = &attempt.outcome {
            notes.extend(skip.notes.iter().cloned());
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    notes.retain(|note| seen.insert(note.clone()));
    notes
}

impl Search {
    /// A search for tests and for callers with no settings of their own.
    pub fn with_defaults(host: Host) -> Self {
        Self::new(host, Settings::default())
    }
}
