//! The way back for a browser at the other end of an SSH session.

use std::net::IpAddr;

use ee_auth_core::host::{Environment, variable};

/// The command that makes `port` of this machine one of the machine that the person came from; `None` outside of SSH
/// sessions. What sshd does not say has to be filled in: `SERVER` for this machine, `USER` for the account.
pub(crate) fn command(environment: &dyn Environment, port: u16) -> Option<String> {
    if !["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"].iter().any(|name| variable(environment, name).is_some()) {
        return None;
    }
    // The client's address and port, the server's address and port: sshd(8).
    let connection = variable(environment, "SSH_CONNECTION").unwrap_or_default();
    let mut words = connection.split_ascii_whitespace().skip(2);
    let server = words.next().and_then(|server| server.parse::<IpAddr>().ok());
    let server = server.map_or_else(|| "SERVER".to_owned(), |server| server.to_canonical().to_string());
    let ssh_port = match words.next().and_then(|port| port.parse::<u16>().ok()) {
        None | Some(22) => String::new(),
        Some(other) => format!("-p {other} "),
    };
    let user = ["USER", "LOGNAME"].iter().find_map(|name| variable(environment, name));
    let user = user.filter(|user| is_plain(user)).unwrap_or_else(|| "USER".to_owned());
    Some(format!("ssh -N {ssh_port}-L {port}:localhost:{port} {user}@{server}"))
}

/// Whether a name means itself to every shell.
fn is_plain(user: &str) -> bool {
    !user.starts_with('-') && user.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    use ee_auth_fake::Fake;

    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<String> {
        let fake =
            variables.iter().fold(Fake::new(), |fake, (name, value)| fake.with_variable(*name, *value));
        command(&*fake.host().environment, 8085)
    }

    #[test]
    fn the_command_is_made_from_what_sshd_says() {
        assert_eq!(of(&[("USER", "ada")]), None);
        let of = |variables: &[(&str, &str)]| of(variables).unwrap();
        assert_eq!(
            of(&[("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.7 22"), ("USER", "ada")]),
            "ssh -N -L 8085:localhost:8085 ada@192.0.2.7"
        );
        assert_eq!(
            of(&[("SSH_CONNECTION", "2001:db8::1 50000 2001:db8::7 2222"), ("LOGNAME", "ada.l")]),
            "ssh -N -p 2222 -L 8085:localhost:8085 ada.l@2001:db8::7"
        );
        assert_eq!(of(&[("SSH_TTY", "/dev/pts/3")]), "ssh -N -L 8085:localhost:8085 USER@SERVER");
        assert_eq!(
            of(&[("SSH_CONNECTION", "a b $(reboot) d"), ("SSH_CLIENT", "x"), ("USER", "-oProxyCommand=x")]),
            "ssh -N -L 8085:localhost:8085 USER@SERVER"
        );
    }
}
