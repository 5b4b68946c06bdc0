use std::io::{self, IsTerminal, Write};

use ee_auth_core::host::{BoxFuture, Person, Presence};
use ee_auth_core::{Secret, visible_lines};
use url::Url;

use crate::browser;
use crate::line::{self, Echo};

/// Whoever sits at the terminal. What is said goes to standard error, since standard output carries data.
pub(crate) struct Terminal;

impl Person for Terminal {
    /// Without a terminal somebody may still watch: standard error may be a log, or the window of a program that runs
    /// this one.
    fn presence(&self) -> Presence {
        if io::stdin().is_terminal() && io::stderr().is_terminal() {
            Presence::Answering
        } else {
            Presence::Watching
        }
    }

    fn tell(&self, message: &str) {
        say(message, "\n");
    }

    fn ask(&self, question: &str) -> BoxFuture<'static, io::Result<Secret>> {
        self.ask_for(question, Echo::On)
    }

    #[cfg(unix)]
    fn ask_secret(&self, question: &str) -> BoxFuture<'static, io::Result<Secret>> {
        self.ask_for(question, Echo::Off)
    }

    fn has_browser(&self) -> bool {
        browser::exists()
    }

    fn browse(&self, address: &Url) -> io::Result<()> {
        browser::open(address, |trouble| {
            say(
                &format!("The browser could not be started ({trouble}): please open the address yourself."),
                "\n",
            );
        })
    }
}

impl Terminal {
    fn ask_for(&self, question: &str, echo: Echo) -> BoxFuture<'static, io::Result<Secret>> {
        let present = self.presence() == Presence::Answering;
        let question = question.to_owned();
        Box::pin(async move {
            if !present {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "there is no terminal to ask at"));
            }
            say(&question, " ");
            line::from_terminal(echo).await
        })
    }
}

/// Nothing can be done for somebody who closed their standard error.
fn say(message: &str, end: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{}{end}", visible_lines(message)).and_then(|()| stderr.flush());
}
