//! The identity of a workload on AWS: a request to AWS that is signed here and sent by Google (AIP-4117; "Obtaining the
//! subject token in AWS").

use std::time::Duration;

use ee_auth_core::host::{Environment, Method, Request, variable};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{
    Error, Exchange, ExposeSecret, Search, Secret, Settings, TokenKey, TrustedHosts, is_loopback, redact,
};
use serde::Deserialize;
use url::{Host, Url};

use super::aws_signature::{self, Keys};
use crate::Document;
use crate::token_endpoint::shown;

const METADATA: &str = "http://169.254.169.254/latest";
const VERIFICATION: &str = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";

/// How long the metadata server's own token is valid, in seconds: as long as one exchange may take is enough. Google's
/// libraries ask for 300 too.
const SESSION_SECONDS: &str = "300";

/// How long the connection to the metadata server may take: it is on the machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A workload on AWS, which proves who it is by a signed `GetCallerIdentity`.
#[derive(Debug)]
pub struct Aws {
    /// `regional_cred_verification_url`, with `{region}` in it.
    verification: String,
    /// `region_url`: the availability zone.
    zone: Option<Url>,
    /// `url`: the roles and their keys.
    roles: Option<Url>,
    /// `imdsv2_session_token_url`
    session: Option<Url>,
    audience: String,
    place: String,
    /// The id of the key in the variables when this was found, by which the identity is known.
    key_id: Option<String>,
}

impl Aws {
    /// A workload that is found by the usual variables and metadata addresses, as `place` says: words for a person.
    pub fn usual(audience: &str, place: &str, search: &Search) -> Result<Self, Error> {
        let at = |path: &str| Url::parse(&format!("{METADATA}/{path}")).ok();
        Ok(Self {
            verification: VERIFICATION.to_owned(),
            zone: at("meta-data/placement/availability-zone"),
            roles: at("meta-data/iam/security-credentials"),
            session: at("api/token"),
            audience: audience.to_owned(),
            place: place.to_owned(),
            key_id: search.variable(KEY_ID)?,
        })
    }

    pub(super) fn from_section(source: &Document, audience: &str, search: &Search) -> Result<Self, Error> {
        let place = source.place();
        if source.text("environment_id")?.as_deref() != Some("aws1") {
            return Err(Error::invalid(
                "environment_id",
                format!("{place}: `environment_id` is of an environment or version that nobody knows; `aws1` is known"),
            )
            .hint(super::NEW_FILE));
        }
        source.require(&["regional_cred_verification_url"], super::NEW_FILE)?;
        let trusted = &search.settings().trusted_hosts;
        let metadata = |field: &str| match source.text(field)? {
            None => Ok(None),
            Some(text) => metadata_address(&text, &format!("{place}, `{field}`"), trusted).map(Some),
        };
        let aws = Self {
            verification: source.text("regional_cred_verification_url")?.unwrap_or_default(),
            zone: metadata("region_url")?,
            roles: metadata("url")?,
            session: metadata("imdsv2_session_token_url")?,
            audience: audience.to_owned(),
            place: place.to_owned(),
            key_id: search.variable(KEY_ID)?,
        };
        // Whatever the region will be, the address must be one of AWS's.
        aws.verification_in("us-east-1", search.settings())?;
        Ok(aws)
    }

    pub(super) async fn get(&self, exchange: &Exchange) -> Result<Secret, Error> {
        let environment = &*exchange.host.environment;
        let region =
            variable(environment, "AWS_REGION").or_else(|| variable(environment, "AWS_DEFAULT_REGION"));
        if let Some(lacking) = Self::lacking(environment).filter(|lacking| lacking.is_certain) {
            return Err(lacking.into_error());
        }
        let keys = Keys::from_environment(environment);
        let session = match (&region, &keys) {
            (Some(_), Some(_)) => None,
            _ => self.session(exchange).await?,
        };
        let region = match region {
            Some(region) => region,
            None => self.region(exchange, session.as_ref()).await?,
        };
        if !is_region(&region) {
            return Err(Error::invalid("region", format!("{} is no region of AWS", redact(&region)))
                .hint("set AWS_REGION to one, as us-east-1"));
        }
        let keys = match keys {
            Some(keys) => keys,
            None => self.keys(exchange, session.as_ref()).await?,
        };
        let url = self.verification_in(&region, &exchange.settings)?;
        // Written as the file has it: Google is to see what it expects.
        let text = self.verification.replace("{region}", &region);
        aws_signature::caller_identity(&url, &text, &region, &keys, &self.audience, exchange.host.clock.now())
    }

    /// The token that the second version of the metadata server wants to see (IMDSv2).
    async fn session(&self, exchange: &Exchange) -> Result<Option<Secret>, Error> {
        let Some(url) = &self.session else { return Ok(None) };
        let request = Request::new(Method::Put, url.clone())
            .with_header("x-aws-ec2-metadata-token-ttl-seconds", SESSION_SECONDS);
        self.ask(exchange, request, "a session").await.map(Some)
    }

    async fn region(&self, exchange: &Exchange, session: Option<&Secret>) -> Result<String, Error> {
        let url = self.zone.as_ref().ok_or_else(|| self.unknown("`region_url`", "AWS_REGION"))?;
        let zone = self.ask(exchange, get(url, session), "the region").await?;
        // A zone is a region and a letter: us-east-2b.
        let zone = zone.expose_secret().trim();
        Ok(zone.strip_suffix(|c: char| c.is_ascii_lowercase()).unwrap_or(zone).to_owned())
    }

    async fn keys(&self, exchange: &Exchange, session: Option<&Secret>) -> Result<Keys, Error> {
        let named = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        let roles = self.roles.as_ref().ok_or_else(|| self.unknown("`url`", named))?;
        let role = self.ask(exchange, get(roles, session), "the role").await?;
        let role = role.expose_secret().lines().next().unwrap_or_default().trim();
        if role.is_empty() || !role.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b)) {
            return Err(Error::unavailable(
                "malformed",
                format!("{} answered, but with no role", shown(roles)),
            )
            .hint("give the machine an instance profile with a role"));
        }
        let url = format!("{}/{role}", roles.as_str().trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|_| Error::internal("a role that is no part of an address"))?;
        let answer = self.ask(exchange, get(&url, session), "keys").await?;
        let malformed = |_| {
            Error::unavailable("malformed", format!("{} answered, but with no keys", shown(&url)))
                .hint("see whether the machine's role can be used: `aws sts get-caller-identity`")
        };
        let Answer { access_key_id, secret_access_key, token } =
            serde_json::from_str(answer.expose_secret()).map_err(malformed)?;
        Ok(Keys {
            id: access_key_id,
            secret: secret_access_key.into(),
            session_token: token.map(Secret::from),
        })
    }

    async fn ask(&self, exchange: &Exchange, mut request: Request, what: &str) -> Result<Secret, Error> {
        request.direct = true;
        request.connect_timeout = CONNECT_TIMEOUT;
        let server = shown(&request.url);
        let response = retry::send(&exchange.host, request, Repeat::Safe).await.map_err(|error| {
            let explained = error.explain(&format!("asking AWS's metadata server for {what}"));
            explained.hint(Self::lacking(&*exchange.host.environment).map_or_else(
                || {
                    "outside of EC2, set AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for temporary keys, \
                     AWS_SESSION_TOKEN"
                        .to_owned()
                },
                |lacking| format!("{}: {}", lacking.what, lacking.help),
            ))
        })?;
        if let (400..=499, Some(lacking)) = (response.status, Self::lacking(&*exchange.host.environment)) {
            let message =
                format!("{server} answered {}, and not with {what}; {}", response.status, lacking.what);
            return Err(Error::rejected("aws", message).hint(lacking.help));
        }
        match (response.status, std::str::from_utf8(&response.body)) {
            (200, Ok(text)) if !text.trim().is_empty() => Ok(Secret::from(text)),
            (200, _) => Err(Error::unavailable(
                "malformed",
                format!("{server} answered, but with nothing that is {what}"),
            )
            .hint("see whether the machine has an instance profile with a role")),
            (status, _) if response.may_pass() => {
                Err(Error::unavailable("status", format!("{server} answered {status}, and not with {what}"))
                    .hint("this passes by itself; try again in a minute"))
            }
            (status, _) => Err(Error::rejected(
                "aws",
                format!("{server} answered {status}, and not with {what}"),
            )
            .hint(match status {
                401 => {
                    "the machine wants IMDSv2: add `imdsv2_session_token_url` to the file \
                                (`gcloud … create-cred-config --enable-imdsv2`)"
                }
                403 => {
                    "the machine's metadata server is turned off: turn it on, or set AWS_ACCESS_KEY_ID and \
                                AWS_SECRET_ACCESS_KEY"
                }
                _ => "give the machine an instance profile with a role",
            })),
        }
    }

    fn unknown(&self, field: &str, variable: &str) -> Error {
        Error::invalid("aws", format!("{variable} is not set, and {} has no {field} to ask", self.place))
            .hint(format!("set {variable}"))
    }

    /// The request to sign: `GetCallerIdentity` of AWS's STS, and nothing else, so that what is signed can be used for
    /// nothing else.
    fn verification_in(&self, region: &str, settings: &Settings) -> Result<Url, Error> {
        let field = format!("{}, `regional_cred_verification_url`", self.place);
        let url = Url::parse(&self.verification.replace("{region}", region)).ok().filter(Url::has_host);
        let url = url.ok_or_else(|| {
            Error::invalid("url", format!("{field} is not an address")).hint(super::NEW_FILE)
        })?;
        let aws = url.scheme() == "https" && url.port().is_none() && url.host_str().is_some_and(is_aws_sts);
        let plain = url.username().is_empty() && url.password().is_none();
        let mut actions = url.query_pairs().filter(|(name, _)| name == "Action").map(|(_, value)| value);
        let known = actions.next().is_some_and(|action| action == "GetCallerIdentity")
            && actions.next().is_none()
            && url.query_pairs().all(|(name, _)| ["Action", "Version"].contains(&&*name))
            && url.path() == "/";
        if plain && known && (aws || settings.trusted_hosts.lists(&url)) {
            return Ok(url);
        }
        Err(Error::untrusted(
            "url",
            format!("{field} is not `GetCallerIdentity` of AWS's STS; nothing was signed"),
        )
        .hint("throw the file away if you do not know where it comes from, or make it again"))
    }

    pub(super) fn add_to(&self, key: &mut TokenKey) {
        let text = |url: &Option<Url>| url.as_ref().map(|url| url.to_string()).unwrap_or_default();
        key.add("source", "aws")
            .add("verification", &self.verification)
            .add("zone", text(&self.zone))
            .add("roles", text(&self.roles))
            .add("session", text(&self.session))
            .add("key_id", self.key_id.as_deref().unwrap_or_default());
    }
}

/// What AWS's variables lack.
pub struct Lacking {
    /// What is there, and what is not.
    pub what: String,
    /// What to do.
    pub help: String,
    /// Whether nothing else can take its place.
    pub is_certain: bool,
}

impl Lacking {
    /// The error where nothing can take its place.
    pub fn into_error(self) -> Error {
        Error::invalid("aws", self.what).hint(self.help)
    }
}

impl Aws {
    /// What AWS's variables lack for a request to be signed: half of a pair, the region, or keys where a container has them from
    /// another place, which we do not ask. `None` where nothing is set, or all is.
    pub fn lacking(environment: &dyn Environment) -> Option<Lacking> {
        const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
        const SESSION: &str = "AWS_SESSION_TOKEN";
        const EXPORT: &str = "`eval $(aws configure export-credentials --format env)`";
        /// Where containers (ECS, EKS) and the AWS CLI have their keys from.
        const ELSEWHERE: [(&str, &str); 6] = [
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "an ECS task"),
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "a container with its own credentials server (EKS Pod Identity)",
            ),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "an EKS pod (IAM roles for service accounts)"),
            ("AWS_ROLE_ARN", "an assumed role"),
            ("AWS_PROFILE", "a profile of the AWS CLI"),
            ("AWS_DEFAULT_PROFILE", "a profile of the AWS CLI"),
        ];
        let get = |name: &str| variable(environment, name);
        let half = |there: &str, missing: &str| {
            Some(Lacking {
                what: format!("{there} is set, and {missing} is not"),
                help: format!("set {missing}, or all of them: {EXPORT}"),
                is_certain: true,
            })
        };
        match (get(KEY_ID), get(SECRET)) {
            (Some(_), None) => return half(KEY_ID, SECRET),
            (None, Some(_)) => return half(SECRET, KEY_ID),
            (None, None) if get(SESSION).is_some() => {
                return half(SESSION, &format!("{KEY_ID} and {SECRET}"));
            }
            // The keys of a role or session begin so, and are good for nothing without their token.
            (Some(id), Some(_)) if id.starts_with("ASIA") && get(SESSION).is_none() => {
                return half(&format!("{KEY_ID} of a temporary key"), SESSION);
            }
            (Some(_), Some(_)) if get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION")).is_none() => {
                return Some(Lacking {
                    what: format!("{KEY_ID} and {SECRET} are set, and AWS_REGION is not"),
                    help: "`export AWS_REGION=us-east-1`, or the region that you use".to_owned(),
                    // On EC2 the machine tells its region.
                    is_certain: false,
                });
            }
            (Some(_), Some(_)) => return None,
            (None, None) => {}
        }
        ELSEWHERE.iter().find(|(name, _)| get(name).is_some()).map(|(name, kind)| Lacking {
            what: format!("{name} is set, as in {kind}, and ee-auth reads keys from variables and EC2's metadata server"),
            help: format!("{EXPORT} (AWS CLI v2) in the same shell, and AWS_REGION: it sets {KEY_ID}, {SECRET} and {SESSION}"),
            is_certain: false,
        })
    }
}

/// The variable that holds the id of an access key.
pub(super) const KEY_ID: &str = "AWS_ACCESS_KEY_ID";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
}

fn get(url: &Url, session: Option<&Secret>) -> Request {
    let request = Request::new(Method::Get, url.clone());
    match session {
        None => request,
        Some(session) => request.with_header("x-aws-ec2-metadata-token", session.expose_secret().trim()),
    }
}

/// The address in `text`, if it is of AWS's metadata server: what Google's security advice asks for. A loopback address that
/// the user trusts stands in for it.
fn metadata_address(text: &str, named_by: &str, trusted: &TrustedHosts) -> Result<Url, Error> {
    let url = Url::parse(text).ok().filter(Url::has_host).ok_or_else(|| {
        Error::invalid("url", format!("{named_by} is not an address")).hint(super::NEW_FILE)
    })?;
    let own = match url.host() {
        Some(Host::Ipv4(address)) => address.octets() == [169, 254, 169, 254],
        Some(Host::Ipv6(address)) => address.segments() == [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254],
        _ => false,
    };
    let own = own && url.scheme() == "http" && url.port().is_none();
    let stand_in = trusted.lists(&url) && url.host().as_ref().is_some_and(is_loopback);
    let plain = url.username().is_empty() && url.password().is_none();
    if plain && (own || stand_in) {
        return Ok(url);
    }
    Err(Error::untrusted("url", format!("{named_by} is not AWS's metadata server; nothing was asked")).hint(
        "it is http://169.254.169.254 or http://[fd00:ec2::254]; throw the file away if you do not know where it comes \
         from",
    ))
}

/// Whether a host is AWS's STS: global, of a region, with FIPS or with IPv6, in any of AWS's partitions.
fn is_aws_sts(host: &str) -> bool {
    const DOMAINS: [&str; 4] = [".api.aws", ".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu"];
    let name = DOMAINS.iter().find_map(|domain| host.strip_suffix(domain));
    match name.and_then(|name| name.split_once('.').or(Some((name, "us-east-1")))) {
        Some(("sts" | "sts-fips", region)) => is_region(region),
        _ => false,
    }
}

fn is_region(region: &str) -> bool {
    region.contains('-')
        && region.len() <= 40
        && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use ee_auth_fake::Fake;

    use super::*;

    #[test]
    fn what_the_variables_lack_is_named() {
        const ID: (&str, &str) = ("AWS_ACCESS_KEY_ID", "AKIAX");
        const TEMPORARY: (&str, &str) = ("AWS_ACCESS_KEY_ID", "ASIAX");
        const SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "x");
        const EXPORT: &str = "`eval $(aws configure export-credentials --format env)`";
        for (variables, what, help) in [
            (&[ID][..], "AWS_SECRET_ACCESS_KEY is not", "set AWS_SECRET_ACCESS_KEY"),
            (&[SECRET], "AWS_ACCESS_KEY_ID is not", "set AWS_ACCESS_KEY_ID"),
            (&[("AWS_SESSION_TOKEN", "x")], "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is not", EXPORT),
            (&[TEMPORARY, SECRET, ("AWS_REGION", "us-east-1")], "AWS_SESSION_TOKEN is not", EXPORT),
            (&[ID, SECRET], "AWS_REGION is not", "AWS_REGION="),
            (&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x")], "ECS", EXPORT),
            (&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/x")], "EKS", EXPORT),
            (&[("AWS_PROFILE", "x")], "profile", EXPORT),
        ] {
            let fake =
                variables.iter().fold(Fake::new(), |fake, (name, value)| fake.with_variable(*name, *value));
            let lacking = Aws::lacking(&*fake.host().environment).unwrap();
            assert!(
                lacking.what.contains(what) && lacking.help.contains(help),
                "{}: {}",
                lacking.what,
                lacking.help
            );
        }
        for variables in
            [&[][..], &[ID, SECRET, ("AWS_DEFAULT_REGION", "us-east-1")], &[("AWS_REGION", "us-east-1")]]
        {
            let fake =
                variables.iter().fold(Fake::new(), |fake, (name, value)| fake.with_variable(*name, *value));
            assert!(Aws::lacking(&*fake.host().environment).is_none());
        }
    }

    #[test]
    fn only_awss_own_addresses_are_asked_and_signed_for() {
        let nobody = TrustedHosts::default();
        let local = TrustedHosts::new(["127.0.0.1", "evil.example"]);
        for (text, trusted, expected) in [
            ("http://169.254.169.254/latest/api/token", &nobody, true),
            ("http://[fd00:ec2::254]/latest/api/token", &nobody, true),
            ("https://169.254.169.254/latest", &nobody, false),
            ("http://169.254.169.254:8080/latest", &nobody, false),
            ("http://169.254.169.254.evil.example/latest", &nobody, false),
            ("http://x@169.254.169.254/latest", &nobody, false),
            ("http://169.254.169.253/latest", &nobody, false),
            ("http://127.0.0.1:1/latest", &nobody, false),
            ("http://127.0.0.1:1/latest", &local, true),
            ("http://evil.example/latest", &local, false),
        ] {
            assert_eq!(metadata_address(text, "url", trusted).is_ok(), expected, "{text}");
        }
        for host in [
            "sts.amazonaws.com",
            "sts.us-east-1.amazonaws.com",
            "sts-fips.us-gov-west-1.amazonaws.com",
            "sts.cn-north-1.amazonaws.com.cn",
            "sts.us-east-2.api.aws",
            "sts.eusc-de-east-1.amazonaws.eu",
        ] {
            assert!(is_aws_sts(host), "{host}");
        }
        for host in [
            "iam.amazonaws.com",
            "amazonaws.com",
            "sts.evil.amazonaws.com",
            "sts.s3-x.y.amazonaws.com",
            "sts.us-east-1.amazonaws.com.evil.example",
            "evilsts.us-east-1.amazonaws.com",
            "sts.us-east-1.amazonaws.org",
        ] {
            assert!(!is_aws_sts(host), "{host}");
        }
    }

    #[test]
    fn only_the_callers_identity_is_signed_for() {
        let aws = |verification: &str| Aws {
            verification: verification.to_owned(),
            zone: None,
            roles: None,
            session: None,
            audience: String::new(),
            place: "a.json".to_owned(),
            key_id: None,
        };
        let settings = Settings::default();
        assert!(aws(VERIFICATION).verification_in("eu-west-1", &settings).is_ok());
        for other in [
            "https://sts.{region}.amazonaws.com?Action=AssumeRole&RoleArn=x",
            "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Action=AssumeRole&RoleArn=x",
            "https://sts.{region}.amazonaws.com/x?Action=GetCallerIdentity",
            "https://iam.amazonaws.com?Action=GetCallerIdentity",
            "https://evil.example?Action=GetCallerIdentity",
            "http://sts.{region}.amazonaws.com?Action=GetCallerIdentity",
            "{region}",
        ] {
            assert!(aws(other).verification_in("eu-west-1", &settings).is_err(), "{other}");
        }
        assert!(!is_region("us-east-1.evil.example/"));
    }
}
