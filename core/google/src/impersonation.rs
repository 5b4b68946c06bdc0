//! Standing for a service account: `generateAccessToken` and `generateIdToken` of the IAM Service Account Credentials
//! API (<https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts>).

use std::time::{Duration, SystemTime};

use ee_auth_core::host::{Body, Method, Request, Response};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{
    Error, Exchange, Field, IdToken, Outcome, Scopes, Settings, Token, TokenKey, json, quoted,
    service_account,
};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::access_token::is_bearer_token;
use crate::iam_refusal;
use crate::id_token;
use crate::token_endpoint::{malformed, shown};

/// How long a token lives unless told otherwise: the API's own default.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(3600);

/// The longest that the API allows anyone. More than an hour needs the organisation policy
/// `constraints/iam.allowServiceAccountCredentialLifetimeExtension`.
const LONGEST_LIFETIME: Duration = Duration::from_secs(43_200);

/// Whom to stand for, and how.
#[derive(Clone, Debug)]
pub struct Impersonation {
    target: String,
    delegates: Vec<String>,
    lifetime: Duration,
    /// Of `generateAccessToken`.
    address: Url,
    place: String,
    /// How to do without it, where the credential would work by itself.
    way_out: Option<String>,
}

/// Who asks to stand for somebody else.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// An access token of theirs with the scope `cloud-platform`.
    pub token: &'a Token,
    /// Their e-mail, or a `principal://` of a federation; `None` where it is not known.
    pub principal: Option<&'a str>,
}

impl Impersonation {
    /// Stands for the service account `target`, as `place` says: words for a person.
    ///
    /// # Errors
    /// [`Outcome::Invalid`] where `target` is neither an e-mail nor a number of a service
    /// account.
    pub fn of(target: &str, place: &str, settings: &Settings) -> Result<Self, Error> {
        let target = service_account(target).ok_or_else(|| not_an_account(place, target))?;
        let base = settings.endpoints.iam_credentials.as_str().trim_end_matches('/');
        let address = format!("{base}/v1/projects/-/serviceAccounts/{target}:generateAccessToken");
        let address = Url::parse(&address)
            .map_err(|_| Error::invalid("url", "`endpoints.iam_credentials` is not a base address"))?;
        Ok(Self {
            target,
            delegates: Vec::new(),
            lifetime: DEFAULT_LIFETIME,
            address,
            place: place.to_owned(),
            way_out: None,
        })
    }

    /// Stands for the service account in `url`, the `service_account_impersonation_url` of the file `place`. An address
    /// of Google's means "Google": where the user's configuration puts another in its place, the caller's token goes
    /// there. Any other is used as it stands, if it is trusted.
    ///
    /// # Errors
    /// [`Outcome::Invalid`] where it names no service account;
    /// [`Outcome::Untrusted`] where its host is not listed for this field.
    pub fn at(url: &str, place: &str, settings: &Settings) -> Result<Self, Error> {
        let name = Field::Impersonation.name();
        let target = url.rsplit_once(":generateAccessToken").and_then(|(before, _)| {
            let (_, target) = before.rsplit_once('/')?;
            percent_decode_str(target).decode_utf8().ok().map(String::from)
        });
        let target = target.ok_or_else(|| {
            Error::invalid("url", format!("{place}: `{name}` names no service account")).hint(
                "it ends in `…/serviceAccounts/NAME@PROJECT.iam.gserviceaccount.com:generateAccessToken`; make the file \
                 again",
            )
        })?;
        let address = settings
            .endpoints
            .impersonation_for(url, &settings.trusted_hosts)
            .map_err(|error| error.in_place(place))?;
        Ok(Self { address, ..Self::of(&target, place, settings)? })
    }

    /// The same, by way of `delegates`: the caller stands for the first, each for the next, the last for the target.
    /// E-mails, which may have the prefix `projects/-/serviceAccounts/`.
    ///
    /// # Errors
    /// [`Outcome::Invalid`] where one is no service account.
    pub fn with_delegates<I>(mut self, delegates: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        for delegate in delegates {
            let delegate = delegate.as_ref();
            self.delegates
                .push(service_account(delegate).ok_or_else(|| not_an_account(&self.place, delegate))?);
        }
        Ok(self)
    }

    /// The same with tokens that live so long: whole seconds, 1 to 43,200. More than 3,600 only where the organisation
    /// allows it.
    ///
    /// # Errors
    /// [`Outcome::Invalid`] for any other time.
    pub fn with_lifetime(self, lifetime: Duration) -> Result<Self, Error> {
        if lifetime.subsec_nanos() != 0 || lifetime.is_zero() || lifetime > LONGEST_LIFETIME {
            let seconds = lifetime.as_secs_f64();
            return Err(Error::invalid(
                "lifetime",
                format!("{}: a token cannot live for {seconds} seconds", self.place),
            )
            .hint("choose from 1 second to 12 hours; more than 1 hour needs the organisation's permission"));
        }
        Ok(Self { lifetime, ..self })
    }

    /// The same with how to do without it, which a refusal names beside what would mend it.
    #[must_use]
    pub fn with_way_out(self, way_out: impl Into<String>) -> Self {
        Self { way_out: Some(way_out.into()), ..self }
    }

    /// The delegates, in order.
    pub fn delegates(&self) -> &[String] {
        &self.delegates
    }

    /// The e-mail of whom it stands for.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Where it was written down, for a person.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Adds everything by which its tokens differ from others of the same caller.
    pub fn add_to(&self, key: &mut TokenKey) {
        key.add("target", &self.target)
            .add("delegates", self.delegates.join(" "))
            .add("lifetime", self.lifetime.as_secs().to_string())
            .add("endpoint", self.address.as_str());
    }

    /// An access token of the target with `scopes`.
    ///
    /// # Errors
    /// [`Outcome::Rejected`] where the caller may not stand for the target, the scopes
    /// or the lifetime are refused, or the API is turned off; it says which role or command is missing.
    /// [`Outcome::Unavailable`] where there was no answer, or none that makes sense.
    pub async fn access_token(
        &self,
        exchange: &Exchange,
        caller: &Caller<'_>,
        scopes: &Scopes,
    ) -> Result<Token, Error> {
        let asked_at = exchange.host.clock.now();
        let body = json!({
            "delegates": self.delegate_names(),
            "scope": scopes.iter().collect::<Vec<_>>(),
            "lifetime": format!("{}s", self.lifetime.as_secs()),
        });
        let response = self.post(exchange, &self.address, caller, &body).await?;
        let answer: AccessTokenAnswer =
            json::object(&response.body).map_err(|_| malformed(&self.address, "not with a token's JSON"))?;
        if !is_bearer_token(&answer.access_token) {
            return Err(malformed(&self.address, "with an access token that is damaged"));
        }
        let expires_at = humantime::parse_rfc3339(&answer.expire_time)
            .map_err(|_| malformed(&self.address, "did not say when the token expires (`expireTime`)"))?;
        let expires_at = here(expires_at, response.date, asked_at);
        if expires_at <= asked_at {
            return Err(malformed(&self.address, "with a token that has expired"));
        }
        Ok(Token::new(answer.access_token, asked_at, expires_at).with_scopes(Some(scopes.clone())))
    }

    /// An ID token of the target for `audience`, which shows the target's e-mail. It lives for an hour.
    ///
    /// # Errors
    /// As [`Impersonation::access_token`].
    pub async fn id_token(
        &self,
        exchange: &Exchange,
        caller: &Caller<'_>,
        audience: &str,
    ) -> Result<IdToken, Error> {
        let mut url = self.address.clone();
        url.set_path(&self.address.path().replace(":generateAccessToken", ":generateIdToken"));
        let asked_at = exchange.host.clock.now();
        let body = json!({ "delegates": self.delegate_names(), "audience": audience, "includeEmail": true });
        let response = self.post(exchange, &url, caller, &body).await?;
        let answer: IdTokenAnswer =
            json::object(&response.body).map_err(|_| malformed(&url, "not with an ID token's JSON"))?;
        id_token::read(answer.token, audience, asked_at, response.date, &url)
    }

    fn delegate_names(&self) -> Vec<String> {
        self.delegates.iter().map(|delegate| format!("{PREFIX}{delegate}")).collect()
    }

    async fn post(
        &self,
        exchange: &Exchange,
        url: &Url,
        caller: &Caller<'_>,
        body: &Value,
    ) -> Result<Response, Error> {
        let request = Request::new(Method::Post, url.clone())
            .with_header("accept", "application/json")
            .with_header("authorization", format!("Bearer {}", caller.token.secret()))
            .with_body(Body::Json(body.to_string().into()));
        let response = retry::send(&exchange.host, request, Repeat::Safe)
            .await
            .map_err(|error| error.explain(&format!("asking {} for a token", shown(url))))?;
        match response.status {
            200..=299 => Ok(response),
            _ => {
                let error = iam_refusal::explain(&response, url, caller, &self.target, &self.delegates);
                Err(match (&self.way_out, error.outcome()) {
                    (Some(way_out), Outcome::Rejected) => {
                        let hint = error.next_step().unwrap_or_default().to_owned();
                        error.hint(format!("{hint}; {way_out}"))
                    }
                    _ => error,
                })
            }
        }
    }
}

/// What the API puts before a service account's name.
const PREFIX: &str = "projects/-/serviceAccounts/";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccessTokenAnswer {
    access_token: String,
    expire_time: String,
}

#[derive(Deserialize)]
struct IdTokenAnswer {
    token: String,
}

fn not_an_account(place: &str, text: &str) -> Error {
    Error::invalid("service_account", format!("{place}: {} is not a service account", quoted(text)))
        .hint("it looks like NAME@PROJECT.iam.gserviceaccount.com")
}

/// When something expires by this machine's clock that expires at `expires_at` by a server's, which may be another.
pub(crate) fn here(
    expires_at: SystemTime,
    server_now: Option<SystemTime>,
    asked_at: SystemTime,
) -> SystemTime {
    let lifetime = server_now.and_then(|now| expires_at.duration_since(now).ok());
    lifetime.and_then(|lifetime| asked_at.checked_add(lifetime)).unwrap_or(expires_at)
}

#[cfg(test)]
mod tests {
    use ee_auth_core::TrustedHosts;

    use super::*;

    const ROBOT: &str = "robot@my-project.iam.gserviceaccount.com";

    #[test]
    fn googles_address_means_the_configured_one() {
        let mut settings = Settings::default();
        let google = format!(
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken"
        );
        let here = Impersonation::at(&google, "a.json", &settings).unwrap();
        assert_eq!((here.target(), here.address.as_str()), (ROBOT, google.as_str()));
        settings.endpoints.iam_credentials = "http://127.0.0.1:9/".parse().unwrap();
        let there = Impersonation::at(&google, "a.json", &settings).unwrap();
        let own = format!("http://127.0.0.1:9/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken");
        assert_eq!(there.address.as_str(), own);
        assert_eq!(Impersonation::at(&own, "a.json", &settings).unwrap().address.as_str(), own);
        settings.trusted_hosts = TrustedHosts::new(["iam.corp.example"]);
        let corp = own.replace("http://127.0.0.1:9", "https://iam.corp.example");
        assert_eq!(Impersonation::at(&corp, "a.json", &settings).unwrap().address.as_str(), corp);
        let quoted = corp.replace('@', "%40");
        assert_eq!(Impersonation::at(&quoted, "a.json", &settings).unwrap().target(), ROBOT);
    }

    #[test]
    fn other_addresses_are_refused_by_name() {
        let settings = Settings::default();
        for (url, code) in [
            (
                format!("https://evil.example/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken"),
                "untrusted.host",
            ),
            (format!("http://iamcredentials.googleapis.com/{ROBOT}:generateAccessToken"), "untrusted.host"),
            (
                format!("https://iamcredentials.googleapis.com:444/{ROBOT}:generateAccessToken"),
                "untrusted.host",
            ),
            (
                format!("https://u@iamcredentials.googleapis.com/{ROBOT}:generateAccessToken"),
                "untrusted.host",
            ),
            (format!("https://iamcredentials.googleapis.com/{ROBOT}:signBlob"), "invalid.url"),
            (
                "https://iamcredentials.googleapis.com/a b:generateAccessToken".to_owned(),
                "invalid.service_account",
            ),
            (
                "https://iamcredentials.googleapis.com/%27;x@y:generateAccessToken".to_owned(),
                "invalid.service_account",
            ),
            (String::new(), "invalid.url"),
        ] {
            assert_eq!(Impersonation::at(&url, "a.json", &settings).unwrap_err().code(), code, "{url}");
        }
    }

    #[test]
    fn delegates_and_lifetime_are_checked() {
        let of = || Impersonation::of(ROBOT, "here", &Settings::default()).unwrap();
        let via = of().with_delegates([format!("{PREFIX}a@b.c"), "d@e.f".to_owned()]).unwrap();
        assert_eq!(via.delegate_names(), [format!("{PREFIX}a@b.c"), format!("{PREFIX}d@e.f")]);
        assert!(of().with_delegates(["`x`@y"]).is_err());
        for (seconds, good) in [(0, false), (1, true), (43_200, true), (43_201, false)] {
            assert_eq!(of().with_lifetime(Duration::from_secs(seconds)).is_ok(), good, "{seconds}");
        }
        assert!(of().with_lifetime(Duration::from_millis(1500)).is_err());
    }

    #[test]
    fn a_wrong_clock_does_not_shorten_a_token() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(here(at(5000), Some(at(1400)), at(900)), at(4500));
        assert_eq!(here(at(5000), None, at(900)), at(5000));
    }
}
