use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use ee_auth_core::host::{BoxFuture, Loopback, Page, Visit, Visits};
use url::Url;

use crate::{Fake, lock};

/// What a browser asks of a listener: method, target and `Host` header.
type Script = Box<dyn FnOnce(&Url) -> (String, String, Option<String>) + Send>;

#[derive(Default)]
pub(crate) struct State {
    visits: VecDeque<(Option<u32>, Script)>,
    pages: Arc<Mutex<Vec<Page>>>,
    taken: Vec<u16>,
    listened: Vec<u16>,
}

impl State {
    pub(crate) fn unused(&self) -> usize {
        self.visits.len()
    }
}

impl Fake {
    /// The same machine, on which a browser makes this request of whoever listens on loopback, after those that were said
    /// before. `request` is given the address that the person was shown last, and answers the method, the target and the
    /// `Host` header.
    #[must_use]
    pub fn with_visit<F>(self, request: F) -> Self
    where
        F: FnOnce(&Url) -> (String, String, Option<String>) + Send + 'static,
    {
        lock(&self.0.loopback).visits.push_back((None, Box::new(request)));
        self
    }

    /// The same machine, on which the request that was said last is of a process of this Unix user.
    ///
    /// # Panics
    /// If none was said.
    #[must_use]
    pub fn of_user(self, user: u32) -> Self {
        lock(&self.0.loopback).visits.back_mut().expect("a visit").0 = Some(user);
        self
    }

    /// The same machine, on which somebody else listens on `port`.
    #[must_use]
    pub fn with_taken_port(self, port: u16) -> Self {
        lock(&self.0.loopback).taken.push(port);
        self
    }

    /// The pages that browsers were answered, in order.
    pub fn pages(&self) -> Vec<Page> {
        let pages = lock(&self.0.loopback).pages.clone();
        lock(&pages).clone()
    }

    /// The ports that were asked for, in order.
    pub fn listened(&self) -> Vec<u16> {
        lock(&self.0.loopback).listened.clone()
    }
}

/// The port that is picked where any will do.
const PICKED: u16 = 40_000;

impl Loopback for Fake {
    fn listen(&self, port: u16) -> BoxFuture<'static, io::Result<Box<dyn Visits>>> {
        let fake = self.clone();
        Box::pin(async move {
            let mut state = lock(&fake.0.loopback);
            state.listened.push(port);
            if state.taken.contains(&port) {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            drop(state);
            let port = if port == 0 { PICKED } else { port };
            Ok(Box::new(Listener { fake, port }) as Box<dyn Visits>)
        })
    }
}

struct Listener {
    fake: Fake,
    port: u16,
}

impl Visits for Listener {
    fn port(&self) -> u16 {
        self.port
    }

    /// When all visits that were said have been made, nobody comes any more.
    fn next(&mut self) -> BoxFuture<'_, io::Result<Visit>> {
        let (script, pages) = {
            let mut state = lock(&self.fake.0.loopback);
            (state.visits.pop_front(), state.pages.clone())
        };
        let shown = self.fake.shown().pop();
        Box::pin(async move {
            let (Some((user, script)), Some(shown)) = (script, shown) else {
                return std::future::pending().await;
            };
            let (method, target, host) = script(&shown);
            Ok(Visit::new(method, target, host, move |page| {
                lock(&pages).push(page);
                Box::pin(async {})
            })
            .of_user(user))
        })
    }
}
