use std::io;

use super::BoxFuture;
use crate::Secret;

/// Whoever sits in front of the machine. The library never prints: it speaks through this.
pub trait Person: Send + Sync {
    /// Whether there is somebody who may be asked.
    fn is_present(&self) -> bool;

    /// Tells them something. Does nothing where nobody is present.
    fn tell(&self, message: &str);

    /// Asks for one line, without white space around it.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where nobody answers.
    fn ask(&self, question: &str) -> BoxFuture<'static, io::Result<Secret>>;
}

/// Nobody: there is no terminal, or nobody wants to be asked.
#[derive(Debug)]
pub struct Nobody;

impl Person for Nobody {
    fn is_present(&self) -> bool {
        false
    }

    fn tell(&self, _message: &str) {}

    fn ask(&self, _question: &str) -> BoxFuture<'static, io::Result<Secret>> {
        Box::pin(async { Err(io::ErrorKind::UnexpectedEof.into()) })
    }
}
