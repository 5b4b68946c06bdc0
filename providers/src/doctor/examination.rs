//! What the checks look at, got together once.

use std::path::PathBuf;

use ee_auth_config::Config;
use ee_auth_core::host::{Body, Host, HttpError, Method, Request, variable};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{
    Attempt, AttemptOutcome, Credential, Error, Finding as Found, Search, Settings, looks_like_credential,
};
use std::time::SystemTime;

use crate::{Resolved, Resolver, resolver};

/// The machine, and what the chain came to on it.
pub(super) struct Examination<'a> {
    pub(super) resolver: &'a Resolver,
    /// What finding came to; an error where the configuration is wrong.
    pub(super) resolved: Result<Resolved, Error>,
    /// What the providers would have found that the chain did not come to, each by its name.
    pub(super) others: Vec<Other>,
    pub(super) online: bool,
    pub(super) ci: bool,
    /// What a server of Google's answered, where one was asked.
    pub(super) answer: Option<Result<Answer, HttpError>>,
}

/// What a provider would find, had the chain come to it.
pub(super) struct Other {
    pub(super) provider: String,
    pub(super) kind: &'static str,
    pub(super) found: Found,
}

/// An answer, of which only the time matters.
pub(super) struct Answer {
    /// The server's clock.
    pub(super) date: Option<SystemTime>,
    /// This machine's, when the answer came.
    pub(super) at: SystemTime,
}

impl<'a> Examination<'a> {
    /// Looks at the machine as `ee-auth status` does; with `online`, asks a server of Google's whether it is there.
    pub(super) async fn of(resolver: &'a Resolver, online: bool, ci: bool) -> Self {
        let resolved = resolver.look_async().await;
        let others = match &resolved {
            Ok(resolved) => others(resolver, resolved).await,
            Err(_) => Vec::new(),
        };
        let mut examination = Self { resolver, resolved, others, online, ci, answer: None };
        if online {
            examination.answer = Some(examination.ask().await);
        }
        examination
    }

    pub(super) fn host(&self) -> &Host {
        self.resolver.host()
    }

    /// The configuration, where it is valid.
    pub(super) fn config(&self) -> Option<&Config> {
        self.resolved.as_ref().ok().map(|resolved| &resolved.config)
    }

    /// The credential that the chain found, where it can be used.
    pub(super) fn credential(&self) -> Option<&Credential> {
        self.resolved.as_ref().ok()?.credential.as_ref().ok()
    }

    /// What each provider of the chain answered.
    pub(super) fn attempts(&self) -> &[Attempt] {
        self.resolved.as_ref().map(|resolved| resolved.attempts.as_slice()).unwrap_or_default()
    }

    /// The provider that found the credential, whether or not it can be used.
    pub(super) fn winner(&self) -> Option<&Attempt> {
        self.attempts().iter().find(|attempt| matches!(attempt.outcome, AttemptOutcome::Found(_)))
    }

    /// A variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        variable(&*self.host().environment, name)
    }

    /// A variable that names a file; `None` where it holds a credential itself, which the chain tells of.
    pub(super) fn path_variable(&self, name: &str) -> Option<PathBuf> {
        let text = self.variable(name).filter(|text| !looks_like_credential(text))?;
        let working = self.host().environment.directory(ee_auth_core::host::Directory::Working);
        Some(working.unwrap_or_default().join(text))
    }

    /// A search that asks neither programs nor the network.
    pub(super) fn search(&self) -> Search {
        Search::new(self.host().clone(), self.settings()).offline(true)
    }

    /// A search as earthengine-api would make it, which knows no profiles.
    pub(super) fn search_without_profile(&self) -> Search {
        Search::new(self.host().clone(), Settings { profile: None, ..self.settings() }).offline(true)
    }

    pub(super) fn settings(&self) -> Settings {
        self.config().map(Config::settings).unwrap_or_default()
    }

    /// Asks for nothing in particular: whether somebody answers, and what time it is there.
    async fn ask(&self) -> Result<Answer, HttpError> {
        let host = self.host();
        let request =
            Request::new(Method::Post, self.settings().endpoints.tokeninfo).with_body(Body::form([]));
        let answer = retry::send(host, request, Repeat::Safe).await?;
        Ok(Answer { date: answer.date, at: host.clock.now() })
    }
}

/// Lets those look that the chain did not come to. Nothing is run and no network is used.
async fn others(resolver: &Resolver, resolved: &Resolved) -> Vec<Other> {
    let Ok(chain) = resolver::chain(&resolved.config, false) else { return Vec::new() };
    let search = Search::new(resolver.host().clone(), resolved.config.settings()).offline(true);
    let not_reached =
        resolved.attempts.iter().filter(|attempt| matches!(attempt.outcome, AttemptOutcome::NotReached));
    let mut others = Vec::new();
    for attempt in not_reached {
        let Some(member) = chain.members().iter().find(|member| member.name == attempt.provider) else {
            continue;
        };
        others.push(Other {
            provider: attempt.provider.clone(),
            kind: attempt.kind.name,
            found: member.find(&search).await,
        });
    }
    others
}
