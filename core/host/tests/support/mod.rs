//! Servers on loopback that answer with whatever bytes a test wants.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses its own part")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// A server and what it was sent.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Receiver<String>,
}

impl Server {
    /// A server that gives each connection to `answer` once a request has been read from it, and closes it then.
    pub(crate) fn new(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::on_connection(move |stream, sent| {
            if let Ok(request) = read_request(stream) {
                sent(request.clone());
                answer(&request, stream);
            }
        })
    }

    /// A server that sends the same bytes for every request.
    pub(crate) fn fixed(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::new(move |_, stream| drop(stream.write_all(&bytes)))
    }

    /// A server that gives each connection to `serve`, with a place to report what was sent.
    pub(crate) fn on_connection(
        serve: impl Fn(&mut TcpStream, &dyn Fn(String)) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        thread::spawn(move || {
            let serve = &serve;
            thread::scope(|scope| {
                for stream in listener.incoming() {
                    let sender = sender.clone();
                    scope.spawn(move || serve(&mut stream.unwrap(), &|request| drop(sender.send(request))));
                }
            });
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request that was sent. Waits for it.
    pub(crate) fn request(&self) -> String {
        self.requests.recv().unwrap()
    }

    /// How many requests were sent that nobody has asked for.
    pub(crate) fn more_requests(&self) -> usize {
        self.requests.try_iter().count()
    }
}

/// One request, head and body.
pub(crate) fn read_request(stream: &mut impl Read) -> io::Result<String> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    request.extend(body);
    Ok(String::from_utf8(request).unwrap())
}

/// An answer with a status, further header lines and a body of known length.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend(body);
    bytes
}
