//! Connections, with a proxy or without. Each step that may fail has its own error, so that nobody has to guess whose fault
//! it was.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ee_auth_core::ExposeSecret;
use ee_auth_core::host::Request;
use ee_auth_core::proxy::{self, Proxy, ProxyFault, ProxyScheme};
use hyper::Uri;
use hyper::rt::ReadBufCursor;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;
use zeroize::Zeroizing;

use crate::environment::SystemEnvironment;
use crate::http::USER_AGENT;
use crate::tasks;

/// The most bytes of a proxy's answer to `CONNECT`.
const MAX_HEAD: usize = 16 << 10;

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

/// The header `Proxy-Authorization` for a proxy with a login.
pub(crate) fn authorization(proxy: &Proxy) -> Option<Zeroizing<String>> {
    let login = proxy.user_pass()?;
    Some(Zeroizing::new(format!("Basic {}", STANDARD.encode(login.expose_secret()))))
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// It took too long.
    Timeout,
    /// Nothing accepted the connection, or the name was not found: the server's, or the proxy's where there is one.
    Tcp(Box<dyn std::error::Error + Send + Sync>),
    /// This machine could not find the server's name for a proxy that wants a number.
    Resolve(io::Error),
    /// The server's TLS.
    Tls(io::Error),
    /// The proxy's TLS.
    ProxyTls(io::Error),
    /// The connection to the proxy broke while it was asked.
    ProxyIo(io::Error),
    /// The proxy did not answer as one of its kind does. What it began with.
    ProxyProtocol(Vec<u8>),
    /// The proxy answered `CONNECT` with this status, and offers to be logged in to in these ways.
    ProxyStatus(u16, Vec<String>),
    /// A SOCKS proxy refused: what it said, and whether that may pass.
    Socks { said: &'static str, passes: bool },
    /// A SOCKS proxy wants a login, or did not take the one that it got.
    SocksLogin,
    /// A name or password that the proxy's protocol has no room for.
    TooLong,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection")
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tcp(error) => Some(&**error),
            Self::Resolve(error) | Self::Tls(error) | Self::ProxyTls(error) | Self::ProxyIo(error) => {
                Some(error)
            }
            _ => None,
        }
    }
}

/// Makes the connections of one client.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) route: Route,
    pub(crate) timeout: Duration,
    pub(crate) tls: Arc<ClientConfig>,
}

impl Service<Uri> for Connector {
    type Response = Link;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Link, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let limit = connector.timeout;
            timeout(limit, connector.connect(uri)).await.unwrap_or(Err(ConnectError::Timeout))
        })
    }
}

impl Connector {
    async fn connect(self, uri: Uri) -> Result<Link, ConnectError> {
        let scheme = uri.scheme_str().unwrap_or("https");
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 });
        let forwards = self.route.forwarder(scheme).is_some();
        let stream = match self.route.proxy() {
            None => self.tcp(host, port).await?,
            Some(proxy) => {
                let mut stream = self.tcp(&proxy.host, proxy.port).await?;
                if proxy.scheme == ProxyScheme::Https {
                    // A client's certificate is for the server, never for the proxy.
                    let config = crate::tls::config(None)
                        .map_err(|error| ConnectError::ProxyTls(io::Error::other(error.to_string())))?;
                    stream = tls(config.into(), &proxy.host, stream).await.map_err(ConnectError::ProxyTls)?;
                }
                match proxy.scheme {
                    _ if forwards => {}
                    ProxyScheme::Http | ProxyScheme::Https => connect(&mut stream, proxy, host, port).await?,
                    ProxyScheme::Socks5 | ProxyScheme::Socks5h => {
                        socks5(&mut stream, proxy, host, port).await?
                    }
                    ProxyScheme::Socks4 | ProxyScheme::Socks4a => {
                        socks4(&mut stream, proxy, host, port).await?
                    }
                }
                stream
            }
        };
        let stream = match scheme {
            "http" => stream,
            _ => tls(self.tls.clone(), host, stream).await.map_err(ConnectError::Tls)?,
        };
        Ok(Link { io: TokioIo::new(stream), forwards })
    }

    /// A connection to the first address of `host` that accepts one (RFC 8305).
    async fn tcp(&self, host: &str, port: u16) -> Result<Stream, ConnectError> {
        let uri = Uri::builder()
            .scheme("http")
            .authority(format!("{host}:{port}"))
            .path_and_query("/")
            .build()
            .map_err(|error| ConnectError::Tcp(error.into()))?;
        let mut connector = HttpConnector::new_with_resolver(Names);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(self.timeout));
        match connector.call(uri).await {
            Ok(stream) => Ok(Box::new(stream.into_inner())),
            Err(error) => Err(ConnectError::Tcp(error.into())),
        }
    }
}

async fn tls(config: Arc<ClientConfig>, host: &str, stream: Stream) -> io::Result<Stream> {
    let name = ServerName::try_from(unbracketed(host).to_owned()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(config).connect(name, stream).await?))
}

fn unbracketed(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Asks an HTTP proxy for a tunnel (RFC 9110, section 9.3.6).
async fn connect(stream: &mut Stream, proxy: &Proxy, host: &str, port: u16) -> Result<(), ConnectError> {
    let mut head = Zeroizing::new(format!(
        "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {USER_AGENT}\r\n"
    ));
    if let Some(login) = authorization(proxy) {
        *head = format!("{}Proxy-Authorization: {}\r\n", *head, *login);
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.map_err(ConnectError::ProxyIo)?;
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    let (status, schemes) = loop {
        let count = stream.read(&mut chunk).await.map_err(ConnectError::ProxyIo)?;
        answer.extend(chunk.iter().take(count));
        // What is no HTTP is known at once: a SOCKS proxy would wait for more.
        let is_http = answer.iter().zip(b"HTTP/1.").all(|(byte, wanted)| byte == wanted);
        if let Some(answer) = read_head(&answer) {
            break answer;
        }
        if !is_http || answer.len() > MAX_HEAD {
            return Err(ConnectError::ProxyProtocol(answer));
        }
        if count == 0 {
            return Err(match answer.is_empty() {
                true => ConnectError::ProxyIo(io::ErrorKind::UnexpectedEof.into()),
                false => ConnectError::ProxyProtocol(answer),
            });
        }
    };
    if (200..300).contains(&status) { Ok(()) } else { Err(ConnectError::ProxyStatus(status, schemes)) }
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
async fn socks5(stream: &mut Stream, proxy: &Proxy, host: &str, port: u16) -> Result<(), ConnectError> {
    const NO_LOGIN: u8 = 0;
    const PASSWORD: u8 = 2;
    let methods: &[u8] = if proxy.login.is_some() { &[NO_LOGIN, PASSWORD] } else { &[NO_LOGIN] };
    let mut greeting = vec![5];
    greeting.extend(length(methods.len())?);
    greeting.extend(methods);
    send(stream, &greeting).await?;
    match (receive(stream).await?, &proxy.login) {
        ([5, NO_LOGIN], _) => {}
        ([5, PASSWORD], Some((name, password))) => {
            let password = password.expose_secret();
            let mut login = Zeroizing::new(vec![1]);
            for text in [name.as_str(), password] {
                login.extend(length(text.len())?);
                login.extend(text.as_bytes());
            }
            send(stream, &login).await?;
            if !matches!(receive(stream).await?, [_, 0]) {
                return Err(ConnectError::SocksLogin);
            }
        }
        ([5, _], _) => return Err(ConnectError::SocksLogin),
        (other, _) => return Err(ConnectError::ProxyProtocol(other.to_vec())),
    }
    let address = match proxy.scheme {
        ProxyScheme::Socks5 => Some(resolve(host, port).await?),
        _ => unbracketed(host).parse().ok(),
    };
    let mut request = vec![5, 1, 0];
    match address {
        Some(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Some(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        None => {
            request.push(3);
            request.extend(length(host.len())?);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    send(stream, &request).await?;
    let [version, reply, _, kind] = receive(stream).await?;
    if version != 5 {
        return Err(ConnectError::ProxyProtocol(vec![version, reply]));
    }
    let refused = |said, passes| Err(ConnectError::Socks { said, passes });
    match reply {
        0 => {}
        2 => return refused("its rules do not allow the connection", false),
        3 => return refused("it cannot reach the network", true),
        4 => return refused("it cannot reach the host", true),
        5 => return refused("the host refused the connection", true),
        6 => return refused("the host is too far away (TTL expired)", true),
        7 | 8 => return refused("it does not support such a connection", false),
        _ => return refused("it failed", true),
    }
    // The address that it is connected from, which nobody needs.
    match kind {
        1 => drop(receive::<6>(stream).await?),
        4 => drop(receive::<18>(stream).await?),
        3 => {
            let [length] = receive(stream).await?;
            let mut name = vec![0; usize::from(length) + 2];
            stream.read_exact(&mut name).await.map_err(ConnectError::ProxyIo)?;
        }
        _ => return Err(ConnectError::ProxyProtocol(vec![version, reply, 0, kind])),
    }
    Ok(())
}

/// Asks a SOCKS 4 proxy for a connection; in version 4a it resolves the name.
async fn socks4(stream: &mut Stream, proxy: &Proxy, host: &str, port: u16) -> Result<(), ConnectError> {
    let address = match proxy.scheme {
        ProxyScheme::Socks4 => Some(resolve(host, port).await?),
        _ => unbracketed(host).parse().ok(),
    };
    let address = match address {
        Some(IpAddr::V4(address)) => Some(address),
        Some(IpAddr::V6(_)) => {
            return Err(ConnectError::Socks { said: "SOCKS 4 has no IPv6 addresses", passes: false });
        }
        None => None,
    };
    let mut request = vec![4, 1];
    request.extend(port.to_be_bytes());
    // 0.0.0.1 says that a name follows.
    request.extend(address.map_or([0, 0, 0, 1], |address| address.octets()));
    request.extend(proxy.login.iter().flat_map(|(name, _)| name.bytes()));
    request.push(0);
    if address.is_none() {
        request.extend(host.bytes());
        request.push(0);
    }
    send(stream, &request).await?;
    match receive::<8>(stream).await? {
        [0, 90, ..] => Ok(()),
        [0, 91, ..] => Err(ConnectError::Socks { said: "it refused or failed", passes: true }),
        [0, 92 | 93, ..] => Err(ConnectError::SocksLogin),
        other => Err(ConnectError::ProxyProtocol(other.to_vec())),
    }
}

/// What the system knows of a name, asked on a thread of ours: tokio panics where it can start none.
async fn addresses(name: String, port: u16) -> io::Result<std::vec::IntoIter<SocketAddr>> {
    tasks::run_blocking(move || (name.as_str(), port).to_socket_addrs()).await?
}

/// The system's names, for connections to them.
#[derive(Clone)]
struct Names;

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(addresses(name.as_str().to_owned(), 0))
    }
}

/// The first address of `host`, IPv4 before IPv6, which fewer proxies can reach.
async fn resolve(host: &str, port: u16) -> Result<IpAddr, ConnectError> {
    let found = addresses(unbracketed(host).to_owned(), port).await.map_err(ConnectError::Resolve)?;
    let mut addresses: Vec<_> = found.map(|address| address.ip()).collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.first().copied().ok_or_else(|| {
        ConnectError::Resolve(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    })
}

async fn send(stream: &mut Stream, bytes: &[u8]) -> Result<(), ConnectError> {
    stream.write_all(bytes).await.map_err(ConnectError::ProxyIo)
}

async fn receive<const N: usize>(stream: &mut Stream) -> Result<[u8; N], ConnectError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.map_err(ConnectError::ProxyIo)?;
    Ok(bytes)
}

fn length(length: usize) -> Result<[u8; 1], ConnectError> {
    u8::try_from(length).map(|length| [length]).map_err(|_| ConnectError::TooLong)
}

pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

type Stream = Box<dyn Transport>;

/// A connection that requests go over.
pub(crate) struct Link {
    io: TokioIo<Stream>,
    /// Whether a proxy reads them, and so needs whole addresses.
    forwards: bool,
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.forwards)
    }
}

impl hyper::rt::Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl hyper::rt::Write for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
