//! What reqwest, hyper, rustls, the system and proxies say when something goes wrong, in words for a person.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use ee_auth_core::host::{HttpError, HttpErrorKind, Request, shortage};
use ee_auth_core::proxy::{Proxy, ProxyScheme};
use ee_auth_core::redact;
use reqwest::StatusCode;
use rustls::CertificateError;
use url::Url;

use crate::http::READ_TIMEOUT;
use crate::proxy_probe::{ProxyError, probe};
use crate::route::Route;
use crate::tls::{self, TrustError};

pub(crate) fn fail(kind: HttpErrorKind, message: impl Into<String>) -> HttpError {
    HttpError { kind, message: message.into(), help: None }
}

pub(crate) fn fail_with(
    kind: HttpErrorKind,
    message: impl Into<String>,
    help: impl Into<String>,
) -> HttpError {
    HttpError { kind, message: message.into(), help: Some(help.into()) }
}

/// A request that was not sent, since the system refused.
pub(crate) fn unsent(error: &io::Error) -> HttpError {
    match shortage(error) {
        Some(help) => fail_with(HttpErrorKind::Shortage, error.to_string(), help),
        None => fail(HttpErrorKind::Refused, error.to_string()),
    }
}

/// Where a request goes and how, as far as an error may say so: never the query, in which a secret may be.
pub(crate) struct Target {
    url: Url,
    pub(crate) route: Route,
    connect_timeout: Duration,
}

impl Target {
    /// # Errors
    /// A proxy variable that cannot be read.
    pub(crate) fn of(request: &Request) -> Result<Self, HttpError> {
        let route = Route::of(request)
            .map_err(|fault| fail_with(HttpErrorKind::ProxyVariable, fault.to_string(), fault.help))?;
        Ok(Self { url: request.url.clone(), route, connect_timeout: request.connect_timeout })
    }

    pub(crate) fn too_slow(&self, limit: Duration) -> HttpError {
        fail(
            HttpErrorKind::Timeout,
            format!(
                "{}{} did not answer within {}",
                place(&self.url),
                self.via(),
                humantime::format_duration(limit)
            ),
        )
    }

    fn fell_silent(&self) -> HttpError {
        let message = format!(
            "{}{} stopped answering for {}",
            place(&self.url),
            self.via(),
            humantime::format_duration(READ_TIMEOUT)
        );
        fail(HttpErrorKind::Timeout, message)
    }

    pub(crate) fn too_large(&self) -> HttpError {
        fail(HttpErrorKind::Malformed, format!("the answer of {} is larger than 1 MiB", place(&self.url)))
    }

    pub(crate) fn redirected(&self, to: Option<&Url>) -> HttpError {
        let to = to.map_or("an address that cannot be read".to_owned(), place);
        let message = format!("{} redirects to {to}; redirects are not followed", place(&self.url));
        fail(HttpErrorKind::Redirected, message)
    }

    /// What kind of failure `error` is, and what to tell a person about it. Asks the proxy where only the proxy knows.
    pub(crate) async fn explain(&self, error: reqwest::Error) -> HttpError {
        if let Some(proxy) = self.suspect(&error) {
            if let Err(fault) = probe(proxy, &self.url, self.connect_timeout).await {
                return self.explain_proxy(&fault, proxy);
            }
        }
        self.explain_without_proxy(&error)
    }

    /// The proxy, where the error leaves open whether it is the proxy's.
    fn suspect(&self, error: &reqwest::Error) -> Option<&Proxy> {
        let causes: Vec<_> = causes(error).collect();
        let is_open =
            error.is_connect() && !error.is_timeout() && find_system(&causes).and_then(shortage).is_none();
        // Only an `https` proxy has a TLS connection that is not the server's.
        let is_tls = find::<rustls::Error>(&causes).is_some();
        self.route.proxy().filter(|proxy| is_open && (proxy.scheme == ProxyScheme::Https || !is_tls))
    }

    fn explain_without_proxy(&self, error: &reqwest::Error) -> HttpError {
        let here = place(&self.url);
        let causes: Vec<_> = causes(error).collect();
        let root = root(&causes);
        let io_error = causes.iter().find_map(|cause| {
            let kind = cause.downcast_ref::<io::Error>()?.kind();
            (kind != io::ErrorKind::Other).then_some(kind)
        });
        if error.is_connect() {
            use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
            // What was connected and broke off can only have been in the TLS handshake.
            let broke_off = self.url.scheme() == "https"
                && matches!(io_error, Some(UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe));
            if let Some(help) = find_system(&causes).and_then(shortage) {
                let message = format!("no connection to {here}{}: {root}", self.via());
                return fail_with(HttpErrorKind::Shortage, message, help);
            }
            return match self.route.proxy() {
                _ if error.is_timeout() => self.connect_too_slow(),
                _ if broke_off || find::<rustls::Error>(&causes).is_some() => {
                    explain_tls(&causes, &here, &root)
                }
                None => fail(HttpErrorKind::Connect, format!("no connection to {here}: {root}")),
                Some(_) => fail_with(
                    HttpErrorKind::ProxyFailed,
                    format!("no connection to {here}{}: {root}", self.via()),
                    "try again; ask who runs the proxy if it stays",
                ),
            };
        }
        if error.is_timeout() {
            return self.fell_silent();
        }
        if error.is_builder() {
            return fail(HttpErrorKind::Refused, format!("the request to {here} cannot be sent: {root}"));
        }
        let nonsense = matches!(io_error, Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput));
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
                format!(
                    "the connection to {here}{} broke before the answer was complete: {root}",
                    self.via()
                ),
            ),
        }
    }

    fn connect_too_slow(&self) -> HttpError {
        let limit = humantime::format_duration(self.connect_timeout);
        let message =
            format!("{}{} did not accept a connection within {limit}", place(&self.url), self.via());
        match self.route.proxy() {
            None => fail(HttpErrorKind::Connect, message),
            Some(proxy) => fail_with(HttpErrorKind::Connect, message, does_it_run(proxy)),
        }
    }

    /// What a proxy did wrong.
    fn explain_proxy(&self, error: &ProxyError, proxy: &Proxy) -> HttpError {
        use HttpErrorKind::{Connect, ProxyFailed, ProxyRefused, Tls};
        let here = place(&self.url);
        let variable = &proxy.variable;
        if let ProxyError::Tcp(error) | ProxyError::Resolve(error) = error {
            if let Some(help) = shortage(error) {
                let message = format!("no connection to {here}{}: {error}", self.via());
                return fail_with(HttpErrorKind::Shortage, message, help);
            }
        }
        match error {
            ProxyError::Timeout => self.connect_too_slow(),
            ProxyError::Tcp(error) => fail_with(
                Connect,
                format!(
                    "no connection to {here}{}: {}",
                    self.via(),
                    root(&causes(error).collect::<Vec<_>>())
                ),
                does_it_run(proxy),
            ),
            ProxyError::Resolve(error) => {
                let better = if proxy.scheme == ProxyScheme::Socks4 { "socks4a" } else { "socks5h" };
                fail_with(
                    Connect,
                    format!(
                        "this machine cannot resolve {here}, as `{}://` in {variable} asks it to: {error}",
                        proxy.scheme.name()
                    ),
                    format!(
                        "write `{better}://` in {variable}: then the proxy {} resolves names",
                        proxy.address()
                    ),
                )
            }
            ProxyError::Tls(error) => {
                let causes: Vec<_> = causes(error).collect();
                let root = root(&causes);
                match find::<rustls::Error>(&causes) {
                    Some(rustls::Error::InvalidCertificate(_) | rustls::Error::Other(_)) => {
                        explain_tls(&causes, &format!("the proxy {proxy}"), &root)
                    }
                    _ => fail_with(
                        Tls,
                        format!(
                            "the proxy {proxy} does not speak TLS, as `https://` in {variable} asks: {root}"
                        ),
                        format!(
                            "write `http://` in {variable}: most proxies are asked by http, for https addresses too"
                        ),
                    ),
                }
            }
            ProxyError::Io(error) => fail_with(
                ProxyFailed,
                format!("the proxy {proxy} closed the connection before {here} was reached: {error}"),
                format!(
                    "see whether {variable} names the right port and scheme: `http://`, `https://` for a proxy that                      speaks TLS, `socks5h://` for a SOCKS proxy"
                ),
            ),
            ProxyError::Protocol(began) => self.wrong_protocol(proxy, began),
            ProxyError::Status(status, schemes) => self.proxy_answered(proxy, *status, schemes),
            ProxyError::Socks { said, passes } => fail_with(
                if *passes { ProxyFailed } else { ProxyRefused },
                format!("the SOCKS proxy {proxy} makes no connection to {here}: {said}"),
                match proxy.scheme {
                    ProxyScheme::Socks5 => format!(
                        "this machine resolved the name; write `socks5h://` in {variable} to have the proxy do it, or                          ask who runs the proxy"
                    ),
                    _ => format!("ask who runs the proxy to allow {here}"),
                },
            ),
            ProxyError::SocksLogin => fail_with(
                ProxyRefused,
                format!(
                    "the SOCKS proxy {proxy} {}",
                    match proxy.login {
                        None => "wants a name and password",
                        Some(_) => "does not accept the name and password",
                    }
                ),
                login_help(proxy),
            ),
            ProxyError::TooLong => fail_with(
                ProxyRefused,
                format!("the name or password for the SOCKS proxy {proxy} has more than 255 bytes"),
                format!("correct {variable}"),
            ),
        }
    }

    /// The proxy speaks something else than its address says.
    fn wrong_protocol(&self, proxy: &Proxy, began: &[u8]) -> HttpError {
        let (speaks, scheme) = match began {
            // An alert or handshake record of TLS.
            [0x15 | 0x16, 3, ..] => ("TLS", "https://"),
            [b'H', b'T', ..] if !matches!(proxy.scheme, ProxyScheme::Http | ProxyScheme::Https) => {
                ("HTTP", "http://")
            }
            [5, ..] => ("SOCKS 5", "socks5h://"),
            [0, 90..=93, ..] => ("SOCKS 4", "socks4a://"),
            _ => {
                return fail_with(
                    HttpErrorKind::ProxyRefused,
                    format!(
                        "{proxy} does not answer as {} proxy does",
                        match proxy.scheme {
                            ProxyScheme::Http | ProxyScheme::Https => "an HTTP",
                            _ => "a SOCKS",
                        }
                    ),
                    format!("see whether {} names the right host, port and scheme", proxy.variable),
                );
            }
        };
        fail_with(
            HttpErrorKind::ProxyRefused,
            format!("the proxy {proxy} speaks {speaks}, not what `{}://` asks", proxy.scheme.name()),
            format!("write `{scheme}` in {}", proxy.variable),
        )
    }

    /// The proxy answered in the place of the server.
    pub(crate) fn proxy_answered(&self, proxy: &Proxy, status: u16, schemes: &[String]) -> HttpError {
        let here = place(&self.url);
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let said = format!("{status} {}", reason.unwrap_or_default());
        let message = format!("the proxy {proxy} answered {} for {here}", said.trim_end());
        match status {
            407 => {
                let offers_basic = schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic"));
                if offers_basic || schemes.is_empty() {
                    return fail_with(HttpErrorKind::ProxyRefused, message, login_help(proxy));
                }
                fail_with(
                    HttpErrorKind::ProxyRefused,
                    format!("{message}; it accepts {} only", schemes.join(", ")),
                    format!(
                        "ee-auth logs in to proxies with Basic, not with {}; have Basic allowed, or run a local proxy that                          logs in (cntlm, px) and set {}=http://127.0.0.1:3128",
                        schemes.join(" or "),
                        proxy.variable
                    ),
                )
            }
            408 | 429 | 500 | 502..=504 => fail_with(
                HttpErrorKind::ProxyFailed,
                message,
                format!(
                    "the proxy could not reach {here}; try again, and ask who runs the proxy if it stays"
                ),
            ),
            _ => fail_with(
                HttpErrorKind::ProxyRefused,
                message,
                format!(
                    "ask who runs the proxy to allow {here} (port {})",
                    self.url.port_or_known_default().unwrap_or(443)
                ),
            ),
        }
    }

    fn via(&self) -> String {
        self.route.proxy().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default()
    }
}

fn does_it_run(proxy: &Proxy) -> String {
    let Proxy { variable, .. } = proxy;
    format!("see whether the proxy runs at {}; correct {variable}, or unset it", proxy.address())
}

fn login_help(proxy: &Proxy) -> String {
    let Proxy { variable, scheme, .. } = proxy;
    match proxy.login {
        None => format!("put them into {variable}: {}://NAME:PASSWORD@{}", scheme.name(), proxy.address()),
        Some(_) => format!(
            "correct the name and password in {variable}; in the password, write % as %25, and @ as %40"
        ),
    }
}

/// What is wrong with the TLS of `here`, and what a person can do about it.
fn explain_tls(causes: &[Cause<'_>], here: &str, root: &str) -> HttpError {
    use CertificateError as C;
    let fail = |message: String, help: String| fail_with(HttpErrorKind::Tls, message, help);
    if let Some(trust) = find::<TrustError>(causes) {
        return fail(trust.to_string(), tls::trust_help());
    }
    let Some(error) = find::<rustls::Error>(causes) else {
        return fail_with(
            HttpErrorKind::Connect,
            format!("{here} closed the connection in the TLS handshake: {root}"),
            "a firewall may cut TLS connections to this host; try another network, or set HTTPS_PROXY=http://HOST:PORT",
        );
    };
    match error {
        rustls::Error::InvalidCertificate(C::UnknownIssuer) => fail(
            format!("the certificate of {here} is signed by an authority that this machine does not trust"),
            tls::issuer_help(),
        ),
        rustls::Error::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => fail(
            format!("the certificate of {here} has expired: {error}"),
            "see whether this machine's clock is right (`date`); if it is, whoever runs the server has to renew it".to_owned(),
        ),
        rustls::Error::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => fail(
            format!("the certificate of {here} is not valid yet: {error}"),
            "this machine's clock is probably behind: set it right (`timedatectl set-ntp true` on most Linux systems)".to_owned(),
        ),
        rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => fail(
            format!("the certificate of {here} is for another name: {error}"),
            "a login page or filter of the network answers for this host, or its address is wrong; try another network".to_owned(),
        ),
        rustls::Error::InvalidCertificate(C::Other(reason)) if reason.to_string() == "CaUsedAsEndEntity" => fail(
            format!("the certificate of {here} is self-signed: it is a certificate authority's own"),
            tls::issuer_help(),
        ),
        rustls::Error::InvalidCertificate(_) => {
            fail(format!("the certificate of {here} is not accepted: {error}"), tls::issuer_help())
        }
        rustls::Error::InvalidMessage(_) => fail(
            format!("{here} does not speak TLS: {error}"),
            "something else than Google answers there: a proxy or login page of the network, or a wrong address in \
             `[endpoints]`"
                .to_owned(),
        ),
        other => fail(
            format!("no secure connection to {here}: {other}"),
            "a firewall or proxy that opens TLS may stand between; try another network".to_owned(),
        ),
    }
}

/// The host and port of an address.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or("nowhere");
    url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"))
}

type Cause<'a> = &'a (dyn StdError + 'static);

/// Everything that led to `error`, from the outside in. An `io::Error` with another in it is two.
fn causes(error: Cause<'_>) -> impl Iterator<Item = Cause<'_>> {
    std::iter::successors(Some(error), |cause| {
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

/// What the system itself said.
fn find_system<'a>(causes: &[Cause<'a>]) -> Option<&'a io::Error> {
    let mut errors = causes.iter().filter_map(|cause| cause.downcast_ref::<io::Error>());
    errors.find(|error| error.raw_os_error().is_some())
}

/// The innermost cause, in its own words. reqwest's own name the whole address, so they are passed over.
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
