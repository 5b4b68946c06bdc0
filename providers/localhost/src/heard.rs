//! What a request to the listener says.

use ee_auth_core::host::Visit;
use ee_auth_core::{Endpoints, Error, Secret};
use ee_auth_google::authorization;
use url::form_urlencoded;

/// What the answer of this login looks like.
pub(crate) struct Expected<'a> {
    pub(crate) port: u16,
    pub(crate) state: &'a str,
    pub(crate) endpoints: &'a Endpoints,
    /// The user of this process.
    pub(crate) user: Option<u32>,
    /// The user who started it as root by `sudo`, whose browser it is then.
    pub(crate) invoking_user: Option<u32>,
}

/// What a request says.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The person gave access: the code.
    Code(Secret),
    /// They or Google did not.
    Refused(Error),
    /// Nothing that is meant for this login.
    Stray(Stray),
}

/// A request that is not the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stray {
    /// Another path, host or method: a browser looking for an icon, or a page that tries what is there.
    Elsewhere,
    /// An answer with no `state`, or with another one.
    OtherLogin,
    /// The address without an answer in it: somebody who wonders what is there.
    NoAnswer,
    /// A process of another user of this machine: the `state` is in the browser's argument list, which everybody may read.
    OtherUser,
    /// Something is there twice: programs differ in which they take (RFC 6749, section 3.1).
    Ambiguous,
}

impl Expected<'_> {
    /// Only a `GET` of the redirect, by its own name, with the `state` of this login can be its answer (RFC 6749, section
    /// 4.1.2; RFC 9700, section 4.7). The host is looked at since the page of another site may have its own name resolve
    /// to this machine.
    pub(crate) fn hear(&self, visit: &Visit) -> Heard {
        if self.is_of_another_user(visit) {
            return Heard::Stray(Stray::OtherUser);
        }
        let query = match visit.target.strip_prefix('/') {
            Some("") => Some(""),
            Some(rest) => rest.strip_prefix('?'),
            None => None,
        };
        let Some(query) = query else { return Heard::Stray(Stray::Elsewhere) };
        if visit.method != "GET" || !visit.host.as_deref().is_some_and(|host| self.is_ours(host)) {
            return Heard::Stray(Stray::Elsewhere);
        }
        let mut fields = Fields::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "state" => &mut fields.state,
                "code" => &mut fields.code,
                "error" => &mut fields.error,
                "error_description" => &mut fields.description,
                _ => continue,
            };
            if field.replace(value.into_owned()).is_some() {
                return Heard::Stray(Stray::Ambiguous);
            }
        }
        match fields {
            Fields { code: Some(_), error: Some(_), .. } => Heard::Stray(Stray::Ambiguous),
            Fields { code: None, error: None, .. } => Heard::Stray(Stray::NoAnswer),
            Fields { state, .. } if state.as_deref() != Some(self.state) => Heard::Stray(Stray::OtherLogin),
            Fields { error: Some(error), description, .. } => {
                Heard::Refused(authorization::refusal(&error, description.as_deref(), self.endpoints))
            }
            // RFC 6749, appendix A.11.
            Fields { code: Some(code), .. }
                if !code.is_empty() && code.bytes().all(|b| (0x20..0x7f).contains(&b)) =>
            {
                Heard::Code(Secret::from(code))
            }
            _ => Heard::Stray(Stray::NoAnswer),
        }
    }

    /// Root may do what it wants, and is who forwards connections: sshd, WSL, a proxy. Where the system does not tell, everybody
    /// passes.
    fn is_of_another_user(&self, visit: &Visit) -> bool {
        let (Some(user), Some(ours)) = (visit.user, self.user) else { return false };
        user != 0 && user != ours && !(ours == 0 && Some(user) == self.invoking_user)
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| {
            host.strip_prefix(name).is_some_and(|rest| match rest.strip_prefix(':') {
                Some(port) => port == self.port.to_string(),
                None => rest.is_empty() && self.port == 80,
            })
        })
    }
}

#[derive(Default)]
struct Fields {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    description: Option<String>,
}

#[cfg(test)]
mod tests {
    use ee_auth_core::ExposeSecret;

    use super::*;

    fn hear_at(port: u16, method: &str, target: &str, host: Option<&str>) -> Heard {
        let visit = Visit::new(method, target, host.map(str::to_owned), |_| Box::pin(async {}));
        expected(port, &Endpoints::default()).hear(&visit)
    }

    fn expected(port: u16, endpoints: &Endpoints) -> Expected<'_> {
        Expected { port, state: "ours", endpoints, user: Some(1000), invoking_user: None }
    }

    #[test]
    fn another_user_brings_no_answer() {
        let endpoints = Endpoints::default();
        for (ours, invoking, theirs, passes) in [
            (Some(1000), None, Some(1000), true),
            (Some(1000), None, Some(0), true),
            (Some(1000), None, None, true),
            (None, None, Some(1001), true),
            (Some(1000), None, Some(1001), false),
            (Some(1000), Some(1001), Some(1001), false),
            (Some(0), None, Some(1000), false),
            (Some(0), Some(1000), Some(1000), true),
            (Some(0), Some(1000), Some(1001), false),
        ] {
            let host = Some("localhost:8085".to_owned());
            let visit =
                Visit::new("GET", "/?code=x&state=ours", host, |_| Box::pin(async {})).of_user(theirs);
            let expected = Expected { user: ours, invoking_user: invoking, ..expected(8085, &endpoints) };
            let heard = expected.hear(&visit);
            assert_eq!(matches!(heard, Heard::Code(_)), passes, "{ours:?} {invoking:?} {theirs:?}");
            assert_eq!(matches!(heard, Heard::Stray(Stray::OtherUser)), !passes);
        }
    }

    fn hear(target: &str) -> Heard {
        hear_at(8085, "GET", target, Some("localhost:8085"))
    }

    #[test]
    fn a_code_with_our_state_is_the_answer() {
        for target in [
            "/?state=ours&code=4%2F0Ab&scope=a%20b&authuser=0&prompt=consent",
            "/?code=4/0Ab&state=ours",
            "/?iss=https://accounts.google.com&code=4/0Ab&state=ours&scope=a&scope=b",
        ] {
            let Heard::Code(code) = hear(target) else { panic!("{target}") };
            assert_eq!(code.expose_secret(), "4/0Ab", "{target}");
        }
        for host in ["LOCALHOST:8085", "127.0.0.1:8085", "[::1]:8085"] {
            assert!(
                matches!(hear_at(8085, "GET", "/?code=x&state=ours", Some(host)), Heard::Code(_)),
                "{host}"
            );
        }
        assert!(matches!(hear_at(80, "GET", "/?code=x&state=ours", Some("localhost")), Heard::Code(_)));
    }

    #[test]
    fn an_error_with_our_state_is_the_answer() {
        for (error, code) in [
            ("access_denied", "rejected.access_denied"),
            ("admin_policy_enforced", "rejected.admin_policy_enforced"),
            ("org_internal", "rejected.org_internal"),
            ("invalid_scope", "rejected.invalid_scope"),
            ("server_error", "unavailable.status"),
            ("%1b[31mwhat", "rejected.refused"),
        ] {
            let Heard::Refused(told) = hear(&format!("/?error={error}&state=ours")) else {
                panic!("{error}")
            };
            assert_eq!(told.code(), code);
            assert!(told.next_step().is_some() && !told.message().contains('\u{1b}'), "{told}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        for (target, stray) in [
            ("/", Stray::NoAnswer),
            ("/?", Stray::NoAnswer),
            ("/?state=ours", Stray::NoAnswer),
            ("/?state=ours&code=", Stray::NoAnswer),
            ("/?state=ours&code=%00", Stray::NoAnswer),
            ("/?code=x", Stray::OtherLogin),
            ("/?code=x&state=", Stray::OtherLogin),
            ("/?code=x&state=Ours", Stray::OtherLogin),
            ("/?error=access_denied", Stray::OtherLogin),
            ("/?error=access_denied&state=theirs", Stray::OtherLogin),
            ("/?code=x&code=y&state=ours", Stray::Ambiguous),
            ("/?code=x&state=theirs&state=ours", Stray::Ambiguous),
            ("/?code=x&error=access_denied&state=ours", Stray::Ambiguous),
            ("/favicon.ico", Stray::Elsewhere),
            ("/callback?code=x&state=ours", Stray::Elsewhere),
            ("//?code=x&state=ours", Stray::Elsewhere),
            ("http://localhost:8085/?code=x&state=ours", Stray::Elsewhere),
            ("*", Stray::Elsewhere),
            ("", Stray::Elsewhere),
        ] {
            assert!(matches!(hear(target), Heard::Stray(found) if found == stray), "{target}");
        }
        for (method, host) in [
            ("HEAD", Some("localhost:8085")),
            ("POST", Some("localhost:8085")),
            ("get", Some("localhost:8085")),
            ("GET", None),
            ("GET", Some("localhost")),
            ("GET", Some("localhost:8086")),
            ("GET", Some("localhost:80850")),
            ("GET", Some("localhost.evil.test:8085")),
            ("GET", Some("evil.test:8085")),
            ("GET", Some("localhost:8085:8085")),
        ] {
            let heard = hear_at(8085, method, "/?code=x&state=ours", host);
            assert!(matches!(heard, Heard::Stray(Stray::Elsewhere)), "{method} {host:?}");
        }
    }
}
