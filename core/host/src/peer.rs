//! Whose process is at the other end of a connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// Whether the user behind a TCP connection on loopback can be known here: on Linux, unless something keeps the process
/// from asking.
pub fn can_be_checked() -> bool {
    let asked = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        is_same_user(stream.local_addr()?, stream.peer_addr()?)
    };
    matches!(asked(), Ok(true))
}

/// Whether the socket at `peer`, connected to `local`, is one of this machine's: nobody gets to loopback from elsewhere. A
/// look at the peer alone is not enough. Who wants to look as if they came from elsewhere binds their socket to one of the
/// machine's other addresses, and is let through to loopback from there.
pub fn is_on_this_machine(peer: SocketAddr, local: SocketAddr) -> bool {
    [peer, local].iter().any(|address| address.ip().to_canonical().is_loopback())
}

/// Whether the socket at `peer`, connected to `local`, belongs to the user that this process acts as.
///
/// # Errors
/// Where it cannot be known: there is no such socket on this machine any more, or nobody tells.
pub fn is_same_user(peer: SocketAddr, local: SocketAddr) -> io::Result<bool> {
    #[cfg(unix)]
    return Ok(owner(peer, local)? == rustix::process::geteuid().as_raw());
    #[cfg(not(unix))]
    return owner(peer, local).map(|_| false);
}

/// The number of the user whose process made the socket at `peer`, which is connected to `local`.
///
/// # Errors
/// As [`is_same_user`].
#[cfg(target_os = "linux")]
pub fn owner(peer: SocketAddr, local: SocketAddr) -> io::Result<u32> {
    linux::owner(peer, local)
}

/// The number of the user whose process made the socket at `peer`. Only Linux tells.
///
/// # Errors
/// Always: [`io::ErrorKind::Unsupported`].
#[cfg(not(target_os = "linux"))]
pub fn owner(_peer: SocketAddr, _local: SocketAddr) -> io::Result<u32> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Asks the kernel for one socket (sock_diag(7)). Unlike a look at /proc/net/tcp, it takes no longer on a machine with
/// many connections.
#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::net::{IpAddr, SocketAddr};

    use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
    use rustix::net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
    };

    /// `SOCK_DIAG_BY_FAMILY`: the type of the request and of its answer.
    const BY_FAMILY: u16 = 20;
    /// `NLM_F_REQUEST`.
    const REQUEST: u16 = 1;
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    const TCP: u8 = 6;
    /// Before everything: length, type, flags, sequence number, sender.
    const HEADER: usize = 16;
    /// `struct inet_diag_req_v2`: family, protocol, extensions, padding, states, and the socket.
    const QUESTION: usize = HEADER + 8 + 48;
    /// Where `idiag_uid` is in the answer: after the header, four bytes, the socket, and three numbers.
    const OWNER: usize = HEADER + 4 + 48 + 12;

    /// The user whose process made the socket at `peer`, which is connected to `local`.
    pub(super) fn owner(peer: SocketAddr, local: SocketAddr) -> io::Result<u32> {
        let netlink =
            socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
        sendto(&netlink, &question(peer, local), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut answer = [0; 512];
        let (_, length) = recv(&netlink, &mut answer[..], RecvFlags::empty())?;
        let answer = answer.get(..length).unwrap_or(&answer);
        let kind = answer.get(4..6).and_then(|kind| Some(u16::from_ne_bytes(kind.try_into().ok()?)));
        match answer.get(OWNER..OWNER + 4) {
            Some(&[a, b, c, d]) if kind == Some(BY_FAMILY) => Ok(u32::from_ne_bytes([a, b, c, d])),
            // NLMSG_ERROR: no such socket.
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn question(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(QUESTION);
        bytes.extend((QUESTION as u32).to_ne_bytes());
        bytes.extend(BY_FAMILY.to_ne_bytes());
        bytes.extend(REQUEST.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([if source.is_ipv4() { AF_INET } else { AF_INET6 }, TCP, 0, 0]);
        bytes.extend(u32::MAX.to_ne_bytes());
        bytes.extend(source.port().to_be_bytes());
        bytes.extend(destination.port().to_be_bytes());
        for address in [source.ip(), destination.ip()] {
            let start = bytes.len();
            match address {
                IpAddr::V4(address) => bytes.extend(address.octets()),
                IpAddr::V6(address) => bytes.extend(address.octets()),
            }
            bytes.resize(start + 16, 0);
        }
        // Any interface; INET_DIAG_NOCOOKIE.
        bytes.extend([0; 4]);
        bytes.extend([0xff; 8]);
        bytes
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_connection_of_this_process_is_of_this_user() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, peer) = listener.accept().unwrap();
            assert!(is_same_user(peer, server.local_addr().unwrap()).unwrap());
            // Nobody has the other way round's port but one.
            drop(client);
        }
        assert!(can_be_checked());
    }

    #[test]
    fn nobody_gets_to_loopback_from_elsewhere() {
        for (peer, local, is_here) in [
            ("127.0.0.1:1", "127.0.0.1:2", true),
            ("192.0.2.7:1", "127.0.0.1:2", true),
            ("[2001:db8::7]:1", "[::1]:2", true),
            ("[::ffff:192.0.2.7]:1", "[::ffff:127.0.0.1]:2", true),
            ("192.0.2.7:1", "192.0.2.8:2", false),
            ("[::ffff:192.0.2.7]:1", "[::ffff:192.0.2.8]:2", false),
        ] {
            let is = is_on_this_machine(peer.parse().unwrap(), local.parse().unwrap());
            assert_eq!(is, is_here, "{peer} at {local}");
        }
    }

    #[test]
    fn a_connection_that_is_not_there_is_an_error() {
        let nobody = "127.0.0.1:1".parse().unwrap();
        assert!(is_same_user(nobody, nobody).is_err());
    }
}
