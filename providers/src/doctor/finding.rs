//! What a check says.

use ee_auth_core::{Error, Outcome};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Something to know; nothing has to be done.
    Note,
    /// It works, or may, and somebody will stumble over it.
    Warning,
    /// `ee-auth token` ends in an error, or Earth Engine does not answer.
    Error,
}

impl Level {
    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something that a check can find, in general words. The documentation is made from these.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The check's name, and after a dot what it found: `project.missing`.
    pub name: &'static str,
    /// How bad it is, unless the finding says otherwise.
    pub level: Level,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// One thing that was found. Never holds a secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The name of the check; where something is to be said, the name of its [`Rule`].
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What it is, in one line.
    pub title: String,
    /// What it means; may have several lines.
    pub detail: Option<String>,
    /// What to do: commands in backquotes, and addresses.
    pub fix: Option<String>,
    /// Where it is: a file with or without a line, a variable, a flag.
    pub origin: Option<String>,
    error: Option<Error>,
}

impl Finding {
    /// All is well, and what was seen.
    pub(super) fn ok(check: &'static str, title: impl Into<String>) -> Self {
        Self {
            check,
            level: Level::Ok,
            title: title.into(),
            detail: None,
            fix: None,
            origin: None,
            error: None,
        }
    }

    /// What `rule` is about was found; `title` says where and what.
    pub(super) fn of(rule: &'static Rule, title: impl Into<String>) -> Self {
        Self {
            level: rule.level,
            detail: Some(rule.meaning.to_owned()),
            fix: Some(rule.fix.to_owned()),
            ..Self::ok(rule.name, title)
        }
    }

    /// An error that somebody else found, in its words.
    pub(super) fn from_error(rule: &'static Rule, error: &Error) -> Self {
        Self {
            fix: Some(error.next_step().unwrap_or(rule.fix).to_owned()),
            error: Some(error.clone()),
            ..Self::of(rule, error.message())
        }
    }

    /// The same finding in other words than the error's.
    pub(super) fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The same finding with another meaning than the rule's.
    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same finding with a more precise thing to do than the rule's.
    pub(super) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// The same finding with the place that it is about.
    pub(super) fn at(mut self, origin: impl ToString) -> Self {
        self.origin = Some(origin.to_string());
        self
    }

    /// The same finding, worse or milder than the rule has it.
    pub(super) fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// The error that the program ends with: the one that was found, or one made of this finding.
    fn as_error(&self) -> Error {
        self.error.clone().unwrap_or_else(|| {
            let detail = self.check.split_once('.').map_or("", |(_, detail)| detail);
            let error = Error::new(Outcome::Invalid, detail, self.title.clone());
            match &self.fix {
                Some(fix) => error.hint(fix.clone()),
                None => error,
            }
        })
    }
}

/// What all checks found, in the order in which it should be mended.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The findings.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// How many findings there are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// What `ee-auth token`, or Earth Engine where it was asked, ends with: the first finding that is an error. `None` where
    /// there is none.
    pub fn error(&self) -> Option<Error> {
        self.findings.iter().find(|finding| finding.level == Level::Error).map(Finding::as_error)
    }
}
