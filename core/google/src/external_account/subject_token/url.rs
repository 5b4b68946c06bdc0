//! A subject token that a server gives out: Azure's instance metadata, a CI system, a token agent beside the workload.

use std::net::Ipv4Addr;

use ee_auth_core::host::{HttpErrorKind, Method, Request};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{Error, Exchange, ExposeSecret, Secret, TokenKey, is_loopback};
use url::{Host, Url};

use super::format::Format;
use crate::Document;
use crate::token_endpoint::shown;

/// An address that may be asked for a subject token.
///
/// Google has no list of these: identity providers are anywhere. What is sent there is what the same file says, so a file
/// can betray no secret but its own; what comes back goes to Google's STS and nowhere else. What must not be is that
/// somebody on the way reads the token: so https, and plain http only where there is no way to speak of, to this machine
/// and to the link-local addresses at which clouds keep their metadata servers.
#[derive(Clone, Debug)]
pub struct Address {
    url: Url,
    near: bool,
}

impl Address {
    /// The address in `text`, which `named_by` names.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it is no address;
    /// [`Outcome::Untrusted`](ee_auth_core::Outcome::Untrusted) where the token could be read on the way, or where it
    /// carries a user name.
    pub fn new(text: &str, named_by: &str) -> Result<Self, Error> {
        let url = Url::parse(text).ok().filter(Url::has_host).ok_or_else(|| {
            Error::invalid("url", format!("{named_by} is not the address of a server"))
                .hint("it begins with https://, or with http:// for this machine and for metadata servers")
        })?;
        let near = url.host().as_ref().is_some_and(is_near);
        let host = url.host_str().unwrap_or_default();
        let host: String = host.chars().take(253).collect();
        let wrong = if !url.username().is_empty() || url.password().is_some() {
            format!("{named_by} carries a user name; nothing was asked")
        } else if url.scheme() == "https" || (url.scheme() == "http" && near) {
            return Ok(Self { url, near });
        } else {
            format!("{named_by} would get a subject token from {host} without TLS; nothing was asked")
        };
        Err(Error::untrusted("url", wrong).hint(
            "plain http is for this machine and for link-local metadata servers alone; use https, or throw the file \
             away if you do not know where it comes from",
        ))
    }

    /// A request for a token. What is near has no proxy on the way.
    fn request(&self) -> Request {
        let mut request = Request::new(Method::Get, self.url.clone());
        request.direct = self.near;
        request
    }
}

/// This machine, or what no router passes on: RFC 3927 and RFC 4291, section 2.5.6.
fn is_near(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_link_local() || is_loopback(host),
        Host::Ipv6(address) => {
            address.segments()[0] & 0xffc0 == 0xfe80
                || address.to_ipv4_mapped().is_some_and(|address: Ipv4Addr| address.is_link_local())
                || is_loopback(host)
        }
        Host::Domain(_) => is_loopback(host),
    }
}

/// A server that gives out a token, and what it wants to be asked with.
#[derive(Debug)]
pub struct UrlSource {
    address: Address,
    headers: Vec<(String, Secret)>,
    format: Format,
    place: String,
}

impl UrlSource {
    /// The token that `address` gives out when it is asked with `headers`, as `place` says: words for a person.
    pub fn new(address: Address, headers: Vec<(String, Secret)>, format: Format, place: &str) -> Self {
        Self { address, headers, format, place: place.to_owned() }
    }

    pub(super) fn from_section(source: &Document) -> Result<Self, Error> {
        let place = source.place();
        let address = Address::new(&source.text("url")?.unwrap_or_default(), &format!("{place}, `url`"))?;
        let mut headers = Vec::new();
        if let Some(section) = source.object("headers")? {
            for name in section.names() {
                if !is_header_name(name) {
                    return Err(Error::invalid(
                        "header",
                        format!("{place}: `headers` has a name that is none"),
                    )
                    .hint("the name of a header has letters, digits and hyphens"));
                }
                headers.push((name.to_owned(), section.secret(name)?.unwrap_or_else(|| Secret::from(""))));
            }
        }
        Ok(Self::new(address, headers, Format::from_section(source)?, place))
    }

    /// The address, fit to show.
    pub fn shown(&self) -> String {
        shown(&self.address.url)
    }

    pub(super) async fn get(&self, exchange: &Exchange) -> Result<Secret, Error> {
        let mut request = self.address.request();
        for (name, value) in &self.headers {
            request = request.with_header(name.clone(), value.clone());
        }
        let server = self.shown();
        let response = retry::send(&exchange.host, request, Repeat::Safe).await.map_err(|error| {
            let error_of = error.explain(&format!("asking {server} for a subject token"));
            match error.kind {
                HttpErrorKind::Connect => error_of.hint(format!(
                    "{} says that a token is given out there; see whether this machine is the one it is for",
                    self.place
                )),
                _ => error_of,
            }
        })?;
        match response.status {
            200 => self.format.token(&response.body).map_err(|wrong| {
                Error::unavailable(
                    "malformed",
                    format!("{server} answered, but with no subject token: {wrong}"),
                )
                .hint(format!(
                    "see whether `format` in {} says how the token stands in the answer",
                    self.place
                ))
            }),
            status if response.may_pass() => Err(Error::unavailable(
                "status",
                format!("{server} answered {status}: it gave out no subject token"),
            )
            .hint("this passes by itself; try again in a minute")),
            status => Err(Error::rejected(
                "subject_token",
                format!("{server} answered {status}: it gave out no subject token"),
            )
            .hint(format!(
                "see whether the address and headers in {} are right for this machine",
                self.place
            ))),
        }
    }

    pub(super) fn add_to(&self, key: &mut TokenKey) {
        key.add("source", "url").add("url", self.address.url.as_str());
        for (name, value) in &self.headers {
            key.add("header", name).add("value", value.expose_secret());
        }
        self.format.add_to(key);
    }
}

/// Whether this can be the name of a header (RFC 9110, section 5.1).
fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_got_over_the_open_network() {
        for text in [
            "https://login.corp.example/token?x=y",
            "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01",
            "http://[fe80::1]/token",
            "http://127.0.0.1:8080/token",
            "http://localhost/token",
            "http://[::1]/token",
        ] {
            assert!(Address::new(text, "url").is_ok(), "{text}");
        }
        for (text, code) in [
            ("http://login.corp.example/token", "untrusted.url"),
            ("http://10.0.0.1/token", "untrusted.url"),
            ("http://169.254.169.254.evil.example/token", "untrusted.url"),
            ("http://169.255.0.1/token", "untrusted.url"),
            ("http://localhost.evil.example/token", "untrusted.url"),
            ("https://user@login.corp.example/token", "untrusted.url"),
            ("ftp://169.254.169.254/token", "untrusted.url"),
            ("file:///etc/passwd", "invalid.url"),
            ("token", "invalid.url"),
            ("", "invalid.url"),
        ] {
            assert_eq!(Address::new(text, "url").expect_err(text).code(), code, "{text}");
        }
    }

    #[test]
    fn header_names_cannot_smuggle() {
        for name in ["Metadata", "x-a_b.c"] {
            assert!(is_header_name(name), "{name}");
        }
        for name in ["", "a b", "a:", "a\r\nHost", "ä"] {
            assert!(!is_header_name(name), "{name}");
        }
    }
}
