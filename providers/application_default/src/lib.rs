//! The provider `application_default`: the credential file that `GOOGLE_APPLICATION_CREDENTIALS` names (AIP-4110).
//!
//! Unset is a skip. A path where there is nothing is an error: somebody meant something by it, and another identity
//! would be worse than none.

use std::sync::Arc;

use ee_auth_core::host::Directory;
use ee_auth_core::{BoxFuture, Finding, Kind, Options, Provider, Search};
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
            let Some(path) = search.path_variable(VARIABLE) else {
                return Finding::not_found(format!("{VARIABLE} is not set"))
                    .hint(format!("set {VARIABLE} to the path of a credential file"));
            };
            let working = search.host().environment.directory(Directory::Working).unwrap_or_default();
            let found = path_in(&path, &working, VARIABLE)
                .and_then(|path| Content::read(search, &path, VARIABLE))
                .and_then(|content| content.document())
                .and_then(|document| credential::found(&document, search));
            Finding::from(found)
        })
    }
}
