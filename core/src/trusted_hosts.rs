//! Which hosts a credential file may send a secret to.

use url::{Host, Url};

use crate::Error;

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

    /// Whether `host` is one of Google's for this field, in the universe with this domain.
    fn is_google(self, host: &str, universe: &str) -> bool {
        match self {
            // Not www.googleapis.com, whose other addresses store what is posted to them in anybody's bucket; the two
            // that are token endpoints are in `GOOGLE_TOKEN_ADDRESSES`.
            Self::TokenUri => {
                ["oauth2.googleapis.com", "oauth2.mtls.googleapis.com", "accounts.google.com"].contains(&host)
            }
            Self::Sts => is_service("sts", host, universe),
            Self::Impersonation => is_service("iamcredentials", host, universe),
        }
    }
}

/// Whether `host` is an address of a service: global, regional or private, with mutual TLS or without.
///
/// The forms are those that Google's libraries allowed while they checked (google-auth 2.7 to 2.16: five patterns a field)
/// and the regional endpoints of today. Where those have "anything without a dot" for the region, this wants the form of
/// a region: else `sts.storage.googleapis.com` would pass, which is anybody's bucket of the name `sts`.
fn is_service(service: &str, host: &str, universe: &str) -> bool {
    let Some(name) = host.strip_suffix(universe).and_then(|name| name.strip_suffix('.')) else {
        return false;
    };
    let name = name.strip_suffix(".mtls").unwrap_or(name);
    let labels: Vec<_> = name.split('.').collect();
    match labels.as_slice() {
        [one] => {
            *one == service
                || one
                    .strip_suffix(service)
                    .and_then(|region| region.strip_suffix('-'))
                    .is_some_and(is_region)
        }
        // Private Service Connect: the name is the user's, and what answers is the service.
        [one, "p"] => one.strip_prefix(service).is_some_and(|name| name.starts_with('-')),
        [one, region] if *one == service => is_region(region),
        [region, one] if *one == service => is_region(region),
        [one, region, "rep"] => *one == service && is_region(region),
        _ => false,
    }
}

/// Whether this has the form of a region's name: `europe-west4`, `northamerica-northeast1`; or is a multi-region.
fn is_region(name: &str) -> bool {
    let Some((area, place)) = name.split_once('-') else { return ["us", "eu"].contains(&name) };
    let direction = place.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    is_word(area) && is_word(direction) && direction.len() < place.len()
}

/// `security.token_hosts`: hosts beyond Google's that a credential file may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedHosts {
    listed: Vec<String>,
    universe: String,
}

impl Default for TrustedHosts {
    fn default() -> Self {
        Self::new(std::iter::empty::<String>())
    }
}

impl TrustedHosts {
    /// Hosts by name or number, with an optional port. A loopback address allows plain http there.
    pub fn new<I>(hosts: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self {
            listed: hosts.into_iter().map(|host| host.into().to_ascii_lowercase()).collect(),
            universe: "googleapis.com".to_owned(),
        }
    }

    /// The same hosts, with those of another universe in the place of Google's. Only the user's own configuration
    /// chooses one.
    #[must_use]
    pub fn in_universe(mut self, domain: &str) -> Self {
        self.universe = domain.to_ascii_lowercase();
        self
    }

    /// Whether the user listed the host of an address, with its port or without.
    pub fn lists(&self, url: &Url) -> bool {
        let Some(name) = url.host().map(|host| host.to_string().to_ascii_lowercase()) else { return false };
        let with_port = url.port().map(|port| format!("{name}:{port}"));
        let bare = name.trim_matches(['[', ']']);
        self.listed
            .iter()
            .any(|trusted| trusted == &name || trusted == bare || Some(trusted) == with_port.as_ref())
    }

    /// Whether an address is one of Google's for `field`, on the usual port.
    pub(crate) fn is_google(&self, field: Field, url: &Url) -> bool {
        url.port().is_none() && url.host_str().is_some_and(|host| field.is_google(host, &self.universe))
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
        let listed = self.lists(&url);
        let google = self.is_google(field, &url);
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
    fn a_service_has_its_global_regional_and_private_addresses() {
        let hosts = TrustedHosts::default();
        for host in [
            "sts.googleapis.com",
            "sts.mtls.googleapis.com",
            "sts.us-central1.googleapis.com",
            "us-central1.sts.googleapis.com",
            "us-central1-sts.googleapis.com",
            "us-central1-sts.mtls.googleapis.com",
            "sts.europe-west4.rep.googleapis.com",
            "sts.us.rep.googleapis.com",
            "sts-own.p.googleapis.com",
        ] {
            assert!(hosts.check(Field::Sts, &format!("https://{host}/v1/token")).is_ok(), "{host}");
            let other = host.replace("sts", "iamcredentials");
            assert!(hosts.check(Field::Impersonation, &format!("https://{other}/v1/x")).is_ok(), "{other}");
            assert!(hosts.check(Field::Impersonation, &format!("https://{host}/v1/x")).is_err(), "{host}");
        }
        for host in [
            // Buckets of the names `sts` and `us-central1-sts`.
            "sts.storage.googleapis.com",
            "us-central1-sts.storage.googleapis.com",
            "sts.storage.us-central1.rep.googleapis.com",
            "us-central1.sts.storage.googleapis.com",
            "x-sts.googleapis.com",
            "xsts.googleapis.com",
            "-sts.googleapis.com",
            "sts.googleapis.com.evil.example",
            "sts.googleapis.co",
            "googleapis.com",
            "stsgoogleapis.com",
            "evil.sts.googleapis.com",
            "sts.sts.googleapis.com",
            "stsx.p.googleapis.com",
        ] {
            let error = hosts.check(Field::Sts, &format!("https://{host}/v1/token")).expect_err(host);
            assert_eq!(error.outcome(), Outcome::Untrusted, "{host}");
        }
    }

    #[test]
    fn a_universe_has_its_own_services() {
        let hosts = TrustedHosts::default().in_universe("cloud.example");
        assert!(hosts.check(Field::Sts, "https://sts.cloud.example/v1/token").is_ok());
        assert!(hosts.check(Field::Sts, "https://sts.googleapis.com/v1/token").is_err());
    }
}
