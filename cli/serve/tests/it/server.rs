//! The server as a whole: sockets, reloading, stopping.

use std::io::Write;
use std::sync::Arc;
use std::thread;

use ee_auth_core::Secret;
use ee_auth_fake::Fake;
use ee_auth_serve::{Address, Listener, Profiles, Served, Server, Session, Via};

use crate::support::{Exchanges, Machine, SECRET, credential, exchange, request};

const EMAIL: &str = "/computeMetadata/v1/instance/service-accounts/default/email";
const TOKEN: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

#[test]
fn what_is_served_can_be_replaced() {
    let machine = Machine::new();
    assert_eq!(machine.get(EMAIL).body, "ada@example.com");
    let other = credential(&machine.fake, &machine.exchanges, Some("grace@example.com"));
    machine.server.replace(Profiles::new(Served::new(other)));
    assert_eq!(machine.get(EMAIL).body, "grace@example.com");
}

#[test]
fn a_request_that_is_under_way_is_answered_before_the_end() {
    let machine = Machine::new();
    let held = machine.exchanges.hold();
    let mut stream = machine.connect();
    let host = format!("Host: {}", machine.address);
    stream.write_all(request("GET", TOKEN, &["Metadata-Flavor: Google", &host], "").as_bytes()).unwrap();
    while machine.exchanges.made() == 0 {
        thread::yield_now();
    }
    let Machine { server, address, .. } = machine;
    thread::scope(|scope| {
        let stopping = scope.spawn(|| server.stop());
        // From now on nobody is let in.
        while std::net::TcpStream::connect(address).is_ok() {
            thread::yield_now();
        }
        drop(held);
        assert!(exchange(&mut stream, "").body.contains("token-1"));
        stopping.join().unwrap();
    });
}

#[test]
fn many_at_once_make_one_exchange() {
    let machine = Arc::new(Machine::new());
    let clients: Vec<_> = (0..64)
        .map(|_| {
            let machine = machine.clone();
            thread::spawn(move || machine.get(TOKEN).json()["access_token"].clone())
        })
        .collect();
    for client in clients {
        assert_eq!(client.join().unwrap(), "token-1");
    }
    assert_eq!(machine.exchanges.made(), 1);
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ee.sock");
    // Somebody who did not tidy up.
    drop(UnixListener::bind(&path).unwrap());
    let address = Address::Unix(path.clone());
    let listener = Listener::bind(&address).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(Listener::bind(&address).is_err(), "somebody listens there");
    let served = Served::new(credential(&Fake::new(), &Exchanges::default(), None));
    let server =
        Server::start(vec![listener], Secret::from(SECRET), Profiles::new(served), Via::File).unwrap();
    let ask = |host: &str| {
        let lines = [format!("Host: {host}"), "Metadata-Flavor: Google".to_owned()];
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        exchange(&mut UnixStream::connect(&path).unwrap(), &request("GET", TOKEN, &lines, ""))
    };
    assert!(ask("localhost").body.contains("token-1"));
    assert_eq!(ask("evil.example").status, 421);
    server.stop();
    assert!(!path.exists());
}

#[cfg(unix)]
#[test]
fn only_a_socket_gives_way_to_a_socket() {
    let directory = tempfile::tempdir().unwrap();
    let (file, link) = (directory.path().join("file"), directory.path().join("link"));
    std::fs::write(&file, "somebody's work").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let error = Listener::bind(&Address::Unix(path.clone())).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    }
    assert_eq!(std::fs::read_to_string(&link).unwrap(), "somebody's work");
}

#[test]
fn a_session_leaves_nothing_behind() {
    let fake = Fake::new();
    let credential = credential(&fake, &Exchanges::default(), Some("ada@example.com"));
    let session = Session::start(credential, Via::Both, &*fake.host().environment).unwrap();
    let file = session.file().unwrap().to_owned();
    let content: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(content["type"], "external_account_authorized_user");
    assert_eq!(content["quota_project_id"], "my-project");
    assert!(content["audience"].is_null());
    assert_eq!(content["refresh_token"].as_str().unwrap().len(), 64);
    assert_eq!(session.variables().set["GOOGLE_APPLICATION_CREDENTIALS"], file.as_os_str());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    drop(session);
    assert!(!file.exists());
}
