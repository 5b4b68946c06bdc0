//! A token endpoint on loopback that counts: it reads a request, waits as long as it was told, and answers with a token.
//! It checks nothing, so that it costs the floor and everybody else the same and little.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::Failure;

/// The endpoint. It lives as long as the process.
pub(crate) struct Endpoint {
    /// Where it is asked for tokens.
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    exchanges: AtomicUsize,
    /// In milliseconds.
    delay: AtomicU64,
    /// In seconds.
    lifetime: AtomicU64,
    tls: Option<Arc<ServerConfig>>,
}

impl Endpoint {
    /// Starts one on a free port, on threads of its own.
    pub(crate) fn start() -> Result<Self, Failure> {
        Self::serve(None)
    }

    /// Starts one that speaks TLS, and the certificate, as PEM, of the authority that vouches for it.
    pub(crate) fn start_tls() -> Result<(Self, String), Failure> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, &authority)?.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        Ok((Self::serve(Some(Arc::new(config)))?, authority.pem()))
    }

    fn serve(tls: Option<Arc<ServerConfig>>) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/token", listener.local_addr()?);
        let shared = Arc::new(Shared {
            exchanges: AtomicUsize::new(0),
            delay: AtomicU64::new(0),
            lifetime: AtomicU64::new(3599),
            tls,
        });
        let serving = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                // A client that goes away in the middle of a request is none of our concern.
                thread::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    match shared.tls.clone().map(ServerConnection::new) {
                        None => drop(shared.answer(stream)),
                        Some(Ok(tls)) => drop(shared.answer(StreamOwned::new(tls, stream))),
                        Some(Err(_)) => {}
                    }
                });
            }
        });
        Ok(Self { url, shared })
    }

    /// How long everyone waits for an answer from now on, in milliseconds.
    pub(crate) fn set_delay(&self, milliseconds: u64) {
        self.shared.delay.store(milliseconds, Ordering::SeqCst);
    }

    /// For how long its tokens are valid from now on, in seconds.
    pub(crate) fn set_lifetime(&self, seconds: u64) {
        self.shared.lifetime.store(seconds, Ordering::SeqCst);
    }

    /// How many exchanges it has seen since it was last asked.
    pub(crate) fn take_exchanges(&self) -> usize {
        self.shared.exchanges.swap(0, Ordering::SeqCst)
    }
}

impl Shared {
    /// Answers what comes over one connection, to its end.
    fn answer(&self, stream: impl Read + Write) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(close) = read_request(&mut stream)? {
            let number = self.exchanges.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(self.delay.load(Ordering::SeqCst)));
            let lifetime = self.lifetime.load(Ordering::SeqCst);
            // As long as Google's.
            let body = format!(
                r#"{{"access_token":"loopback.{number:0>210}","expires_in":{lifetime},"token_type":"Bearer"}}"#
            );
            let connection = if close { "close" } else { "keep-alive" };
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: {connection}\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.get_mut().write_all(answer.as_bytes())?;
            stream.get_mut().flush()?;
            if close {
                break;
            }
        }
        Ok(())
    }
}

/// Reads one request: whether the connection is to be closed after it; `None` where there is no other.
fn read_request(stream: &mut BufReader<impl Read>) -> io::Result<Option<bool>> {
    let (mut line, mut length, mut close) = (String::new(), 0, false);
    while stream.read_line(&mut line)? > 0 {
        let header = line.trim_end().to_ascii_lowercase();
        line.clear();
        if header.is_empty() {
            io::copy(&mut stream.take(length), &mut io::sink())?;
            return Ok(Some(close));
        }
        match header.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().map_err(io::Error::other)?,
            Some(("connection", value)) => close = value == "close",
            _ => {}
        }
    }
    Ok(None)
}
