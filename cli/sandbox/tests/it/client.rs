//! The leanest HTTP client, which shows what came over the wire, and how it ended.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ee_auth_sandbox::{Sandbox, ServiceAccount};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::{Value, json};

pub(crate) const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
pub(crate) const EARTH_ENGINE: &str = "https://www.googleapis.com/auth/earthengine";

pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The status and the error of an OAuth answer, in one line.
    pub(crate) fn oauth_error(&self) -> String {
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        format!("{} {}: {}", self.status, text("error"), text("error_description"))
    }

    /// The status and the error of a Google API, in one line.
    pub(crate) fn api_error(&self) -> String {
        let error = &self.json()["error"];
        assert_eq!(error["code"], self.status);
        format!("{} {}", error["status"].as_str().unwrap(), error["message"].as_str().unwrap())
    }
}

/// Sends a request; fails as the connection fails. `timeout` is for each read.
pub(crate) fn send(
    sandbox: &Sandbox,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout: Duration,
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(sandbox.address())?;
    stream.set_read_timeout(Some(timeout))?;
    let mut head =
        format!("{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", sandbox.address());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;

    let mut read = Vec::new();
    stream.read_to_end(&mut read)?;
    let end = read.windows(4).position(|four| four == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let (head, body) = (String::from_utf8_lossy(&read[..end]).into_owned(), read[end + 4..].to_vec());
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers: Vec<_> = lines.filter_map(header).collect();
    let answer = Answer { status, headers, body };
    let announced = answer.header("content-length").and_then(|length| length.parse().ok());
    if announced.is_some_and(|length: usize| length != answer.body.len()) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn get(sandbox: &Sandbox, target: &str, headers: &[(&str, &str)]) -> Answer {
    send(sandbox, "GET", target, headers, b"", PATIENCE).unwrap()
}

/// Posts a form; `Err` as the connection fails.
pub(crate) fn try_form(sandbox: &Sandbox, target: &str, fields: &[(&str, &str)]) -> io::Result<Answer> {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    send(sandbox, "POST", target, &headers, body.as_bytes(), PATIENCE)
}

pub(crate) fn form(sandbox: &Sandbox, target: &str, fields: &[(&str, &str)]) -> Answer {
    try_form(sandbox, target, fields).unwrap()
}

/// Posts JSON with an access token.
pub(crate) fn api(sandbox: &Sandbox, target: &str, token: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("Content-Type", "application/json"), ("Authorization", authorization.as_str())];
    send(sandbox, "POST", target, &headers, body.to_string().as_bytes(), PATIENCE).unwrap()
}

pub(crate) fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// Claims that the token endpoint takes.
pub(crate) fn claims(sandbox: &Sandbox, account: &ServiceAccount) -> Value {
    let now = now();
    json!({
        "iss": account.email(),
        "aud": format!("{}/token", sandbox.base_url()),
        "iat": now,
        "exp": now + 3600,
        "scope": EARTH_ENGINE,
    })
}

/// Signs an assertion with the account's PEM, as a client would.
pub(crate) fn assertion(account: &ServiceAccount, header: &Value, claims: &Value) -> String {
    let pem: String = account.pem().lines().filter(|line| !line.starts_with("-----")).collect();
    let key = KeyPair::from_pkcs8(&STANDARD.decode(pem).unwrap()).unwrap();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Exchanges these claims at the token endpoint.
pub(crate) fn exchange(sandbox: &Sandbox, account: &ServiceAccount, claims: &Value) -> Answer {
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": account.key_id()});
    let assertion = assertion(account, &header, claims);
    form(sandbox, "/token", &[("grant_type", JWT_BEARER), ("assertion", &assertion)])
}

pub(crate) fn sandbox() -> Sandbox {
    Sandbox::start(ee_auth_sandbox::Options::default()).unwrap()
}
