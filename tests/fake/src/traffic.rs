//! Recorded traffic: what is sent, and what comes back.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use ee_auth_core::ExposeSecret;
use ee_auth_core::host::{Body, HttpError, HttpErrorKind, Request, Response};
use serde::Deserialize;
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::{Fake, answer, failure};

/// One request and what becomes of it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    request: Expected,
    response: Option<Answer>,
    error: Option<Failure>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    method: String,
    #[serde(deserialize_with = "address")]
    url: Url,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    form: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    absent_fields: Vec<String>,
    json: Option<Value>,
    direct: Option<bool>,
    client_certificate: Option<bool>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    kind: String,
    message: String,
}

impl Fake {
    /// The same machine, on which the network is `http-traffic.json`: an array of
    ///
    /// ```json
    /// {
    ///   "request": {
    ///     "method": "POST", "url": "https://oauth2.googleapis.com/token",
    ///     "headers": {"Metadata-Flavor": "Google"},
    ///     "form": {"grant_type": "refresh_token", "refresh_token": {"present": true}},
    ///     "absent_fields": ["scope"]
    ///   },
    ///   "response": {"status": 200, "headers": {"Retry-After": "1"}, "body": {"access_token": "t"}}
    /// }
    /// ```
    ///
    /// Requests must come in this order. Of a request, method and address must be the same, and what is named under
    /// `headers`, `form` or `json` must be there with that value, or with any where the value is `{"present": true}`;
    /// `absent_fields` must be neither in its form nor in its JSON. `direct` says whether proxies must be passed by,
    /// `client_certificate` whether the client must show one.
    /// `body` is a string, or JSON, which comes with its content type. The headers of an answer that mean something
    /// are `Content-Type`, `Retry-After`, `Date` and `Metadata-Flavor`; a date in `Retry-After` is seen from the
    /// machine's clock. In place of `response`, `error` has a `kind` (`connect`, `tls`, `timeout`, `interrupted`,
    /// `malformed`, `redirected`, `refused`) and a `message`.
    ///
    /// # Panics
    /// Where `json` is something else; the message says what.
    #[must_use]
    pub fn with_traffic(self, json: &str) -> Self {
        let events: Vec<Event> = serde_json::from_str(json).expect("http-traffic.json is an array of events");
        for (index, event) in events.into_iter().enumerate() {
            let result = event.outcome(index);
            let fake = self.clone();
            self.push_script(move |request| match event.request.mismatch(request) {
                None => match &result {
                    Ok(answer) => Ok(answer.response(&fake)),
                    Err(error) => Err(error.clone()),
                },
                Some(mismatch) => Err(fake.fault(format!("request {index} of the traffic: {mismatch}"))),
            });
        }
        self
    }
}

impl Event {
    /// What comes back.
    fn outcome(&self, index: usize) -> Result<Answer, HttpError> {
        match (&self.response, &self.error) {
            (Some(answer), None) => Ok(answer.clone()),
            (None, Some(error)) => Err(failure(error.kind(), error.message.clone())),
            _ => panic!("event {index} of the traffic needs one of `response` and `error`"),
        }
    }
}

impl Failure {
    fn kind(&self) -> HttpErrorKind {
        match self.kind.as_str() {
            "connect" => HttpErrorKind::Connect,
            "tls" => HttpErrorKind::Tls,
            "timeout" => HttpErrorKind::Timeout,
            "interrupted" => HttpErrorKind::Interrupted,
            "malformed" => HttpErrorKind::Malformed,
            "redirected" => HttpErrorKind::Redirected,
            "refused" => HttpErrorKind::Refused,
            "proxy_variable" => HttpErrorKind::ProxyVariable,
            "proxy_refused" => HttpErrorKind::ProxyRefused,
            "proxy_failed" => HttpErrorKind::ProxyFailed,
            other => panic!("{other} is no kind of failure"),
        }
    }
}

impl Expected {
    /// In what `request` is not the one that is expected.
    fn mismatch(&self, request: &Request) -> Option<String> {
        let method = format!("{:?}", request.method).to_uppercase();
        if method != self.method || request.url != self.url {
            return Some(format!("expected {} {}, got {method} {}", self.method, self.url, request.url));
        }
        if self.direct.is_some_and(|direct| direct != request.direct) {
            return Some(format!("`direct` is {}", request.direct));
        }
        if self.client_certificate.is_some_and(|shown| shown != request.client_certificate.is_some()) {
            return Some(format!("`client_certificate` is {}", request.client_certificate.is_some()));
        }
        for (name, expected) in &self.headers {
            let sent = request.headers.iter().find(|(sent, _)| sent.eq_ignore_ascii_case(name));
            let sent = sent.map(|(_, value)| Value::from(value.expose_secret()));
            if let Some(wrong) = differs(expected, sent.as_ref()) {
                return Some(format!("header {name}: {wrong}"));
            }
        }
        let (form, json) = match &request.body {
            None => (None, None),
            Some(Body::Form(form)) => {
                let fields = form_urlencoded::parse(form.expose_secret().as_bytes());
                let fields = fields.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())));
                (Some(Value::Object(fields.collect())), None)
            }
            Some(Body::Json(json)) => match serde_json::from_str::<Value>(json.expose_secret()) {
                Ok(json) => (None, Some(json)),
                Err(error) => return Some(format!("the body is no JSON: {error}")),
            },
        };
        let sent = form.as_ref().or(json.as_ref());
        if let Some(field) =
            self.absent_fields.iter().find(|field| sent.and_then(|sent| sent.get(field)).is_some())
        {
            return Some(format!("the field {field} must be absent"));
        }
        if let Some(expected) = &self.form {
            let expected = Value::Object(expected.clone().into_iter().collect());
            if let Some(wrong) = differs(&expected, form.as_ref()) {
                return Some(format!("form{wrong}"));
            }
        }
        differs(self.json.as_ref()?, json.as_ref()).map(|wrong| format!("json{wrong}"))
    }
}

fn address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    Url::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// In what `actual` is not `expected`, of whose objects it may have more keys.
fn differs(expected: &Value, actual: Option<&Value>) -> Option<String> {
    let Some(actual) = actual else { return Some(": absent".to_owned()) };
    match (expected, actual) {
        (Value::Object(any), _) if any.len() == 1 && any.get("present") == Some(&Value::Bool(true)) => None,
        (Value::Object(expected), Value::Object(actual)) => expected.iter().find_map(|(key, expected)| {
            differs(expected, actual.get(key)).map(|wrong| format!(".{key}{wrong}"))
        }),
        _ if expected == actual => None,
        _ => Some(format!(": expected {expected}, got {actual}")),
    }
}

impl Answer {
    fn response(&self, fake: &Fake) -> Response {
        let body = match &self.body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        let mut response = answer(self.status, body);
        if matches!(self.body, Value::Object(_) | Value::Array(_)) {
            response.content_type = Some("application/json; charset=utf-8".to_owned());
        }
        for (name, value) in &self.headers {
            match name.to_ascii_lowercase().as_str() {
                "content-type" => response.content_type = Some(value.clone()),
                "metadata-flavor" => response.metadata_flavor = Some(value.clone()),
                "date" => {
                    response.date = Some(httpdate::parse_http_date(value).expect("Date is an HTTP date"))
                }
                "retry-after" => {
                    response.retry_after = Some(match value.parse() {
                        Ok(seconds) => Duration::from_secs(seconds),
                        Err(_) => {
                            let at =
                                httpdate::parse_http_date(value).expect("Retry-After is seconds or a date");
                            let now =
                                fake.time().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
                            (at - now).duration_since(UNIX_EPOCH).unwrap_or_default()
                        }
                    });
                }
                _ => {}
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use ee_auth_core::host::Method;

    use super::*;

    const TRAFFIC: &str = r#"[
        {
            "request": {
                "method": "POST", "url": "https://a.example/token", "headers": {"X-One": "1"},
                "form": {"grant_type": "refresh_token", "refresh_token": {"present": true}},
                "absent_fields": ["scope"]
            },
            "response": {"status": 200, "headers": {"Retry-After": "Thu, 01 Jan 2026 00:00:07 GMT"}, "body": {"a": 1}}
        },
        {
            "request": {"method": "GET", "url": "https://a.example/", "direct": true},
            "error": {"kind": "connect", "message": "refused"}
        }
    ]"#;

    fn post(fields: &[(&str, &str)]) -> Request {
        Request::new(Method::Post, Url::parse("https://a.example/token").unwrap())
            .with_header("x-one", "1")
            .with_body(Body::form(fields.iter().copied()))
    }

    fn send(fake: &Fake, request: Request) -> Result<Response, HttpError> {
        pollster::block_on(fake.host().http.send(request))
    }

    #[test]
    fn matching_requests_are_answered_in_order() {
        let fake = Fake::new().with_traffic(TRAFFIC);
        let response =
            send(&fake, post(&[("grant_type", "refresh_token"), ("refresh_token", "x"), ("y", "z")]))
                .unwrap();
        assert_eq!(response.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(response.body[..], *br#"{"a":1}"#);
        assert!(response.content_type.is_some());
        let mut request = Request::new(Method::Get, Url::parse("https://a.example").unwrap());
        request.direct = true;
        assert_eq!(send(&fake, request).unwrap_err().kind, HttpErrorKind::Connect);
        fake.assert_all_used();
    }

    #[test]
    fn what_differs_is_told() {
        for (fields, wrong) in [
            (
                &[("grant_type", "other"), ("refresh_token", "x")][..],
                "form.grant_type: expected \"refresh_token\"",
            ),
            (&[("grant_type", "refresh_token")], "form.refresh_token: absent"),
            (
                &[("grant_type", "refresh_token"), ("refresh_token", "x"), ("scope", "")],
                "scope must be absent",
            ),
        ] {
            let fake = Fake::new().with_traffic(TRAFFIC);
            let error = send(&fake, post(fields)).unwrap_err();
            assert!(error.message.contains(wrong), "{}", error.message);
        }
        let fake = Fake::new().with_traffic(TRAFFIC);
        let request = Request::new(Method::Get, Url::parse("https://b.example").unwrap());
        assert!(
            send(&fake, request)
                .unwrap_err()
                .message
                .contains("expected POST https://a.example/token, got GET")
        );
    }
}
