use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ee_auth_core::host::{Body, ClientCertificate};
use ee_auth_core::host::{BoxFuture, Http, HttpError, HttpErrorKind, Method, Request, Response};
use ee_auth_core::{ExposeSecret, Secret};
use flate2::bufread::MultiGzDecoder;
use http_body_util::{BodyExt, Full as FullBody};
use hyper::Uri;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderName,
    HeaderValue, LOCATION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RETRY_AFTER,
    USER_AGENT as USER_AGENT_HEADER,
};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;
use url::Url;
use zeroize::Zeroizing;

use crate::buffer::{Buffer, Full};
use crate::connect::{self, Connector, Route};
use crate::failure::{Target, fail, unsent};
use crate::{tasks, tls};

/// The most bytes of an answer's body, after decompression: 1 MiB. A token's has under 10 KiB.
const MAX_BODY: usize = 1 << 20;

/// How long a connection may be silent while an answer is waited for or read.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) const USER_AGENT: &str = concat!("ee-auth/", env!("CARGO_PKG_VERSION"));

/// The system's HTTP client, which is built by its first request. Requests run on the private thread.
#[derive(Default)]
pub(crate) struct SystemHttp(Arc<Clients>);

impl Http for SystemHttp {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        let clients = self.0.clone();
        Box::pin(async move {
            tasks::run(exchange(clients, request)).await.unwrap_or_else(|error| Err(unsent(&error)))
        })
    }
}

/// The clients that were needed so far: one for each way that requests go, so that no connection is shared between two ways.
#[derive(Default)]
struct Clients {
    built: Mutex<Vec<Client>>,
}

type HyperClient = legacy::Client<Connector, FullBody<Bytes>>;

#[derive(Clone)]
struct Client {
    /// The process that it was built in: after a fork its connections are the parent's, and so is who drives them.
    process: u64,
    route: Route,
    connect_timeout: Duration,
    client: HyperClient,
}

impl Clients {
    /// The client for a request. One with a certificate is built for that request alone: it serves an exchange, and the
    /// certificate may be another by the next.
    fn of(&self, request: &Request, route: &Route) -> Result<HyperClient, HttpError> {
        let connect_timeout = request.connect_timeout;
        if let Some(own) = &request.client_certificate {
            return built(build(route, connect_timeout, Some(own)));
        }
        let mut built_before = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let process = tasks::process();
        let known = built_before.iter().find(|known| {
            (known.process, known.connect_timeout) == (process, connect_timeout) && known.route == *route
        });
        if let Some(known) = known {
            return Ok(known.client.clone());
        }
        let client = built(build(route, connect_timeout, None))?;
        built_before.push(Client { process, route: route.clone(), connect_timeout, client: client.clone() });
        Ok(client)
    }
}

fn built(client: Result<HyperClient, Box<dyn StdError>>) -> Result<HyperClient, HttpError> {
    client
        .map_err(|error| fail(HttpErrorKind::Refused, format!("the HTTP client could not be built: {error}")))
}

fn build(
    route: &Route,
    connect_timeout: Duration,
    own: Option<&ClientCertificate>,
) -> Result<HyperClient, Box<dyn StdError>> {
    let connector =
        Connector { route: route.clone(), timeout: connect_timeout, tls: Arc::new(tls::config(own)?) };
    log::debug!("an HTTP client has been built");
    Ok(legacy::Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector))
}

/// Sends the request and reads the answer, within the request's time.
async fn exchange(clients: Arc<Clients>, request: Request) -> Result<Response, HttpError> {
    let target = Target::of(&request)?;
    let limit = request.timeout;
    match timeout(limit, attempt(&clients, request, &target)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(target.too_slow(limit)),
    }
}

async fn attempt(clients: &Clients, request: Request, target: &Target) -> Result<Response, HttpError> {
    let client = clients.of(&request, &target.route)?;
    let url = request.url.clone();
    let forwarder = target.route.forwarder(url.scheme());
    let mut encoded = encode(request)?;
    if let Some(login) = forwarder.and_then(connect::authorization) {
        if let Ok(mut value) = HeaderValue::from_str(&login) {
            value.set_sensitive(true);
            encoded.headers_mut().insert(PROXY_AUTHORIZATION, value);
        }
    }
    let answer = timeout(READ_TIMEOUT, client.request(encoded)).await.map_err(|_| target.fell_silent())?;
    let answer = answer.map_err(|error| target.explain(&error))?;
    let status = answer.status().as_u16();
    let headers = answer.headers();
    if matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Err(target.redirected(location(&url, headers).as_ref()));
    }
    let is_json = header(headers, &CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
    if let Some(proxy) =
        forwarder.filter(|_| status == 407 || (matches!(status, 403 | 502..=504) && !is_json))
    {
        let offers = headers.get_all(PROXY_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        return Err(target.proxy_answered(proxy, status, &connect::auth_schemes(offers)));
    }
    let date = header(headers, &DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let mut response = Response {
        status,
        content_type: header(headers, &CONTENT_TYPE).map(str::to_owned),
        retry_after: header(headers, &RETRY_AFTER)
            .and_then(|value| retry_after(value, date.unwrap_or_else(SystemTime::now))),
        metadata_flavor: headers
            .get("metadata-flavor")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
        date,
        body: Zeroizing::default(),
    };
    let is_compressed =
        header(headers, &CONTENT_ENCODING).is_some_and(|coding| coding.trim().eq_ignore_ascii_case("gzip"));
    let body = read(answer, target).await?;
    response.body = if is_compressed && !body.is_empty() { decompress(&body, target)? } else { body };
    Ok(response)
}

/// The request as hyper has it. What is secret in it is marked, so that no log shows it, and is overwritten when it has
/// been sent.
fn encode(request: Request) -> Result<hyper::Request<FullBody<Bytes>>, HttpError> {
    let unusable = |why: &str| {
        let host = request.url.host_str().unwrap_or("nowhere");
        fail(HttpErrorKind::Refused, format!("the request to {host} cannot be sent: {why}"))
    };
    if !matches!(request.url.scheme(), "http" | "https") {
        return Err(unusable("its address begins with neither http nor https"));
    }
    let mut url = request.url.clone();
    url.set_fragment(None);
    // The userinfo of an address is not part of a request.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let uri: Uri = url.as_str().parse().map_err(|_| unusable("its address is invalid"))?;
    let mut encoded = hyper::Request::new(FullBody::default());
    *encoded.uri_mut() = uri;
    *encoded.method_mut() = match request.method {
        Method::Get => hyper::Method::GET,
        Method::Post => hyper::Method::POST,
        Method::Put => hyper::Method::PUT,
    };
    let headers = encoded.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(USER_AGENT_HEADER, HeaderValue::from_static(USER_AGENT));
    for (name, value) in &request.headers {
        let header = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .zip(HeaderValue::from_str(value.expose_secret()).ok());
        let Some((name, mut value)) = header else {
            let message =
                format!("the header {name} has a value that no header can have: a line break, perhaps");
            return Err(fail(HttpErrorKind::Refused, message));
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let (content_type, body) = match request.body {
        None => return Ok(encoded),
        Some(Body::Form(form)) => ("application/x-www-form-urlencoded", form),
        Some(Body::Json(json)) => ("application/json", json),
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    *encoded.body_mut() = FullBody::new(Bytes::from_owner(SecretBytes(body)));
    Ok(encoded)
}

struct SecretBytes(Secret);

impl AsRef<[u8]> for SecretBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

/// The body as it was sent, up to the limit; nothing is read beyond it.
async fn read(answer: hyper::Response<Incoming>, target: &Target) -> Result<Zeroizing<Vec<u8>>, HttpError> {
    let announced =
        header(answer.headers(), &CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut buffer = Buffer::new(announced, MAX_BODY);
    let mut body = answer.into_body();
    while let Some(frame) = timeout(READ_TIMEOUT, body.frame()).await.map_err(|_| target.fell_silent())? {
        let frame = frame.map_err(|error| target.explain(&error))?;
        if frame.data_ref().is_some_and(|chunk| buffer.push(chunk) == Err(Full)) {
            return Err(target.too_large());
        }
    }
    Ok(buffer.into_bytes())
}

/// What `compressed` holds, up to the limit.
fn decompress(compressed: &[u8], target: &Target) -> Result<Zeroizing<Vec<u8>>, HttpError> {
    let mut buffer = Buffer::new(compressed.len().saturating_mul(4), MAX_BODY);
    match buffer.fill(MultiGzDecoder::new(compressed)) {
        Ok(Ok(())) => Ok(buffer.into_bytes()),
        Ok(Err(Full)) => Err(target.too_large()),
        Err(error) => Err(target.not_compressed(&error)),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Where a redirect from `url` leads.
fn location(url: &Url, headers: &HeaderMap) -> Option<Url> {
    url.join(header(headers, &LOCATION)?).ok()
}

/// How long `Retry-After` asks to wait (RFC 9110, section 10.2.3): seconds, or a date, which has meaning on the clock of
/// the server.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    match value.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let at = httpdate::parse_http_date(value.trim()).ok()?;
            Some(at.duration_since(now).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        for (value, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Thu, 01 Jan 2026 00:00:07 GMT", Some(7)),
            ("Wed, 31 Dec 2025 23:59:59 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn secrets_are_marked() {
        let request = Request::new(Method::Post, Url::parse("http://localhost/").unwrap())
            .with_header("authorization", "Bearer x")
            .with_body(Body::form([("a", "b c")]));
        let encoded = encode(request).unwrap();
        assert!(encoded.headers()["authorization"].is_sensitive());
        let body = pollster::block_on(encoded.body().clone().collect()).unwrap().to_bytes();
        assert_eq!(&body[..], b"a=b+c");
        assert_eq!(encoded.headers()[CONTENT_TYPE], "application/x-www-form-urlencoded");
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_refused_without_its_value() {
        let request = Request::new(Method::Get, Url::parse("http://localhost/").unwrap())
            .with_header("authorization", "Bearer x\r\nHost: evil");
        let error = encode(request).unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::Refused);
        assert!(
            error.message.contains("authorization") && !error.message.contains("Bearer"),
            "{}",
            error.message
        );
    }
}
