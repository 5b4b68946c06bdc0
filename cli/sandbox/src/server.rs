//! The HTTP server: a current-thread runtime on a thread of its own.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::TcpListener as StdTcpListener;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};
use std::{fmt, io};

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_LENGTH, DATE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::errors;
use crate::message::{Delivery, Fields, Reply, Request, percent_decode};
use crate::routes;
use crate::world::World;

/// The largest body that is read, in bytes.
const MAX_BODY: usize = 1 << 20;

/// Serves until `stop` is dropped. Every connection ends with it.
pub(crate) fn serve(
    listener: StdTcpListener,
    world: Arc<Mutex<World>>,
    stop: oneshot::Receiver<Infallible>,
) -> io::Result<impl FnOnce() + Send> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _guard = runtime.enter();
        TcpListener::from_std(listener)?
    };
    Ok(move || {
        runtime.spawn(accept(listener, world));
        // The sender never sends: this ends when it is dropped.
        let _ = runtime.block_on(stop);
    })
}

async fn accept(listener: TcpListener, world: Arc<Mutex<World>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, world.clone()))),
            // Out of file descriptors, most likely: others may be closed meanwhile.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, world: Arc<Mutex<World>>) {
    let _ = stream.set_nodelay(true);
    let reset = AtomicBool::new(false);
    let service = service_fn(|request| Box::pin(handle(request, &world, &reset)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    if reset.load(Ordering::Relaxed) {
        // Closing now sends RST in place of FIN.
        let _ = stream.set_zero_linger();
    }
}

async fn handle(
    request: hyper::Request<Incoming>,
    world: &Mutex<World>,
    reset: &AtomicBool,
) -> Result<hyper::Response<Paced>, NoAnswer> {
    let reply = match read(request).await {
        Ok(request) => {
            let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
            routes::answer(&mut world, &request)
        }
        Err(reply) => reply,
    };
    match reply.delivery {
        Delivery::Reset => {
            reset.store(true, Ordering::Relaxed);
            Err(NoAnswer)
        }
        Delivery::Close => Err(NoAnswer),
        Delivery::Never => std::future::pending().await,
        Delivery::After(time) => {
            tokio::time::sleep(time).await;
            Ok(response(reply, world))
        }
        Delivery::Whole | Delivery::Cut | Delivery::Drip(_) => Ok(response(reply, world)),
    }
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, Reply> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(|_| errors::page(413))?.to_bytes();
    Ok(Request {
        method: head.method,
        path: percent_decode(head.uri.path()),
        query: Fields::parse(head.uri.query().unwrap_or_default().as_bytes()),
        headers: head.headers,
        body,
    })
}

fn response(reply: Reply, world: &Mutex<World>) -> hyper::Response<Paced> {
    let now = world.lock().unwrap_or_else(PoisonError::into_inner).now();
    let length = reply.body.len();
    let (pace, left, cut) = match reply.delivery {
        Delivery::Cut => (None, reply.body.slice(..length / 2), true),
        Delivery::Drip(interval) => (Some(interval), reply.body, false),
        _ => (None, reply.body, false),
    };
    let mut response = hyper::Response::new(Paced { left, pace, cut, pause: None, yielded: false });
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.extend(reply.headers);
    headers.insert(CONTENT_LENGTH, length.into());
    let date = UNIX_EPOCH + Duration::from_secs(u64::try_from(now).unwrap_or(0));
    if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(date)) {
        headers.insert(DATE, date);
    }
    response
}

/// Ends a connection without an answer.
#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection ends before the answer does")
    }
}

impl std::error::Error for NoAnswer {}

/// A body that may come byte by byte, and may end too early.
struct Paced {
    left: Bytes,
    /// The time before each byte; `None` for all at once.
    pace: Option<Duration>,
    /// Whether to fail where `left` ends.
    cut: bool,
    pause: Option<Pin<Box<Sleep>>>,
    /// Whether what was sent has had its chance to leave before the end.
    yielded: bool,
}

impl Body for Paced {
    type Data = Bytes;
    type Error = NoAnswer;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NoAnswer>>> {
        if self.left.is_empty() {
            return match (self.cut, self.yielded) {
                (false, _) => Poll::Ready(None),
                (true, true) => Poll::Ready(Some(Err(NoAnswer))),
                (true, false) => {
                    self.yielded = true;
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            };
        }
        let Some(pace) = self.pace else {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.left)))));
        };
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(pace)));
        if pause.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.pause = None;
        let byte = self.left.split_to(1);
        Poll::Ready(Some(Ok(Frame::data(byte))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && !self.cut
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
