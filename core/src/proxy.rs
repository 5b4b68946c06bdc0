//! Which proxy a request goes through: the one reader of the proxy variables.
//!
//! A variable that is set and cannot be read is a [`ProxyFault`], never a direct connection: whoever sets one does not want
//! requests to go past it.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use crate::host::Environment;
use crate::secret::{ExposeSecret, Secret};

/// The protocols that a proxy may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// HTTP, with `CONNECT` for `https` addresses (RFC 9110, section 9.3.6).
    Http,
    /// The same over TLS.
    Https,
    /// SOCKS 4: this machine resolves names.
    Socks4,
    /// SOCKS 4a: the proxy resolves names.
    Socks4a,
    /// SOCKS 5 (RFC 1928): this machine resolves names.
    Socks5,
    /// SOCKS 5: the proxy resolves names.
    Socks5h,
}

impl ProxyScheme {
    const ALL: [Self; 6] =
        [Self::Http, Self::Https, Self::Socks4, Self::Socks4a, Self::Socks5, Self::Socks5h];

    /// As it is written before `://`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks4 => "socks4",
            Self::Socks4a => "socks4a",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            _ => 1080,
        }
    }
}

/// A proxy, and the variable that names it. `Display` has the address and the variable, never the login.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// The variable.
    pub variable: String,
    /// What it speaks.
    pub scheme: ProxyScheme,
    /// A name or an IP address; IPv6 in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The name and password to log in with.
    pub login: Option<(String, Secret)>,
}

impl Proxy {
    /// Reads the value of a proxy variable. `None` where it is empty.
    ///
    /// Surrounding white space and quotes do not count. Everything before the last `@` is the name and password, so that
    /// `@`, `#`, `/` and `?` may stand in the password as they are; `%40` is decoded, and a `%` that begins no such pair
    /// stands for itself.
    ///
    /// # Errors
    /// What cannot be understood, in words that never hold the value.
    pub fn parse(variable: &str, value: &str) -> Result<Option<Self>, ProxyFault> {
        let fault = |what: &str, help: &str| Err(ProxyFault::new(variable, what, help));
        let value = unquoted(value);
        if value.is_empty() {
            return Ok(None);
        }
        if value.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return fault("has white space in it", "remove it; in a password, write a space as %20");
        }
        let (scheme, rest) = match split_scheme(value) {
            Scheme::Known(scheme, rest) => (scheme, rest),
            Scheme::None(rest) => (ProxyScheme::Http, rest),
            Scheme::Socks => {
                return fault(
                    "begins with `socks://`, which does not say the version",
                    "write `socks5h://HOST:PORT`",
                );
            }
            Scheme::NoSlashes => {
                return fault("lacks the `//` after the scheme", WRITE);
            }
            Scheme::Unknown => {
                return fault("begins with a scheme that is not a proxy's", WRITE);
            }
        };
        let (login, address) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((login, address)) => {
                let (name, password) = login.split_once(':').unwrap_or((login, ""));
                (Some((percent_decoded(name), Secret::from(percent_decoded(password)))), address)
            }
        };
        let (address, path) = match address.find(['/', '?', '#']) {
            None => (address, ""),
            Some(at) => address.split_at(at),
        };
        if [".pac", ".dat"].iter().any(|end| path.to_ascii_lowercase().contains(end)) {
            return fault(
                "names a PAC file, which ee-auth does not read",
                "write the proxy that the file names: `http://HOST:PORT`",
            );
        }
        let (host, port) = match split_port(address) {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        };
        let port = match port.map(str::parse) {
            None => scheme.default_port(),
            Some(Ok(port)) if port != 0 => port,
            Some(_) => {
                return fault(
                    "has an invalid port",
                    "write `http://HOST:PORT` with a port from 1 to 65535; a name and password end with `@`, \
                     and an IPv6 address is in brackets",
                );
            }
        };
        if host.is_empty() {
            return fault("names no host", WRITE);
        }
        let is_name = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-._".contains(c);
        match Host::parse(host) {
            Ok(parsed) if host.starts_with('[') || host.chars().all(is_name) => {
                let host = parsed;
                Ok(Some(Self { variable: variable.to_owned(), scheme, host: host.to_string(), port, login }))
            }
            _ => fault(
                "has an invalid host name",
                "write `http://HOST:PORT`, or `http://NAME:PASSWORD@HOST:PORT`; in the password, write @ as %40, # as %23 \
                 and / as %2F",
            ),
        }
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// What HTTP Basic has of the login (RFC 7617): `NAME:PASSWORD`.
    pub fn user_pass(&self) -> Option<Secret> {
        let (name, password) = self.login.as_ref()?;
        Some(Secret::from(format!("{name}:{}", password.expose_secret())))
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({})", self.host, self.port, self.variable)
    }
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        let same_login = match (&self.login, &other.login) {
            (None, None) => true,
            (Some((name, password)), Some((other_name, other_password))) => {
                name == other_name && password.same_as(other_password)
            }
            _ => false,
        };
        (&self.variable, self.scheme, &self.host, self.port)
            == (&other.variable, other.scheme, &other.host, other.port)
            && same_login
    }
}

const WRITE: &str = "write `http://HOST:PORT`; most proxies are asked by http, for https addresses too";

/// A proxy variable that is set and cannot be read. Its value, which may hold a password, is in none of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyFault {
    /// The variable.
    pub variable: String,
    /// What is wrong with it: `has white space in it`.
    pub what: String,
    /// What to write instead.
    pub help: String,
}

impl ProxyFault {
    fn new(variable: &str, what: &str, help: &str) -> Self {
        Self { variable: variable.to_owned(), what: what.to_owned(), help: help.to_owned() }
    }
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy variable {} {}", self.variable, self.what)
    }
}

impl std::error::Error for ProxyFault {}

const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
const ALL: [&str; 2] = ["ALL_PROXY", "all_proxy"];

/// Whether a variable counts. In a CGI program HTTP_PROXY holds the header `Proxy` of whoever sent the request
/// (CVE-2016-5385); on Windows both spellings are one variable.
fn counts(environment: &dyn Environment, name: &str) -> bool {
    let from_header = name == "HTTP_PROXY" || (cfg!(windows) && name == "http_proxy");
    !from_header || environment.variable_os("REQUEST_METHOD").is_none()
}

/// Every proxy that a variable names, and every variable that cannot be read; those that are not set are left out.
pub fn all_set(environment: &dyn Environment) -> Vec<(&'static str, Result<Proxy, ProxyFault>)> {
    let names = HTTPS.into_iter().chain(HTTP).chain(ALL).filter(|name| counts(environment, name));
    names.filter_map(|name| read(environment, name).transpose().map(|outcome| (name, outcome))).collect()
}

/// The proxy that the variables name for a request to `url`; `None` where it goes straight there.
///
/// # Errors
/// A variable that counts for `url` and cannot be read.
pub fn for_url(environment: &dyn Environment, url: &Url) -> Result<Option<Proxy>, ProxyFault> {
    if is_left_out(environment, url) {
        return Ok(None);
    }
    let own: &[&str] = match url.scheme() {
        "https" => &HTTPS,
        "http" => &HTTP,
        _ => &[],
    };
    for name in own.iter().chain(&ALL).filter(|name| counts(environment, name)) {
        if let Some(proxy) = read(environment, name)? {
            return Ok(Some(proxy));
        }
    }
    Ok(None)
}

fn read(environment: &dyn Environment, name: &str) -> Result<Option<Proxy>, ProxyFault> {
    match environment.variable_os(name).map(std::ffi::OsString::into_string) {
        None => Ok(None),
        Some(Ok(value)) => Proxy::parse(name, &value),
        Some(Err(_)) => Err(ProxyFault::new(name, "is not UTF-8", WRITE)),
    }
}

/// Whether `NO_PROXY` lists the host of `url`.
pub fn is_left_out(environment: &dyn Environment, url: &Url) -> bool {
    let list = ["NO_PROXY", "no_proxy"].iter().find_map(|name| {
        let list = environment.variable_os(name)?.into_string().ok()?;
        let list = unquoted(&list);
        (!list.is_empty()).then(|| list.to_owned())
    });
    list.is_some_and(|list| {
        list.split(|c: char| c == ',' || c == ';' || c.is_whitespace())
            .any(|entry| leaves_out(unquoted(entry), url))
    })
}

/// Whether an entry of `NO_PROXY` covers `url`: `*`, a domain with all below it, an address, a network (`10.0.0.0/8`); with a
/// port, for that port alone.
fn leaves_out(entry: &str, url: &Url) -> bool {
    if entry == "*" {
        return true;
    }
    let (entry, port) = match split_port(entry) {
        Some((host, port)) => (host, Some(port)),
        None => (entry, None),
    };
    if port.is_some_and(|port| port.parse().ok() != url.port_or_known_default()) {
        return false;
    }
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    match url.host() {
        None => false,
        Some(Host::Domain(domain)) => {
            let entry = bare.strip_prefix('*').unwrap_or(bare).trim_start_matches('.').trim_end_matches('.');
            let domain = domain.trim_end_matches('.');
            let Some(start) = domain.len().checked_sub(entry.len()) else { return false };
            !entry.is_empty()
                && domain.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(entry))
                && (start == 0 || domain.as_bytes().get(start - 1) == Some(&b'.'))
        }
        Some(Host::Ipv4(address)) => network_has(bare, address.into()),
        Some(Host::Ipv6(address)) => network_has(bare, address.into()),
    }
}

/// Whether `address` is the one that `entry` is, or in the network that it is.
fn network_has(entry: &str, address: IpAddr) -> bool {
    let (network, bits) =
        entry.split_once('/').map_or((entry, None), |(network, bits)| (network, Some(bits)));
    let Ok(network) = network.parse::<IpAddr>() else { return false };
    let (network, address, size) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (u128::from(network.to_bits()), u128::from(address.to_bits()), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    match bits.map_or(Ok(size), str::parse::<u32>) {
        Ok(bits) if bits <= size => (network ^ address).checked_shr(size - bits).unwrap_or_default() == 0,
        _ => false,
    }
}

/// Without the white space and quotes around it, which shells, `.env` files and editors leave there.
fn unquoted(value: &str) -> &str {
    value.trim_matches(|c: char| {
        c.is_whitespace()
            || matches!(c, '"' | '\'' | '`' | '\u{201c}' | '\u{201d}' | '\u{2018}' | '\u{2019}' | '\u{feff}')
    })
}

enum Scheme<'a> {
    Known(ProxyScheme, &'a str),
    None(&'a str),
    /// `socks://`, as GNOME writes it.
    Socks,
    /// `http:proxy`, `http:/proxy`, `http:\\proxy`.
    NoSlashes,
    Unknown,
}

fn split_scheme(value: &str) -> Scheme<'_> {
    let is_scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    let known =
        |text: &str| ProxyScheme::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(text));
    match value.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => match known(scheme) {
            Some(scheme) => Scheme::Known(scheme, rest),
            None if scheme.eq_ignore_ascii_case("socks") => Scheme::Socks,
            None => Scheme::Unknown,
        },
        _ => match value.split_once(':') {
            // A host may be called `http` where a port follows, and a user where a password does.
            Some((scheme, rest))
                if known(scheme).is_some()
                    && !value.contains('@')
                    && !rest.bytes().all(|b| b.is_ascii_digit()) =>
            {
                Scheme::NoSlashes
            }
            _ => Scheme::None(value.strip_prefix("//").unwrap_or(value)),
        },
    }
}

/// The host and the port of `HOST:PORT`; `None` where there is no port.
fn split_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    // An IPv6 address without brackets, as NO_PROXY has it, has no port.
    (is_bracketed || !host.contains(':')).then_some((host, port))
}

/// `%40` as `@`; a `%` without two hexadecimal digits behind it stays.
fn percent_decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    while let [first, rest @ ..] = bytes {
        match (first, digit(rest.first()), digit(rest.get(1))) {
            (b'%', Some(high), Some(low)) => {
                decoded.extend(u8::try_from(high * 16 + low));
                bytes = rest.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(*first);
                bytes = rest;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|error| {
        // Not UTF-8 once it is decoded: the text itself is the password.
        drop(zeroize::Zeroizing::new(error.into_bytes()));
        text.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &str) -> Result<Option<String>, String> {
        Proxy::parse("HTTPS_PROXY", value)
            .map(|proxy| {
                proxy.map(|proxy| {
                    let login = proxy
                        .user_pass()
                        .map_or(String::new(), |login| format!(" {}", login.expose_secret()));
                    format!("{} {}{login}", proxy.scheme.name(), proxy.address())
                })
            })
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn what_people_write_is_understood() {
        for (value, expected) in [
            ("http://proxy:3128", "http proxy:3128"),
            ("http://proxy:3128/", "http proxy:3128"),
            (" http://proxy:3128 \t\r\n", "http proxy:3128"),
            ("\"http://proxy:3128\"", "http proxy:3128"),
            ("'http://proxy:3128' ", "http proxy:3128"),
            ("\u{201c}http://proxy:3128\u{201d}", "http proxy:3128"),
            ("proxy:3128", "http proxy:3128"),
            ("proxy", "http proxy:80"),
            ("//proxy:3128", "http proxy:3128"),
            ("HTTP://PROXY:3128", "http proxy:3128"),
            ("https://proxy", "https proxy:443"),
            ("socks5://proxy", "socks5 proxy:1080"),
            ("socks5h://127.0.0.1:1080", "socks5h 127.0.0.1:1080"),
            ("http://[::1]:3128", "http [::1]:3128"),
            ("http://user:pass@proxy:3128", "http proxy:3128 user:pass"),
            ("user:pass@proxy:3128", "http proxy:3128 user:pass"),
            ("http://user@proxy:3128", "http proxy:3128 user:"),
            ("http://DOM\\user:pass@proxy:3128", "http proxy:3128 DOM\\user:pass"),
            ("http://DOM%5Cuser:pass@proxy:3128", "http proxy:3128 DOM\\user:pass"),
            ("http://user:p@ss@proxy:3128", "http proxy:3128 user:p@ss"),
            ("http://user@dom.example:p@ss@proxy:3128", "http proxy:3128 user@dom.example:p@ss"),
            ("http://user:p#s/s?s@proxy:3128", "http proxy:3128 user:p#s/s?s"),
            ("http://user:p%40ss%3a@proxy:3128", "http proxy:3128 user:p@ss:"),
            ("http://user:100%@proxy:3128", "http proxy:3128 user:100%"),
            ("http://user:%zz%4@proxy:3128", "http proxy:3128 user:%zz%4"),
            ("http://user:a:b:c@proxy:3128", "http proxy:3128 user:a:b:c"),
            ("user:x://y@proxy:3128", "http proxy:3128 user:x://y"),
            ("http://user:%ff@proxy:1", "http proxy:1 user:%ff"),
        ] {
            assert_eq!(parsed(value), Ok(Some(expected.to_owned())), "{value}");
        }
        for empty in ["", "  ", "\"\"", "''"] {
            assert_eq!(parsed(empty), Ok(None), "{empty}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_said_without_the_value() {
        for (value, word) in [
            ("http://", "no host"),
            ("http://hunter2@", "no host"),
            ("http://:3128", "no host"),
            ("http://proxy:port", "invalid port"),
            ("http://proxy:0", "invalid port"),
            ("http://proxy:65536", "invalid port"),
            ("http://proxy:", "invalid port"),
            ("http://user:hunter2:proxy:3128", "host"),
            ("http://user:hunter2", "invalid port"),
            ("http://::1:3128", "host"),
            ("http://prox y:3128", "white space"),
            ("http://user:hunter2 x@proxy:3128", "white space"),
            ("ftp://hunter2:3128", "scheme"),
            ("hunter2://proxy:3128", "scheme"),
            ("socks://127.0.0.1:1080", "version"),
            ("http:/proxy:3128", "`//`"),
            ("http:proxy:3128", "`//`"),
            ("http:\\\\proxy:3128", "`//`"),
            ("http://wpad/hunter2.dat", "PAC"),
            ("http://DOM\\hunter2", "host"),
            ("HTTPS_PROXY=http://proxy:3128", "invalid"),
            ("${PROXY}", "host"),
            ("<hunter2>", "host"),
        ] {
            let fault = parsed(value).unwrap_err();
            assert!(
                fault.starts_with("the proxy variable HTTPS_PROXY ") && fault.contains(word),
                "{value}: {fault}"
            );
            assert!(!fault.contains("hunter2"), "{fault}");
        }
    }

    #[test]
    fn no_proxy_lists_names_networks_and_ports() {
        for (entry, url, expected) in [
            ("*", "https://a.example/", true),
            ("example", "https://a.example/", true),
            (".example", "https://a.example/", true),
            ("*.example", "https://a.example/", true),
            ("A.EXAMPLE", "https://a.example/", true),
            ("a.example.", "https://a.example/", true),
            ("a.example:443", "https://a.example/", true),
            ("a.example:8443", "https://a.example/", false),
            ("ample", "https://a.example/", false),
            ("b.a.example", "https://a.example/", false),
            ("127.0.0.1", "http://127.0.0.1:8080/", true),
            ("127.0.0.1:8080", "http://127.0.0.1:8080/", true),
            ("10.0.0.0/8", "http://10.1.2.3/", true),
            ("10.0.0.0/8", "http://11.1.2.3/", false),
            ("0.0.0.0/0", "http://11.1.2.3/", true),
            ("10.0.0.0/33", "http://10.0.0.0/", false),
            ("::1", "http://[::1]:80/", true),
            ("[::1]:80", "http://[::1]:80/", true),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("", "https://a.example/", false),
        ] {
            assert_eq!(leaves_out(entry, &Url::parse(url).unwrap()), expected, "{entry} {url}");
        }
    }
}
