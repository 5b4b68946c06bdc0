//! What carries requests and answers.

use std::fmt;
use std::path::PathBuf;

use ee_auth_core::host::Host;
use ee_auth_core::{BoxFuture, Error, Look, TokenKey};

use crate::{Answer, Request};

/// What carries a request to a plugin and its answer back: an executable's standard streams, or a shared library's function.
pub trait Transport: Send + Sync + fmt::Debug {
    /// The file that runs, for a person: `/usr/local/bin/ee-auth-vault`.
    fn place(&self) -> String;

    /// The file that runs, where it is on this machine; `None` where no place for it is known.
    fn file(&self, host: &Host) -> Option<PathBuf>;

    /// Where the file is looked for, and whether something is there. Nothing is run for it.
    fn look(&self, host: &Host) -> Look;

    /// Whether the plugin may have a login: false for protocols that know none.
    fn may_log_in(&self) -> bool {
        true
    }

    /// Adds to `key` everything beside `config`, `audience` and the scopes that makes its tokens differ from others: the file
    /// and its pin, its arguments, the values of the variables that it gets. `false` where that is not known, and its tokens
    /// are not to be kept between processes.
    fn add_to_key(&self, host: &Host, key: &mut TokenKey) -> bool {
        let _ = (host, key);
        false
    }

    /// Asks the plugin once, and waits for its answer until the request's deadline. Before anything runs, the file is
    /// checked ([`trust`](crate::trust)). A plugin is never asked twice.
    ///
    /// The messages of its errors begin where [`Transport::place`] and a colon stand before them: `it answered nothing`.
    ///
    /// # Errors
    /// [`Outcome::Untrusted`](ee_auth_core::Outcome::Untrusted) for a file that must not run;
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) for one that is not there;
    /// [`Outcome::Unavailable`](ee_auth_core::Outcome::Unavailable) for a deadline that passed;
    /// [`Outcome::Protocol`](ee_auth_core::Outcome::Protocol) for a crash, and for an answer that breaks the protocol.
    fn call<'a>(&'a self, host: &'a Host, request: &'a Request) -> BoxFuture<'a, Result<Answer, Error>>;
}
