//! What every plugin keeps to, as checks that say in words what to mend.
//!
//! The suite asks a plugin as `ee-auth` does, and as a later version of it might: with keys, operations and versions that the
//! plugin does not know. It starts no login, and asks nobody anything.

use std::sync::Arc;
use std::time::Duration;

use ee_auth_core::host::{Host, Nobody};
use ee_auth_core::{Error, Outcome, Scopes};
use serde_json::{Map, Value, json};

use crate::provider::Plugin;
use crate::source::exchangeable;
use crate::{Answer, Granted, Manifest, Op, PluginProvider, Reason, Request};

/// One check of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What the plugin has to do.
    pub rule: &'static str,
    /// Whether it does.
    pub verdict: Verdict,
}

/// How a check ended; each with what was seen, or what to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should.
    Passed(String),
    /// It works, and could do better.
    Warned(String),
    /// Not as it should.
    Failed(String),
    /// It does not apply, or an earlier failure stands in the way.
    Skipped(String),
}

impl Verdict {
    /// The word for it: `ok`, `warning`, `failed`, `skipped`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Passed(_) => "ok",
            Self::Warned(_) => "warning",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
        }
    }

    /// What was seen, or what to mend.
    pub fn words(&self) -> &str {
        match self {
            Self::Passed(words) | Self::Warned(words) | Self::Failed(words) | Self::Skipped(words) => words,
        }
    }
}

/// What the suite came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// The provider's name in the chain.
    pub name: String,
    /// What the plugin says that it is, where it does.
    pub manifest: Option<Manifest>,
    /// The checks, in order.
    pub checks: Vec<Check>,
    /// Whether its file was run and ended without a manifest. A file that could not be read, copied, vouched for or started, or
    /// that did not end in time, says nothing about the plugin.
    pub ended_without_manifest: bool,
}

impl Report {
    /// Whether no check failed.
    pub fn is_conformant(&self) -> bool {
        !self.checks.iter().any(|check| matches!(check.verdict, Verdict::Failed(_)))
    }
}

const STARTS: &str = "it may be run: its file, its owner, its permissions";
const DESCRIBES: &str = "`describe` is answered with a manifest";
const GETS: &str = "`get` is answered with a token, or with a reason why there is none";
const EXPIRES: &str = "a token says when it expires";
const SPEEDY: &str = "an answer comes well within the deadline";
const AGAIN: &str = "a second `get` is answered like the first";
const TOLERANT: &str = "keys that it does not know are passed over";
const OTHER_OP: &str = "an operation that it does not know is refused";
const OTHER_VERSION: &str = "a version of the protocol that it does not know is refused";
const NO_LOGIN: &str = "a `login` that its manifest does not list is refused";

/// Runs every check on a plugin. `host` may be the system's: nobody is asked anything through it.
pub async fn check(provider: &PluginProvider, host: &Host) -> Report {
    let host = Host { person: Arc::new(Nobody), ..host.clone() };
    let mut suite = Suite { plugin: provider.plugin(), host, checks: Vec::new(), told: Vec::new() };
    let described = suite.ask(suite.describe(), &[]).await;
    let is_end = |error: &Error| error.outcome() == Outcome::Protocol && error.detail() != "timeout";
    let ended_without_manifest = described.as_ref().is_err_and(is_end);
    let manifest = suite.run(described).await;
    let name = suite.plugin.declaration.name.clone();
    Report { name, manifest, checks: suite.checks, ended_without_manifest }
}

struct Suite<'a> {
    plugin: &'a Plugin,
    host: Host,
    checks: Vec<Check>,
    /// What went wrong, as it was told.
    told: Vec<String>,
}

impl Suite<'_> {
    async fn run(&mut self, described: Result<Answer, Error>) -> Option<Manifest> {
        if let Err(error) = &described {
            if matches!(error.outcome(), Outcome::Untrusted | Outcome::Invalid | Outcome::Internal) {
                let fault = self.fault(error);
                self.note(STARTS, Verdict::Failed(fault));
                return None;
            }
            if error.detail() == "timeout" {
                self.note(STARTS, Verdict::Passed(self.plugin.transport.place()));
                let fault = self.fault(error);
                self.note(DESCRIBES, Verdict::Failed(fault));
                return None;
            }
        }
        self.note(STARTS, Verdict::Passed(self.plugin.transport.place()));
        let manifest = self.manifest(described);
        let is_own = self.plugin.transport.may_log_in();
        let answers = self.get(manifest.as_ref()).await;
        if is_own && answers {
            self.later_versions(manifest.as_ref()).await;
        }
        manifest
    }

    fn manifest(&mut self, described: Result<Answer, Error>) -> Option<Manifest> {
        let (verdict, manifest) = match described {
            Ok(Answer::Manifest(manifest)) if manifest.has(Op::Get) => {
                (Verdict::Passed(format!("{}: {}", manifest.name, manifest.ops.join(", "))), Some(manifest))
            }
            Ok(Answer::Manifest(manifest)) => {
                (Verdict::Failed("`ops` in its manifest does not list `get`: add it".to_owned()), Some(manifest))
            }
            Ok(_) => (
                Verdict::Failed(
                    "it refuses `describe`: answer {\"version\":1,\"success\":true,\"name\":\"…\",\"ops\":[\"get\"]}"
                        .to_owned(),
                ),
                None,
            ),
            Err(error) => (Verdict::Failed(self.fault(&error)), None),
        };
        self.note(DESCRIBES, verdict);
        manifest
    }

    /// Whether it answers in time, with whatever it may be: nobody wants to wait for it again and again.
    async fn get(&mut self, manifest: Option<&Manifest>) -> bool {
        let begun = self.host.clock.now();
        let first = self.ask(self.request(), &[]).await;
        let took = self.host.clock.now().duration_since(begun).unwrap_or_default();
        let got = match &first {
            Ok(Answer::Granted(granted)) => match exchangeable(self.plugin, granted) {
                Ok(()) => Verdict::Passed(self.shown(granted)),
                // With `audience` in its table it works.
                Err(error) => Verdict::Warned(words(&error)),
            },
            Ok(Answer::Refused(refusal)) if refusal.message.is_empty() => Verdict::Failed(format!(
                "it refuses with `{}` and no `message`: say what a person can do about it",
                refusal.code.name()
            )),
            Ok(Answer::Refused(refusal)) => {
                Verdict::Passed(format!("it has none here: {}: {}", refusal.code.name(), refusal.message))
            }
            Ok(_) => Verdict::Failed("its answer has no token, and no reason".to_owned()),
            Err(error) => Verdict::Failed(self.fault(error)),
        };
        self.note(GETS, got);
        let first = match first {
            Ok(first) => first,
            Err(error) => {
                for rule in [EXPIRES, SPEEDY, AGAIN] {
                    self.note(rule, Verdict::Skipped("there is no answer to look at".to_owned()));
                }
                return error.detail() != "timeout";
            }
        };
        let tells_expiry = match &first {
            Answer::Granted(Granted { expires_at: Some(_), .. }) => Verdict::Passed("it does".to_owned()),
            Answer::Granted(_) if manifest.is_some() && self.plugin.transport.may_log_in() => Verdict::Warned(
                "`expiration_time` is missing, so the plugin is asked every five minutes: add the seconds since 1970"
                    .to_owned(),
            ),
            Answer::Granted(_) => Verdict::Skipped("this protocol need not".to_owned()),
            _ => Verdict::Skipped("there is no token to look at".to_owned()),
        };
        self.note(EXPIRES, tells_expiry);
        let limit = self.plugin.declaration.timeout;
        let shown = format!("{} ms of {} s", took.as_millis(), limit.as_secs_f64());
        let is_slow = took > limit.mul_f64(0.7);
        self.note(
            SPEEDY,
            if is_slow {
                Verdict::Warned(format!("{shown}: raise `timeout`"))
            } else {
                Verdict::Passed(shown)
            },
        );
        let second = self.ask(Request { reason: Reason::Expired, ..self.request() }, &[]).await;
        let again = match (&first, second) {
            (_, Err(error)) => Verdict::Failed(self.fault(&error)),
            (Answer::Granted(one), Ok(Answer::Granted(two))) if one.principal != two.principal => {
                Verdict::Failed("its `principal` changes from one answer to the next".to_owned())
            }
            (first, Ok(second)) if alike(first, &second) => Verdict::Passed("it is".to_owned()),
            _ => Verdict::Warned(
                "one of two answers has a token, the other a reason why there is none".to_owned(),
            ),
        };
        self.note(AGAIN, again);
        if self.plugin.transport.may_log_in() {
            let tolerant = self.ask(self.request(), &[("later_key", json!({ "x": [1] }))]).await;
            let verdict = match tolerant {
                Ok(answer) if alike(&first, &answer) => Verdict::Passed("they are".to_owned()),
                Ok(_) => {
                    Verdict::Failed("it answers otherwise: pass over keys that it does not know".to_owned())
                }
                Err(error) => Verdict::Failed(self.fault(&error)),
            };
            self.note(TOLERANT, verdict);
        }
        true
    }

    async fn later_versions(&mut self, manifest: Option<&Manifest>) {
        const INSTEAD: &str =
            "answer {\"version\":1,\"success\":false,\"code\":\"invalid\",\"message\":\"…\"}";
        let answer = self.ask(self.request(), &[("op", json!("conformance"))]).await;
        let verdict = self.refused(answer, INSTEAD);
        self.note(OTHER_OP, verdict);
        let answer = self.ask(self.request(), &[("v", json!([999]))]).await;
        let verdict = match answer {
            // It works with this version, and will be asked for no other by it.
            Ok(Answer::Granted(_)) => Verdict::Warned(format!("it does not look at `v`: {INSTEAD}")),
            answer => self.refused(answer, INSTEAD),
        };
        self.note(OTHER_VERSION, verdict);
        let verdict = match manifest {
            Some(manifest) if !manifest.has(Op::Login) => {
                let request = Request { op: Op::Login, ..self.request() };
                let answer = self.ask(request, &[]).await;
                self.refused(answer, "refuse it, or list it in `ops`")
            }
            Some(_) => Verdict::Skipped("it has a login, which is not started here".to_owned()),
            None => Verdict::Skipped("there is no manifest".to_owned()),
        };
        self.note(NO_LOGIN, verdict);
    }

    fn describe(&self) -> Request {
        Request::describe(self.plugin.declaration.timeout, self.plugin.declaration.config.0.clone())
    }

    fn request(&self) -> Request {
        self.plugin.get(&Scopes::earth_engine(), None, Reason::Initial)
    }

    async fn ask(&self, request: Request, other: &[(&str, Value)]) -> Result<Answer, Error> {
        let other: Map<_, _> = other.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        self.plugin.call(&self.host, &Request { other, ..request }).await
    }

    fn shown(&self, granted: &Granted) -> String {
        let principal = granted.principal.as_deref().unwrap_or("an account that it does not name");
        let left = granted.expires_at.and_then(|at| at.duration_since(self.host.clock.now()).ok());
        match left.map(|left| Duration::from_secs(left.as_secs())) {
            Some(left) => format!("a token of {principal}, valid for {} s", left.as_secs()),
            None => format!("a token of {principal}"),
        }
    }

    /// The verdict on an answer that is to be a refusal.
    fn refused(&mut self, answer: Result<Answer, Error>, instead: &str) -> Verdict {
        match answer {
            Ok(Answer::Refused(_)) => Verdict::Passed("it is".to_owned()),
            Ok(_) => Verdict::Failed(format!("it answers with a success: {instead}")),
            Err(error) => Verdict::Failed(format!("{}; {instead}", self.fault(&error))),
        }
    }

    /// What went wrong, in words; but once.
    fn fault(&mut self, error: &Error) -> String {
        let words = words(error);
        if self.told.contains(&words) {
            return "the same as above".to_owned();
        }
        self.told.push(words.clone());
        words
    }

    fn note(&mut self, rule: &'static str, verdict: Verdict) {
        self.checks.push(Check { rule, verdict });
    }
}

fn alike(one: &Answer, other: &Answer) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

/// What went wrong, and what to do.
fn words(error: &Error) -> String {
    match error.next_step() {
        Some(hint) if !hint.contains("plugin check") => format!("{}: {hint}", error.message()),
        _ => error.message().to_owned(),
    }
}
