//! What reqwest, hyper, rustls and the system say when something goes wrong, in words for a person.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use ee_auth_core::host::{HttpError, HttpErrorKind, Request};
use ee_auth_core::redact;
use hyper_util::client::proxy::matcher::Matcher;
use rustls::CertificateError;
use url::Url;

use crate::tls::TrustError;

pub(crate) fn fail(kind: HttpErrorKind, message: impl Into<String>) -> HttpError {
    HttpError { kind, message: message.into() }
}

/// Where a request goes, as far as an error may say so: never the query, in which a secret may be.
pub(crate) struct Target {
    url: Url,
    direct: bool,
    connect_timeout: Duration,
}

impl Target {
    pub(crate) fn of(request: &Request) -> Self {
        Self { url: request.url.clone(), direct: request.direct, connect_timeout: request.connect_timeout }
    }

    pub(crate) fn too_slow(&self, limit: Duration) -> HttpError {
        fail(
            HttpErrorKind::Timeout,
            format!("{} did not answer within {}", place(&self.url), humantime::format_duration(limit)),
        )
    }

    pub(crate) fn too_large(&self) -> HttpError {
        fail(HttpErrorKind::Malformed, format!("the answer of {} is larger than 1 MiB", place(&self.url)))
    }

    pub(crate) fn redirected(&self, to: Option<&Url>) -> HttpError {
        let to = to.map_or("an address that cannot be read".to_owned(), place);
        let message = format!("{} redirects to {to}; redirects are not followed", place(&self.url));
        fail(HttpErrorKind::Redirected, message)
    }

    /// What kind of failure `error` is, and what to tell a person about it.
    pub(crate) fn explain(&self, error: reqwest::Error) -> HttpError {
        let here = place(&self.url);
        let causes: Vec<_> = causes(&error).collect();
        let root = root(&causes);
        if let Some(trust) = find::<TrustError>(&causes) {
            return fail(HttpErrorKind::Tls, trust.to_string());
        }
        if error.is_connect() {
            return self.explain_connect(&error, &causes, &root);
        }
        if error.is_timeout() {
            return fail(HttpErrorKind::Timeout, format!("{here} stopped answering"));
        }
        if error.is_builder() {
            return fail(HttpErrorKind::Refused, format!("the request to {here} cannot be sent: {root}"));
        }
        let nonsense = causes.iter().any(|cause| {
            cause.downcast_ref::<io::Error>().is_some_and(|error| {
                matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
            })
        });
        match find::<hyper::Error>(&causes) {
            Some(http) if http.is_parse() || nonsense => {
                fail(HttpErrorKind::Malformed, format!("{here} did not answer as HTTP asks: {root}"))
            }
            None if error.is_body() || error.is_decode() => fail(
                HttpErrorKind::Malformed,
                format!("the answer of {here} could not be decompressed: {root}"),
            ),
            _ => fail(
                HttpErrorKind::Interrupted,
                format!("the connection to {here} broke before the answer was complete: {root}"),
            ),
        }
    }

    /// Nothing was sent: there was no connection.
    fn explain_connect(&self, error: &reqwest::Error, causes: &[Cause<'_>], root: &str) -> HttpError {
        let here = place(&self.url);
        if let Some(tls) = find::<rustls::Error>(causes) {
            return fail(HttpErrorKind::Tls, explain_tls(tls, &here));
        }
        let proxy = self.proxy();
        let via = proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
        if error.is_timeout() {
            let limit = humantime::format_duration(self.connect_timeout);
            let message = format!("{here}{via} did not accept a connection within {limit}");
            return fail(HttpErrorKind::Connect, message);
        }
        let from_system = find::<io::Error>(causes).is_some();
        match proxy {
            // The proxy was reached, and said no. It will say so again.
            Some(proxy) if !from_system && !error.is_dns() => fail(
                HttpErrorKind::Refused,
                format!("the proxy {proxy} makes no connection to {here}: {root}"),
            ),
            _ => fail(HttpErrorKind::Connect, format!("no connection to {here}{via}: {root}")),
        }
    }

    /// The proxy that this request goes through, without the password that its address may hold.
    fn proxy(&self) -> Option<String> {
        if self.direct {
            return None;
        }
        let uri = self.url.as_str().parse().ok()?;
        let proxy = Matcher::from_system().intercept(&uri)?;
        let host = proxy.uri().host()?.to_owned();
        Some(proxy.uri().port_u16().map_or(host.clone(), |port| format!("{host}:{port}")))
    }
}

/// What a person can do about a server whose TLS is not as it should be.
fn explain_tls(error: &rustls::Error, here: &str) -> String {
    use CertificateError as C;
    match error {
        rustls::Error::InvalidCertificate(C::UnknownIssuer) => format!(
            "the certificate of {here} is signed by nobody whom this machine trusts; if a proxy or firewall opens TLS \
             connections here, set SSL_CERT_FILE to a PEM file that holds its certificate authority"
        ),
        rustls::Error::InvalidCertificate(
            C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. },
        ) => {
            format!("the certificate of {here} is not valid today: {error}; is this machine's clock right?")
        }
        rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            format!("the certificate of {here} is for another name: {error}")
        }
        rustls::Error::InvalidCertificate(C::Other(reason)) if reason.to_string() == "CaUsedAsEndEntity" => {
            format!(
                "the certificate of {here} is not accepted: it is a certificate authority's own, as self-made ones often are"
            )
        }
        rustls::Error::InvalidCertificate(_) => {
            format!(
                "the certificate of {here} is not accepted: {error}; SSL_CERT_FILE can name others to trust"
            )
        }
        rustls::Error::InvalidMessage(_) => format!("{here} does not speak TLS: {error}"),
        other => format!("no secure connection to {here}: {other}"),
    }
}

/// The host and port of an address.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or("nowhere");
    url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"))
}

type Cause<'a> = &'a (dyn StdError + 'static);

/// Everything that led to `error`, from the outside in. An `io::Error` with another in it is two.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = Cause<'_>> {
    std::iter::successors(error.source(), |cause| {
        let cause: Cause<'_> = *cause;
        match cause.downcast_ref::<io::Error>() {
            Some(error) => error.get_ref().map(|inner| inner as Cause<'_>),
            None => cause.source(),
        }
    })
}

fn find<'a, T: StdError + 'static>(causes: &[Cause<'a>]) -> Option<&'a T> {
    causes.iter().find_map(|cause| match cause.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::Other(other)) if !cause.is::<T>() => other.0.downcast_ref::<T>(),
        _ => cause.downcast_ref::<T>(),
    })
}

/// The innermost cause, in its own words. Those of reqwest itself name the whole address, so they are passed over.
fn root(causes: &[Cause<'_>]) -> String {
    let root = causes.iter().rev().find(|cause| !cause.is::<reqwest::Error>());
    root.map_or("no reason was given".to_owned(), |cause| redact(&cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        let url = Url::parse("https://user:password@host.example:8443/path?code=secret#x").unwrap();
        assert_eq!(place(&url), "host.example:8443");
        assert_eq!(place(&Url::parse("https://host.example/").unwrap()), "host.example");
        assert_eq!(place(&Url::parse("http://[::1]:9/").unwrap()), "[::1]:9");
    }
}
