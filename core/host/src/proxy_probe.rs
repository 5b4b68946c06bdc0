//! Asks a proxy again, by hand, after reqwest got no connection through it.
//!
//! reqwest keeps neither the status with which a proxy refuses `CONNECT`, nor the ways to log in that it offers, nor a SOCKS
//! proxy's reply, and its errors do not say whose TLS failed: the proxy's or the server's. [`probe`] sends the proxy what
//! reqwest sent it and keeps the answer. It carries no request, and runs only where there is an error to explain.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ee_auth_core::ExposeSecret;
use ee_auth_core::proxy::{Proxy, ProxyScheme};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;
use zeroize::Zeroizing;

use crate::http::USER_AGENT;
use crate::route::{authorization, resolve, unbracketed};

/// The most bytes of a proxy's answer to `CONNECT`.
const MAX_HEAD: usize = 16 << 10;

/// What is wrong with a proxy, or with what it was asked.
#[derive(Debug)]
pub(crate) enum ProxyError {
    /// It took too long.
    Timeout,
    /// Nothing accepted the connection, or the proxy's name was not found.
    Tcp(io::Error),
    /// This machine could not resolve the server's name for a proxy that wants an address.
    Resolve(io::Error),
    /// The proxy's TLS.
    Tls(io::Error),
    /// The connection broke while the proxy was asked.
    Io(io::Error),
    /// The answer, or its beginning, is not one of the proxy's protocol.
    Protocol(Vec<u8>),
    /// The status that answers `CONNECT`, and the ways to log in that are offered.
    Status(u16, Vec<String>),
    /// A SOCKS proxy refused: what it said, and whether that may pass.
    Socks { said: &'static str, passes: bool },
    /// A SOCKS proxy wants a login, or refused the one that it got.
    SocksLogin,
    /// A name or password that SOCKS has no room for.
    TooLong,
}

/// Asks `proxy` for a connection to the server of `url`, for `limit` at most; a plain `http` request needs none through an
/// HTTP proxy, so the proxy's own connection is all that is tried.
///
/// # Errors
/// What the proxy does wrong. Without one, it is not the proxy that failed, or it works by now.
pub(crate) async fn probe(proxy: &Proxy, url: &Url, limit: Duration) -> Result<(), ProxyError> {
    timeout(limit, ask(proxy, url)).await.unwrap_or(Err(ProxyError::Timeout))
}

async fn ask(proxy: &Proxy, url: &Url) -> Result<(), ProxyError> {
    use ProxyScheme as S;
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    let address = match proxy.scheme {
        S::Socks4 | S::Socks5 => {
            let found = resolve(host, port).await.map_err(ProxyError::Resolve)?;
            found.iter().map(SocketAddr::ip).min_by_key(IpAddr::is_ipv6)
        }
        _ => unbracketed(host).parse().ok(),
    };
    let own = unbracketed(&proxy.host);
    let addresses = resolve(own, proxy.port).await.map_err(ProxyError::Tcp)?;
    let mut stream = TcpStream::connect(&addresses[..]).await.map_err(ProxyError::Tcp)?;
    let forwards = url.scheme() == "http";
    match proxy.scheme {
        S::Https => {
            let mut stream = tls(own, stream).await.map_err(ProxyError::Tls)?;
            if forwards { Ok(()) } else { connect(&mut stream, proxy, host, port).await }
        }
        S::Http if forwards => Ok(()),
        S::Http => connect(&mut stream, proxy, host, port).await,
        S::Socks5 | S::Socks5h => socks5(&mut stream, proxy, host, address, port).await,
        S::Socks4 | S::Socks4a => socks4(&mut stream, host, address, port).await,
    }
}

async fn tls(host: &str, stream: TcpStream) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + use<>> {
    let config = crate::tls::config(None).map_err(|error| io::Error::other(error.to_string()))?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Asks an HTTP proxy for a tunnel (RFC 9110, section 9.3.6).
async fn connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(), ProxyError> {
    let mut head = Zeroizing::new(format!(
        "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {USER_AGENT}\r\n"
    ));
    if let Some(login) = authorization(proxy) {
        *head = format!("{}Proxy-Authorization: {}\r\n", *head, *login);
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.map_err(ProxyError::Io)?;
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    let (status, schemes) = loop {
        let count = stream.read(&mut chunk).await.map_err(ProxyError::Io)?;
        answer.extend(chunk.iter().take(count));
        // Anything but HTTP is reported at once: a SOCKS proxy waits for more.
        let is_http = answer.iter().zip(b"HTTP/1.").all(|(byte, wanted)| byte == wanted);
        if let Some(answer) = read_head(&answer) {
            break answer;
        }
        if !is_http || answer.len() > MAX_HEAD {
            return Err(ProxyError::Protocol(answer));
        }
        if count == 0 {
            return Err(match answer.is_empty() {
                true => ProxyError::Io(io::ErrorKind::UnexpectedEof.into()),
                false => ProxyError::Protocol(answer),
            });
        }
    };
    // As reqwest: a tunnel begins after 200 only.
    if status == 200 { Ok(()) } else { Err(ProxyError::Status(status, schemes)) }
}

/// The status of an answer whose head is complete, and the ways of logging in that it offers.
fn read_head(answer: &[u8]) -> Option<(u16, Vec<String>)> {
    let text = String::from_utf8_lossy(answer);
    let head = text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n"))?.0;
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let fields = lines.filter_map(|line| line.split_once(':'));
    let offers = fields.filter(|(name, _)| name.eq_ignore_ascii_case("proxy-authenticate"));
    Some((status, auth_schemes(offers.map(|(_, value)| value))))
}

/// The names of the authentication schemes in headers `Proxy-Authenticate` (RFC 9110, section 11.7.1).
pub(crate) fn auth_schemes<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let is_name =
        |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let mut schemes: Vec<String> = values
        // A challenge begins with its scheme; what has a `=` is a parameter of the one before.
        .flat_map(|value| value.split(','))
        .filter_map(|challenge| challenge.split_ascii_whitespace().next().filter(is_name).map(str::to_owned))
        .collect();
    schemes.dedup();
    schemes.truncate(5);
    schemes
}

/// Asks a SOCKS 5 proxy for a connection (RFC 1928, RFC 1929).
async fn socks5(
    stream: &mut TcpStream,
    proxy: &Proxy,
    host: &str,
    address: Option<IpAddr>,
    port: u16,
) -> Result<(), ProxyError> {
    const NO_LOGIN: u8 = 0;
    const PASSWORD: u8 = 2;
    let method = if proxy.login.is_some() { PASSWORD } else { NO_LOGIN };
    match (exchange(stream, &[5, 1, method]).await?, &proxy.login) {
        ([5, NO_LOGIN], _) => {}
        ([5, PASSWORD], Some((name, password))) => {
            let password = password.expose_secret();
            let mut login = Zeroizing::new(vec![1, length(name)?]);
            login.extend(name.bytes());
            login.push(length(password)?);
            login.extend(password.bytes());
            if !matches!(exchange(stream, &login).await?, [_, 0]) {
                return Err(ProxyError::SocksLogin);
            }
        }
        ([5, _], _) => return Err(ProxyError::SocksLogin),
        (other, _) => return Err(ProxyError::Protocol(other.to_vec())),
    }
    let mut request = vec![5, 1, 0];
    match address {
        Some(IpAddr::V4(address)) => request.extend([&[1], &address.octets()[..]].concat()),
        Some(IpAddr::V6(address)) => request.extend([&[4], &address.octets()[..]].concat()),
        None => request.extend([&[3, length(host)?], host.as_bytes()].concat()),
    }
    request.extend(port.to_be_bytes());
    let [version, reply] = exchange(stream, &request).await?;
    let (said, passes) = match (version, reply) {
        (5, 0) => return Ok(()),
        (5, 2) => ("its rules do not allow the connection", false),
        (5, 3) => ("it cannot reach the network", true),
        (5, 4) => ("it cannot reach the host", true),
        (5, 5) => ("the host refused the connection", true),
        (5, 6) => ("the host is too far away (TTL expired)", true),
        (5, 7 | 8) => ("it does not support such a connection", false),
        (5, _) => ("it failed", true),
        _ => return Err(ProxyError::Protocol(vec![version, reply])),
    };
    Err(ProxyError::Socks { said, passes })
}

/// Asks a SOCKS 4 proxy for a connection; in version 4a it resolves the name. reqwest sends it no user name.
async fn socks4(
    stream: &mut TcpStream,
    host: &str,
    address: Option<IpAddr>,
    port: u16,
) -> Result<(), ProxyError> {
    let mut request = vec![4, 1];
    request.extend(port.to_be_bytes());
    match address {
        Some(IpAddr::V4(address)) => request.extend([&address.octets()[..], &[0]].concat()),
        Some(IpAddr::V6(_)) => {
            return Err(ProxyError::Socks { said: "SOCKS 4 has no IPv6 addresses", passes: false });
        }
        // 0.0.0.1 says that a name follows.
        None => request.extend([&[0, 0, 0, 1, 0], host.as_bytes(), &[0]].concat()),
    }
    match exchange::<8>(stream, &request).await? {
        [0, 90, ..] => Ok(()),
        [0, 91, ..] => Err(ProxyError::Socks { said: "it refused or failed", passes: true }),
        [0, 92 | 93, ..] => Err(ProxyError::SocksLogin),
        other => Err(ProxyError::Protocol(other.to_vec())),
    }
}

async fn exchange<const N: usize>(stream: &mut TcpStream, bytes: &[u8]) -> Result<[u8; N], ProxyError> {
    let mut answer = [0; N];
    stream.write_all(bytes).await.map_err(ProxyError::Io)?;
    stream.read_exact(&mut answer).await.map_err(ProxyError::Io)?;
    Ok(answer)
}

fn length(text: &str) -> Result<u8, ProxyError> {
    u8::try_from(text.len()).map_err(|_| ProxyError::TooLong)
}
