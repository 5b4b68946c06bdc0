//! Who is refused, each counted.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use ee_auth_serve::{Refusal, Via};

use crate::support::{Machine, SECRET};

const TOKEN: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

#[test]
fn metadata_wants_its_flavor() {
    let machine = Machine::new();
    for headers in
        [&[][..], &["Metadata-Flavor: google"], &["Metadata-Flavor:"], &["X-Metadata-Flavor: Google"]]
    {
        for path in [TOKEN, "/", "/computeMetadata/v1/instance"] {
            let answer = machine.send("GET", path, headers, "");
            assert_eq!(answer.status, 403, "{path} {headers:?}");
            assert!(answer.body.contains("Metadata-Flavor: Google"), "{answer:?}");
        }
    }
    assert_eq!(machine.refused(Refusal::Flavor), 12);
    assert_eq!(machine.exchanges.made(), 0);
}

#[test]
fn what_was_forwarded_is_refused() {
    let machine = Machine::new();
    let form = format!("grant_type=refresh_token&refresh_token={SECRET}");
    for (method, path, body) in [("GET", TOKEN, ""), ("POST", "/v1/oauthtoken", form.as_str())] {
        let headers = ["Metadata-Flavor: Google", "X-Forwarded-For: 10.0.0.1"];
        assert_eq!(machine.send(method, path, &headers, body).status, 403);
    }
    assert_eq!(machine.refused(Refusal::Forwarded), 2);
}

#[test]
fn a_foreign_name_is_refused() {
    let machine = Machine::new();
    let port = machine.address.port();
    let ask = |hosts: &[&str]| {
        let lines: Vec<_> = hosts.iter().map(|host| format!("Host: {host}")).collect();
        let headers: Vec<_> = lines.iter().map(String::as_str).chain(["Metadata-Flavor: Google"]).collect();
        machine.send_exactly("GET", TOKEN, &headers, "").status
    };
    for own in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("LOCALHOST:{port}")] {
        assert_eq!(ask(&[&own]), 200, "{own}");
    }
    let own = format!("127.0.0.1:{port}");
    for foreign in [
        &["evil.example"][..],
        &[&format!("evil.example:{port}")],
        &["127.0.0.1"],
        &["127.0.0.1:1"],
        &[&format!("127.0.0.1.evil.example:{port}")],
        &["metadata.google.internal"],
        &[""],
        &[],
        &[&own, "evil.example"],
        &["evil.example", &own],
    ] {
        assert!(matches!(ask(foreign), 400 | 421), "{foreign:?}");
    }
    // As a proxy is asked.
    let headers = [format!("Host: {own}"), "Metadata-Flavor: Google".to_owned()];
    let headers: Vec<_> = headers.iter().map(String::as_str).collect();
    let target = format!("http://evil.example{TOKEN}");
    assert_eq!(machine.send_exactly("GET", &target, &headers, "").status, 421);
    assert!(machine.refused(Refusal::Host) >= 9);
}

#[test]
fn the_token_endpoint_wants_the_secret() {
    let machine = Machine::new();
    for form in [
        "",
        "grant_type=refresh_token",
        "refresh_token=",
        "refresh_token=the-local-secre",
        "refresh_token=the-local-secret2",
        "refresh_token=THE-LOCAL-SECRET",
        "refresh_token=wrong&refresh_token=the-local-secret",
        "refresh-token=the-local-secret",
        "{\"refresh_token\":\"the-local-secret\"}",
    ] {
        let answer = machine.post("/v1/oauthtoken", form);
        assert_eq!(answer.status, 400, "{form}");
        assert_eq!(answer.json()["error"], "invalid_grant", "{form}");
        assert!(!answer.body.contains(SECRET));
    }
    assert_eq!(machine.refused(Refusal::Secret), 9);
    assert_eq!(machine.exchanges.made(), 0);
}

/// Where nobody can say whose process asks, the secret does, and the metadata server, which wants none, is not there.
#[test]
fn each_way_in_is_there_if_it_is_meant_to_be() {
    for via in [Via::File, Via::Metadata, Via::Both] {
        let machine = Machine::via(via);
        let metadata = machine.get(TOKEN);
        let file =
            machine.post("/v1/oauthtoken", &format!("grant_type=refresh_token&refresh_token={SECRET}"));
        let introspection = machine.post("/v1/introspect", "token=token-1");
        let status = |is_there| if is_there { 200 } else { 404 };
        assert_eq!(metadata.status, status(via.uses_metadata()), "{via:?}");
        assert_eq!(machine.get("/").status, status(via.uses_metadata()), "{via:?}");
        assert_eq!(file.status, status(via.uses_file()), "{via:?}");
        assert_eq!(introspection.status, status(via.uses_file()), "{via:?}");
    }
}

#[test]
fn no_page_in_a_browser_can_read_an_answer() {
    let machine = Machine::new();
    let headers =
        ["Metadata-Flavor: Google", "Origin: http://evil.example", "Access-Control-Request-Method: GET"];
    for method in ["GET", "OPTIONS"] {
        assert!(!machine.send(method, TOKEN, &headers, "").head.contains("access-control"));
    }
}

#[test]
fn too_much_is_cut_off() {
    let machine = Machine::new();
    let form = "x".repeat(17 << 10);
    assert_eq!(machine.post("/v1/oauthtoken", &form).status, 413);
    let header = format!("X-Long: {}", "x".repeat(20 << 10));
    let answer = machine.send("GET", TOKEN, &["Metadata-Flavor: Google", &header], "");
    assert!(matches!(answer.status, 0 | 431), "{answer:?}");
    let many: Vec<_> = (0..200).map(|number| format!("X-{number}: x")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert!(matches!(machine.send("GET", TOKEN, &many, "").status, 0 | 431));
    // Others are served meanwhile, and after.
    assert_eq!(machine.get(TOKEN).status, 200);
    let start = Instant::now();
    // Heads are counted once the connection is closed.
    while machine.refused(Refusal::TooLarge) < 2 {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::yield_now();
    }
}

#[test]
fn too_slow_is_cut_off() {
    let machine = Machine::new();
    let mut slow = machine.connect();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
    let start = Instant::now();
    assert_eq!(machine.get(TOKEN).status, 200, "nobody else waits");
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert!(start.elapsed() < Duration::from_secs(30));
    // It is counted once the connection is closed.
    while machine.refused(Refusal::TooSlow) == 0 {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::yield_now();
    }
}

/// A process of another user, which only root can make.
#[cfg(target_os = "linux")]
#[test]
fn another_users_process_is_refused() {
    use std::os::unix::process::CommandExt;
    use std::process::Command;
    if !rustix::process::geteuid().is_root() || !std::path::Path::new("/usr/bin/curl").is_file() {
        eprintln!("SKIPPED: it takes root, and curl");
        return;
    }
    let machine = Machine::new();
    let ask = |user: u32, arguments: &[&str]| {
        let output = Command::new("/usr/bin/curl")
            .uid(user)
            .env_clear()
            .args(["--silent", "--noproxy", "*", "-w", "%{http_code}", "-H", "Metadata-Flavor: Google"])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let url = format!("http://{}{TOKEN}", machine.address);
    let refused = ask(65534, &[&url]);
    assert!(refused.ends_with("403") && !refused.contains("token-"), "{refused}");
    // With the secret it is no better.
    let endpoint = format!("http://{}/v1/oauthtoken", machine.address);
    let form = format!("grant_type=refresh_token&refresh_token={SECRET}");
    assert!(ask(65534, &["-d", &form, &endpoint]).ends_with("403"));
    assert!(ask(0, &[&url]).contains("token-1"));
    assert_eq!(machine.refused(Refusal::User), 2);
    // Nor is it from an address of this machine's that is not loopback's, from which one gets there as well.
    let Some(other) = another_address() else {
        eprintln!("SKIPPED: this machine has no other address");
        return;
    };
    let refused = ask(65534, &["--interface", &other, &url]);
    assert!(refused.ends_with("403") && !refused.contains("token-"), "{refused}");
    assert!(ask(0, &["--interface", &other, &url]).contains("token-1"));
    assert_eq!(machine.refused(Refusal::User), 3);
}

/// An address of this machine that is not loopback's: the one from which it would talk to others. Nothing is sent.
#[cfg(target_os = "linux")]
fn another_address() -> Option<String> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback()).then(|| address.to_string())
}
