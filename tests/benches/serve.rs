//! The endpoint of `exec` and `serve` beside a bare hyper server that answers the same bytes: as wrk sees them, which asks as
//! fast as it can, and at half of that rate; and the endpoint while a refresh takes five seconds.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench is the world outside"
)]

use std::convert::Infallible;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ee_auth_core::host::BoxFuture;
use ee_auth_core::{Credential, Error, Exchange, Found, Secret, Settings, Token, TokenSource};
use ee_auth_serve::{Address, Listener, Profiles, Served, Server, Via};
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

const PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// A token as long as Google's, valid for so long, and exchanges that take so long from the second on.
#[derive(Debug)]
struct Source {
    lifetime: Duration,
    takes: Duration,
    made: Arc<AtomicUsize>,
}

impl TokenSource for Source {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let made = self.made.fetch_add(1, Ordering::SeqCst);
            if made > 0 {
                exchange.host.clock.sleep(self.takes).await;
            }
            let now = exchange.host.clock.now();
            Ok(Token::new(format!("{made:0>220}"), now, now + self.lifetime))
        })
    }
}

fn start(lifetime: Duration, takes: Duration) -> (Server, SocketAddr, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let found = Found::new(Source { lifetime, takes, made: made.clone() }, "the bench");
    let exchange = Exchange { host: ee_auth_host::system(), settings: Settings::default() };
    let credential = Credential::new("bench", &ee_auth_explicit::KIND, found, None, exchange);
    credential.token().unwrap();
    let listener = Listener::bind(&Address::any_loopback()).unwrap();
    let Address::Tcp(address) = *listener.address() else { unreachable!() };
    let server =
        Server::start(vec![listener], Secret::from("s"), Profiles::new(Served::new(credential)), Via::Both)
            .unwrap();
    (server, address, made)
}

/// hyper as it comes, with the same headers and a body of the same length.
fn start_bare() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let body = format!(r#"{{"access_token":"{:0>220}","expires_in":3599,"token_type":"Bearer"}}"#, 0);
            let body = Bytes::from(body);
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let body = body.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |_| {
                        let answer = Response::builder()
                            .header(CONTENT_TYPE, "application/json")
                            .header("metadata-flavor", "Google")
                            .header(CACHE_CONTROL, "no-store")
                            .body(Full::new(body.clone()));
                        async { Ok::<_, Infallible>(answer.unwrap()) }
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    });
    address
}

/// What wrk says of 64 connections for so many seconds: the lines that matter.
fn wrk(address: SocketAddr, seconds: u32) -> Option<Vec<String>> {
    let duration = format!("-d{seconds}s");
    let url = format!("http://{address}{PATH}");
    let arguments = ["-t1", "-c64", &duration, "--latency", "-H", "Metadata-Flavor: Google", &url];
    let output = Command::new("wrk").args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let wanted = ["Requests/sec", "50%", "99%", "Non-2xx", "Socket errors"];
    let lines = text.lines().map(str::trim).filter(|line| wanted.iter().any(|word| line.starts_with(word)));
    Some(lines.map(str::to_owned).collect())
}

/// The latencies of 64 connections that ask at a fixed rate, as somebody sees them who wanted to ask at that time: what
/// comes late because the request before it was late counts from when it was due.
fn paced(address: SocketAddr, rate: f64, seconds: u32) -> String {
    const CONNECTIONS: u32 = 64;
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: {address}\r\nMetadata-Flavor: Google\r\n\r\n");
    let start = Instant::now();
    let interval = Duration::from_secs_f64(1.0 / rate);
    let mut connections: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_nonblocking(true).unwrap();
            (stream, start + interval * number, false)
        })
        .collect();
    let end = start + Duration::from_secs(seconds.into());
    let (mut latencies, mut failed, mut answer) = (Vec::new(), 0, [0; 4096]);
    while Instant::now() < end {
        let before = latencies.len();
        for (stream, due, asked) in &mut connections {
            if !*asked {
                if Instant::now() >= *due {
                    stream.write_all(request.as_bytes()).unwrap();
                    *asked = true;
                }
                continue;
            }
            // An answer is far smaller than a segment, so it comes in one piece.
            match stream.read(&mut answer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Ok(length)
                    if answer[..length].starts_with(b"HTTP/1.1 200 ") && answer[length - 1] == b'}' => {}
                _ => failed += 1,
            }
            latencies.push(due.elapsed());
            *due += interval * CONNECTIONS;
            *asked = false;
        }
        if latencies.len() == before {
            // Leaves the processor to others, for about as long as an answer takes.
            std::thread::sleep(Duration::from_micros(10));
        }
    }
    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    let rate = latencies.len() as f64 / f64::from(seconds);
    format!(
        "{rate:.0} requests/s; 50% {:.2} ms; 99% {:.2} ms; 99.9% {:.2} ms; {failed} failed",
        at(0.5),
        at(0.99),
        at(0.999)
    )
}

/// The number in a line of wrk's.
fn rate(lines: &[String]) -> Option<f64> {
    lines.iter().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok())
}

fn main() {
    let (_server, address, _) = start(Duration::from_secs(3600), Duration::ZERO);
    let bare = start_bare();
    let mut most = f64::INFINITY;
    for round in 1..=3 {
        for (name, address) in [("bare hyper", bare), ("ee-auth", address)] {
            match wrk(address, 5) {
                Some(lines) => {
                    most = rate(&lines).map_or(most, |rate| most.min(rate));
                    println!("round {round}, {name}: {}", lines.join("; "));
                }
                None => return println!("SKIPPED: there is no wrk"),
            }
        }
    }
    for (name, address) in [("bare hyper", bare), ("ee-auth", address)] {
        println!("at half of what both can, {name}: {}", paced(address, most / 2.0, 5));
    }
    // Replaced in the last quarter of its life, in an exchange as long as that.
    let refreshing = || start(Duration::from_secs(20), Duration::from_secs(5));
    let (_server, address, made) = refreshing();
    let lines = wrk(address, 24).unwrap_or_default();
    println!("a refresh of 5 s: {}; {} exchanges", lines.join("; "), made.load(Ordering::SeqCst));
    let (_server, address, made) = refreshing();
    let said = paced(address, most / 2.0, 24);
    println!("a refresh of 5 s, at half: {said}; {} exchanges", made.load(Ordering::SeqCst));
}
