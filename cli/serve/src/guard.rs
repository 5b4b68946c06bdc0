//! Who is refused.

use std::sync::atomic::{AtomicU64, Ordering};

use ee_auth_core::{Error, Outcome, Secret};
use hyper::header::{HOST, HeaderMap, HeaderName};
use hyper::{StatusCode, Uri};

/// `Metadata-Flavor`: the header that a page in a browser cannot add to a request to another origin.
pub(crate) const METADATA_FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
/// `X-Forwarded-For`: the request was made elsewhere and came through a proxy.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It came from a process of another user.
    User,
    /// Its `Host` is not this server's address: a page in a browser whose name was pointed here (DNS rebinding).
    Host,
    /// It has an `X-Forwarded-For` header.
    Forwarded,
    /// It asks the metadata server without `Metadata-Flavor: Google`.
    Flavor,
    /// It asks for a token without this run's secret, or for what stands behind one without the token.
    Secret,
    /// It asks for what is not there, or with the wrong method.
    Path,
    /// It is larger than any client's.
    TooLarge,
    /// It took too long to come.
    TooSlow,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::User,
        Self::Host,
        Self::Forwarded,
        Self::Flavor,
        Self::Secret,
        Self::Path,
        Self::TooLarge,
        Self::TooSlow,
    ];

    /// What was wrong with it, for a person.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::User => "from a process of another user",
            Self::Host => "with a foreign Host header",
            Self::Forwarded => "with an X-Forwarded-For header",
            Self::Flavor => "without the header Metadata-Flavor: Google",
            Self::Secret => "without the secret of this run",
            Self::Path => "for something that is not served",
            Self::TooLarge => "too large",
            Self::TooSlow => "too slow",
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::User | Self::Forwarded | Self::Flavor => StatusCode::FORBIDDEN,
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Secret => StatusCode::BAD_REQUEST,
            Self::Path => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// Whether it may be an attack, and not just a client that looks around.
    const fn is_suspicious(self) -> bool {
        !matches!(self, Self::Path | Self::TooSlow)
    }
}

/// How many requests were refused, by the reason.
#[derive(Debug, Default)]
pub(crate) struct Refusals([AtomicU64; Refusal::ALL.len()]);

impl Refusals {
    #[expect(clippy::indexing_slicing, reason = "there is one for each")]
    fn of(&self, refusal: Refusal) -> &AtomicU64 {
        &self.0[refusal as usize]
    }

    /// Counts one. The first of a kind that may be an attack is worth a warning.
    pub(crate) fn count(&self, refusal: Refusal) {
        let before = self.of(refusal).fetch_add(1, Ordering::Relaxed);
        if before == 0 && refusal.is_suspicious() {
            log::warn!("a request {} was refused; further ones are counted", refusal.reason());
        } else {
            log::debug!("a request {} was refused", refusal.reason());
        }
    }

    pub(crate) fn counted(&self) -> Vec<(Refusal, u64)> {
        let counts =
            Refusal::ALL.into_iter().map(|refusal| (refusal, self.of(refusal).load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

/// What a request must bring.
pub(crate) struct Guard {
    /// The names under which this server is known; `None` where the client has checked that, as in TLS.
    pub(crate) hosts: Option<Vec<String>>,
    /// What stands in credential files as the refresh token, and in the name of whoever signs an assertion.
    pub(crate) secret: Secret,
}

impl Guard {
    /// The checks that stand before all others.
    pub(crate) fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        if let Some(hosts) = &self.hosts {
            let known = |name: &[u8]| hosts.iter().any(|host| host.as_bytes().eq_ignore_ascii_case(name));
            let mut given = headers.get_all(HOST).iter();
            let (Some(host), None) = (given.next(), given.next()) else { return Err(Refusal::Host) };
            if !known(host.as_bytes()) || uri.authority().is_some_and(|name| !known(name.as_str().as_bytes()))
            {
                return Err(Refusal::Host);
            }
        }
        if headers.contains_key(X_FORWARDED_FOR) {
            return Err(Refusal::Forwarded);
        }
        Ok(())
    }

    /// What the metadata server wants besides.
    pub(crate) fn admit_to_metadata(headers: &HeaderMap) -> Result<(), Refusal> {
        match headers.get(METADATA_FLAVOR) {
            Some(flavor) if flavor == "Google" => Ok(()),
            _ => Err(Refusal::Flavor),
        }
    }

    /// What the token endpoint wants besides.
    pub(crate) fn admit_to_token(&self, secret: Option<&Secret>) -> Result<(), Refusal> {
        match secret {
            Some(given) if given.same_as(&self.secret) => Ok(()),
            _ => Err(Refusal::Secret),
        }
    }
}

/// The error code of OAuth (RFC 6749, section 5.2) for an exchange that failed, and the status to send it with. Clients
/// repeat what is answered with 503, and nothing else.
pub(crate) fn oauth_error(error: &Error) -> (StatusCode, &'static str) {
    match error.outcome() {
        Outcome::Unavailable | Outcome::Internal => {
            (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
        }
        Outcome::Rejected if error.detail() == "invalid_scope" => (StatusCode::BAD_REQUEST, "invalid_scope"),
        _ => (StatusCode::BAD_REQUEST, "invalid_grant"),
    }
}
