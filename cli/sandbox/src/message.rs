//! Requests as the services see them, and their replies.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::Value;

/// A request, read to its end.
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Percent-decoded.
    pub(crate) path: String,
    pub(crate) query: Fields,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    /// The text of a header, if it is text.
    pub(crate) fn header(&self, name: impl hyper::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The fields of the body: a form, or the text members of a JSON object, which Google's token endpoints take as
    /// well. `None` for a body that is neither.
    pub(crate) fn form(&self) -> Option<Fields> {
        let kind = self.header(CONTENT_TYPE).unwrap_or_default();
        if kind.starts_with("application/json") {
            let value: Value = serde_json::from_slice(&self.body).ok()?;
            let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
            return Some(Fields(value.as_object()?.iter().filter_map(text).collect()));
        }
        let plain = kind.starts_with("application/x-www-form-urlencoded") || self.body.is_empty();
        plain.then(|| Fields::parse(&self.body))
    }

    /// The body as JSON; `None` for what is not, or is labelled otherwise.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The access token of the `Authorization` header: RFC 6750, section 2.1.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header(AUTHORIZATION)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The name and password of the `Authorization` header: RFC 7617, each form-encoded as RFC 6749, section 2.3.1 asks.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        let (scheme, encoded) = self.header(AUTHORIZATION)?.split_once(' ')?;
        let decoded = STANDARD.decode(encoded.trim()).ok()?;
        let (name, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        scheme.eq_ignore_ascii_case("basic").then(|| (percent_decode(name), percent_decode(password)))
    }
}

/// The text behind percent escapes; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn percent_decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Names and values in the order in which they came.
#[derive(Clone, Default)]
pub(crate) struct Fields(pub(crate) Vec<(String, String)>);

impl Fields {
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The value of the first field of this name, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(field, _)| field == name)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    /// The words of a field whose values are separated by white space, as scopes are.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        self.get(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }

    /// The first name that is given twice, which RFC 6749, section 3.2 forbids.
    pub(crate) fn repeated(&self) -> Option<&str> {
        let names = self.0.iter().map(|(name, _)| name.as_str());
        names.enumerate().find(|(i, name)| self.0[..*i].iter().any(|(n, _)| n == name)).map(|(_, name)| name)
    }
}

/// A reply, and how it travels.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    pub(crate) delivery: Delivery,
}

/// How a reply reaches the client, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    /// The connection is reset (TCP RST) before any answer.
    Reset,
    /// The connection is closed before any answer.
    Close,
    /// No answer, ever.
    Never,
    /// The whole answer, this much later.
    After(Duration),
    /// The connection is closed after half of the announced body.
    Cut,
    /// One byte of the body in each such interval.
    Drip(Duration),
}

/// What a service makes of a request: both sides are replies, so that `?` ends a service with an error.
pub(crate) type Answer = Result<Reply, Reply>;

impl Reply {
    pub(crate) fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let status = StatusCode::from_u16(status).expect("every status here is a valid one");
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static(content_type))];
        Self { status, headers, body: body.into(), delivery: Delivery::Whole }
    }

    pub(crate) fn json(status: u16, value: &Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", value.to_string())
    }

    pub(crate) fn html(status: u16, body: String) -> Self {
        Self::new(status, "text/html; charset=utf-8", body)
    }

    /// A 302 to `location`.
    pub(crate) fn found(location: &str) -> Self {
        let reply = Self::html(302, "<p>The document has moved.</p>".to_owned());
        reply.header(hyper::header::LOCATION, location)
    }

    /// Adds a header. A value that no header can hold is left out.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: &'static str, authorization: &str, body: &'static str) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
        let (method, path) = (Method::POST, "/".to_owned());
        Request { method, path, query: Fields::default(), headers, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn fields_come_from_forms_and_from_json() {
        let form = request("application/x-www-form-urlencoded", "x", "a=1+2&b=%2F&c=").form().unwrap();
        assert_eq!((form.get("a"), form.get("b"), form.get("c")), (Some("1 2"), Some("/"), None));
        let form = request("application/json", "x", r#"{"a": "1 2", "b": 3}"#).form().unwrap();
        assert_eq!(form.words("a"), ["1", "2"]);
        for (kind, body) in [("application/json", "[]"), ("application/json", "{"), ("text/plain", "a=1")] {
            assert!(request(kind, "x", body).form().is_none(), "{body}");
        }
        assert_eq!(Fields::parse(b"a=1&b=2&a=3").repeated(), Some("a"));
        assert_eq!(Fields::parse(b"a=1&b=2").repeated(), None);
    }

    #[test]
    fn credentials_come_from_the_header() {
        assert_eq!(request("", "bearer  abc", "").bearer(), Some("abc"));
        assert_eq!(request("", "Basic YTolMkY=", "").bearer(), None);
        assert_eq!(request("", "Basic YTolMkY=", "").basic(), Some(("a".to_owned(), "/".to_owned())));
        assert_eq!(request("", "Basic !", "").basic(), None);
    }
}
