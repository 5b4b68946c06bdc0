//! The server: sockets, connections, signals.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use ee_auth_core::Secret;
use ee_auth_host::peer;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::answer::{Answer, refused};
use crate::guard::{Guard, Refusal, Refusals};
use crate::listener::{Address, Listener, Socket};
use crate::routes;
use crate::served::Profiles;
use crate::systemd::{self, State};
use crate::tls::MutualTls;
use crate::variables::Via;

/// How many connections there may be at once. A client keeps one open, if that.
const MAX_CONNECTIONS: usize = 4096;

/// How long the first head may take to come. Between two requests nobody waits longer than twice this: whoever comes back
/// later connects anew.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest head that is read, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// How long a stranger's request is waited for, so that they see the refusal.
const STRANGER_TIMEOUT: Duration = Duration::from_millis(100);

/// How long requests that are under way may take once the server is to stop.
const GRACE: Duration = Duration::from_secs(5);

/// A server, which runs on a thread of its own until it is stopped or dropped. One answers tens of thousands of requests a
/// second; more would take the processors from those that ask, which are on the same machine.
pub struct Server {
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    listeners: Vec<Listener>,
    /// Once it is to stop: how long those may take that are being answered.
    stop: watch::Sender<Option<Duration>>,
}

/// What all connections share.
struct Shared {
    /// For those who come by plain TCP, or to a Unix socket.
    guard: Guard,
    /// For those who have seen in the certificate whom they talk to.
    guard_in_tls: Guard,
    profiles: ArcSwap<Profiles>,
    refusals: Refusals,
    /// Whether the user behind a connection can be known.
    checks_users: bool,
    /// What there is for clients that come by plain TCP.
    via: Via,
    room: Arc<Semaphore>,
}

/// What somebody wants of a long-lived server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The configuration is to be read again: SIGHUP.
    Reload,
    /// SIGTERM.
    Stop,
    /// Ctrl-C.
    Interrupt,
}

impl Server {
    /// Serves `profiles` at `listeners`. `secret` is the refresh token in this run's credential files. `via` is what there
    /// is for clients that come by plain TCP: the metadata server asks for no secret. At a Unix socket, whose clients' user
    /// is always known, and in TLS there is everything.
    ///
    /// What other machines can reach is served only with mutual TLS: there is no other [`Listener`] for it.
    ///
    /// # Errors
    /// The system's.
    pub fn start(
        mut listeners: Vec<Listener>,
        secret: Secret,
        profiles: Profiles,
        via: Via,
    ) -> io::Result<Self> {
        let runtime = runtime()?;
        let hosts = listeners.iter().flat_map(|listener| hosts(listener.address())).collect();
        let shared = Arc::new(Shared {
            guard: Guard { hosts: Some(hosts), secret: secret.clone() },
            guard_in_tls: Guard { hosts: None, secret },
            profiles: ArcSwap::from_pointee(profiles),
            refusals: Refusals::default(),
            checks_users: peer::can_be_checked(),
            via,
            room: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        });
        let (stop, stopped) = watch::channel(None);
        let mut accepting = Vec::new();
        let entered = runtime.enter();
        for listener in &mut listeners {
            let tls = listener.tls().cloned();
            accepting.push(runtime.spawn(accept(listener.take(), tls, shared.clone(), stopped.clone())?));
        }
        drop(entered);
        let run = move || {
            runtime.block_on(async {
                for task in accepting {
                    let _ = task.await;
                }
            });
        };
        let thread = thread::Builder::new().name("ee-auth-serve".to_owned()).spawn(run)?;
        Ok(Self { thread: Some(thread), shared, listeners, stop })
    }

    /// Where it listens.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.listeners.iter().map(Listener::address)
    }

    /// Serves these from now on.
    pub fn replace(&self, profiles: Profiles) {
        self.shared.profiles.store(Arc::new(profiles));
    }

    /// What is served.
    pub fn profiles(&self) -> Arc<Profiles> {
        self.shared.profiles.load_full()
    }

    /// How many requests were refused, by the reason; those reasons that never came up are left out.
    pub fn refusals(&self) -> Vec<(Refusal, u64)> {
        self.shared.refusals.counted()
    }

    /// Takes the signals that [`Event`] names: from now on they do not end the process, and those that come before
    /// [`run_until`](Self::run_until) are not lost. So what is made in between can be removed at the end.
    ///
    /// # Errors
    /// Where signals cannot be waited for.
    pub fn signals(&self) -> io::Result<Signals> {
        let runtime = runtime()?;
        let entered = runtime.enter();
        let sources = Sources::new()?;
        drop(entered);
        Ok(Signals { sources, runtime })
    }

    /// Tells the service manager that it may go on, and waits for signals until `handle` answers `false`.
    pub fn run_until(&self, mut signals: Signals, mut handle: impl FnMut(Event) -> bool) {
        systemd::notify(State::Ready);
        loop {
            let event = signals.runtime.block_on(signals.sources.next());
            systemd::notify(if event == Event::Reload { State::Reloading } else { State::Stopping });
            if !handle(event) {
                return;
            }
            systemd::notify(State::Ready);
        }
    }

    /// Stops: takes no more connections, and waits a little for those on which a request is under way.
    pub fn stop(mut self) {
        self.shut_down(GRACE);
    }

    fn shut_down(&mut self, grace: Duration) {
        if let Some(thread) = self.thread.take() {
            self.stop.send_replace(Some(grace));
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shut_down(Duration::ZERO);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().enable_time().build()
}

/// The names by which a client may call this address in `Host`.
fn hosts(address: &Address) -> Vec<String> {
    match address {
        Address::Tcp(address) => {
            let mut hosts = vec![address.to_string(), format!("localhost:{}", address.port())];
            if address.port() == 80 {
                hosts.extend([address.ip().to_string(), "localhost".to_owned()]);
            }
            hosts
        }
        Address::Unix(_) => vec!["localhost".to_owned()],
    }
}

/// Takes connections until told to stop, then waits for those that are busy.
fn accept(
    socket: Socket,
    tls: Option<MutualTls>,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<Option<Duration>>,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let socket = AsyncSocket::new(socket)?;
    Ok(async move {
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                _ = stopped.changed() => break,
            };
            match accepted {
                Ok(connection) => {
                    let Ok(room) = shared.room.clone().acquire_owned().await else { break };
                    let (tls, shared, watcher) = (tls.clone(), shared.clone(), graceful.watcher());
                    tokio::spawn(async move {
                        connection.serve(tls, shared, watcher).await;
                        drop(room);
                    });
                }
                // Out of file descriptors, most likely: others may be closed meanwhile.
                Err(error) => {
                    log::debug!("a connection could not be taken: {error}");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        drop(socket);
        let grace = stopped.borrow().unwrap_or_default();
        let _ = timeout(grace, graceful.shutdown()).await;
    })
}

enum AsyncSocket {
    Tcp(tokio::net::TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

enum Connection {
    Tcp(tokio::net::TcpStream, SocketAddr),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

impl AsyncSocket {
    fn new(socket: Socket) -> io::Result<Self> {
        match socket {
            Socket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                Ok(Self::Tcp(tokio::net::TcpListener::from_std(socket)?))
            }
            #[cfg(unix)]
            Socket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                Ok(Self::Unix(tokio::net::UnixListener::from_std(socket)?))
            }
            Socket::Taken => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    async fn accept(&self) -> io::Result<Connection> {
        match self {
            Self::Tcp(socket) => socket.accept().await.map(|(stream, peer)| Connection::Tcp(stream, peer)),
            #[cfg(unix)]
            Self::Unix(socket) => socket.accept().await.map(|(stream, _)| Connection::Unix(stream)),
        }
    }
}

impl Connection {
    async fn serve(self, tls: Option<MutualTls>, shared: Arc<Shared>, watcher: Watcher) {
        match self {
            Self::Tcp(stream, peer) => {
                let _ = stream.set_nodelay(true);
                let foreign = shared.checks_users
                    && !stream
                        .local_addr()
                        .and_then(|local| {
                            Ok(!peer::is_on_this_machine(peer, local) || peer::is_same_user(peer, local)?)
                        })
                        .unwrap_or(false);
                match (foreign, tls) {
                    (true, _) => turn_away(stream, &shared).await,
                    (false, None) => {
                        let via = shared.via;
                        serve(stream, shared, false, via, watcher).await;
                    }
                    (false, Some(tls)) => match timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
                        Ok(Ok(stream)) => serve(stream, shared, true, Via::Both, watcher).await,
                        Ok(Err(error)) => log::info!("a connection was refused: {error}"),
                        Err(_) => shared.refusals.count(Refusal::TooSlow),
                    },
                }
            }
            #[cfg(unix)]
            Self::Unix(stream) => {
                let us = rustix::process::geteuid().as_raw();
                match stream.peer_cred() {
                    Ok(peer) if peer.uid() == us => serve(stream, shared, false, Via::Both, watcher).await,
                    _ => turn_away(stream, &shared).await,
                }
            }
        }
    }
}

/// Answers a process of another user, which gets no further than this.
async fn turn_away(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) {
    shared.refusals.count(Refusal::User);
    let _ = timeout(STRANGER_TIMEOUT, stream.read(&mut [0; 4096])).await;
    let body = format!("ee-auth refuses requests {}\n", Refusal::User.reason());
    let head = "HTTP/1.1 403 Forbidden\r\nMetadata-Flavor: Google\r\nConnection: close\r\nContent-Length: ";
    let answer = format!("{head}{}\r\n\r\n{body}", body.len());
    let _ = timeout(STRANGER_TIMEOUT, stream.write_all(answer.as_bytes())).await;
}

/// What goes on on a connection.
struct Activity {
    shared: Arc<Shared>,
    in_tls: bool,
    /// What there is for whoever asks here.
    via: Via,
    /// How many requests have begun.
    begun: AtomicU32,
    /// Whether one is being answered.
    busy: AtomicBool,
}

/// Serves one connection to its end, which comes early where nobody asks for anything.
async fn serve<S>(stream: S, shared: Arc<Shared>, in_tls: bool, via: Via, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity =
        Arc::new(Activity { shared, in_tls, via, begun: AtomicU32::new(0), busy: AtomicBool::new(false) });
    let of_requests = activity.clone();
    let service = service_fn(move |request| handle(request, of_requests.clone()));
    let connection =
        http1::Builder::new().max_buf_size(MAX_HEAD).serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(watcher.watch(connection));
    let mut known = 0;
    // One timer for a whole connection: hyper's own is set anew for each request, which takes a fifth of its time.
    let end = loop {
        if let Ok(end) = timeout(HEAD_TIMEOUT, connection.as_mut()).await {
            break end;
        }
        let begun = activity.begun.load(Ordering::Relaxed);
        if begun == known && !activity.busy.load(Ordering::Relaxed) {
            // Later it is how a connection ends that nobody needs any more.
            if begun == 0 {
                activity.shared.refusals.count(Refusal::TooSlow);
            }
            return;
        }
        known = begun;
    };
    if end.is_err_and(|error| error.is_parse_too_large()) {
        activity.shared.refusals.count(Refusal::TooLarge);
    }
}

async fn handle(request: Request<Incoming>, activity: Arc<Activity>) -> Result<Answer, Infallible> {
    activity.begun.fetch_add(1, Ordering::Relaxed);
    activity.busy.store(true, Ordering::Relaxed);
    let shared = &*activity.shared;
    let profiles = shared.profiles.load_full();
    let guard = if activity.in_tls { &shared.guard_in_tls } else { &shared.guard };
    let answer = routes::answer(request, guard, &profiles, activity.via).await;
    activity.busy.store(false, Ordering::Relaxed);
    Ok(answer.unwrap_or_else(|refusal| {
        shared.refusals.count(refusal);
        refused(refusal)
    }))
}

/// The signals of a long-lived server, taken by [`Server::signals`].
#[derive(Debug)]
pub struct Signals {
    sources: Sources,
    runtime: Runtime,
}

#[cfg(unix)]
#[derive(Debug)]
struct Sources {
    reload: tokio::signal::unix::Signal,
    stop: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Sources {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            stop: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            _ = self.reload.recv() => Event::Reload,
            _ = self.stop.recv() => Event::Stop,
            _ = self.interrupt.recv() => Event::Interrupt,
        }
    }
}

#[cfg(windows)]
#[derive(Debug)]
struct Sources(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Sources {
    fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) -> Event {
        self.0.recv().await;
        Event::Interrupt
    }
}
