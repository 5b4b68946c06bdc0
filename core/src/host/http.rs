use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::BoxFuture;
use crate::{Error, Secret, redact};

/// The HTTP methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
}

/// What a request carries. `Debug` does not show it.
#[derive(Clone)]
pub enum Body {
    /// `application/x-www-form-urlencoded`, already encoded.
    Form(Secret),
    /// `application/json`.
    Json(Secret),
}

impl Body {
    /// A form from its fields, in order.
    pub fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::Form(Secret::from(
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish(),
        ))
    }
}

/// What a client shows of itself in a TLS handshake (RFC 8446, section 4.4.2): mutual TLS. `Debug` does not show it.
pub struct ClientCertificate {
    /// The client's certificate and those that vouch for it, leaf first, in PEM.
    pub chain: Vec<u8>,
    /// The private key of the leaf, in PEM.
    pub key: Secret,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate")
    }
}

/// A request. `Debug` shows the method and the address without its query, nothing else.
#[derive(Clone)]
pub struct Request {
    /// What is done there.
    pub method: Method,
    /// Where it goes.
    pub url: Url,
    /// Headers beside those that the body and the client bring.
    pub headers: Vec<(Cow<'static, str>, Secret)>,
    /// What it carries.
    pub body: Option<Body>,
    /// Whether proxies are bypassed: for the metadata server, which identifies whoever is connected to it.
    pub direct: bool,
    /// Who asks, where the server is to know it from the connection.
    pub client_certificate: Option<Arc<ClientCertificate>>,
    /// How long the connection may take.
    pub connect_timeout: Duration,
    /// How long the whole may take.
    pub timeout: Duration,
}

impl Request {
    /// A request with no headers that may take 10 s to connect and 30 s in all.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: None,
            direct: false,
            client_certificate: None,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
        }
    }

    /// The same request with a body.
    #[must_use]
    pub fn with_body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    /// The same request with one more header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Secret>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.url.clone();
        shown.set_query(None);
        let _ = shown.set_password(None);
        write!(f, "{:?} {shown}", self.method)
    }
}

/// An answer. `Debug` shows its status, nothing else.
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The `Content-Type`, as sent.
    pub content_type: Option<String>,
    /// How long `Retry-After` asks to wait, whether it was given in seconds or as a date.
    pub retry_after: Option<Duration>,
    /// The value of `Metadata-Flavor`, by which a metadata server is known.
    pub metadata_flavor: Option<String>,
    /// The server's `Date`, by which a wrong clock can be told.
    pub date: Option<SystemTime>,
    /// At most 1 MiB, after decompression. Overwritten in memory when dropped.
    pub body: Zeroizing<Vec<u8>>,
}

impl Response {
    /// Whether the same request may be answered another time, within seconds or minutes: 408, 429, 5xx and the other ways in
    /// which Google says that too much was asked at once; not a quota that is used up for the day.
    pub fn may_pass(&self) -> bool {
        match self.limit() {
            Some(Limit::Quota) => false,
            Some(Limit::Rate | Limit::Address) => true,
            None => matches!(self.status, 408 | 429 | 500..=599),
        }
    }

    /// Which limit the answer is about, if it is about one. Google answers 429, but also 403 with an error that says so, as
    /// OAuth's endpoints do (`rate_limit_exceeded`) and older APIs (`userRateLimitExceeded`), and a page for people.
    pub fn limit(&self) -> Option<Limit> {
        if !matches!(self.status, 400 | 403 | 429 | 503) {
            return None;
        }
        let Ok(answer) = serde_json::from_slice::<Value>(&self.body) else {
            let page = String::from_utf8_lossy(&self.body).to_ascii_lowercase();
            let is_about_address = ["automated quer", "unusual traffic", "automated requests"];
            return is_about_address.iter().any(|words| page.contains(words)).then_some(Limit::Address);
        };
        let error = answer.get("error").unwrap_or(&Value::Null);
        let details = || entries(error, "details").chain(entries(error, "errors"));
        let words = ["error", "error_subtype", "status"].iter().filter_map(|key| answer.get(key)?.as_str());
        let reasons = details().filter_map(|detail| detail.get("reason")?.as_str());
        let status = error.get("status").and_then(Value::as_str);
        let is_limit = words.chain(status).chain(reasons).any(is_limit) || self.status == 429;
        if !is_limit {
            return None;
        }
        let message = ["message", "error_description"]
            .iter()
            .filter_map(|key| error.get(key).or_else(|| answer.get(key))?.as_str());
        let names = details().filter_map(|detail| detail.get("metadata")?.as_object()).flat_map(|metadata| {
            metadata
                .iter()
                .filter(|(name, _)| name.starts_with("quota_"))
                .filter_map(|(_, value)| value.as_str())
        });
        let reasons = details().filter_map(|detail| detail.get("reason")?.as_str());
        let is_long = message.chain(names).chain(reasons).any(lasts);
        Some(if is_long { Limit::Quota } else { Limit::Rate })
    }

    /// The error for an answer that says nothing about the request: the server is busy or failed, or a limit was reached.
    /// `None` for any other. `place` is who answered, for a person.
    pub fn unavailable(&self, place: &str) -> Option<Error> {
        let status = self.status;
        let limit = self.limit();
        let said = self.said();
        let name = if said.is_empty() { status.to_string() } else { format!("{status} {said}") };
        Some(match limit {
            Some(Limit::Quota) => {
                Error::unavailable("quota", format!("{place}: the quota is used up: {name}")).hint(
                    "trying again does not help before the quota is renewed, the next day or month; see \
                     https://console.cloud.google.com/iam-admin/quotas",
                )
            }
            Some(Limit::Address) => Error::unavailable(
                "status",
                format!(
                    "{place} answered {status}: too many requests from this network address, which Google takes for \
                     automated queries"
                ),
            )
            .hint(
                "wait some minutes; machines behind one VPN, proxy or cluster gateway share the limit, so try from \
                 another network, and ask for fewer tokens (`ee-auth serve` shares one)",
            ),
            Some(Limit::Rate) => {
                Error::unavailable("status", format!("{place} answered {name}: too many requests"))
                    .hint("this passes by itself; try again in a minute")
            }
            None if self.may_pass() => {
                let what = match status {
                    408 => "it waited too long for the request",
                    429 => "too many requests",
                    _ => "it failed",
                };
                Error::unavailable("status", format!("{place} answered {name}: {what}"))
                    .hint("this passes by itself; try again in a minute")
            }
            None => return None,
        })
    }

    /// The server's own code and words, fit to show; empty where there are none.
    fn said(&self) -> String {
        let Ok(answer) = serde_json::from_slice::<Value>(&self.body) else { return String::new() };
        let error = answer.get("error").unwrap_or(&Value::Null);
        let code = error.as_str().or_else(|| error.get("status")?.as_str());
        let words = error
            .get("message")
            .or_else(|| answer.get("error_description"))
            .and_then(Value::as_str)
            .map(|words| words.trim_end_matches('.'));
        redact(&code.into_iter().chain(words).collect::<Vec<_>>().join(", "))
    }
}

/// A limit of Google's that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// A rate limit, which passes within minutes.
    Rate,
    /// Too many requests from this network address, for which Google shows a page.
    Address,
    /// A quota that is used up for a day or longer.
    Quota,
}

/// The objects in the array `name` of an error (AIP-193).
fn entries<'a>(error: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    error.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Whether `reason` names a limit, in any of the spellings that Google has had.
fn is_limit(reason: &str) -> bool {
    let bare: String =
        reason.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    matches!(
        bare.as_str(),
        "ratelimitexceeded"
            | "userratelimitexceeded"
            | "ratelimitexceededunreg"
            | "userratelimitexceededunreg"
            | "dailylimitexceeded"
            | "dailylimitexceededunreg"
            | "limitexceeded"
            | "quotaexceeded"
            | "resourceexhausted"
            | "resourcequotaexceeded"
            | "toomanyrequests"
            | "slowdown"
    )
}

/// Whether the name of a limit, or words about it, say that it lasts for a day or longer.
fn lasts(words: &str) -> bool {
    let words = words.to_ascii_lowercase().replace(['_', '-'], " ");
    ["daily", "per day", "perday", "monthly", "per month", "permonth", "1/d/", "1/day", "1/month"]
        .iter()
        .any(|period| words.contains(period))
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpErrorKind {
    /// The name could not be resolved, or nothing accepted the connection: nothing was sent.
    Connect,
    /// The certificate was not accepted, or there was no secure connection to be had: nothing was sent.
    Tls,
    /// It took too long.
    Timeout,
    /// The connection broke after the request had begun to be sent.
    Interrupted,
    /// The answer was no HTTP, or its body was larger than 1 MiB or could not be decompressed.
    Malformed,
    /// The answer was a redirect, which a request that carries a secret does not follow.
    Redirected,
    /// The client could not be set up, or it refused to send the request.
    Refused,
    /// A proxy variable is set and cannot be read; nothing was sent.
    ProxyVariable,
    /// A proxy refused the request: it wants a login, or does not allow the address. It will do so again.
    ProxyRefused,
    /// A proxy failed in a way that may pass: 502, 503 or 504.
    ProxyFailed,
    /// The system has run out of something that sending takes, as [`shortage`](fn@super::shortage) tells: nothing was sent.
    Shortage,
}

/// A request that got no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct HttpError {
    /// How it failed.
    pub kind: HttpErrorKind,
    /// What happened, for a person. Neither a secret nor the request's query.
    pub message: String,
    /// What to do, where more is known than the kind says.
    pub help: Option<String>,
}

/// HTTP requests.
pub trait Http: Send + Sync {
    /// Sends a request once and reads the whole answer. Any status is an answer, redirects aside, which are never
    /// followed. The future may be polled anywhere.
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, HttpError>>;
}

impl HttpError {
    /// The error for a person who was `doing` something: `asking … for a token`.
    pub fn explain(&self, doing: &str) -> Error {
        let (detail, hint) = match self.kind {
            HttpErrorKind::Connect => (
                "connect",
                "see whether this machine is online; behind a proxy, set HTTPS_PROXY=http://HOST:PORT",
            ),
            HttpErrorKind::Tls => (
                "tls",
                "behind a proxy that opens TLS, set SSL_CERT_FILE to a PEM file with its certificate authority",
            ),
            HttpErrorKind::Timeout => {
                ("timeout", "try again; if it stays, a firewall may drop the connection")
            }
            HttpErrorKind::Interrupted => ("interrupted", "the connection broke; try again"),
            HttpErrorKind::Malformed => (
                "malformed",
                "a proxy or login page of the network may stand between here and Google; try again, or from another \
                 network",
            ),
            HttpErrorKind::Redirected => (
                "redirected",
                "Google's endpoints do not redirect; a login page of the network, or a wrong address in \
                 `[endpoints]`, does",
            ),
            HttpErrorKind::Refused => ("client", "correct what the message names"),
            HttpErrorKind::ProxyVariable => ("proxy", "write `http://HOST:PORT`, or unset the variable"),
            HttpErrorKind::ProxyRefused | HttpErrorKind::ProxyFailed => {
                ("proxy", "ask who runs the proxy, or add the host to NO_PROXY if it can be reached without")
            }
            HttpErrorKind::Shortage => ("", "end other programs"),
        };
        let hint = self.help.as_deref().unwrap_or(hint);
        match self.kind {
            // What is wrong is on this machine, whatever was asked for.
            HttpErrorKind::ProxyVariable => Error::invalid(detail, self.message.clone()).hint(hint),
            HttpErrorKind::Shortage => Error::internal(format!("{doing}: {}", self.message)).hint(hint),
            _ => Error::unavailable(detail, format!("{doing}: {}", self.message)).hint(hint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Response {
        Response {
            status,
            content_type: None,
            retry_after: None,
            metadata_flavor: None,
            date: None,
            body: body.as_bytes().to_vec().into(),
        }
    }

    #[test]
    fn a_limit_is_known_however_google_says_it() {
        for (status, body, limit) in [
            (403, r#"{"error":"rate_limit_exceeded","error_description":"slower"}"#, Limit::Rate),
            (403, r#"{"error":"quota_exceeded"}"#, Limit::Rate),
            (400, r#"{"error":"rate_limit_exceeded"}"#, Limit::Rate),
            (403, r#"{"error":{"errors":[{"reason":"userRateLimitExceeded"}]}}"#, Limit::Rate),
            (403, r#"{"error":{"errors":[{"reason":"dailyLimitExceeded"}]}}"#, Limit::Quota),
            (403, r#"{"error":{"status":"RESOURCE_EXHAUSTED"}}"#, Limit::Rate),
            (
                429,
                r#"{"error":{"details":[{"reason":"RATE_LIMIT_EXCEEDED","metadata":{"quota_limit":"defaultPerMinutePerProject"}}]}}"#,
                Limit::Rate,
            ),
            (
                429,
                r#"{"error":{"details":[{"reason":"RATE_LIMIT_EXCEEDED","metadata":{"quota_limit":"daily_eecu_usage_time"}}]}}"#,
                Limit::Quota,
            ),
            (429, r#"{"error":{"details":[{"metadata":{"quota_unit":"1/d/{project}"}}]}}"#, Limit::Quota),
            (
                429,
                r#"{"error":{"message":"Quota exceeded for quota metric 'x' and limit 'x per day'"}}"#,
                Limit::Quota,
            ),
            (429, "[]", Limit::Rate),
            (403, "<html>We're sorry... your computer may be sending automated queries", Limit::Address),
            (503, "<html>Our systems have detected unusual traffic", Limit::Address),
        ] {
            let response = answered(status, body);
            assert_eq!(response.limit(), Some(limit), "{body}");
            assert_eq!(response.may_pass(), limit != Limit::Quota, "{body}");
            assert_eq!(response.unavailable("here").unwrap().outcome(), crate::Outcome::Unavailable);
        }
        for (status, body) in [
            (403, r#"{"error":"access_denied"}"#),
            (403, r#"{"error":{"status":"PERMISSION_DENIED","message":"no quota project"}}"#),
            (400, r#"{"error":"invalid_grant"}"#),
            (403, "<html>Forbidden"),
            (403, "[]"),
            (401, ""),
        ] {
            let response = answered(status, body);
            assert_eq!((response.limit(), response.may_pass()), (None, false), "{body}");
            assert!(response.unavailable("here").is_none());
        }
        assert!(answered(503, "").may_pass() && answered(429, "busy").may_pass());
    }

    #[test]
    fn a_busy_server_is_quoted_without_what_may_be_secret() {
        let body = r#"{"error":"rate_limit_exceeded","error_description":"for ya29.abcdefghijk."}"#;
        let error = answered(403, body).unavailable("https://oauth2.googleapis.com/token").unwrap();
        assert!(
            error
                .message()
                .starts_with("https://oauth2.googleapis.com/token answered 403 rate_limit_exceeded")
        );
        assert!(!error.message().contains("abcdefghijk"), "{error}");
    }
}
