//! The provider `notebook`: a login through Earth Engine's notebook authenticator.
//!
//! It never finds anything by itself: a login needs a person, and what the login stores is found by `persistent`.

use std::sync::Arc;

use ee_auth_core::{BoxFuture, Finding, Kind, Options, Provider, Search};

/// How `notebook` is configured: not at all.
pub const KIND: Kind = Kind {
    name: "notebook",
    summary: "a login through Earth Engine's notebook authenticator",
    interactive: true,
    declared_only: false,
    options: &[],
    build: |_name, _options: &Options| Ok(Arc::new(Notebook)),
};

/// The provider.
#[derive(Debug)]
pub struct Notebook;

impl Provider for Notebook {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, _search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            Finding::interaction_required("a person would have to open a page and paste a code")
                .hint("`earthengine authenticate --auth_mode=notebook` logs in; what it stores is found by `persistent`")
        })
    }
}
