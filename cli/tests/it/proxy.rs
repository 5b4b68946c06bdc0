//! Proxies, as variables name them: the program goes through them, or says why not, and never past them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::support::{Machine, run};

/// A proxy that answers every request in the same way, its port, and how often it was asked.
fn proxy(answer: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a port");
    let port = listener.local_addr().expect("it has an address").port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("somebody asks");
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                request.push(byte[0]);
            }
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (port, asked)
}

/// What `token` ends with on a machine with a key whose requests go through `value`.
fn token(variable: &str, value: &str, status: i32) -> String {
    let machine = Machine::with_google().with_key().with(variable, value);
    run(&mut machine.command(["token", "--format=json"])).expect(status).error().to_string()
}

#[test]
fn a_proxy_that_refuses_is_asked_once_and_named_with_its_status() {
    for (answer, status, asked) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n",
            "407",
            1,
        ),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "403", 1),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "502", 4),
    ] {
        let (port, count) = proxy(answer);
        let error = token("HTTP_PROXY", &format!(" 'http://user:hunter2@127.0.0.1:{port}' "), 6);
        assert!(error.contains("unavailable.proxy") && error.contains(status), "{error}");
        assert!(error.contains(&format!("127.0.0.1:{port} (HTTP_PROXY)")), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert_eq!(count.load(Ordering::SeqCst), asked, "{error}");
    }
}

#[test]
fn a_proxy_variable_that_cannot_be_read_is_invalid_and_names_the_variable() {
    for value in
        ["http://user:hunter2@proxy:port", "ftp://hunter2:3128", "http://prox y", "socks://proxy:1080"]
    {
        for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            let error = token(variable, value, 3);
            assert!(error.contains("invalid.proxy") && error.contains(variable), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
