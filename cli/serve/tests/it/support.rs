//! A credential to serve, and a client that sends exactly what a test wants.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::task::Poll;
use std::time::Duration;

use ee_auth_core::host::BoxFuture;
use ee_auth_core::{
    Credential, Error, Exchange, Found, IdToken, Project, Secret, Settings, Token, TokenSource,
};
use ee_auth_fake::Fake;
use ee_auth_serve::{Address, Listener, MutualTls, Profiles, Served, Server, Via};

/// The refresh token of every server here.
pub(crate) const SECRET: &str = "the-local-secret";

/// How long every token is valid, in seconds.
pub(crate) const LIFETIME: u64 = 3600;

/// A machine on which exchanges do what the test says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchanges(Arc<State>);

#[derive(Debug, Default)]
struct State {
    made: AtomicUsize,
    failure: Mutex<Option<Error>>,
    /// Held by a test that wants exchanges to wait.
    gate: Mutex<()>,
}

impl Exchanges {
    pub(crate) fn fail(&self, error: Error) {
        *self.0.failure.lock().unwrap() = Some(error);
    }

    pub(crate) fn mend(&self) {
        *self.0.failure.lock().unwrap() = None;
    }

    pub(crate) fn made(&self) -> usize {
        self.0.made.load(Ordering::SeqCst)
    }

    /// Lets no exchange end while this is held.
    pub(crate) fn hold(&self) -> std::sync::MutexGuard<'_, ()> {
        self.0.gate.lock().unwrap()
    }
}

impl TokenSource for Exchanges {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let number = self.0.made.fetch_add(1, Ordering::SeqCst) + 1;
            // The fake machine gives every task a thread of its own.
            drop(self.0.gate.lock().unwrap());
            if let Some(error) = &*self.0.failure.lock().unwrap() {
                return Err(error.clone());
            }
            let now = exchange.host.clock.now();
            Ok(Token::new(format!("token-{number}"), now, now + Duration::from_secs(LIFETIME)))
        })
    }

    fn id_token<'a>(
        &'a self,
        exchange: &'a Exchange,
        audience: &'a str,
    ) -> BoxFuture<'a, Result<IdToken, Error>> {
        Box::pin(async move {
            let number = self.0.made.fetch_add(1, Ordering::SeqCst) + 1;
            // On the server's own thread, which others are answered by meanwhile.
            let open = || !matches!(self.0.gate.try_lock(), Err(TryLockError::WouldBlock));
            std::future::poll_fn(|context| {
                if open() {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            if let Some(error) = &*self.0.failure.lock().unwrap() {
                return Err(error.clone());
            }
            let expiry = exchange.host.clock.now() + Duration::from_secs(LIFETIME);
            Ok(IdToken::new(format!("jwt-{number}-{audience}"), audience, expiry))
        })
    }
}

/// A credential of `principal` for the project `my-project`.
pub(crate) fn credential(fake: &Fake, exchanges: &Exchanges, principal: Option<&str>) -> Credential {
    let mut found = Found::new(exchanges.clone(), "the test");
    found.principal = principal.map(str::to_owned);
    let project = Project { id: "my-project".to_owned(), origin: "the test".to_owned() };
    let exchange = Exchange { host: fake.host(), settings: Settings::default() };
    Credential::new("test", &ee_auth_explicit::KIND, found, Some(project), exchange)
}

/// A server on a port of its own.
pub(crate) struct Machine {
    pub(crate) fake: Fake,
    pub(crate) exchanges: Exchanges,
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::serving(|fake, exchanges| {
            Profiles::new(Served::new(credential(fake, exchanges, Some("ada@example.com"))))
        })
    }

    pub(crate) fn serving(profiles: impl FnOnce(&Fake, &Exchanges) -> Profiles) -> Self {
        Self::with_tls(profiles, None)
    }

    pub(crate) fn with_tls(
        profiles: impl FnOnce(&Fake, &Exchanges) -> Profiles,
        tls: Option<MutualTls>,
    ) -> Self {
        // Whoever comes by TLS has everything.
        let via = if tls.is_some() { Via::File } else { Via::Both };
        Self::with_everything(profiles, tls, via)
    }

    /// A server that clients reach in these ways alone.
    pub(crate) fn via(via: Via) -> Self {
        let profiles = |fake: &Fake, exchanges: &Exchanges| {
            Profiles::new(Served::new(credential(fake, exchanges, Some("ada@example.com"))))
        };
        Self::with_everything(profiles, None, via)
    }

    fn with_everything(
        profiles: impl FnOnce(&Fake, &Exchanges) -> Profiles,
        tls: Option<MutualTls>,
        via: Via,
    ) -> Self {
        let (fake, exchanges) = (Fake::new(), Exchanges::default());
        let profiles = profiles(&fake, &exchanges);
        let any = Address::any_loopback();
        let listener = match tls {
            Some(tls) => Listener::bind_tls(&any, tls).unwrap(),
            None => Listener::bind(&any).unwrap(),
        };
        let Address::Tcp(address) = *listener.address() else { panic!("a port was asked for") };
        let server = Server::start(vec![listener], Secret::from(SECRET), profiles, via).unwrap();
        Self { fake, exchanges, server, address }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Asks as a client of the metadata server does.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &["Metadata-Flavor: Google"], "")
    }

    /// Sends a form to an endpoint.
    pub(crate) fn post(&self, path: &str, form: &str) -> Answer {
        self.send("POST", path, &["Content-Type: application/x-www-form-urlencoded"], form)
    }

    /// Sends a request with these header lines and a correct `Host`.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let host = format!("Host: {}", self.address);
        let headers: Vec<_> = headers.iter().copied().chain([host.as_str()]).collect();
        self.send_exactly(method, path, &headers, body)
    }

    /// Sends a request with these header lines, and what says where it ends.
    pub(crate) fn send_exactly(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let request = request(method, path, headers, body);
        exchange(&mut self.connect(), &request)
    }

    /// How often requests were refused for this reason.
    pub(crate) fn refused(&self, refusal: ee_auth_serve::Refusal) -> u64 {
        let counts = self.server.refusals();
        counts.iter().find(|(counted, _)| *counted == refusal).map_or(0, |(_, count)| *count)
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{headers}{length}\r\n{body}")
}

/// Sends a request and reads to the end.
pub(crate) fn exchange(stream: &mut (impl Read + Write), request: &str) -> Answer {
    // Whoever is refused early may find the connection closed.
    let _ = stream.write_all(request.as_bytes());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    Answer::parse(&String::from_utf8(bytes).unwrap())
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}
