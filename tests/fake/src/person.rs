use std::collections::VecDeque;
use std::io;

use ee_auth_core::Secret;
use ee_auth_core::host::{BoxFuture, Person};

use crate::{Fake, lock};

#[derive(Default)]
pub(crate) struct State {
    present: bool,
    answers: VecDeque<Secret>,
    told: Vec<String>,
    asked: Vec<String>,
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
            state.present = true;
            state.answers.extend(answers.into_iter().map(Into::into));
        }
        self
    }

    /// What the person was told, in order.
    pub fn told(&self) -> Vec<String> {
        lock(&self.0.person).told.clone()
    }

    /// What the person was asked, in order.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.0.person).asked.clone()
    }
}

impl Person for Fake {
    fn is_present(&self) -> bool {
        lock(&self.0.person).present
    }

    fn tell(&self, message: &str) {
        let mut state = lock(&self.0.person);
        if state.present {
            state.told.push(message.to_owned());
        }
    }

    fn ask(&self, question: &str) -> BoxFuture<'static, io::Result<Secret>> {
        let answer = {
            let mut state = lock(&self.0.person);
            state.asked.push(question.to_owned());
            state.answers.pop_front().filter(|_| state.present)
        };
        Box::pin(async move { answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()) })
    }
}
