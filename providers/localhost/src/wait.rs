//! The wait for the browser, or for what the person pastes.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::time::Duration;

use ee_auth_core::host::{BoxFuture, Person, Presence, Visit, Visits, variable};
use ee_auth_core::{Error, LoginRequest, Outcome, Secret};
use ee_auth_google::pasted::{Pasted, check_state};
use futures_util::future::{Either, select};

use crate::heard::{Expected, Heard, Stray};
use crate::{page, redirect_uri};

/// A wait for the answer to one authorization request.
pub(crate) struct Waiting<'a> {
    pub(crate) request: &'a LoginRequest,
    pub(crate) port: u16,
    pub(crate) state: &'a str,
    pub(crate) timeout: Duration,
}

/// The answer.
pub(crate) struct CameBack {
    /// The code.
    pub(crate) code: Secret,
    /// The browser that brought it and waits to hear how the login ends; `None` where a person pasted it.
    pub(crate) visit: Option<Visit>,
}

/// What a wait can be interrupted by.
enum Event {
    Visit(io::Result<Visit>),
    Line(io::Result<Secret>),
    Deadline,
}

const QUESTION: &str =
    "If the browser ends at a page that it cannot open, paste the address of that page here:";

impl Waiting<'_> {
    /// Waits for the answer. Requests that are none are answered and counted, and the wait goes on.
    ///
    /// # Errors
    /// [`Outcome::Rejected`] where Google or the person said no; [`Outcome::Unavailable`] when the time is over.
    pub(crate) async fn for_answer(&self, visits: &mut dyn Visits) -> Result<CameBack, Error> {
        let host = &self.request.exchange.host;
        let person = &host.person;
        person.tell(&format!(
            "Waiting for the browser to come back to {}, for {} at most. Ctrl-C stops.",
            redirect_uri(self.port),
            humantime::format_duration(self.timeout)
        ));
        let endpoints = &self.request.exchange.settings.endpoints;
        let environment = &*host.environment;
        let expected = Expected {
            port: self.port,
            state: self.state,
            endpoints,
            user: environment.user_id(),
            invoking_user: variable(environment, "SUDO_UID").and_then(|user| user.parse().ok()),
        };
        let mut strays = Strays::default();
        let mut deadline = host.clock.sleep(self.timeout);
        let mut asking = (person.presence() == Presence::Answering).then(|| person.ask(QUESTION));
        loop {
            let event = next_event(&mut *visits, &mut asking, &mut deadline).await;
            match event {
                Event::Visit(Ok(visit)) => match expected.hear(&visit) {
                    Heard::Code(code) => {
                        end_question(&**person, &asking);
                        return Ok(CameBack { code, visit: Some(visit) });
                    }
                    Heard::Refused(error) => {
                        end_question(&**person, &asking);
                        visit.answer(page::refused(&error)).await;
                        return Err(error);
                    }
                    Heard::Stray(stray) => {
                        log::debug!("a request that is not the login's answer: {visit:?}: {stray:?}");
                        strays.count(stray);
                        if stray == Stray::OtherUser && strays.of_other_users == 1 {
                            end_question(&**person, &asking);
                            warn_of_user(&**person, visit.user, asking.is_some());
                        }
                        visit.answer(page::stray(stray)).await;
                    }
                },
                Event::Visit(Err(error)) => {
                    return Err(Error::unavailable(
                        "listen",
                        format!("the browser cannot be waited for: {error}"),
                    ));
                }
                Event::Line(Ok(line)) => match self.pasted(&line) {
                    Ok(code) => return Ok(CameBack { code, visit: None }),
                    Err(error) if error.outcome() == Outcome::Invalid || error.detail() == "state" => {
                        let hint = error.next_step().map(|hint| format!("\n{hint}")).unwrap_or_default();
                        person.tell(&format!("{error}.{hint}"));
                        asking = Some(person.ask(QUESTION));
                    }
                    Err(error) => return Err(error),
                },
                // The terminal has ended; the browser has not.
                Event::Line(Err(_)) => asking = None,
                Event::Deadline => {
                    end_question(&**person, &asking);
                    return Err(self.too_late(&strays));
                }
            }
        }
    }

    fn pasted(&self, line: &Secret) -> Result<Secret, Error> {
        let pasted = Pasted::parse(line, &self.request.exchange.settings.endpoints)?;
        check_state(pasted.state.as_deref(), self.state)?;
        Ok(pasted.code)
    }

    fn too_late(&self, strays: &Strays) -> Error {
        Error::unavailable(
            "timeout",
            format!(
                "no browser came back to {} within {}{}",
                redirect_uri(self.port),
                humantime::format_duration(self.timeout),
                strays.described()
            ),
        )
        .hint(
            "log in again; `--mode notebook` works with a browser on any machine, and `timeout` in \
             [providers.localhost] gives more time",
        )
    }
}

/// Somebody tries to log this person in as somebody else, or it is the person's own browser under another name.
fn warn_of_user(person: &dyn Person, user: Option<u32>, can_paste: bool) {
    let user = user.map(|user| format!(" (number {user})")).unwrap_or_default();
    let paste = if can_paste {
        "\nIf that was your own browser, paste the address of the page that it shows here:"
    } else {
        ""
    };
    person.tell(&format!(
        "warning: a process of another user of this machine{user} connected to the login; it was refused, and the login goes on \
         waiting.{paste}"
    ));
}

/// The question that is being asked, while it is.
type Asking = Option<BoxFuture<'static, io::Result<Secret>>>;

/// What is said next does not belong behind the question.
fn end_question(person: &dyn Person, asking: &Asking) {
    if asking.is_some() {
        person.tell_progress("");
    }
}

/// What comes first. The browser's answer counts before the person's, and both before the end of the time.
async fn next_event(
    visits: &mut dyn Visits,
    asking: &mut Asking,
    deadline: &mut BoxFuture<'static, ()>,
) -> Event {
    let line = pin!(async {
        match asking {
            Some(asking) => asking.await,
            None => pending().await,
        }
    });
    match select(select(visits.next(), line), deadline).await {
        Either::Left((Either::Left((visit, _)), _)) => Event::Visit(visit),
        Either::Left((Either::Right((line, _)), _)) => Event::Line(line),
        Either::Right(_) => Event::Deadline,
    }
}

/// The requests that were not the answer.
#[derive(Default)]
struct Strays {
    of_other_logins: usize,
    of_other_users: usize,
    others: usize,
}

impl Strays {
    fn count(&mut self, stray: Stray) {
        match stray {
            Stray::OtherLogin => self.of_other_logins += 1,
            Stray::OtherUser => self.of_other_users += 1,
            Stray::Elsewhere | Stray::NoAnswer | Stray::Ambiguous => self.others += 1,
        }
    }

    fn described(&self) -> String {
        let kinds = [
            (self.of_other_logins, "that belonged to another login"),
            (self.of_other_users, "from another user of this machine"),
            (self.others, "that brought no answer"),
        ];
        let kinds: Vec<_> = kinds.iter().filter(|(count, _)| *count > 0).collect();
        let Some(((first, what), rest)) = kinds.split_first().map(|(first, rest)| (*first, rest)) else {
            return String::new();
        };
        let mut text = format!("{} came {what}", requests(*first));
        for (at, (count, what)) in rest.iter().enumerate() {
            let joint = if at + 1 == rest.len() { ", and" } else { "," };
            text += &format!("{joint} {count} {what}");
        }
        format!(" ({text})")
    }
}

fn requests(count: usize) -> String {
    if count == 1 { "1 request".to_owned() } else { format!("{count} requests") }
}
