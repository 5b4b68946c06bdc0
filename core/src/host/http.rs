use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use url::Url;
use zeroize::Zeroizing;

use super::BoxFuture;
use crate::{Error, Secret};

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
    /// Whether the status says that the same request may be answered another time: 408, 429 and 5xx.
    pub fn may_pass(&self) -> bool {
        matches!(self.status, 408 | 429 | 500..=599)
    }
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
    /// A proxy could not do what it was asked, for now.
    ProxyFailed,
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
        };
        let hint = self.help.as_deref().unwrap_or(hint);
        match self.kind {
            // What is wrong is on this machine, whatever was asked for.
            HttpErrorKind::ProxyVariable => Error::invalid(detail, self.message.clone()).hint(hint),
            _ => Error::unavailable(detail, format!("{doing}: {}", self.message)).hint(hint),
        }
    }
}
