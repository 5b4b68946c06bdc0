use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use ee_auth_core::host::{BoxFuture, Loopback, Page, Visit, Visits};
use futures_util::future::{self, Either};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::{peer, tasks};

/// The most connections at a time. Browsers open some that they do not use.
const MAX_CONNECTIONS: usize = 32;

/// How long a connection may take to send its request.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a page may take to be sent.
const FAREWELL: Duration = Duration::from_secs(2);

/// The longest request line and headers together, in bytes. A redirect of Google's has less than 2000.
const MAX_HEAD: usize = 16 << 10;

/// The most that is read, and thrown away, of a body after the answer, in bytes: a connection that is closed with
/// something unread loses the answer.
const MAX_UNREAD: u64 = 64 << 10;

/// How often a port is picked that is free in one family and taken in the other.
const PICKS: usize = 16;

/// A page needs nothing from anywhere, and nobody may frame it, keep it or learn the address at which it was.
const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CACHE_CONTROL, "no-store"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    (CONNECTION, "close"),
];

pub(crate) struct SystemLoopback;

impl Loopback for SystemLoopback {
    fn listen(&self, port: u16) -> BoxFuture<'static, io::Result<Box<dyn Visits>>> {
        Box::pin(async move { tasks::run(async move { listen(port) }).await? })
    }
}

fn listen(port: u16) -> io::Result<Box<dyn Visits>> {
    let listeners = bind(port)?;
    let port = listeners.first().ok_or(ErrorKind::AddrNotAvailable)?.local_addr()?.port();
    let (sender, visits) = mpsc::channel(MAX_CONNECTIONS);
    let accepting = tokio::spawn(accept(listeners, sender)).abort_handle();
    Ok(Box::new(Listener { port, visits, accepting }))
}

/// Listens in both families, or in the one that the machine has.
fn bind(port: u16) -> io::Result<Vec<TcpListener>> {
    for _ in 0..PICKS {
        let Some(first) = bind_one(Ipv4Addr::LOCALHOST.into(), port)? else {
            let second = bind_one(Ipv6Addr::LOCALHOST.into(), port)?;
            return second.map(|second| vec![second]).ok_or_else(|| ErrorKind::AddrNotAvailable.into());
        };
        match bind_one(Ipv6Addr::LOCALHOST.into(), first.local_addr()?.port()) {
            Ok(second) => return Ok([first].into_iter().chain(second).collect()),
            Err(error) if error.kind() == ErrorKind::AddrInUse && port == 0 => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AddrInUse.into())
}

/// `None` where the machine has no such address.
fn bind_one(address: IpAddr, port: u16) -> io::Result<Option<TcpListener>> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A port whose last connection has just closed may be used again. On Windows this would mean to share it with
        // whoever has it, and is not needed.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(address, port))?;
        socket.listen(128)
    };
    match bound() {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if lacks_family(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn lacks_family(error: &io::Error) -> bool {
    #[cfg(unix)]
    let no_family = error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
    #[cfg(windows)]
    let no_family = error.raw_os_error() == Some(10_047); // WSAEAFNOSUPPORT
    no_family || error.kind() == ErrorKind::AddrNotAvailable
}

/// Accepts connections until it is aborted. Those that it has accepted come to their own end.
async fn accept(listeners: Vec<TcpListener>, visits: mpsc::Sender<Visit>) {
    let mut connections: VecDeque<Connection> = VecDeque::new();
    loop {
        let accepted = poll_fn(|context| accept_any(&listeners, context)).await;
        connections.retain(|connection| !connection.task.is_finished());
        let Ok((stream, peer)) = accepted else {
            // Out of file descriptors, most likely: others may be closed meanwhile.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        if connections.len() >= MAX_CONNECTIONS {
            // The one that has been silent for longest makes room; if all of them wait for an answer, there is none.
            let silent =
                connections.iter().position(|connection| !connection.has_asked.load(Ordering::Relaxed));
            match silent.and_then(|index| connections.remove(index)) {
                Some(connection) => connection.task.abort(),
                None => continue,
            }
        }
        let has_asked = Arc::new(AtomicBool::new(false));
        // Asked now: once the connection is closed, nobody tells any more.
        let user = stream.local_addr().and_then(|local| peer::owner(peer, local)).ok();
        let task = tokio::spawn(serve(stream, user, visits.clone(), has_asked.clone())).abort_handle();
        connections.push_back(Connection { task, has_asked });
    }
}

fn accept_any(
    listeners: &[TcpListener],
    context: &mut Context<'_>,
) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
    for listener in listeners {
        if let Poll::Ready(accepted) = listener.poll_accept(context) {
            return Poll::Ready(accepted);
        }
    }
    Poll::Pending
}

/// A connection that is being served.
struct Connection {
    task: AbortHandle,
    has_asked: Arc<AtomicBool>,
}

/// Serves the one request of a connection.
async fn serve(
    stream: TcpStream,
    user: Option<u32>,
    visits: mpsc::Sender<Visit>,
    has_asked: Arc<AtomicBool>,
) {
    let (asked, has_been_asked) = oneshot::channel::<()>();
    let (answered, has_been_answered) = oneshot::channel::<()>();
    // Dropped when all is over, which tells `Visit::answer` that it is.
    let (sent, has_been_sent) = oneshot::channel::<Infallible>();
    let once = std::sync::Mutex::new(Some((asked, answered, has_been_sent)));
    let service = service_fn(|request| {
        let once = once.lock().ok().and_then(|mut once| once.take());
        has_asked.store(true, Ordering::Relaxed);
        let visits = visits.clone();
        Box::pin(async move {
            let Some((asked, answered, has_been_sent)) = once else { return Ok(response(404, Bytes::new())) };
            let _ = asked.send(());
            let response = visit(&request, user, &visits, has_been_sent).await;
            let _ = answered.send(());
            Ok::<_, Infallible>(response)
        })
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(MAX_HEAD).keep_alive(false);
    let mut connection = http.serve_connection(TokioIo::new(stream), service);
    let finished = {
        let mut serving = pin!(poll_fn(|context| connection.poll_without_shutdown(context)));
        // The request in time, then as long as it takes to answer, then the page in time.
        let limits = async {
            if !matches!(timeout(PATIENCE, has_been_asked).await, Ok(Ok(()))) {
                return;
            }
            let _ = has_been_answered.await;
            sleep(FAREWELL).await;
        };
        matches!(future::select(serving.as_mut(), pin!(limits)).await, Either::Left((Ok(()), _)))
    };
    if finished {
        let mut stream = connection.into_parts().io.into_inner();
        let _ = stream.shutdown().await;
        drop(sent);
        let unread = async { tokio::io::copy(&mut stream.take(MAX_UNREAD), &mut tokio::io::sink()).await };
        let _ = timeout(FAREWELL, unread).await;
    }
}

/// Hands a request on and waits for its page.
async fn visit(
    request: &Request<Incoming>,
    user: Option<u32>,
    visits: &mpsc::Sender<Visit>,
    sent: oneshot::Receiver<Infallible>,
) -> Response<Whole> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok().map(str::to_owned),
        _ => None,
    };
    let (reply, page) = oneshot::channel::<Page>();
    let visit = Visit::new(request.method().as_str(), request.uri().to_string(), host, move |page| {
        Box::pin(async move {
            if reply.send(page).is_ok() {
                // Neither outcome can be mended.
                let _ = tasks::run(async { timeout(FAREWELL, sent).await }).await;
            }
        })
    })
    .of_user(user);
    if visits.send(visit).await.is_err() {
        return response(404, Bytes::new());
    }
    match page.await {
        Ok(page) => response(page.status, Bytes::from(page.html)),
        Err(_) => response(404, Bytes::new()),
    }
}

fn response(status: u16, html: Bytes) -> Response<Whole> {
    let mut response = Response::new(Whole(html));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A body that is there as a whole.
struct Whole(Bytes);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.0);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

struct Listener {
    port: u16,
    visits: mpsc::Receiver<Visit>,
    accepting: AbortHandle,
}

impl Visits for Listener {
    fn port(&self) -> u16 {
        self.port
    }

    fn next(&mut self) -> BoxFuture<'_, io::Result<Visit>> {
        Box::pin(async {
            self.visits.recv().await.ok_or_else(|| io::Error::other("a bug: the listener has stopped"))
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
