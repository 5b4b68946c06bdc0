//! The listener of a login's redirect, and browsers of every kind.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "the tests are the browsers")]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ee_auth_core::host::{Page, Visit, Visits};

fn listen(port: u16) -> io::Result<Box<dyn Visits>> {
    pollster::block_on(ee_auth_host::system().loopback.listen(port))
}

fn next(visits: &mut Box<dyn Visits>) -> Visit {
    pollster::block_on(visits.next()).unwrap()
}

fn answer(visit: Visit, html: &str) {
    pollster::block_on(visit.answer(Page { status: 200, html: html.to_owned() }));
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Sends a request in the background, and answers all that comes back.
fn send(mut stream: TcpStream, request: impl Into<Vec<u8>>) -> JoinHandle<String> {
    let request = request.into();
    thread::spawn(move || {
        // A server that has read enough may close while more is being sent.
        let _ = stream.write_all(&request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    })
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn a_browser_is_heard_and_answered_in_both_families() {
    let mut visits = listen(0).unwrap();
    let port = visits.port();
    let mut streams = vec![TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()];
    if has_ipv6() {
        streams.push(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap());
    }
    for stream in streams {
        let request = format!(
            "GET /?state=a%20b&code=4/x HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://evil.test\r\n\r\n"
        );
        let answered = send(stream, request);
        let visit = next(&mut visits);
        assert_eq!((&*visit.method, &*visit.target), ("GET", "/?state=a%20b&code=4/x"));
        assert_eq!(visit.host.as_deref(), Some(&*format!("localhost:{port}")));
        answer(visit, "<p>Grüße");
        let answered = answered.join().unwrap();
        let (head, body) = answered.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "<p>Grüße");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let head = head.to_lowercase();
        for header in [
            "content-type: text/html; charset=utf-8",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "content-security-policy: default-src 'none'; ",
            "connection: close",
        ] {
            assert!(head.contains(header), "{header}: {head}");
        }
        assert!(!head.contains("access-control"), "{head}");
    }
}

#[test]
fn a_port_can_be_chosen_and_used_again_at_once() {
    let port = listen(0).unwrap().port();
    for _ in 0..3 {
        let mut visits = listen_soon(port);
        assert_eq!(visits.port(), port);
        // The server closes first, so that the connection lingers at its port.
        let answered = send(connect(port), get("/"));
        answer(next(&mut visits), "done");
        assert!(answered.join().unwrap().ends_with("done"));
    }
    drop(listen_soon(port));
    thread_is_idle();
    assert_eq!(
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}

/// A listener that was dropped is closed by the private thread, at its next turn.
fn listen_soon(port: u16) -> Box<dyn Visits> {
    thread_is_idle();
    listen(port).unwrap()
}

fn thread_is_idle() {
    for _ in 0..2 {
        let (sender, receiver) = std::sync::mpsc::channel();
        ee_auth_host::system().tasks.spawn(Box::pin(async move { sender.send(()).unwrap() }));
        receiver.recv().unwrap();
    }
}

#[test]
fn a_port_that_somebody_else_has_is_taken() {
    let mut others = vec![TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()];
    if has_ipv6() {
        others.push(TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap());
    }
    if cfg!(target_os = "linux") {
        others.push(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
    }
    for other in others {
        let error = listen(other.local_addr().unwrap().port()).err().expect("it is taken");
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{other:?}");
    }
    let ours = listen(0).unwrap();
    assert_eq!(listen(ours.port()).err().unwrap().kind(), ErrorKind::AddrInUse);
}

#[test]
fn nobody_is_held_up_by_those_who_say_nothing() {
    let mut visits = listen(0).unwrap();
    let port = visits.port();
    let mut silent: Vec<TcpStream> = (0..100).map(|_| connect(port)).collect();
    let mut slow = connect(port);
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost:").unwrap();
    let answered = send(connect(port), get("/quick"));
    let visit = next(&mut visits);
    assert_eq!(visit.target, "/quick");
    answer(visit, "quick");
    assert!(answered.join().unwrap().ends_with("quick"));
    // They are cut off: the first to make room, the last when their time is over.
    let start = Instant::now();
    let mut nothing = Vec::new();
    let _ = silent.last_mut().unwrap().read_to_end(&mut nothing);
    let _ = silent.first_mut().unwrap().read_to_end(&mut nothing);
    let _ = slow.read_to_end(&mut nothing);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(!String::from_utf8_lossy(&nothing).contains("200 OK"));
}

#[test]
fn what_is_too_long_or_no_http_is_cut_off_unseen() {
    let mut visits = listen(0).unwrap();
    let port = visits.port();
    for request in [
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000)).into_bytes(),
        get(&format!("/?state={}", "x".repeat(100_000))).into_bytes(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"GET / HTTP/1.1\r\nHost: \0\r\n\r\n".to_vec(),
    ] {
        let answered = send(connect(port), request).join().unwrap();
        assert!(answered.is_empty() || answered.starts_with("HTTP/1.1 4"), "{answered}");
    }
    let answered = send(connect(port), get("/after"));
    let visit = next(&mut visits);
    assert_eq!(visit.target, "/after", "nothing came before it");
    answer(visit, "");
    answered.join().unwrap();
}

#[test]
fn a_body_is_not_read_and_its_sender_is_answered() {
    let mut visits = listen(0).unwrap();
    let body = "x".repeat(10_000);
    let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    let answered = send(connect(visits.port()), head + &body);
    let visit = next(&mut visits);
    assert_eq!(visit.method, "POST");
    answer(visit, "answer");
    assert!(answered.join().unwrap().ends_with("answer"));
}

#[test]
fn there_is_one_request_per_connection_and_one_host_per_request() {
    let mut visits = listen(0).unwrap();
    let two_hosts = "GET /one HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n";
    let answered = send(connect(visits.port()), format!("{two_hosts}{}", get("/two")));
    let visit = next(&mut visits);
    assert_eq!((&*visit.target, visit.host.as_deref()), ("/one", None));
    assert_eq!(format!("{visit:?}"), "GET /one");
    drop(visit);
    let answered = answered.join().unwrap();
    assert!(answered.starts_with("HTTP/1.1 404 ") && answered.matches("HTTP/1.1").count() == 1, "{answered}");
    let answered =
        send(connect(visits.port()), "GET http://evil.test/?code=x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let visit = next(&mut visits);
    assert_eq!(visit.target, "http://evil.test/?code=x");
    drop(visit);
    answered.join().unwrap();
}

#[test]
fn a_head_has_no_body() {
    let mut visits = listen(0).unwrap();
    let answered = send(connect(visits.port()), "HEAD / HTTP/1.0\r\n\r\n");
    let visit = next(&mut visits);
    assert_eq!((&*visit.method, visit.host.as_deref()), ("HEAD", None));
    answer(visit, "body");
    let answered = answered.join().unwrap();
    assert!(answered.starts_with("HTTP/1.0 200") && answered.ends_with("\r\n\r\n"), "{answered}");
}

#[test]
fn a_page_is_sent_before_the_answer_returns() {
    let mut visits = listen(0).unwrap();
    let mut stream = connect(visits.port());
    stream.write_all(get("/").as_bytes()).unwrap();
    answer(next(&mut visits), "all of it");
    // Whoever answers may end at once.
    drop(visits);
    let mut answered = String::new();
    stream.read_to_string(&mut answered).unwrap();
    assert!(answered.ends_with("all of it"), "{answered}");
}

#[test]
fn those_who_have_asked_are_answered_though_nobody_listens_any_more() {
    let mut visits = listen(0).unwrap();
    let (first, second) =
        (send(connect(visits.port()), get("/first")), send(connect(visits.port()), get("/second")));
    let visit = next(&mut visits);
    drop(visits);
    let heard = visit.target.clone();
    answer(visit, "answer");
    let (heard, unheard) = if heard == "/first" { (first, second) } else { (second, first) };
    assert!(heard.join().unwrap().ends_with("answer"));
    let unheard = unheard.join().unwrap();
    assert!(unheard.is_empty() || unheard.starts_with("HTTP/1.1 404 "), "{unheard}");
}

#[test]
fn a_browser_that_is_gone_or_does_not_read_is_not_waited_for() {
    let mut visits = listen(0).unwrap();
    let start = Instant::now();
    let mut gone = connect(visits.port());
    gone.write_all(get("/").as_bytes()).unwrap();
    let visit = next(&mut visits);
    drop(gone);
    answer(visit, "to nobody");
    let mut deaf = connect(visits.port());
    deaf.write_all(get("/").as_bytes()).unwrap();
    answer(next(&mut visits), &"x".repeat(50 << 20));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
