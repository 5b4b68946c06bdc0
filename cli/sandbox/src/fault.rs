//! Failing in every way a real server fails.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::errors::{OAUTH_ERRORS, OAuthError};
use crate::routes::Service;
use crate::world::ProjectState;

/// One way of failing. What each does to a request is in [`crate::spoil`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Status {
        code: u16,
        retry_after: Option<u64>,
    },
    OAuth(&'static OAuthError),
    Redirect(Option<String>),
    Reset,
    Close,
    Hang,
    Delay(Duration),
    Truncated,
    Drip(Duration),
    Html,
    Empty,
    NotJson,
    /// `None` for `[]`.
    Body {
        status: u16,
        text: Option<String>,
    },
    Nested,
    Big,
    GzipBomb,
    Field(FieldFault),
    WrongState,
    Project(ProjectState),
}

/// A change to the fields of an otherwise good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldFault {
    NoToken,
    EmptyToken,
    NumberToken,
    NewlineToken,
    NoRefreshToken,
    WrongTokenType,
    NoExpiry,
    TextExpiry,
    FloatExpiry,
    ZeroExpiry,
    NegativeExpiry,
    HugeExpiry,
}

/// HTTP statuses that can be asked for by number, each with the error body of the service that is asked.
const STATUSES: &[(&str, u16, &str)] = &[
    ("400", 400, "bad request"),
    ("401", 401, "unauthenticated"),
    ("403", 403, "permission denied"),
    ("404", 404, "not found"),
    ("408", 408, "request timeout"),
    ("429", 429, "too many requests, with Retry-After; `429:SECONDS` sets it (default 1)"),
    ("500", 500, "internal error"),
    ("502", 502, "bad gateway: the HTML page of a proxy"),
    ("503", 503, "unavailable; `503:SECONDS` adds Retry-After"),
    ("504", 504, "gateway timeout: the HTML page of a proxy"),
];

/// The faults with a name, apart from statuses and OAuth errors.
const NAMED: &[(&str, Fault, &str)] = &[
    ("reset", Fault::Reset, "the connection is reset before any answer"),
    ("close", Fault::Close, "the connection is closed before any answer"),
    ("hang", Fault::Hang, "no answer, ever"),
    ("delay", Fault::Delay(Duration::from_secs(5)), "a good answer, late; `delay:SECONDS` (default 5)"),
    (
        "drip",
        Fault::Drip(Duration::from_millis(200)),
        "one byte of the body at a time; `drip:SECONDS` (default 0.2)",
    ),
    ("truncated", Fault::Truncated, "the connection is closed after half of the announced body"),
    ("redirect", Fault::Redirect(None), "307 to another path; `redirect:URL` to another place"),
    ("html", Fault::Html, "an HTML page with status 200"),
    ("empty", Fault::Empty, "an empty body with status 200"),
    ("not-json", Fault::NotJson, "status 200 with half a JSON object"),
    (
        "body",
        Fault::Body { status: 200, text: None },
        "status 200 with JSON that is no object: `[]`; `body:JSON` sets it",
    ),
    (
        "error-body",
        Fault::Body { status: 403, text: None },
        "the same with status 403; `error-body:JSON` sets it",
    ),
    ("nested", Fault::Nested, "status 200 with 100,000 nested arrays"),
    ("big", Fault::Big, "a good answer after 2 MiB of white space"),
    ("gzip-bomb", Fault::GzipBomb, "a good answer after 16 MiB of white space, in a few KiB of gzip"),
    ("no-token", Fault::Field(FieldFault::NoToken), "a good answer without its token"),
    ("empty-token", Fault::Field(FieldFault::EmptyToken), "a good answer with an empty token"),
    ("number-token", Fault::Field(FieldFault::NumberToken), "a good answer with a number as its token"),
    ("newline-token", Fault::Field(FieldFault::NewlineToken), "a token with CR LF and another header in it"),
    ("no-refresh-token", Fault::Field(FieldFault::NoRefreshToken), "a good answer without a refresh token"),
    ("wrong-token-type", Fault::Field(FieldFault::WrongTokenType), "a good answer with token_type \"mac\""),
    ("no-expiry", Fault::Field(FieldFault::NoExpiry), "a good answer without its lifetime"),
    ("text-expiry", Fault::Field(FieldFault::TextExpiry), "the lifetime as text: \"3599\""),
    ("float-expiry", Fault::Field(FieldFault::FloatExpiry), "the lifetime as 3599.5"),
    ("zero-expiry", Fault::Field(FieldFault::ZeroExpiry), "a lifetime of 0 seconds"),
    ("negative-expiry", Fault::Field(FieldFault::NegativeExpiry), "a lifetime of -60 seconds"),
    ("huge-expiry", Fault::Field(FieldFault::HugeExpiry), "a lifetime of 10^18 seconds"),
    ("wrong-state", Fault::WrongState, "the authorization endpoint redirects with another state"),
    (
        "api-disabled",
        Fault::Project(ProjectState::ApiDisabled),
        "Earth Engine's API is not turned on in the project; other services answer 403",
    ),
    (
        "not-registered",
        Fault::Project(ProjectState::NotRegistered),
        "the project is not registered for Earth Engine; other services answer 403",
    ),
    (
        "no-permission",
        Fault::Project(ProjectState::NoPermission),
        "the account may not use the project; other services answer 403",
    ),
];

/// Every fault: its name and what it does, in the order of a help text.
///
/// ```
/// assert!(ee_auth_sandbox::faults().any(|(name, _)| name == "invalid_rapt"));
/// ```
pub fn faults() -> impl Iterator<Item = (&'static str, &'static str)> {
    let statuses = STATUSES.iter().map(|(name, _, meaning)| (*name, *meaning));
    let named = NAMED.iter().map(|(name, _, meaning)| (*name, *meaning));
    let oauth = OAUTH_ERRORS.iter().map(|error| (error.name, error.meaning));
    statuses.chain(named).chain(oauth)
}

/// How a service is to fail, and how often: `ENDPOINT=FAULT`, `ENDPOINT=FAULTxTIMES`, and after it `:ARGUMENT` for
/// the faults that take one.
///
/// The endpoint is one of [`Service::name`]'s, or `all`. [`faults`] lists the faults. A status or an OAuth error takes
/// the place of the answer, and nothing happened; the faults that spoil a good answer leave its effects, as a lost
/// answer does: a code is used up, a token handed out.
///
/// ```
/// use ee_auth_sandbox::FaultRule;
/// for text in ["token=503x2", "all=reset", "metadata=hang", "token=429x1:30", "sts=redirect:https://evil.example/"] {
///     let rule: FaultRule = text.parse()?;
///     assert_eq!(rule.to_string(), text);
/// }
/// let error = "tokn=503".parse::<FaultRule>().unwrap_err();
/// assert!(error.to_string().contains("did you mean `token`?"));
/// # Ok::<(), ee_auth_sandbox::FaultRuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRule {
    /// `None` for all of them.
    service: Option<Service>,
    fault: Fault,
    /// As it was written, with its count and argument.
    text: String,
    /// Requests that still fail; `None` for all that come.
    left: Option<u32>,
}

impl FaultRule {
    /// Whether the next request to `service` fails by this rule.
    pub(crate) fn matches(&self, service: Service) -> bool {
        self.service.is_none_or(|named| named == service) && self.left != Some(0)
    }

    /// The fault, for one request more.
    pub(crate) fn take(&mut self) -> Fault {
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.fault.clone()
    }
}

impl FromStr for FaultRule {
    type Err = FaultRuleError;

    fn from_str(text: &str) -> Result<Self, FaultRuleError> {
        let Some((endpoint, wanted)) = text.split_once('=') else {
            return Err(FaultRuleError(format!(
                "`{text}` is not a fault rule: write ENDPOINT=FAULT, as in `token=503x2`"
            )));
        };
        let service = match endpoint {
            "all" => None,
            name => {
                Some(Service::ALL.into_iter().find(|service| service.name() == name).ok_or_else(|| {
                    let names = Service::ALL.iter().map(|service| service.name()).chain(["all"]).collect();
                    FaultRuleError::unknown("endpoint", name, names)
                })?)
            }
        };
        let (name, argument) = match wanted.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (wanted, None),
        };
        let (name, left) = split_count(name)?;
        let fault = Fault::named(name, argument)?;
        Ok(Self { service, fault, text: text.to_owned(), left })
    }
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `503x2` is `503`, twice. A name that merely holds an `x` is left alone.
fn split_count(name: &str) -> Result<(&str, Option<u32>), FaultRuleError> {
    match name.rsplit_once('x') {
        Some((name, count)) if !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit()) => {
            match count.parse() {
                Ok(count) if count > 0 => Ok((name, Some(count))),
                _ => Err(FaultRuleError(format!("`x{count}`: a fault happens from 1 to {} times", u32::MAX))),
            }
        }
        _ => Ok((name, None)),
    }
}

impl Fault {
    fn named(name: &str, argument: Option<&str>) -> Result<Self, FaultRuleError> {
        let status = STATUSES
            .iter()
            .find(|(known, ..)| *known == name)
            .map(|(_, code, _)| Self::Status { code: *code, retry_after: (*code == 429).then_some(1) });
        let named = || NAMED.iter().find(|(known, ..)| *known == name).map(|(_, fault, _)| fault.clone());
        let oauth = || OAUTH_ERRORS.iter().find(|error| error.name == name).map(Self::OAuth);
        let fault = status.or_else(named).or_else(oauth).ok_or_else(|| {
            FaultRuleError::unknown("fault", name, faults().map(|(known, _)| known).collect())
        })?;
        let Some(argument) = argument else { return Ok(fault) };

        let refused = |wanted: &str| FaultRuleError(format!("`{name}:{argument}`: `{name}` takes {wanted}"));
        let seconds = || match argument.parse::<f64>() {
            Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
            _ => Err(refused("a number of seconds, at most 86400")),
        };
        match fault {
            Self::Status { code: code @ (429 | 503), .. } => {
                let seconds = argument.parse().map_err(|_| refused("a whole number of seconds"))?;
                Ok(Self::Status { code, retry_after: Some(seconds) })
            }
            Self::Body { status, .. } => Ok(Self::Body { status, text: Some(argument.to_owned()) }),
            Self::Delay(_) => seconds().map(Self::Delay),
            Self::Drip(_) => seconds().map(Self::Drip),
            Self::Redirect(_) => match url::Url::parse(argument) {
                Ok(_) => Ok(Self::Redirect(Some(argument.to_owned()))),
                Err(_) => Err(refused("an address, as in `redirect:https://example.com/`")),
            },
            _ => Err(refused("no argument")),
        }
    }
}

/// A [`FaultRule`] that could not be understood: what is wrong, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRuleError(String);

impl FaultRuleError {
    fn unknown(what: &str, name: &str, known: Vec<&str>) -> Self {
        let near = known
            .iter()
            .map(|candidate| (strsim::damerau_levenshtein(candidate, name), candidate))
            .filter(|(distance, candidate)| *distance <= candidate.len().min(name.len()) / 2)
            .min_by_key(|(distance, _)| *distance);
        let hint = near.map(|(_, candidate)| format!("; did you mean `{candidate}`?")).unwrap_or_default();
        Self(format!("`{name}` is not a known {what}{hint} (known: {})", known.join(", ")))
    }
}

impl fmt::Display for FaultRuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for FaultRuleError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_understood_and_is_one_fault() {
        let mut seen = std::collections::BTreeSet::new();
        for (name, meaning) in faults() {
            assert!(!meaning.is_empty() && seen.insert(name), "{name}");
            let rule: FaultRule = format!("token={name}x3").parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(rule.left, Some(3), "{name}");
        }
    }

    #[test]
    fn a_rule_is_used_up() {
        let mut rule: FaultRule = "token=503x2".parse().unwrap();
        assert!(!rule.matches(Service::Sts));
        for _ in 0..2 {
            assert!(rule.matches(Service::Token));
            rule.take();
        }
        assert!(!rule.matches(Service::Token));

        let mut always: FaultRule = "all=reset".parse().unwrap();
        for service in Service::ALL {
            assert!(always.matches(service));
            always.take();
        }
    }

    #[test]
    fn arguments_are_read() {
        for (text, fault) in [
            ("token=429", Fault::Status { code: 429, retry_after: Some(1) }),
            ("token=429:120", Fault::Status { code: 429, retry_after: Some(120) }),
            ("token=503", Fault::Status { code: 503, retry_after: None }),
            ("token=delay:0.5", Fault::Delay(Duration::from_millis(500))),
            ("token=redirectx1:http://h/x2", Fault::Redirect(Some("http://h/x2".to_owned()))),
        ] {
            assert_eq!(text.parse::<FaultRule>().unwrap().fault, fault, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("token", "write ENDPOINT=FAULT"),
            ("metdata=503", "did you mean `metadata`?"),
            ("token=invalid_grnt", "did you mean `invalid_grant`?"),
            ("token=", "`` is not a known fault (known: 400, "),
            ("token=503x0", "from 1 to"),
            ("token=503x99999999999", "from 1 to"),
            ("token=429:soon", "a whole number of seconds"),
            ("token=delay:-1", "a number of seconds"),
            ("token=delay:NaN", "a number of seconds"),
            ("token=redirect:elsewhere", "an address"),
            ("token=reset:1", "takes no argument"),
        ] {
            let error = text.parse::<FaultRule>().expect_err(text).to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
