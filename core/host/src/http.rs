use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ee_auth_core::host::{Body, ClientCertificate};
use ee_auth_core::host::{BoxFuture, Http, HttpError, HttpErrorKind, Method, Request, Response};
use ee_auth_core::proxy::ProxyScheme;
use ee_auth_core::{ExposeSecret, Secret};
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, PROXY_AUTHENTICATE,
    RETRY_AFTER,
};
use tokio::time::timeout;
use url::Url;
use zeroize::Zeroizing;

use crate::buffer::{Buffer, Full};
use crate::failure::{Target, fail, fail_with, unsent};
use crate::proxy_probe::auth_schemes;
use crate::route::{self, Names, Route};
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

#[derive(Clone)]
struct Client {
    /// The process that it was built in: after a fork its connections are the parent's, and so is who drives them.
    process: u64,
    route: Route,
    connect_timeout: Duration,
    client: reqwest::Client,
}

impl Clients {
    /// The client for a request. One with a certificate is built for that request alone: it serves an exchange, and the
    /// certificate may be another by the next.
    fn of(&self, request: &Request, route: &Route) -> Result<reqwest::Client, HttpError> {
        let connect_timeout = request.connect_timeout;
        if let Some(own) = &request.client_certificate {
            // reqwest would show it to the proxy, too.
            if let Some(proxy) = route.proxy().filter(|proxy| proxy.scheme == ProxyScheme::Https) {
                return Err(fail_with(
                    HttpErrorKind::Refused,
                    format!(
                        "a client certificate cannot be used through a TLS connection to the proxy {proxy}"
                    ),
                    format!("write `http://` in {}, if the proxy accepts that", proxy.variable),
                ));
            }
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

fn built(client: Result<reqwest::Client, Box<dyn std::error::Error>>) -> Result<reqwest::Client, HttpError> {
    client
        .map_err(|error| fail(HttpErrorKind::Refused, format!("the HTTP client could not be built: {error}")))
}

fn build(
    route: &Route,
    connect_timeout: Duration,
    own: Option<&ClientCertificate>,
) -> Result<reqwest::Client, Box<dyn std::error::Error>> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::config(own)?)
        .user_agent(USER_AGENT)
        .http1_only()
        .gzip(true)
        .referer(false)
        // A secret goes where it was meant to go, and nowhere that an answer names.
        .redirect(reqwest::redirect::Policy::none())
        // What may be repeated is known to the sender: see `ee_auth_core::retry`.
        .retry(reqwest::retry::never())
        .connect_timeout(connect_timeout)
        .read_timeout(READ_TIMEOUT)
        .dns_resolver(Names { ipv4_first: false })
        // reqwest never reads the variables: see `ee_auth_core::proxy`.
        .no_proxy();
    if let Some(proxy) = route.proxy() {
        builder = builder.proxy(route::for_reqwest(proxy)?);
        // reqwest gives the proxy the first address, and more proxies can reach IPv4.
        if matches!(proxy.scheme, ProxyScheme::Socks4 | ProxyScheme::Socks5) {
            builder = builder.dns_resolver(Names { ipv4_first: true });
        }
    }
    log::debug!("an HTTP client has been built");
    Ok(builder.build()?)
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
    let answer = match client.execute(encode(request)?).await {
        Ok(answer) => answer,
        Err(error) => return Err(target.explain(error).await),
    };
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
        return Err(target.proxy_answered(proxy, status, &auth_schemes(offers)));
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
    response.body = read(answer, target).await?;
    Ok(response)
}

/// The request as reqwest has it. What is secret in it is marked, so that no log shows it, and is overwritten when it has
/// been sent.
fn encode(request: Request) -> Result<reqwest::Request, HttpError> {
    let unusable = |why: &str| {
        let host = request.url.host_str().unwrap_or("nowhere");
        fail(HttpErrorKind::Refused, format!("the request to {host} cannot be sent: {why}"))
    };
    if !matches!(request.url.scheme(), "http" | "https") {
        return Err(unusable("its address begins with neither http nor https"));
    }
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
    };
    let mut url = request.url;
    // reqwest would make a header of the userinfo, which is not part of a request.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let mut encoded = reqwest::Request::new(method, url);
    let headers = encoded.headers_mut();
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
    *encoded.body_mut() = Some(Bytes::from_owner(SecretBytes(body)).into());
    Ok(encoded)
}

struct SecretBytes(Secret);

impl AsRef<[u8]> for SecretBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

/// The body, decompressed, up to the limit; nothing is read beyond it.
async fn read(mut answer: reqwest::Response, target: &Target) -> Result<Zeroizing<Vec<u8>>, HttpError> {
    let announced =
        header(answer.headers(), &CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = Buffer::new(announced, MAX_BODY);
    loop {
        match answer.chunk().await {
            Ok(None) => return Ok(body.into_bytes()),
            Ok(Some(chunk)) if body.push(&chunk) == Err(Full) => return Err(target.too_large()),
            Ok(Some(_)) => {}
            Err(error) => return Err(target.explain(error).await),
        }
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
        assert_eq!(encoded.body().unwrap().as_bytes().unwrap(), b"a=b+c");
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
