//! The HTTP client against servers that do everything that servers do.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "servers and clocks of the tests' own")]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime};

use ee_auth_core::host::{Body, HttpError, HttpErrorKind, Method, Request, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use support::{Server, answer};
use url::Url;

/// In the query and the body of every request; must be in no message.
const CANARY: &str = "canary-5c0ffee5";

fn request(url: &str) -> Request {
    let mut url = Url::parse(url).unwrap();
    url.set_query(Some(&format!("code={CANARY}")));
    let mut request = Request::new(Method::Post, url).with_body(Body::form([("assertion", CANARY)]));
    // Whoever runs the tests may be behind a proxy. `surroundings.rs` has tests with proxies.
    request.direct = true;
    request
}

fn send(request: Request) -> Result<Response, HttpError> {
    pollster::block_on(ee_auth_host::system().http.send(request))
}

/// What is wrong with a request to `url`.
fn failure(request: Request) -> HttpError {
    let host = request.url.host_str().unwrap().to_owned();
    let error = send(request).unwrap_err();
    assert!(!error.message.contains(CANARY) && !format!("{error:?}").contains(CANARY), "{error:?}");
    assert!(error.message.contains(&host), "{error:?}");
    error
}

fn fails(server: &Server) -> HttpError {
    failure(request(&server.url("/token")))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_answer_is_given_back_whole() {
    let server = Server::fixed(answer(
        "429 Too Many",
        "Content-Type: application/json\r\nRetry-After: Thu, 01 Jan 2026 00:01:00 GMT\r\n\
         Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nMetadata-Flavor: Google\r\n",
        b"{}",
    ));
    let response = send(request(&server.url("/token")).with_header("X-Custom", "value")).unwrap();
    assert_eq!(response.status, 429);
    assert_eq!(response.content_type.as_deref(), Some("application/json"));
    assert_eq!(response.retry_after, Some(Duration::from_secs(60)));
    assert_eq!(response.metadata_flavor.as_deref(), Some("Google"));
    assert_eq!(response.date, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)));
    assert_eq!(response.body[..], *b"{}");

    let sent = server.request().to_ascii_lowercase();
    assert!(sent.starts_with(&format!("post /token?code={CANARY} http/1.1\r\n")), "{sent}");
    for line in [
        &format!("user-agent: ee-auth/{}", env!("CARGO_PKG_VERSION")),
        "content-type: application/x-www-form-urlencoded",
        "accept-encoding: gzip",
        "x-custom: value",
    ] {
        assert!(sent.contains(&format!("\r\n{line}\r\n")), "{line} in {sent}");
    }
    assert!(sent.ends_with(&format!("\r\n\r\nassertion={CANARY}")), "{sent}");
}

#[test]
fn any_status_but_a_redirect_is_an_answer() {
    for status in
        ["204 No Content", "300 Multiple Choices", "304 Not Modified", "401 Unauthorized", "503 Down"]
    {
        let server = Server::fixed(format!("HTTP/1.1 {status}\r\n\r\n"));
        let response = send(request(&server.url("/"))).unwrap();
        assert_eq!(response.status.to_string(), status[..3]);
        assert!(response.body.is_empty());
    }
}

#[test]
fn a_redirect_is_not_followed_and_its_query_not_shown() {
    let elsewhere = Server::fixed(answer("200 OK", "", b"stolen"));
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let location = elsewhere.url(&format!("/?code={CANARY}"));
        let server = Server::fixed(answer(status, &format!("Location: {location}\r\n"), b""));
        let error = fails(&server);
        assert_eq!(error.kind, HttpErrorKind::Redirected);
        assert!(error.message.contains(&elsewhere.address.to_string()), "{error}");
        let server = Server::fixed(answer(status, "", b""));
        assert_eq!(fails(&server).kind, HttpErrorKind::Redirected);
    }
    assert_eq!(elsewhere.more_requests(), 0);
}

#[test]
fn nobody_there() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = failure(request(&format!("http://{address}/")));
    assert_eq!(error.kind, HttpErrorKind::Connect);
    assert!(error.message.contains("refused") && error.message.contains(&address.to_string()), "{error}");
}

#[test]
fn a_name_that_cannot_be_resolved() {
    // A label of more than 63 bytes: no resolver asks anybody for it.
    let error = failure(request(&format!("http://{}.test/", "a".repeat(64))));
    assert_eq!(error.kind, HttpErrorKind::Connect);
}

#[test]
fn a_connection_that_is_never_ready() {
    // The connection is made and TLS is not: for the other side has nothing to say.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut request = request(&format!("https://{}/", listener.local_addr().unwrap()));
    request.connect_timeout = Duration::from_millis(50);
    let error = failure(request);
    assert_eq!(error.kind, HttpErrorKind::Connect);
    assert!(error.message.contains("within 50ms"), "{error}");
}

#[test]
fn silence() {
    let (hold, held) = channel::<()>();
    let held = std::sync::Mutex::new(held);
    let server = Server::new(move |request, stream| {
        if request.contains("/half") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
        }
        let _ = held.lock().unwrap().recv();
    });
    for path in ["/none", "/half"] {
        let mut request = request(&server.url(path));
        request.timeout = Duration::from_millis(100);
        let error = failure(request);
        assert_eq!(error.kind, HttpErrorKind::Timeout);
        assert!(error.message.contains("within 100ms"), "{error}");
        hold.send(()).unwrap();
    }
}

#[test]
fn a_connection_that_breaks_is_tried_once() {
    for sent in [
        "",
        "HTTP/1.1 200 OK\r\nContent-",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 503 Down\r\nContent-Length: 100\r\n\r\n",
    ] {
        let server = Server::fixed(sent);
        let error = fails(&server);
        assert_eq!(error.kind, HttpErrorKind::Interrupted, "{sent}: {error}");
        server.request();
        assert_eq!(server.more_requests(), 0, "{sent}");
    }
}

#[test]
fn what_is_no_http_is_malformed() {
    let mut cut = answer("200 OK", "Content-Encoding: gzip\r\n", &gzip(&[b'x'; 1000])[..20]);
    for sent in [
        b"SSH-2.0-OpenSSH_9.7\r\n\r\n".to_vec(),
        b"<html><body>Please log in</body></html>\r\n\r\n".to_vec(),
        b"HTTP/1.1 two hundred\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n".to_vec(),
        answer("200 OK", "Content-Encoding: gzip\r\n", b"this is no gzip, whatever it says"),
        std::mem::take(&mut cut),
    ] {
        let error = fails(&Server::fixed(sent.clone()));
        assert_eq!(error.kind, HttpErrorKind::Malformed, "{}: {error}", String::from_utf8_lossy(&sent));
    }
}

#[test]
fn a_body_of_one_mebibyte_is_read_and_no_more() {
    const LIMIT: usize = 1 << 20;
    let whole = vec![b'x'; LIMIT];
    let server = Server::fixed(answer("200 OK", "", &whole));
    assert_eq!(send(request(&server.url("/"))).unwrap().body.len(), LIMIT);
    let server = Server::fixed(answer("200 OK", "Content-Encoding: gzip\r\n", &gzip(&whole)));
    assert_eq!(send(request(&server.url("/"))).unwrap().body.len(), LIMIT);

    let server = Server::fixed(answer("200 OK", "", &vec![b'x'; LIMIT + 1]));
    let error = fails(&server);
    assert_eq!(error.kind, HttpErrorKind::Malformed);
    assert!(error.message.contains("larger than 1 MiB"), "{error}");
}

#[test]
fn reading_stops_at_the_limit() {
    // It writes for as long as somebody reads.
    let (sender, receiver) = channel();
    let server = Server::new(move |_, stream| {
        let mut sent = 0_usize;
        let mut chunk = b"10000\r\n".to_vec();
        chunk.extend([b'x'; 0x10000]);
        chunk.extend(b"\r\n");
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while stream.write_all(&chunk).is_ok() {
            sent += chunk.len();
        }
        sender.send(sent).unwrap();
    });
    assert_eq!(fails(&server).kind, HttpErrorKind::Malformed);
    // What was sent beyond the limit lies in the buffers of the sockets.
    assert!(receiver.recv().unwrap() < 64 << 20);
}

#[test]
fn a_gzip_bomb_does_not_go_off() {
    let bomb = gzip(&vec![0; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    let server = Server::fixed(answer("200 OK", "Content-Encoding: gzip\r\n", &bomb));
    assert!(fails(&server).message.contains("larger than 1 MiB"));
}

#[test]
fn an_address_that_is_none_of_http() {
    let error = failure(request("ftp://127.0.0.1/"));
    assert_eq!(error.kind, HttpErrorKind::Refused);
}

#[test]
fn https_where_there_is_none() {
    let server = Server::on_connection(|stream, sent| {
        let mut hello = [0; 16];
        stream.read_exact(&mut hello).unwrap();
        sent(String::new());
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let error = failure(request(&format!("https://{}/", server.address)));
    assert_eq!(error.kind, HttpErrorKind::Tls);
    assert!(error.message.contains("does not speak TLS"), "{error}");
}

#[test]
fn dropping_the_future_ends_the_request() {
    let (sender, receiver) = channel();
    let server = Server::new(move |_, stream| sender.send(stream.read(&mut [0; 1]).unwrap_or(0)).unwrap());
    let http = ee_auth_host::system().http;
    let mut sending = http.send(request(&server.url("/")));
    let mut context = Context::from_waker(Waker::noop());
    assert!(sending.as_mut().poll(&mut context).is_pending());
    server.request();
    drop(sending);
    assert_eq!(receiver.recv().unwrap(), 0, "the connection was closed");
}

#[test]
fn requests_run_beside_each_other() {
    // Each is answered when both have come.
    let barrier = std::sync::Barrier::new(2);
    let server = Server::new(move |_, stream| {
        barrier.wait();
        stream.write_all(&answer("200 OK", "", b"")).unwrap();
    });
    let url = server.url("/");
    std::thread::scope(|scope| {
        let both = [scope.spawn(|| send(request(&url))), scope.spawn(|| send(request(&url)))];
        for one in both {
            assert_eq!(one.join().unwrap().unwrap().status, 200);
        }
    });
}
