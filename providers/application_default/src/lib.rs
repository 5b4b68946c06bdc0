//! The provider `application_default`: the credential file that `GOOGLE_APPLICATION_CREDENTIALS` names (AIP-4110).
//!
//! Unset is a skip. A path where there is nothing is an error: somebody meant something by it, and another identity
//! would be worse than none.
//!
//! Its login looks whether application-default credentials work that are there already, as Google's libraries would find
//! them on this machine: in that file, else in gcloud's.

mod login;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use ee_auth_core::host::Directory;
use ee_auth_core::{
    BoxFuture, Error, Finding, Found, Kind, LoggedIn, Login, LoginRequest, Options, Provider, Search,
};
use ee_auth_google::{Content, credential, path_in};

const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// How `application_default` is configured: not at all.
pub const KIND: Kind = Kind {
    name: "application_default",
    summary: "the credential file that GOOGLE_APPLICATION_CREDENTIALS names",
    interactive: false,
    declared_only: false,
    options: &[],
    build: |_name, _options: &Options| Ok(Arc::new(ApplicationDefault)),
};

/// The provider.
#[derive(Debug)]
pub struct ApplicationDefault;

impl Provider for ApplicationDefault {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            match find(search) {
                Some(found) => Finding::from(found),
                None => Finding::not_found(format!("{VARIABLE} is not set"))
                    .hint(format!("set {VARIABLE} to the path of a credential file")),
            }
        })
    }

    fn login(&self) -> Option<&dyn Login> {
        Some(self)
    }
}

impl Login for ApplicationDefault {
    fn log_in<'a>(&'a self, request: &'a LoginRequest) -> BoxFuture<'a, Result<LoggedIn, Error>> {
        Box::pin(login::check(request))
    }
}

/// The credential in the file that the variable names; `None` where it names none.
fn find(search: &Search) -> Option<Result<Found, Error>> {
    let path = search.path_variable(VARIABLE)?;
    let working = search.host().environment.directory(Directory::Working).unwrap_or_default();
    Some(
        path_in(&path, &working, VARIABLE)
            .and_then(|path| Content::read(search, &path, VARIABLE))
            .and_then(|content| content.document())
            .and_then(|document| credential::found(&document, search)),
    )
}
