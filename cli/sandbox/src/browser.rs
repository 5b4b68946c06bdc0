//! A browser of sorts: what a person does with an address that a login prints.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use url::{Position, Url};

use crate::services::notebook::{CODE_END, CODE_START};

/// Redirects that are followed, one after another.
const MAX_REDIRECTS: usize = 5;
const TIMEOUT: Duration = Duration::from_secs(30);

/// The page that a visit ended on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page {
    /// Its address, after redirects.
    pub url: String,
    /// Its HTTP status.
    pub status: u16,
    /// Its content as text.
    pub body: String,
}

impl Page {
    /// The code that the notebook authenticator's page shows, to be pasted into the program that asked.
    pub fn authorization_code(&self) -> Option<&str> {
        let (_, rest) = self.body.split_once(CODE_START)?;
        rest.split_once(CODE_END).map(|(code, _)| code)
    }
}

/// Opens an address as a browser would, following redirects: the sandbox's authorization endpoint leads back to the
/// program that waits for the code, its notebook page shows one.
///
/// # Errors
/// Whatever the connection fails with; [`io::ErrorKind::InvalidInput`] for an address that is not http on loopback.
///
/// ```
/// let sandbox = ee_auth_sandbox::Sandbox::start(Default::default())?;
/// assert_eq!(ee_auth_sandbox::visit(&sandbox.base_url())?.status, 200);
/// assert!(ee_auth_sandbox::visit("https://example.com/").is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn visit(address: &str) -> io::Result<Page> {
    let mut url = Url::parse(address).map_err(invalid)?;
    for _ in 0..=MAX_REDIRECTS {
        let (page, location) = get(&url)?;
        match location {
            Some(location) if (300..400).contains(&page.status) => {
                url = url.join(&location).map_err(invalid)?
            }
            _ => return Ok(page),
        }
    }
    Err(invalid("too many redirects"))
}

fn get(url: &Url) -> io::Result<(Page, Option<String>)> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let addresses: Vec<_> = (host, url.port_or_known_default().unwrap_or(80)).to_socket_addrs()?.collect();
    if url.scheme() != "http" || !addresses.iter().all(|address| address.ip().is_loopback()) {
        return Err(invalid(format!("{host} is not loopback, or not http")));
    }
    let mut stream = TcpStream::connect(&*addresses)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let (target, host) =
        (&url[Position::BeforePath..Position::AfterQuery], &url[Position::BeforeHost..Position::AfterPort]);
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);

    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| bad("no HTTP answer"))?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| bad("no HTTP status"))?;
    let location = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    });
    Ok((Page { url: url.to_string(), status, body: body.to_owned() }, location))
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
