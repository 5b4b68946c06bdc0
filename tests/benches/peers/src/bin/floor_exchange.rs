//! The floor of a service account's token: read the key, sign, connect, post, read, print. No client library, no
//! retries, no checks beyond what it takes to find the token.
//!
//! `floor_exchange KEY_FILE`, whose `token_uri` is `http://HOST:PORT/PATH`

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::{Value, json};

const SCOPE: &str = "https://www.googleapis.com/auth/earthengine";

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("which key file?")?;
    let key: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let field = |name: &str| key[name].as_str().ok_or_else(|| format!("{name} is missing"));
    let endpoint = field("token_uri")?;
    let (address, path) =
        endpoint.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("not plain http")?;

    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": field("private_key_id")?});
    let claims = json!({
        "iss": field("client_email")?, "scope": SCOPE, "aud": endpoint, "iat": now, "exp": now + 3600,
    });
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));

    let pem: String = field("private_key")?.lines().filter(|line| !line.starts_with("-----")).collect();
    let pair = KeyPair::from_pkcs8(&BASE64_STANDARD.decode(pem)?)?;
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| "the key does not sign")?;
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);

    let body = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={signed}.{signature}"
    );
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(
        format!(
            "POST /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let start = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no answer")? + 4;
    let answer: Value = serde_json::from_slice(&answer[start..])?;
    let token = answer["access_token"].as_str().ok_or("no token in the answer")?;
    Ok(std::io::stdout().write_all(token.as_bytes())?)
}
