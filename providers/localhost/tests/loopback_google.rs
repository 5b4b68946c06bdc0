//! The login on the system as it is, against the loopback Google, with a browser that does as it is told.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "the tests are the browser")]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use ee_auth_core::ExposeSecret;
use ee_auth_sandbox::{Consent, Options, Sandbox, visit};
use support::{log_in, provider, redirect_uri, request};

#[test]
fn a_browser_logs_in_though_others_are_about() {
    let sandbox = Sandbox::start(Options::default()).unwrap();
    let (sender, pages) = channel();
    let grant = log_in(&sandbox, move |address| {
        thread::spawn(move || {
            let ours = redirect_uri(&address);
            // It says nothing, for as long as it may.
            let mut silent =
                TcpStream::connect(ours.trim_start_matches("http://").replace("localhost", "127.0.0.1"))
                    .unwrap();
            silent.write_all(b"GET /?code=x").unwrap();
            for target in ["/favicon.ico", "/?code=x&state=theirs", ""] {
                sender.send(visit(&format!("{ours}{target}")).unwrap()).unwrap();
            }
            sender.send(visit(address.as_str()).unwrap()).unwrap();
            drop(silent);
        });
    })
    .unwrap();
    assert!(grant.redirect_uri.unwrap().starts_with("http://localhost:"));
    assert!(!grant.refresh_token.expose_secret().is_empty() && grant.warnings.is_empty());
    let pages: Vec<_> = pages.iter().map(|page| (page.status, page.body)).collect();
    assert_eq!(pages.iter().map(|page| page.0).collect::<Vec<_>>(), [404, 400, 400, 200]);
    assert!(pages[3].1.contains("You are logged in"), "{}", pages[3].1);
}

/// Another user reads the `state` where everybody may, and is quicker than the person with a code of their own.
#[cfg(target_os = "linux")]
#[test]
#[allow(clippy::print_stderr, reason = "a test may say that it was skipped")]
fn a_real_second_user_cannot_answer_the_login() {
    use std::process::Command;

    let as_nobody = |program: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", program]);
        command
    };
    if !as_nobody("true").status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: only root can run a program as another user");
        return;
    }
    let sandbox = Sandbox::start(Options::default()).unwrap();
    let (sender, answers) = channel();
    log_in(&sandbox, move |address| {
        thread::spawn(move || {
            let state = address.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
            let forged = format!("{}/?code=4/theirs&state={state}", redirect_uri(&address));
            let mut curl = as_nobody("curl");
            curl.args(["-q", "--silent", "--noproxy", "*", "--include", &forged]);
            let answer = String::from_utf8_lossy(&curl.output().unwrap().stdout).into_owned();
            sender.send(answer).unwrap();
            sender.send(visit(address.as_str()).unwrap().body).unwrap();
        });
    })
    .unwrap();
    let forged = answers.recv().unwrap();
    assert!(forged.starts_with("HTTP/1.1 403") && forged.contains("another user"), "{forged}");
    assert!(answers.recv().unwrap().contains("You are logged in"));
}

#[test]
fn a_person_says_no_or_to_some_of_it() {
    let sandbox = Sandbox::start(Options::default()).unwrap();
    let log_in = |consent| {
        sandbox.set_consent(consent);
        let (sender, pages) = channel();
        let outcome = log_in(&sandbox, move |address| {
            thread::spawn(move || sender.send(visit(address.as_str()).unwrap().body).unwrap());
        });
        (outcome, pages.recv().unwrap())
    };
    let (outcome, page) = log_in(Consent::Deny);
    assert_eq!(outcome.unwrap_err().code(), "rejected.access_denied");
    assert!(page.contains("Access was not given"), "{page}");

    let earthengine = "https://www.googleapis.com/auth/earthengine".to_owned();
    let (outcome, page) = log_in(Consent::GrantOnly(vec![earthengine]));
    let grant = outcome.unwrap();
    assert_eq!(grant.scopes, "earthengine".parse().unwrap());
    assert!(page.contains("not granted: ") && grant.warnings.len() == 1, "{page}");
}

#[test]
fn an_exchange_that_fails_is_told_to_the_browser() {
    let sandbox = Sandbox::start(Options::default()).unwrap();
    sandbox.fail("token=400x9".parse().unwrap());
    let (sender, pages) = channel();
    let outcome = log_in(&sandbox, move |address| {
        thread::spawn(move || sender.send(visit(address.as_str()).unwrap().body).unwrap());
    });
    assert!(outcome.is_err());
    let page = pages.recv().unwrap();
    assert!(page.contains("The login could not be finished"), "{page}");
}

#[test]
fn a_wait_ends_in_time() {
    let sandbox = Sandbox::start(Options::default()).unwrap();
    let (sender, addresses) = channel();
    let request = request(&sandbox, move |address| sender.send(address).unwrap());
    let outcome = pollster::block_on(provider(Duration::from_millis(50)).login().unwrap().log_in(&request));
    assert_eq!(outcome.unwrap_err().code(), "unavailable.timeout");
    nobody_listens(&redirect_uri(&addresses.recv().unwrap()));
}

#[test]
fn a_login_that_is_dropped_listens_no_more() {
    let sandbox = Sandbox::start(Options::default()).unwrap();
    let (sender, addresses) = channel();
    let request = request(&sandbox, move |address| sender.send(address).unwrap());
    let provider = provider(Duration::from_secs(600));
    let mut login = provider.login().unwrap().log_in(&request);
    let address = loop {
        assert!(login.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        if let Ok(address) = addresses.recv_timeout(Duration::from_millis(5)) {
            break address;
        }
    };
    drop(login);
    nobody_listens(&redirect_uri(&address));
}

/// The listener is closed by the private thread, at its next turn.
fn nobody_listens(redirect_uri: &str) {
    let (sender, turn) = channel();
    for _ in 0..2 {
        let sender = sender.clone();
        ee_auth_host::system().tasks.spawn(Box::pin(async move { sender.send(()).unwrap() }));
        turn.recv().unwrap();
    }
    assert!(TcpStream::connect(redirect_uri.trim_start_matches("http://")).is_err());
}
