//! The provider `explicit`: what the caller passes.
//!
//! It finds an access token, an authorization code with its verifier, or the content of any credential file, in the
//! settings of the search, where a program that uses the library puts it. It has no options, and nothing on the
//! machine reaches it.

use std::sync::Arc;

use ee_auth_core::{BoxFuture, ExposeSecret, Finding, Kind, Options, Passed, Provider, Search};
use ee_auth_google::authorization_code::{self, Code};
use ee_auth_google::{Document, access_token, credential, oauth_client};

/// How `explicit` is configured: not at all.
pub const KIND: Kind = Kind {
    name: "explicit",
    summary: "a credential that the calling program passes",
    interactive: false,
    declared_only: false,
    options: &[],
    build: |_name, _options: &Options| Ok(Arc::new(Explicit)),
};

/// The provider.
#[derive(Debug)]
pub struct Explicit;

impl Provider for Explicit {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let place = "what the caller passed";
            match &search.settings().passed {
                None => Finding::not_applicable("the caller passed no credential"),
                Some(Passed::AccessToken(token)) => {
                    Finding::from(access_token::found(token, place, search.host().clock.now()))
                }
                Some(Passed::CredentialJson(json)) => Finding::from(
                    Document::parse(
                        json.expose_secret().trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}'),
                        place,
                    )
                    .and_then(|document| credential::found(&document, search)),
                ),
                Some(Passed::AuthorizationCode { code, verifier, redirect_uri }) => {
                    let code = Code {
                        client: oauth_client::earth_engine(),
                        code: code.clone(),
                        verifier: verifier.clone(),
                        redirect_uri: redirect_uri.clone(),
                    };
                    Finding::from(Ok(authorization_code::found(code, search.settings())))
                }
                // A later kind of passed credential that this version does not know.
                Some(_) => {
                    Finding::not_applicable("the caller passed something that `explicit` does not know")
                }
            }
        })
    }
}
