//! Where Google's services are, and which hosts a credential file may send a secret to.

use url::{Host, Url};

use crate::Error;

/// The addresses of the services in use. The defaults are Google's; only the user's own configuration changes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// RFC 6749, section 3.2.
    pub token: Url,
    /// RFC 6749, section 3.1.
    pub authorize: Url,
    /// RFC 7009.
    pub revoke: Url,
    /// Google's description of a token.
    pub tokeninfo: Url,
    /// RFC 8693.
    pub sts: Url,
    /// The page of Earth Engine's notebook authenticator: a base address.
    pub client_auth: Url,
    /// The IAM credentials API: a base address.
    pub iam_credentials: Url,
    /// The Compute Engine metadata server: a base address.
    pub metadata: Url,
    /// The Earth Engine API: a base address.
    pub earthengine: Url,
}

impl Endpoints {
    /// The names and default addresses, in the order of `[endpoints]` in the documentation.
    pub const DEFAULTS: [(&'static str, &'static str); 9] = [
        ("token", "https://oauth2.googleapis.com/token"),
        ("authorize", "https://accounts.google.com/o/oauth2/v2/auth"),
        ("revoke", "https://oauth2.googleapis.com/revoke"),
        ("tokeninfo", "https://oauth2.googleapis.com/tokeninfo"),
        ("sts", "https://sts.googleapis.com/v1/token"),
        ("client_auth", "https://code.earthengine.google.com/client-auth"),
        ("iam_credentials", "https://iamcredentials.googleapis.com"),
        ("metadata", "http://metadata.google.internal"),
        ("earthengine", "https://earthengine.googleapis.com"),
    ];

    /// Sets the endpoint called `name`; `false` where there is none of that name.
    pub fn set(&mut self, name: &str, url: Url) -> bool {
        let slot = match name {
            "token" => &mut self.token,
            "authorize" => &mut self.authorize,
            "revoke" => &mut self.revoke,
            "tokeninfo" => &mut self.tokeninfo,
            "sts" => &mut self.sts,
            "client_auth" => &mut self.client_auth,
            "iam_credentials" => &mut self.iam_credentials,
            "metadata" => &mut self.metadata,
            "earthengine" => &mut self.earthengine,
            _ => return false,
        };
        *slot = url;
        true
    }

    /// Where an assertion or refresh token goes whose file names `named` as its token endpoint.
    ///
    /// A file that names Google's own endpoint, or none, means "Google": when the user's configuration puts another
    /// address in Google's place, the secret goes there. Any other address in a file is used as it stands, if it is
    /// trusted.
    ///
    /// # Errors
    /// [`Outcome::Untrusted`](crate::Outcome::Untrusted) for a host that is not listed for token endpoints.
    pub fn token_for(&self, named: Option<&str>, trusted: &TrustedHosts) -> Result<Url, Error> {
        match named {
            None => Ok(self.token.clone()),
            Some(named) if GOOGLE_TOKEN_ADDRESSES.contains(&named) => Ok(self.token.clone()),
            Some(named) if named == self.token.as_str() => Ok(self.token.clone()),
            Some(named) => trusted.check(Field::TokenUri, named),
        }
    }
}

/// The addresses under which Google's token endpoint is known, in files of every age.
const GOOGLE_TOKEN_ADDRESSES: [&str; 6] = [
    "https://oauth2.googleapis.com/token",
    "https://accounts.google.com/o/oauth2/token",
    "https://www.googleapis.com/oauth2/v3/token",
    "https://www.googleapis.com/oauth2/v4/token",
    "https://oauth2.mtls.googleapis.com/token",
    "https://accounts.google.com/o/oauth2/v2/token",
];

impl Default for Endpoints {
    fn default() -> Self {
        let [token, authorize, revoke, tokeninfo, sts, client_auth, iam_credentials, metadata, earthengine] =
            Self::DEFAULTS.map(|(_, address)| Url::parse(address).expect("the defaults are addresses"));
        Self { token, authorize, revoke, tokeninfo, sts, client_auth, iam_credentials, metadata, earthengine }
    }
}

/// The fields of credential files that name an address to which a secret would go. Each has its own short list of
/// Google's hosts; `*.googleapis.com` is in none, since other people's buckets live there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// `token_uri` of a service account or an authorized user.
    TokenUri,
    /// `token_url` of an external account.
    Sts,
    /// `service_account_impersonation_url`.
    Impersonation,
}

impl Field {
    /// The key in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokenUri => "token_uri",
            Self::Sts => "token_url",
            Self::Impersonation => "service_account_impersonation_url",
        }
    }

    /// Google's hosts for this field.
    fn google_hosts(self) -> &'static [&'static str] {
        match self {
            // Not www.googleapis.com, whose other addresses store what is posted to them in anybody's bucket; the two
            // that are token endpoints are in `GOOGLE_TOKEN_ADDRESSES`.
            Self::TokenUri => &["oauth2.googleapis.com", "oauth2.mtls.googleapis.com", "accounts.google.com"],
            Self::Sts => &["sts.googleapis.com", "sts.mtls.googleapis.com"],
            Self::Impersonation => &["iamcredentials.googleapis.com", "iamcredentials.mtls.googleapis.com"],
        }
    }
}

/// `security.token_hosts`: hosts beyond Google's that a credential file may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedHosts(Vec<String>);

impl TrustedHosts {
    /// Hosts by name or number, with an optional port. A loopback address allows plain http there.
    pub fn new<I>(hosts: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self(hosts.into_iter().map(|host| host.into().to_ascii_lowercase()).collect())
    }

    /// The address in `text`, if a secret may be sent to it.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](crate::Outcome::Invalid) where `text` is no address;
    /// [`Outcome::Untrusted`](crate::Outcome::Untrusted) where its host is not listed for `field`, where it is not
    /// https (loopback that is listed aside), or where it carries a user name, as disguises do.
    ///
    /// ```
    /// use ee_auth_core::{Field, TrustedHosts};
    /// let hosts = TrustedHosts::default();
    /// assert!(hosts.check(Field::TokenUri, "https://oauth2.googleapis.com/token").is_ok());
    /// assert!(hosts.check(Field::TokenUri, "https://bucket.storage.googleapis.com/token").is_err());
    /// assert!(hosts.check(Field::TokenUri, "https://oauth2.googleapis.com@evil.example/token").is_err());
    /// ```
    pub fn check(&self, field: Field, text: &str) -> Result<Url, Error> {
        let url = Url::parse(text).map_err(|error| {
            Error::invalid("url", format!("`{}` is not an address: {error}", field.name()))
                .hint("download the credential file again")
        })?;
        let Some(host) = url.host() else {
            return Err(Error::invalid("url", format!("`{}` names no host", field.name()))
                .hint("download the credential file again"));
        };
        let name = host.to_string().to_ascii_lowercase();
        let with_port = url.port().map(|port| format!("{name}:{port}"));
        let bare = name.trim_matches(['[', ']']);
        let listed = self
            .0
            .iter()
            .any(|trusted| trusted == &name || trusted == bare || Some(trusted) == with_port.as_ref());
        let google = field.google_hosts().contains(&name.as_str()) && url.port().is_none();
        let secure = url.scheme() == "https" || (url.scheme() == "http" && listed && is_loopback(&host));
        let disguised = !url.username().is_empty() || url.password().is_some();
        if (google || listed) && secure && !disguised {
            return Ok(url);
        }
        // A name may have 253 characters (RFC 1035, section 2.3.4); a file may have more.
        let name: String = name.chars().take(253).collect();
        let wrong = if disguised {
            "carries a user name".to_owned()
        } else if !google && !listed {
            format!("names the host {name}, which is not one of Google's for this field")
        } else {
            format!("would send a secret to {name} without TLS")
        };
        Err(Error::untrusted("host", format!("`{}` {wrong}; nothing was sent", field.name())).hint(format!(
            "if the file is yours and this is right, add \"{name}\" to `security.token_hosts` in your own \
             ee-auth.toml; if you do not know that host, the file may be an attempt to steal the credential"
        )))
    }
}

/// Whether a host is this machine: plain http is allowed nowhere else.
pub fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    #[test]
    fn each_field_has_its_own_hosts() {
        let hosts = TrustedHosts::default();
        assert!(hosts.check(Field::Sts, "https://sts.googleapis.com/v1/token").is_ok());
        for (field, address) in [
            (Field::TokenUri, "https://sts.googleapis.com/v1/token"),
            (Field::Sts, "https://oauth2.googleapis.com/token"),
            (Field::TokenUri, "http://oauth2.googleapis.com/token"),
            (Field::TokenUri, "https://oauth2.googleapis.com:8443/token"),
            (Field::TokenUri, "https://oauth2.googleapis.com.evil.example/token"),
            (Field::TokenUri, "https://user@oauth2.googleapis.com/token"),
            (Field::TokenUri, "https://www.googleapis.com/upload/storage/v1/b/bucket/o?name=x"),
            (Field::TokenUri, "http://127.0.0.1/token"),
            (Field::TokenUri, "file:///etc/passwd"),
        ] {
            let error = hosts.check(field, address).expect_err(address);
            assert!(matches!(error.outcome(), Outcome::Untrusted | Outcome::Invalid), "{address}");
        }
    }

    #[test]
    fn a_listed_host_may_be_named_and_loopback_needs_no_tls() {
        let hosts = TrustedHosts::new(["sts.corp.example", "127.0.0.1", "::1", "localhost:99"]);
        assert!(hosts.check(Field::Sts, "https://sts.corp.example/x").is_ok());
        assert!(hosts.check(Field::Sts, "http://sts.corp.example/x").is_err());
        assert!(hosts.check(Field::TokenUri, "http://127.0.0.1:5/x").is_ok());
        assert!(hosts.check(Field::TokenUri, "http://[::1]:5/x").is_ok());
        assert!(hosts.check(Field::TokenUri, "http://localhost:99/x").is_ok());
        assert!(hosts.check(Field::TokenUri, "http://localhost:98/x").is_err());
    }

    #[test]
    fn googles_endpoint_in_a_file_means_the_configured_one() {
        let mut endpoints = Endpoints::default();
        endpoints.set("token", Url::parse("http://127.0.0.1:1/token").unwrap());
        let trusted = TrustedHosts::default();
        for named in [None, Some("https://oauth2.googleapis.com/token"), Some("http://127.0.0.1:1/token")] {
            assert_eq!(endpoints.token_for(named, &trusted).unwrap(), endpoints.token);
        }
        assert!(endpoints.token_for(Some("http://127.0.0.1:2/token"), &trusted).is_err());
    }
}
