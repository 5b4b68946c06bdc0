use std::io;

use url::Url;

use super::BoxFuture;
use crate::Secret;

/// How much can be had of whoever is in front of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// There is nobody, or nobody wants to be bothered: nothing may wait for a person.
    Absent,
    /// Somebody may be watching and may have a browser; they cannot type an answer.
    Watching,
    /// Somebody can be asked.
    Answering,
}

/// Whoever sits in front of the machine: at a terminal, at a notebook, or nobody. The library never prints: it speaks
/// through this.
pub trait Person: Send + Sync {
    /// How much can be had of them.
    fn presence(&self) -> Presence;

    /// Tells them something. Does nothing where nobody is present.
    fn tell(&self, message: &str);

    /// Tells them what is being waited for. Unlike [`Person::tell`] it is of no use to somebody who reads it later, in a
    /// log, and so is left out where nobody can answer.
    fn tell_progress(&self, message: &str) {
        if self.presence() == Presence::Answering {
            self.tell(message);
        }
    }

    /// Shows an address that they are to open, with what it is for.
    fn show(&self, purpose: &str, address: &Url) {
        self.tell(&format!("{purpose}\n\n    {address}\n"));
    }

    /// Asks for one line, without white space around it. Dropping the future stops the asking.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where nobody answers.
    fn ask(&self, question: &str) -> BoxFuture<'static, io::Result<Secret>>;

    /// As [`Person::ask`], for an answer that nobody may see while it is typed: a password.
    ///
    /// # Errors
    /// As those of [`Person::ask`]; [`io::ErrorKind::Unsupported`] where what is typed would be seen. Nothing is asked then.
    fn ask_secret(&self, question: &str) -> BoxFuture<'static, io::Result<Secret>> {
        let _ = question;
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    /// Whether they have a browser with windows on this machine.
    fn has_browser(&self) -> bool;

    /// Opens an address in that browser. That it was started does not mean that a page is seen.
    ///
    /// # Errors
    /// The system's, and [`io::ErrorKind::NotFound`] where there is no such browser.
    fn browse(&self, address: &Url) -> io::Result<()>;
}

/// Nobody: there is no terminal, or nobody wants to be asked.
#[derive(Debug)]
pub struct Nobody;

impl Person for Nobody {
    fn presence(&self) -> Presence {
        Presence::Absent
    }

    fn tell(&self, _message: &str) {}

    fn ask(&self, _question: &str) -> BoxFuture<'static, io::Result<Secret>> {
        Box::pin(async { Err(io::ErrorKind::UnexpectedEof.into()) })
    }

    fn has_browser(&self) -> bool {
        false
    }

    fn browse(&self, _address: &Url) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }
}
