//! Where Google's services are.

use url::Url;

use crate::{Error, Field, TrustedHosts, redact};

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
    #[expect(clippy::expect_used, reason = "they are constants, and the test of any of them is this")]
    fn default() -> Self {
        let [token, authorize, revoke, tokeninfo, sts, client_auth, iam_credentials, metadata, earthengine] =
            Self::DEFAULTS.map(|(_, address)| Url::parse(address).expect("the defaults are addresses"));
        Self { token, authorize, revoke, tokeninfo, sts, client_auth, iam_credentials, metadata, earthengine }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn googles_endpoint_in_a_file_means_the_configured_one() {
        let mut endpoints = Endpoints::default();
        endpoints.set("token", Url::parse("http://127.0.0.1:1/token").unwrap());
        let trusted = TrustedHosts::default();
        for named in [None, Some("https://oauth2.googleapis.com/token"), Some("http://127.0.0.1:1/token")] {
            assert_eq!(endpoints.token_for(named, &trusted).unwrap(), endpoints.token);
        }
        assert!(endpoints.token_for(Some("http://127.0.0.1:2/token"), &trusted).is_err());
    }

    #[test]
    fn the_services_of_a_universe_are_under_its_domain() {
        let endpoints = Endpoints::in_universe("cloud.example").unwrap();
        assert_eq!(endpoints.sts.as_str(), "https://sts.cloud.example/v1/token");
        assert_eq!(endpoints.iam_credentials.as_str(), "https://iamcredentials.cloud.example/");
        assert_eq!(Endpoints::in_universe("googleapis.com").unwrap(), Endpoints::default());
        assert!(Endpoints::in_universe("a b").is_err());
    }
}
