use std::fmt;
use std::io;

use super::BoxFuture;

/// Waiting for a browser on this machine, as the redirect of a login needs it (RFC 8252, section 7.3).
pub trait Loopback: Send + Sync {
    /// Listens on `port` of the loopback addresses of both families, as far as the machine has them; 0 picks a port. It
    /// ends when the listener is dropped.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AddrInUse`] where somebody else has the port, on either family.
    fn listen(&self, port: u16) -> BoxFuture<'static, io::Result<Box<dyn Visits>>>;
}

/// A listener: what browsers ask of it, one request after the other.
pub trait Visits: Send {
    /// The port.
    fn port(&self) -> u16;

    /// The next request. Connections that send none, or too slowly, or too much of it, are cut off unseen.
    ///
    /// # Errors
    /// The system's, where it can listen no longer.
    fn next(&mut self) -> BoxFuture<'_, io::Result<Visit>>;
}

/// A request that waits for its page. Dropped without an answer, it is answered with 404 and no content.
pub struct Visit {
    /// `GET` and the like.
    pub method: String,
    /// The path with its query, as sent.
    pub target: String,
    /// The `Host` header.
    pub host: Option<String>,
    /// The Unix user whose process asks; `None` where the system does not tell.
    pub user: Option<u32>,
    reply: Box<dyn FnOnce(Page) -> BoxFuture<'static, ()> + Send>,
}

impl Visit {
    /// A request whose answer is sent by `reply`, which ends when the browser has it or cannot be had.
    pub fn new(
        method: impl Into<String>,
        target: impl Into<String>,
        host: Option<String>,
        reply: impl FnOnce(Page) -> BoxFuture<'static, ()> + Send + 'static,
    ) -> Self {
        Self { method: method.into(), target: target.into(), host, user: None, reply: Box::new(reply) }
    }

    /// The same request of a process of this user.
    #[must_use]
    pub fn of_user(mut self, user: Option<u32>) -> Self {
        self.user = user;
        self
    }

    /// Answers, and waits until the browser has it or cannot be had; not for long.
    pub async fn answer(self, page: Page) {
        (self.reply)(page).await;
    }
}

/// The target may hold a code: `Debug` shows its path alone.
impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{} {path}", self.method)
    }
}

/// What a browser is answered: a page that needs nothing from anywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// HTML, without scripts.
    pub html: String,
}
