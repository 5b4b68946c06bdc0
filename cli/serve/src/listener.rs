//! Where a server listens.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::str::FromStr;

use ee_auth_core::ShowPath as _;
use ee_auth_core::{Error, Outcome, quoted};

use crate::tls::MutualTls;

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address and a port; port 0 for any that is free.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Any free port of 127.0.0.1.
    pub fn any_loopback() -> Self {
        Self::Tcp((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Whether only processes of this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Address {
    type Err = Error;

    /// `127.0.0.1:PORT`, `[::1]:PORT`, `localhost:PORT`, another address, or an absolute path, which may stand behind
    /// `unix:`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let path = text.strip_prefix("unix:").unwrap_or(text);
        if path.starts_with('/') {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let numeric = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => text.to_owned(),
        };
        numeric.parse().map(Self::Tcp).map_err(|_| {
            // What reads a command line shows no hint.
            let message = format!(
                "{} is no address to listen at: write 127.0.0.1:8642 or [::1]:8642, with port 0 for any that is free, or \
                 the absolute path of a Unix socket",
                quoted(text)
            );
            Error::new(Outcome::Usage, "listen", message)
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.shown().fmt(f),
        }
    }
}

/// A socket that listens, for processes of this machine or for those that show a certificate: there is no listener that other
/// machines reach without one.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: Socket,
    tls: Option<MutualTls>,
    address: Address,
    /// Whether the file of a Unix socket is ours to remove.
    made: bool,
}

#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
    /// It has been handed over.
    Taken,
}

impl Listener {
    /// Listens at `address`, which must be local. A Unix socket is for its user alone (mode 0600), and replaces one that
    /// nobody listens at any more; its file is removed when this is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] where other machines can reach the address; [`io::ErrorKind::AddrInUse`] where
    /// somebody listens there; the system's.
    pub fn bind(address: &Address) -> io::Result<Self> {
        Self::bind_with(address, None)
    }

    /// Listens at `address` for those alone that show a certificate. At a Unix socket, whose clients' user is always known,
    /// nobody is asked for one.
    ///
    /// # Errors
    /// As [`bind`](Self::bind), but any address is allowed.
    pub fn bind_tls(address: &Address, tls: MutualTls) -> io::Result<Self> {
        Self::bind_with(address, Some(tls))
    }

    fn bind_with(address: &Address, tls: Option<MutualTls>) -> io::Result<Self> {
        check(address, tls.as_ref())?;
        match address {
            Address::Tcp(address) => {
                let socket = TcpListener::bind(address)?;
                let address = Address::Tcp(socket.local_addr()?);
                Ok(Self { socket: Socket::Tcp(socket), tls, address, made: true })
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                use std::os::unix::fs::{FileTypeExt, PermissionsExt};
                use std::os::unix::net::{UnixListener, UnixStream};
                let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
                // A file of another type refuses connections just the same.
                let is_socket =
                    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
                if is_socket && UnixStream::connect(path).is_err_and(|error| refused(&error)) {
                    std::fs::remove_file(path)?;
                }
                let socket = UnixListener::bind(path)?;
                // Whoever comes before this is known by their user all the same.
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
                Ok(Self { socket: Socket::Unix(socket), tls: None, address: address.clone(), made: true })
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The sockets that systemd, or another that follows its protocol, has opened for this process (`LISTEN_FDS`). To be
    /// called once, before any thread is started. With `tls` those of TCP are for clients that show a certificate.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] where other machines can reach one, and there is no `tls`;
    /// [`io::ErrorKind::InvalidInput`] where one is not a listening stream socket; the system's.
    pub fn activated(tls: Option<&MutualTls>) -> io::Result<Vec<Self>> {
        #[cfg(not(unix))]
        {
            let _ = tls;
            Ok(Vec::new())
        }
        #[cfg(unix)]
        {
            let mut given = listenfd::ListenFd::from_env();
            let mut listeners = Vec::new();
            for index in 0..given.len() {
                let (socket, address) = if let Ok(Some(socket)) = given.take_tcp_listener(index) {
                    let address = Address::Tcp(socket.local_addr()?);
                    (Socket::Tcp(socket), address)
                } else {
                    let socket = given.take_unix_listener(index)?.ok_or(io::ErrorKind::InvalidInput)?;
                    let path = socket.local_addr()?.as_pathname().map(PathBuf::from);
                    (Socket::Unix(socket), Address::Unix(path.unwrap_or_default()))
                };
                check(&address, tls)?;
                let tls = tls.filter(|_| matches!(address, Address::Tcp(_))).cloned();
                listeners.push(Self { socket, tls, address, made: false });
            }
            Ok(listeners)
        }
    }

    /// Where it listens, with the port that it has.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What clients must show and see, by TCP.
    pub(crate) fn tls(&self) -> Option<&MutualTls> {
        self.tls.as_ref()
    }

    /// The socket, once.
    pub(crate) fn take(&mut self) -> Socket {
        std::mem::replace(&mut self.socket, Socket::Taken)
    }
}

/// What other machines reach is for those that show a certificate.
fn check(address: &Address, tls: Option<&MutualTls>) -> io::Result<()> {
    if address.is_local() || tls.is_some() {
        return Ok(());
    }
    let message = format!("other machines can reach {address}: it takes mutual TLS");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let (Address::Unix(path), true) = (&self.address, self.made) {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_listener_is_for_others_without_mutual_tls() {
        for address in ["0.0.0.0:0", "[::]:0", "[::ffff:127.0.0.1]:0"] {
            let error = Listener::bind(&address.parse().unwrap()).expect_err(address);
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{address}");
            assert!(error.to_string().contains("mutual TLS"), "{error}");
        }
    }

    #[test]
    fn addresses_are_read() {
        for (text, local) in [
            ("127.0.0.1:0", true),
            ("localhost:80", true),
            ("[::1]:80", true),
            ("127.9.9.9:80", true),
            ("/run/ee.sock", true),
            ("unix:/run/ee.sock", true),
            ("0.0.0.0:80", false),
            ("[::]:80", false),
            ("192.168.0.1:80", false),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().is_local(), local, "{text}");
        }
        for text in ["", "8080", "localhost", "relative.sock", "unix:relative", "example.com:80", "127.0.0.1"]
        {
            let error = text.parse::<Address>().expect_err(text);
            assert_eq!(error.code(), "usage.listen", "{text}");
        }
    }
}
