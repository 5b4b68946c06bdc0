use std::fmt;

/// What a plugin says of itself, known without running anything.
///
/// ```
/// use ee_auth_plugin::Manifest;
/// const MANIFEST: Manifest = Manifest::new("corp", "1.0.0")
///     .description("tokens of the corporate broker")
///     .http_hosts(&["broker.corp.example"])
///     .with_login();
/// assert!(MANIFEST.to_string().contains(r#""ops":["get","login"]"#));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Manifest {
    name: &'static str,
    version: &'static str,
    description: &'static str,
    http_hosts: &'static [&'static str],
    login: bool,
    logout: bool,
}

impl Manifest {
    /// A plugin with a name of letters, digits, `-` and `_`, and a version.
    pub const fn new(name: &'static str, version: &'static str) -> Self {
        Self { name, version, description: "", http_hosts: &[], login: false, logout: false }
    }

    /// The same manifest with a line that says what credentials these are.
    #[must_use]
    pub const fn description(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// The same manifest with the hosts that [`Host::http`](crate::Host::http) may ask.
    #[must_use]
    pub const fn http_hosts(mut self, hosts: &'static [&'static str]) -> Self {
        self.http_hosts = hosts;
        self
    }

    /// The same manifest, of a provider with a [`login`](crate::Provider::login).
    #[must_use]
    pub const fn with_login(mut self) -> Self {
        self.login = true;
        self
    }

    /// The same manifest, of a provider with a [`logout`](crate::Provider::logout).
    #[must_use]
    pub const fn with_logout(mut self) -> Self {
        self.logout = true;
        self
    }

    /// The bytes that [`Manifest::json`] needs.
    #[doc(hidden)]
    pub const fn json_len(&self) -> usize {
        self.write(Writer::<0>::new()).len
    }

    /// The answer to `describe`: a library's manifest is a constant, so it is written at compile time.
    #[doc(hidden)]
    pub const fn json<const N: usize>(&self) -> [u8; N] {
        self.write(Writer::<N>::new()).bytes
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "`const` code has no iterators, and the loop ends before its end"
    )]
    const fn write<const N: usize>(&self, mut to: Writer<N>) -> Writer<N> {
        to = to.raw("{\"version\":1,\"success\":true,\"name\":").text(self.name);
        to = to.raw(",\"plugin_version\":").text(self.version).raw(",\"ops\":[\"get\"");
        if self.login {
            to = to.raw(",\"login\"");
        }
        if self.logout {
            to = to.raw(",\"logout\"");
        }
        // A `Provider` is `Send` and `Sync`: the compiler has seen to it.
        to = to.raw("],\"thread_safe\":true,\"http_hosts\":[");
        let mut i = 0;
        while i < self.http_hosts.len() {
            if i > 0 {
                to = to.raw(",");
            }
            to = to.text(self.http_hosts[i]);
            i += 1;
        }
        to.raw("],\"description\":").text(self.description).raw("}")
    }
}

/// The answer to `describe`.
impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ops = [Some("get"), self.login.then_some("login"), self.logout.then_some("logout")];
        let json = serde_json::json!({
            "version": 1,
            "success": true,
            "name": self.name,
            "plugin_version": self.version,
            "ops": ops.iter().flatten().collect::<Vec<_>>(),
            "thread_safe": true,
            "http_hosts": self.http_hosts,
            "description": self.description,
        });
        json.fmt(f)
    }
}

/// Writes JSON at compile time; what does not fit is counted and not kept.
struct Writer<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

#[expect(
    clippy::indexing_slicing,
    reason = "a constant is written, at compile time, where an index too far does not compile"
)]
impl<const N: usize> Writer<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    const fn byte(mut self, byte: u8) -> Self {
        if self.len < N {
            self.bytes[self.len] = byte;
        }
        self.len += 1;
        self
    }

    const fn raw(mut self, text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            self = self.byte(bytes[i]);
            i += 1;
        }
        self
    }

    /// A JSON string (RFC 8259, section 7).
    const fn text(mut self, text: &str) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self = self.byte(b'"');
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            self = match bytes[i] {
                b'"' => self.raw("\\\""),
                b'\\' => self.raw("\\\\"),
                control @ 0..0x20 => {
                    let (high, low) = (HEX[control as usize >> 4], HEX[control as usize & 15]);
                    self.raw("\\u00").byte(high).byte(low)
                }
                byte => self.byte(byte),
            };
            i += 1;
        }
        self.byte(b'"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constant_and_the_answer_say_the_same() {
        const PLAIN: Manifest = Manifest::new("plain", "0.1.0");
        const FULL: Manifest = Manifest::new("full", "1.2.3-beta")
            .description("says \"hello\\\", a tab\t, and ü")
            .http_hosts(&["a.example", "b.example:8443"])
            .with_login()
            .with_logout();
        const PLAIN_JSON: [u8; PLAIN.json_len()] = PLAIN.json();
        const FULL_JSON: [u8; FULL.json_len()] = FULL.json();
        let parsed = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap();
        assert_eq!(parsed(&PLAIN_JSON), parsed(PLAIN.to_string().as_bytes()));
        assert_eq!(parsed(&FULL_JSON), parsed(FULL.to_string().as_bytes()));
        assert_eq!(parsed(&FULL_JSON)["ops"], serde_json::json!(["get", "login", "logout"]));
    }
}
