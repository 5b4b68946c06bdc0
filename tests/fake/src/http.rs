use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use ee_auth_core::host::{BoxFuture, Http, HttpError, HttpErrorKind, Request, Response};
use zeroize::Zeroizing;

use crate::{Fake, lock};

type Script = Arc<Mutex<dyn FnMut(&Request) -> Result<Response, HttpError> + Send>>;

#[derive(Default)]
pub(crate) struct State {
    /// The answers to come, in order; then `script`.
    queue: VecDeque<Script>,
    script: Option<Script>,
    requests: Vec<Request>,
    faults: Vec<String>,
}

/// An answer with a status and a body, and no headers.
pub fn answer(status: u16, body: impl Into<Vec<u8>>) -> Response {
    Response {
        status,
        content_type: None,
        retry_after: None,
        metadata_flavor: None,
        date: None,
        body: Zeroizing::new(body.into()),
    }
}

/// A request that gets no answer.
pub fn failure(kind: HttpErrorKind, message: impl Into<String>) -> HttpError {
    HttpError { kind, message: message.into(), help: None }
}

impl Fake {
    /// The same machine, on which the next request that has no answer yet gets this one.
    #[must_use]
    pub fn with_response(self, response: Response) -> Self {
        let mut response = Some(response);
        self.push_script(move |_| {
            response.take().ok_or_else(|| failure(HttpErrorKind::Refused, "used twice"))
        });
        self
    }

    /// The same machine, on which the next request that has no answer yet fails so.
    #[must_use]
    pub fn with_failure(self, kind: HttpErrorKind, message: impl Into<String>) -> Self {
        let error = failure(kind, message);
        self.push_script(move |_| Err(error.clone()));
        self
    }

    /// The same machine, on which `serve` answers every request that no other answer is kept for.
    #[must_use]
    pub fn with_server<F>(self, serve: F) -> Self
    where
        F: FnMut(&Request) -> Result<Response, HttpError> + Send + 'static,
    {
        lock(&self.0.http).script = Some(Arc::new(Mutex::new(serve)));
        self
    }

    pub(crate) fn push_script<F>(&self, serve: F)
    where
        F: FnMut(&Request) -> Result<Response, HttpError> + Send + 'static,
    {
        lock(&self.0.http).queue.push_back(Arc::new(Mutex::new(serve)));
    }

    /// Notes what the test must fail for, and makes the answer that stands in for the missing one.
    pub(crate) fn fault(&self, message: String) -> HttpError {
        lock(&self.0.http).faults.push(message.clone());
        failure(HttpErrorKind::Refused, message)
    }

    /// The requests that were sent, in order.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.0.http).requests.clone()
    }

    /// Checks that every answer and every run of a program that was kept ready has been used, that each request was
    /// the one it was kept for, and that nothing else was asked for.
    ///
    /// # Panics
    /// Where that is not so; the message shows all that is wrong.
    pub fn assert_all_used(&self) {
        let mut wrong = lock(&self.0.http).faults.clone();
        wrong.extend(lock(&self.0.processes).faults.iter().cloned());
        match lock(&self.0.http).queue.len() {
            0 => {}
            left => wrong.push(format!("{left} answers were never asked for")),
        }
        match lock(&self.0.processes).unused() {
            0 => {}
            left => wrong.push(format!("{left} runs of a program never happened")),
        }
        match lock(&self.0.loopback).unused() {
            0 => {}
            left => wrong.push(format!("{left} visits of a browser were never waited for")),
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

impl Http for Fake {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        let fake = self.clone();
        Box::pin(async move {
            let script = {
                let mut state = lock(&fake.0.http);
                state.requests.push(request.clone());
                state.queue.pop_front().or_else(|| state.script.clone())
            };
            // No lock but the script's own is held here, so that it may ask the fake about itself.
            let Some(script) = script else {
                let method = format!("{:?}", request.method).to_uppercase();
                return Err(fake.fault(format!("the fake has no answer for {method} {}", request.url)));
            };
            let mut serve = lock(&script);
            serve(&request)
        })
    }
}

#[cfg(test)]
mod tests {
    use ee_auth_core::host::Method;
    use url::Url;

    use super::*;

    fn get(fake: &Fake, url: &str) -> Result<Response, HttpError> {
        pollster::block_on(fake.host().http.send(Request::new(Method::Get, Url::parse(url).unwrap())))
    }

    #[test]
    fn answers_come_in_order_and_then_from_the_server() {
        let fake = Fake::new()
            .with_server(|request| Ok(answer(404, request.url.path())))
            .with_response(answer(200, "first"))
            .with_failure(HttpErrorKind::Timeout, "too slow");
        assert_eq!(get(&fake, "http://a/1").unwrap().body[..], *b"first");
        assert_eq!(get(&fake, "http://a/2").unwrap_err().kind, HttpErrorKind::Timeout);
        assert_eq!(get(&fake, "http://a/3").unwrap().body[..], *b"/3");
        assert_eq!(fake.requests().len(), 3);
        fake.assert_all_used();
    }

    #[test]
    #[should_panic = "the fake has no answer for GET http://a/1?q=2"]
    fn an_unscripted_request_is_a_failure() {
        let fake = Fake::new();
        assert_eq!(get(&fake, "http://a/1?q=2").unwrap_err().kind, HttpErrorKind::Refused);
        fake.assert_all_used();
    }

    #[test]
    #[should_panic = "1 answers were never asked for"]
    fn an_unused_answer_is_a_failure() {
        Fake::new().with_response(answer(200, "")).assert_all_used();
    }
}
