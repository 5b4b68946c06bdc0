//! The provider `localhost`: a login through a browser on this machine.
//!
//! It never finds anything by itself: a login needs a person, and what the login stores is found by `persistent`.

use std::sync::Arc;

use ee_auth_core::{BoxFuture, Finding, Kind, Options, Provider, Search};

/// How `localhost` is configured: not at all.
pub const KIND: Kind = Kind {
    name: "localhost",
    summary: "a login through a browser on this machine",
    interactive: true,
    declared_only: false,
    options: &[],
    build: |_name, _options: &Options| Ok(Arc::new(Localhost)),
};

/// The provider.
#[derive(Debug)]
pub struct Localhost;

impl Provider for Localhost {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, _search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            Finding::interaction_required("a person would have to sign in with a browser")
                .hint("`earthengine authenticate --auth_mode=localhost` logs in; what it stores is found by `persistent`")
        })
    }
}
