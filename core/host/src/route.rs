//! Which way a request goes, and reqwest's proxy for that way.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ee_auth_core::ExposeSecret;
use ee_auth_core::host::Request;
use ee_auth_core::proxy::{self, Proxy, ProxyFault, ProxyScheme};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use crate::environment::SystemEnvironment;
use crate::tasks;

/// How a request gets to where it goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Route {
    Direct,
    Via(Arc<Proxy>),
}

impl Route {
    /// The route that the variables, or else the system's settings, ask for.
    pub(crate) fn of(request: &Request) -> Result<Self, ProxyFault> {
        if request.direct {
            return Ok(Self::Direct);
        }
        let proxy = match proxy::for_url(&SystemEnvironment, &request.url)? {
            Some(proxy) => Some(proxy),
            None => of_the_system(&request.url),
        };
        Ok(proxy.map_or(Self::Direct, |proxy| Self::Via(Arc::new(proxy))))
    }

    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        match self {
            Self::Direct => None,
            Self::Via(proxy) => Some(proxy),
        }
    }

    /// The proxy that a request to a plain `http` address is handed to as it is (RFC 9112, section 3.2.2).
    pub(crate) fn forwarder(&self, scheme: &str) -> Option<&Proxy> {
        self.proxy().filter(|proxy| {
            scheme == "http" && matches!(proxy.scheme, ProxyScheme::Http | ProxyScheme::Https)
        })
    }
}

/// The proxy of the system's own settings, which count where no variable does.
#[cfg(any(windows, target_os = "macos"))]
fn of_the_system(url: &url::Url) -> Option<Proxy> {
    if proxy::is_left_out(&SystemEnvironment, url) {
        return None;
    }
    let uri = url.as_str().parse().ok()?;
    let found = hyper_util::client::proxy::matcher::Matcher::from_system().intercept(&uri)?;
    // The matcher reads the variables, too, and as we do not.
    if !proxy::all_set(&SystemEnvironment).is_empty() {
        return None;
    }
    Proxy::parse("system settings", &found.uri().to_string()).ok().flatten()
}

#[cfg(not(any(windows, target_os = "macos")))]
fn of_the_system(_: &url::Url) -> Option<Proxy> {
    None
}

/// Value of the header `Proxy-Authorization` for a proxy with a login.
pub(crate) fn authorization(proxy: &Proxy) -> Option<Zeroizing<String>> {
    let login = proxy.user_pass()?;
    Some(Zeroizing::new(format!("Basic {}", STANDARD.encode(login.expose_secret()))))
}

/// Converts to the proxy that reqwest is given.
///
/// # Errors
/// An address that reqwest would pass over, which would be a direct connection.
pub(crate) fn for_reqwest(proxy: &Proxy) -> Result<reqwest::Proxy, Box<dyn std::error::Error>> {
    let (scheme, address) = (proxy.scheme.name(), proxy.address());
    let is_http = matches!(proxy.scheme, ProxyScheme::Http | ProxyScheme::Https);
    let login = proxy.login.as_ref().filter(|_| !is_http).map(|(name, password)| {
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        Zeroizing::new(format!("{}:{}@", encoded(name), encoded(password.expose_secret())))
    });
    let login = login.as_ref().map_or("", |login| login.as_str());
    let url = Zeroizing::new(format!("{scheme}://{login}{address}"));
    if url.parse::<hyper::Uri>().is_err() {
        return Err(format!("the address of the proxy {proxy} is too long").into());
    }
    let built = reqwest::Proxy::all(url.as_str()).map_err(reqwest::Error::without_url)?;
    // A header, not `basic_auth`: that goes by way of the URL, and `%40` in a password would become `@`.
    let Some(login) = authorization(proxy).filter(|_| is_http) else { return Ok(built) };
    let mut header = HeaderValue::from_str(&login)?;
    header.set_sensitive(true);
    Ok(built.custom_http_auth(header))
}

/// Asks the system for the addresses of names, on a thread of ours: tokio panics if it cannot start one.
pub(crate) struct Names {
    /// Whether IPv4 addresses come before those that the system prefers.
    pub(crate) ipv4_first: bool,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let ipv4_first = self.ipv4_first;
        Box::pin(async move {
            let mut found = resolve(name.as_str(), 0).await?;
            if ipv4_first {
                found.sort_by_key(SocketAddr::is_ipv6);
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Returns the addresses of `host`, in the system's order.
pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let host = unbracketed(host).to_owned();
    tasks::run_blocking(move || (host.as_str(), port).to_socket_addrs()).await?.map(Iterator::collect)
}

/// An IPv6 address without the brackets that it has in a URL.
pub(crate) fn unbracketed(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}
