//! What lets the `oauth2` crate write requests that go through our own HTTP client.
//!
//! `oauth2` knows how a grant is put into a request. The answer is read by [`token_endpoint`], as it is for the grant
//! that `oauth2` does not know (RFC 7523): one reader, one set of explanations.

use std::sync::{Mutex, PoisonError};

use ee_auth_core::host::Body;
use ee_auth_core::retry::Repeat;
use ee_auth_core::{BoxFuture, Error, Exchange, Secret};
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use url::Url;

use crate::token_endpoint::{self, Asker, Granted};

/// A client for one request of the `oauth2` crate, which keeps what the request came to.
pub(crate) struct Adapter<'a> {
    exchange: &'a Exchange,
    endpoint: &'a Url,
    repeat: Repeat,
    asker: &'a Asker<'a>,
    outcome: Mutex<Option<Result<Granted, Error>>>,
}

impl<'a> Adapter<'a> {
    pub(crate) fn new(
        exchange: &'a Exchange,
        endpoint: &'a Url,
        repeat: Repeat,
        asker: &'a Asker<'a>,
    ) -> Self {
        Self { exchange, endpoint, repeat, asker, outcome: Mutex::new(None) }
    }

    /// What the request came to.
    pub(crate) fn into_outcome(self) -> Result<Granted, Error> {
        self.outcome
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .unwrap_or_else(|| Err(Error::internal("the request for a token could not be written")))
    }
}

/// The request was made; what it came to is in the adapter.
#[derive(Debug)]
pub(crate) struct Kept;

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the outcome is kept by the client")
    }
}

impl std::error::Error for Kept {}

impl<'c> AsyncHttpClient<'c> for Adapter<'_> {
    type Error = Kept;
    type Future = BoxFuture<'c, Result<HttpResponse, Kept>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let form = String::from_utf8(request.into_body()).map(|form| Body::Form(Secret::from(form)));
            let outcome = match form {
                Ok(form) => {
                    token_endpoint::post(self.exchange, self.endpoint, form, self.repeat, self.asker).await
                }
                Err(_) => Err(Error::internal("a form that is not ASCII")),
            };
            *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            Err(Kept)
        })
    }
}
