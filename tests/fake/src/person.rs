use std::collections::VecDeque;
use std::io;

use ee_auth_core::Secret;
use ee_auth_core::host::{BoxFuture, Person, Presence};
use url::Url;

use crate::{Fake, lock};

pub(crate) struct State {
    presence: Presence,
    answers: VecDeque<Secret>,
    has_browser: bool,
    browser: Option<io::ErrorKind>,
    told: Vec<String>,
    asked: Vec<String>,
    asked_unseen: Vec<String>,
    shown: Vec<Url>,
    browsed: Vec<Url>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            presence: Presence::Absent,
            answers: VecDeque::new(),
            has_browser: false,
            browser: Some(io::ErrorKind::NotFound),
            told: Vec::new(),
            asked: Vec::new(),
            asked_unseen: Vec::new(),
            shown: Vec::new(),
            browsed: Vec::new(),
        }
    }
}

impl Fake {
    /// The same machine with somebody in front of it, who gives these answers, in order, and then no more.
    #[must_use]
    pub fn with_person<I>(self, answers: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Secret>,
    {
        {
            let mut state = lock(&self.0.person);
            state.presence = Presence::Answering;
            state.answers.extend(answers.into_iter().map(Into::into));
        }
        self
    }

    /// The same machine with somebody in front of it who cannot type.
    #[must_use]
    pub fn with_watcher(self) -> Self {
        lock(&self.0.person).presence = Presence::Watching;
        self
    }

    /// The same machine with a browser that has windows.
    #[must_use]
    pub fn with_browser(self) -> Self {
        {
            let mut state = lock(&self.0.person);
            state.has_browser = true;
            state.browser = None;
        }
        self
    }

    /// The same machine with a browser that does not start.
    #[must_use]
    pub fn with_broken_browser(self) -> Self {
        {
            let mut state = lock(&self.0.person);
            state.has_browser = true;
            state.browser = Some(io::ErrorKind::PermissionDenied);
        }
        self
    }

    /// What the person was told, in order; an address that was shown stands below its purpose.
    pub fn told(&self) -> Vec<String> {
        lock(&self.0.person).told.clone()
    }

    /// What the person was asked, in order.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.0.person).asked.clone()
    }

    /// What of it was asked by [`Person::ask_secret`].
    pub fn asked_unseen(&self) -> Vec<String> {
        lock(&self.0.person).asked_unseen.clone()
    }

    /// The addresses that the person was shown, in order.
    pub fn shown(&self) -> Vec<Url> {
        lock(&self.0.person).shown.clone()
    }

    /// The addresses that were opened in the browser, in order.
    pub fn browsed(&self) -> Vec<Url> {
        lock(&self.0.person).browsed.clone()
    }
}

impl Person for Fake {
    fn presence(&self) -> Presence {
        lock(&self.0.person).presence
    }

    fn tell(&self, message: &str) {
        let mut state = lock(&self.0.person);
        if state.presence > Presence::Absent {
            state.told.push(message.to_owned());
        }
    }

    fn show(&self, purpose: &str, address: &Url) {
        self.tell(&format!("{purpose}\n{address}"));
        lock(&self.0.person).shown.push(address.clone());
    }

    fn ask(&self, question: &str) -> BoxFuture<'static, io::Result<Secret>> {
        let answer = {
            let mut state = lock(&self.0.person);
            state.asked.push(question.to_owned());
            if state.presence == Presence::Answering { state.answers.pop_front() } else { None }
        };
        Box::pin(async move { answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()) })
    }

    fn ask_secret(&self, question: &str) -> BoxFuture<'static, io::Result<Secret>> {
        lock(&self.0.person).asked_unseen.push(question.to_owned());
        self.ask(question)
    }

    fn has_browser(&self) -> bool {
        lock(&self.0.person).has_browser
    }

    fn browse(&self, address: &Url) -> io::Result<()> {
        let mut state = lock(&self.0.person);
        state.browsed.push(address.clone());
        state.browser.map_or(Ok(()), |kind| Err(kind.into()))
    }
}
