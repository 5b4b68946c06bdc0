//! Where Google's services are, and which hosts a credential file may send a secret to.

use url::{Host, Url};

use crate::{Error, redact};

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

    /// The addresses in a universe: those of Google's services that federation needs are under its domain. For
    /// `googleapis.com` these are [`Endpoints::default`].
    ///
    /// # Errors
    /// [`Outcome::Invalid`](crate::Outcome::Invalid) where `domain` is no domain.
    pub fn in_universe(domain: &str) -> Result<Self, Error> {
        let at = |address: String| {
            Url::parse(&address).map_err(|_| {
                Error::invalid("universe", format!("`{}` is not the domain of a universe", redact(domain)))
                    .hint("correct `universe_domain` under `[security]`: `googleapis.com` for all but private clouds")
            })
        };
        Ok(Self {
            sts: at(format!("https://sts.{domain}/v1/token"))?,
            iam_credentials: at(format!("https://iamcredentials.{domain}"))?,
            ..Self::default()
        })
    }

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

    /// Where a subject token or a workforce login's refresh token goes whose file names `named` as its STS.
    ///
    /// As with [`Endpoints::token_for`], Google's own address means "Google": where the user's configuration has another
    /// STS, that one is asked, for the same thing (`/v1/token`, `/v1/oauthtoken`).
    ///
    /// # Errors
    /// [`Outcome::Untrusted`](crate::Outcome::Untrusted) for a host that is not listed for an STS.
    pub fn sts_for(&self, named: Option<&str>, trusted: &TrustedHosts) -> Result<Url, Error> {
        let Some(named) = named else { return Ok(self.sts.clone()) };
        if let Some(same) = at_origin_of(&self.sts, named) {
            return Ok(same);
        }
        let named = trusted.check(Field::Sts, named)?;
        if !trusted.is_google(Field::Sts, &named) || trusted.is_google(Field::Sts, &self.sts) {
            return Ok(named);
        }
        let mut own = self.sts.clone();
        if let (Ok(mut path), Some(last)) =
            (own.path_segments_mut(), named.path_segments().and_then(Iterator::last))
        {
            path.pop().push(last);
        }
        Ok(own)
    }

    /// Where a token goes whose file names `named` for impersonation: the whole address of a method of the IAM
    /// credentials API. Google's own means "Google", as with [`Endpoints::token_for`].
    ///
    /// # Errors
    /// [`Outcome::Untrusted`](crate::Outcome::Untrusted) for a host that is not listed for impersonation.
    pub fn impersonation_for(&self, named: &str, trusted: &TrustedHosts) -> Result<Url, Error> {
        let field = Field::Impersonation;
        if let Some(same) = at_origin_of(&self.iam_credentials, named) {
            return Ok(same);
        }
        let named = trusted.check(field, named)?;
        if !trusted.is_google(field, &named) || trusted.is_google(field, &self.iam_credentials) {
            return Ok(named);
        }
        let mut own = self.iam_credentials.clone();
        own.set_path(&format!("{}{}", own.path().trim_end_matches('/'), named.path()));
        Ok(own)
    }
}

/// The address in `named`, where it is on the server that the user's own configuration has.
fn at_origin_of(own: &Url, named: &str) -> Option<Url> {
    let plain = |url: &Url| url.username().is_empty() && url.password().is_none();
    Url::parse(named).ok().filter(|url| url.origin() == own.origin() && plain(url))
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
/// The forms are those that Google's libraries allowed while they checked (google-auth 2.0 to 2.16: five patterns a field)
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
    fn is_google(&self, field: Field, url: &Url) -> bool {
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
        let endpoints = Endpoints::in_universe("cloud.example").unwrap();
        assert_eq!(endpoints.sts.as_str(), "https://sts.cloud.example/v1/token");
        assert_eq!(endpoints.iam_credentials.as_str(), "https://iamcredentials.cloud.example/");
        assert_eq!(Endpoints::in_universe("googleapis.com").unwrap(), Endpoints::default());
        assert!(Endpoints::in_universe("a b").is_err());
    }

    #[test]
    fn googles_services_in_a_file_mean_the_configured_ones() {
        let trusted = TrustedHosts::default();
        let plain = Endpoints::default();
        let mut own = Endpoints::default();
        own.set("sts", Url::parse("http://127.0.0.1:1/v1/token").unwrap());
        own.set("iam_credentials", Url::parse("http://127.0.0.1:1").unwrap());
        let sts = |endpoints: &Endpoints, named| endpoints.sts_for(named, &trusted).map(String::from);
        for (named, unchanged, changed) in [
            (None, "https://sts.googleapis.com/v1/token", "http://127.0.0.1:1/v1/token"),
            (
                Some("https://sts.googleapis.com/v1/oauthtoken"),
                "https://sts.googleapis.com/v1/oauthtoken",
                "http://127.0.0.1:1/v1/oauthtoken",
            ),
            (
                Some("https://sts.mtls.googleapis.com/v1/token"),
                "https://sts.mtls.googleapis.com/v1/token",
                "http://127.0.0.1:1/v1/token",
            ),
        ] {
            assert_eq!(sts(&plain, named).unwrap(), unchanged);
            assert_eq!(sts(&own, named).unwrap(), changed);
        }
        assert_eq!(sts(&own, Some("http://127.0.0.1:1/x")).unwrap(), "http://127.0.0.1:1/x");
        assert!(sts(&own, Some("http://127.0.0.1:2/x")).is_err());
        let method = "/v1/projects/-/serviceAccounts/r@p.iam.gserviceaccount.com:generateAccessToken";
        let google = format!("https://iamcredentials.googleapis.com{method}");
        let iam = |endpoints: &Endpoints| endpoints.impersonation_for(&google, &trusted).map(String::from);
        assert_eq!(iam(&plain).unwrap(), google);
        assert_eq!(iam(&own).unwrap(), format!("http://127.0.0.1:1{method}"));
        assert!(own.impersonation_for("https://evil.example/v1/x", &trusted).is_err());
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
