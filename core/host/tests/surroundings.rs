//! The HTTP client where variables say how the network is to be used. They are read by a whole process, so each case
//! runs this test binary again.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests make the surroundings that they look at"
)]

mod support;

use std::io::{Read, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use ee_auth_core::host::{ClientCertificate, Method, Request};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use support::{Server, answer, read_request};
use url::Url;

/// What [`child`] is to ask for; where it is to write what came of it.
const URL: &str = "EE_AUTH_TEST_URL";
const OUTCOME: &str = "EE_AUTH_TEST_OUTCOME";
/// A client's certificates and its key: two files, where it is to show them.
const CLIENT: [&str; 2] = ["EE_AUTH_TEST_CLIENT_CHAIN", "EE_AUTH_TEST_CLIENT_KEY"];

/// Not a test: what the tests run in surroundings of their own.
#[test]
fn child() {
    let (Ok(url), Ok(outcome)) = (std::env::var(URL), std::env::var(OUTCOME)) else { return };
    let mut request = Request::new(Method::Get, Url::parse(&url).unwrap());
    request.direct = url.contains("direct");
    if let [Ok(chain), Ok(key)] = CLIENT.map(std::env::var) {
        let key = std::fs::read_to_string(key).unwrap().into();
        request.client_certificate =
            Some(Arc::new(ClientCertificate { chain: std::fs::read(chain).unwrap(), key }));
    }
    let text = match pollster::block_on(ee_auth_host::system().http.send(request)) {
        Ok(response) => format!("{} {}", response.status, String::from_utf8_lossy(&response.body)),
        Err(error) => {
            format!("{:?} {}\nhelp: {}", error.kind, error.message, error.help.unwrap_or_default())
        }
    };
    std::fs::write(outcome, text).unwrap();
}

/// What comes of a request to `url` in a process with these variables.
fn get(url: &str, variables: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let outcome = directory.path().join("outcome");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child"]).env_clear().env(URL, url).env(OUTCOME, &outcome);
    command.envs(std::env::vars_os().filter(|(name, _)| name == "SystemRoot"));
    let output = command.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    std::fs::read_to_string(outcome).unwrap()
}

/// A TLS server with a certificate of its own making, and that certificate as PEM.
fn tls_server(change: impl FnOnce(&mut CertificateParams)) -> (Server, String) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    change(&mut params);
    tls_server_for(params, None)
}

/// As [`tls_server`], for clients alone that an authority vouches for.
fn tls_server_for(params: CertificateParams, clients: Option<&rcgen::Certificate>) -> (Server, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).unwrap();
            config.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
            )
        }
    };
    let config = config
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    let config = Arc::new(config);
    let server = Server::on_connection(move |stream, sent| {
        let connection = ServerConnection::new(config.clone()).unwrap();
        let mut stream = StreamOwned::new(connection, stream.try_clone().unwrap());
        if let Ok(request) = read_request(&mut stream) {
            sent(request);
            stream.write_all(&answer("200 OK", "", b"over TLS")).unwrap();
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    (server, certificate.pem())
}

fn https(server: &Server) -> String {
    format!("https://localhost:{}/?code=canary", server.address.port())
}

#[test]
fn a_certificate_is_trusted_that_the_variables_name() {
    let (server, pem) = tls_server(|_| ());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    for (name, value) in [("SSL_CERT_FILE", &*file), ("SSL_CERT_DIR", directory.path())] {
        assert_eq!(get(&https(&server), &[(name, value.to_str().unwrap())]), "200 over TLS");
    }
    assert_eq!(server.request().lines().next(), Some("GET /?code=canary HTTP/1.1"));
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent() {
    let (server, _) = tls_server(|_| ());
    let (_, other) = tls_server(|_| ());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("other.pem");
    std::fs::write(&file, other).unwrap();
    let other = file.to_str().unwrap();
    for (variables, help) in [
        (vec![], "SSL_CERT_FILE"),
        (vec![("SSL_CERT_FILE", other)], other),
        (vec![("REQUESTS_CA_BUNDLE", other)], "`export SSL_CERT_FILE=$REQUESTS_CA_BUNDLE`"),
        (vec![("CURL_CA_BUNDLE", other)], "`export SSL_CERT_FILE=$CURL_CA_BUNDLE`"),
        (vec![("SSL_CERT_FILE", ""), ("CURL_CA_BUNDLE", other)], "`export SSL_CERT_FILE=$CURL_CA_BUNDLE`"),
        (
            vec![("REQUESTS_CA_BUNDLE", directory.path().to_str().unwrap())],
            "`export SSL_CERT_DIR=$REQUESTS_CA_BUNDLE`",
        ),
    ] {
        let outcome = get(&https(&server), &variables);
        assert!(outcome.contains(help), "{outcome}");
        assert!(outcome.starts_with("Tls ") && outcome.contains("SSL_CERT_"), "{outcome}");
        assert!(outcome.contains("localhost") && !outcome.contains("canary"), "{outcome}");
    }
    assert_eq!(server.more_requests(), 0);
}

#[test]
fn a_certificate_of_another_day_or_name_or_use_is_refused() {
    let (authority, ca) =
        tls_server(|params| params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    let (past, pem) = tls_server(|params| params.not_after = rcgen::date_time_ymd(2001, 1, 1));
    let (elsewhere, other) = tls_server(|params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("elsewhere.test".try_into().unwrap())];
    });
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("all.pem");
    std::fs::write(&file, pem + &other + &ca).unwrap();
    let variables = [("SSL_CERT_FILE", file.to_str().unwrap())];
    let outcome = get(&https(&past), &variables);
    assert!(outcome.starts_with("Tls ") && outcome.contains("clock"), "{outcome}");
    let outcome = get(&https(&elsewhere), &variables);
    assert!(outcome.starts_with("Tls ") && outcome.contains("another name"), "{outcome}");
    let outcome = get(&https(&authority), &variables);
    assert!(outcome.starts_with("Tls ") && outcome.contains("self-signed"), "{outcome}");
}

#[test]
fn a_client_shows_its_certificate_where_it_has_one() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let client =
        CertificateParams::new(vec!["client.test".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let (server, pem) =
        tls_server_for(CertificateParams::new(vec!["localhost".to_owned()]).unwrap(), Some(&authority));

    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (trusted, chain) = (file("ca.pem", &pem), file("client.pem", &client.pem()));
    let own_key = file("client.key", &key.serialize_pem());
    let other_key = file("other.key", &KeyPair::generate().unwrap().serialize_pem());
    let with = |chain: &str, key: &str| {
        get(&https(&server), &[("SSL_CERT_FILE", &trusted), (CLIENT[0], chain), (CLIENT[1], key)])
    };
    assert_eq!(with(&chain, &own_key), "200 over TLS");
    server.request();
    // Without one, with a key that is not its own, with something else than a certificate.
    let nobody = get(&https(&server), &[("SSL_CERT_FILE", &trusted)]);
    assert!(!nobody.starts_with("200"), "{nobody}");
    for (chain, key, word) in [
        (&chain, &other_key, "private key is not"),
        (&own_key, &own_key, "client's"),
        (&chain, &chain, "damaged"),
    ] {
        let outcome = with(chain, key);
        assert!(outcome.starts_with("Refused ") && outcome.contains(word), "{outcome}");
        assert!(!outcome.contains("BEGIN"), "{outcome}");
    }
    assert_eq!(server.more_requests(), 0);
}

#[test]
fn variables_that_name_no_certificate_are_named_and_disturb_no_plain_request() {
    let (server, _) = tls_server(|_| ());
    let plain = Server::fixed(answer("200 OK", "", b"plain"));
    let directory = tempfile::tempdir().unwrap();
    let (empty, missing) = (directory.path().join("empty.pem"), directory.path().join("missing.pem"));
    std::fs::write(&empty, "").unwrap();
    for (name, value) in [
        ("SSL_CERT_FILE", &*empty),
        ("SSL_CERT_FILE", &*missing),
        ("SSL_CERT_FILE", directory.path()),
        ("SSL_CERT_DIR", directory.path()),
    ] {
        let variables = [(name, value.to_str().unwrap())];
        let outcome = get(&https(&server), &variables);
        assert!(outcome.starts_with("Tls ") && outcome.contains(name), "{outcome}");
        assert!(outcome.contains(value.to_str().unwrap()), "{outcome}");
        assert_eq!(get(&plain.url("/"), &variables), "200 plain");
    }
    assert_eq!(server.more_requests(), 0);
}

#[test]
fn a_plain_request_goes_through_the_proxy_unless_it_must_not() {
    let proxy = Server::fixed(answer("200 OK", "", b"by proxy"));
    let target = Server::fixed(answer("200 OK", "", b"itself"));
    let address = proxy.url("");
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        assert_eq!(get("http://nowhere.test/path", &[(variable, &address)]), "200 by proxy");
        assert!(proxy.request().starts_with("GET http://nowhere.test/path HTTP/1.1\r\n"));
    }
    let without = [("HTTP_PROXY", &*address), ("NO_PROXY", "example.org,127.0.0.1")];
    assert_eq!(get(&target.url("/"), &without), "200 itself");
    // Whoever asks the metadata server through a proxy is told who the proxy is.
    assert_eq!(get(&target.url("/direct"), &[("HTTP_PROXY", &address)]), "200 itself");
    assert_eq!(proxy.more_requests(), 0);
}

#[test]
fn tls_goes_through_the_proxy_end_to_end() {
    let (server, pem) = tls_server(|_| ());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let port = server.address.port();
    let proxy = Server::new(move |_, client| {
        let mut upstream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
        let (mut back, mut forth) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
        let other_way = thread::spawn(move || {
            let _ = copy(&mut back, &mut forth);
            let _ = forth.shutdown(Shutdown::Write);
        });
        let _ = copy(client, &mut upstream);
        let _ = upstream.shutdown(Shutdown::Write);
        other_way.join().unwrap();
    });
    let with_password = format!("http://user:hunter2@{}", proxy.address);
    let variables = [("HTTPS_PROXY", &*with_password), ("SSL_CERT_FILE", file.to_str().unwrap())];
    assert_eq!(get(&https(&server), &variables), "200 over TLS");
    let connect = proxy.request();
    assert!(connect.starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")), "{connect}");
    assert!(connect.to_ascii_lowercase().contains("\r\nproxy-authorization: basic "), "{connect}");
    assert!(server.request().starts_with("GET /?code=canary "));
    // A certificate that is not trusted is the server's, and the proxy is not asked about it.
    let outcome = get(&https(&server), &[("HTTPS_PROXY", &with_password)]);
    assert!(outcome.starts_with("Tls the certificate of localhost"), "{outcome}");
    proxy.request();
    assert_eq!(proxy.more_requests(), 0);
}

#[test]
fn a_proxys_refusal_names_its_status_address_and_variable_without_its_password() {
    const NEGOTIATE: &str = "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n";
    const BASIC: &str = "Proxy-Authenticate: Basic realm=\"x, y\"\r\n";
    for (refusal, headers, login, kind, help) in [
        ("407 Proxy Authentication Required", BASIC, "", "ProxyRefused", "NAME:PASSWORD@127.0.0.1"),
        ("407 Proxy Authentication Required", BASIC, "user:hunter2@", "ProxyRefused", "@ as %40"),
        (
            "407 Proxy Authentication Required",
            NEGOTIATE,
            "user:hunter2@",
            "ProxyRefused",
            "not with Negotiate or NTLM",
        ),
        ("403 Forbidden", "", "user:hunter2@", "ProxyRefused", "allow nowhere.test"),
        ("502 Bad Gateway", "", "user:hunter2@", "ProxyFailed", "could not reach nowhere.test"),
        ("503 Service Unavailable", "", "user:hunter2@", "ProxyFailed", "could not reach nowhere.test"),
    ] {
        let proxy = Server::fixed(answer(refusal, headers, b"<html>"));
        let address = format!("http://{login}{}", proxy.address);
        for (variable, scheme) in [("HTTPS_PROXY", "https"), ("HTTP_PROXY", "http"), ("all_proxy", "https")] {
            let outcome = get(&format!("{scheme}://nowhere.test/?code=canary"), &[(variable, &address)]);
            let said = format!("the proxy {} ({variable}) answered {refusal}", proxy.address);
            assert!(outcome.starts_with(kind) && outcome.contains(&said), "{outcome}");
            assert!(outcome.contains(help), "{help} in {outcome}");
            assert!(!outcome.contains("hunter2") && !outcome.contains("canary"), "{outcome}");
            // A refused CONNECT is sent again to learn the status; a request never is.
            let requests = [proxy.request()].into_iter().chain((scheme == "https").then(|| proxy.request()));
            for request in requests {
                assert_eq!(request.starts_with("CONNECT "), scheme == "https", "{request}");
                assert_eq!(
                    request.to_ascii_lowercase().contains("\r\nproxy-authorization: "),
                    !login.is_empty()
                );
            }
            assert_eq!(proxy.more_requests(), 0);
        }
    }
}

#[test]
fn a_proxy_that_is_not_there_is_named_with_its_variable() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (variable, scheme, address) in [
        ("HTTPS_PROXY", "https", format!("http://user:hunter2@{nobody}")),
        ("HTTP_PROXY", "http", format!(" \"http://user:hunter2@{nobody}\" ")),
        ("http_proxy", "http", format!("{nobody} ")),
        ("ALL_PROXY", "https", format!("socks5h://{nobody}")),
    ] {
        let outcome = get(&format!("{scheme}://nowhere.test/?code=canary"), &[(variable, &address)]);
        let said = format!("through the proxy {nobody} ({variable})");
        assert!(outcome.starts_with("Connect ") && outcome.contains(&said), "{outcome}");
        assert!(!outcome.contains("hunter2") && !outcome.contains("canary"), "{outcome}");
    }
}

#[test]
fn a_proxy_variable_that_cannot_be_read_never_means_a_direct_connection() {
    let target = Server::fixed(answer("200 OK", "", b"itself"));
    for value in [
        "http://user:hunter2 x@proxy:3128",
        "http://proxy:hunter2",
        "ftp://hunter2@proxy:3128",
        "http://",
        "socks://proxy:1080",
    ] {
        for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            let outcome = get(&target.url("/"), &[(variable, value)]);
            assert!(
                outcome.starts_with(&format!("ProxyVariable the proxy variable {variable} ")),
                "{outcome}"
            );
            assert!(!outcome.contains("hunter2"), "{outcome}");
        }
    }
    assert_eq!(target.more_requests(), 0);
    // Where it does not count, it does no harm.
    for variables in [
        [("HTTP_PROXY", "http://"), ("NO_PROXY", "127.0.0.1")],
        [("HTTPS_PROXY", "http://"), ("HTTP_PROXY", " ")],
        // In a CGI program, whoever sent the request has written it.
        [("HTTP_PROXY", "http://127.0.0.1:1"), ("REQUEST_METHOD", "GET")],
    ] {
        assert_eq!(get(&target.url("/"), &variables), "200 itself");
    }
    assert_eq!(get(&target.url("/direct"), &[("HTTP_PROXY", "http://")]), "200 itself");
}

#[test]
fn the_whole_password_goes_to_the_proxy() {
    use base64::Engine;
    for (login, sent) in [
        ("user:p@ss", "user:p@ss"),
        ("user:p#/?%s", "user:p#/?%s"),
        ("user:p%40ss", "user:p@ss"),
        ("user:p%2540ss", "user:p%40ss"),
        ("DOM\\user:pass", "DOM\\user:pass"),
        ("user", "user:"),
    ] {
        for (variable, scheme) in [("HTTPS_PROXY", "https"), ("HTTP_PROXY", "http")] {
            let proxy = Server::fixed(answer("200 OK", "", b"by proxy"));
            get(
                &format!("{scheme}://nowhere.test/"),
                &[(variable, &format!("http://{login}@{}", proxy.address))],
            );
            let basic = base64::engine::general_purpose::STANDARD.encode(sent);
            let request = proxy.request().to_ascii_lowercase();
            let header = format!("proxy-authorization: basic {basic}").to_ascii_lowercase();
            assert!(request.contains(&header), "{login}: {request}");
        }
    }
}

#[test]
fn a_proxy_that_speaks_something_else_than_its_scheme_is_blamed_for_that() {
    let http = Server::on_connection(|stream, _| {
        let _ = stream.read(&mut [0; 512]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let tls = Server::on_connection(|stream, _| {
        let _ = stream.read(&mut [0; 512]);
        // An alert: handshake_failure.
        let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, 40]);
    });
    let socks = Server::on_connection(|stream, _| {
        let _ = stream.read(&mut [0; 512]);
        let _ = stream.write_all(&[5, 0xff]);
    });
    let silent = Server::on_connection(|stream, _| drop(stream.read(&mut [0; 512])));
    for (scheme, proxy, help) in [
        ("https", &http, "write `http://` in HTTPS_PROXY"),
        ("socks5h", &http, "write `http://` in HTTPS_PROXY"),
        ("socks4a", &http, "write `http://` in HTTPS_PROXY"),
        ("http", &tls, "write `https://` in HTTPS_PROXY"),
        ("socks5h", &tls, "write `https://` in HTTPS_PROXY"),
        ("http", &socks, "write `socks5h://` in HTTPS_PROXY"),
        ("https", &silent, "write `http://` in HTTPS_PROXY"),
        ("http", &silent, "`https://` for a proxy"),
    ] {
        let variables = [("HTTPS_PROXY", &*format!("{scheme}://{}", proxy.address))];
        let outcome = get("https://nowhere.test/?code=canary", &variables);
        assert!(outcome.contains(help), "{scheme}: {outcome}");
        assert!(outcome.contains(&format!("{} (HTTPS_PROXY)", proxy.address)), "{outcome}");
    }
}

#[test]
fn a_proxy_over_tls_is_a_proxy() {
    let (proxy, pem) = tls_server(|_| ());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let address = format!("https://user:hunter2@localhost:{}", proxy.address.port());
    let outcome = get(
        "http://nowhere.test/path",
        &[("HTTP_PROXY", &address), ("SSL_CERT_FILE", file.to_str().unwrap())],
    );
    assert_eq!(outcome, "200 over TLS");
    let request = proxy.request();
    assert!(request.starts_with("GET http://nowhere.test/path HTTP/1.1\r\n"), "{request}");
    // The tunnel begins, and then there is no server: that is not the proxy's fault.
    let variables = [("HTTPS_PROXY", &*address), ("SSL_CERT_FILE", file.to_str().unwrap())];
    let outcome = get("https://nowhere.test/", &variables);
    assert!(outcome.starts_with("Connect nowhere.test closed the connection in the TLS"), "{outcome}");
    assert!(proxy.request().starts_with("CONNECT nowhere.test:443 HTTP/1.1\r\n"));
    assert!(proxy.request().starts_with("CONNECT nowhere.test:443 HTTP/1.1\r\n"));
    // The proxy would see a client certificate, which is for the server.
    let (client, key) = (directory.path().join("client.pem"), directory.path().join("client.key"));
    let own_key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["client.test".to_owned()]).unwrap().self_signed(&own_key).unwrap();
    std::fs::write(&client, own.pem()).unwrap();
    std::fs::write(&key, own_key.serialize_pem()).unwrap();
    let paths = [&client, &key].map(|path| path.to_str().unwrap());
    let variables = [&variables[..], &[(CLIENT[0], paths[0]), (CLIENT[1], paths[1])]].concat();
    let outcome = get("https://nowhere.test/", &variables);
    assert!(outcome.starts_with("Refused ") && outcome.contains("`http://` in HTTPS_PROXY"), "{outcome}");
    // A certificate that is not trusted is the proxy's, which gets nothing.
    let outcome = get("http://nowhere.test/path", &[("HTTP_PROXY", &address)]);
    assert!(outcome.starts_with("Tls the certificate of the proxy localhost"), "{outcome}");
    assert_eq!(proxy.more_requests(), 0);
}

#[test]
fn a_socks_proxy_that_wants_numbers_is_told_apart_from_one_that_resolves_names() {
    let proxy = Server::on_connection(|stream, _| {
        let mut greeting = [0; 3];
        stream.read_exact(&mut greeting).unwrap();
        stream.write_all(&[5, 0]).unwrap();
        let _ = stream.read(&mut [0; 512]);
        // Host unreachable.
        let _ = stream.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]);
    });
    // A label of more than 63 bytes: no resolver asks anybody for it.
    let url = format!("https://{}.test/", "a".repeat(64));
    let outcome = get(&url, &[("ALL_PROXY", &format!("socks5://{}", proxy.address))]);
    assert!(outcome.starts_with("Connect this machine cannot resolve"), "{outcome}");
    assert!(outcome.contains("write `socks5h://` in ALL_PROXY"), "{outcome}");
    let outcome = get("https://nowhere.test/", &[("ALL_PROXY", &format!("socks5h://{}", proxy.address))]);
    assert!(outcome.starts_with("ProxyFailed ") && outcome.contains("cannot reach the host"), "{outcome}");
}

#[test]
fn a_socks_proxy_gets_the_login_that_its_address_has() {
    let proxy = Server::on_connection(|stream, sent| {
        let mut greeting = [0; 3];
        stream.read_exact(&mut greeting).unwrap();
        stream.write_all(&[5, greeting[2]]).unwrap();
        let mut login = [0; 13];
        stream.read_exact(&mut login).unwrap();
        sent(format!("{greeting:?} {login:?}"));
        stream.write_all(&[1, 1]).unwrap();
    });
    let address = format!("socks5h://user:s3@/#p@{}", proxy.address);
    let outcome = get("https://nowhere.test/", &[("ALL_PROXY", &address)]);
    assert_eq!(proxy.request(), format!("[5, 1, 2] {:?}", b"\x01\x04user\x06s3@/#p"));
    assert!(
        outcome.starts_with("ProxyRefused ") && outcome.contains("does not accept the name"),
        "{outcome}"
    );
    let outcome = get("https://nowhere.test/", &[("ALL_PROXY", &format!("socks5h://{}", proxy.address))]);
    assert!(!outcome.contains("s3@"), "{outcome}");
}

#[test]
fn a_socks_proxy_is_a_proxy() {
    let proxy = Server::on_connection(|stream, sent| {
        let mut greeting = [0; 3];
        stream.read_exact(&mut greeting).unwrap();
        stream.write_all(&[5, 0]).unwrap();
        // Version, CONNECT, reserved, a name of this length; then the name and the port (RFC 1928, section 4).
        let mut head = [0; 5];
        stream.read_exact(&mut head).unwrap();
        let mut name = vec![0; usize::from(head[4]) + 2];
        stream.read_exact(&mut name).unwrap();
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        sent(String::from_utf8_lossy(&name[..name.len() - 2]).into_owned());
        read_request(stream).unwrap();
        stream.write_all(&answer("200 OK", "", b"by socks")).unwrap();
    });
    let address = format!("socks5h://{}", proxy.address);
    assert_eq!(get("http://nowhere.test/", &[("ALL_PROXY", &address)]), "200 by socks");
    assert_eq!(proxy.request(), "nowhere.test");
}
