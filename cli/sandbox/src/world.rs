//! What this Google knows: accounts, clients, projects, and everything it has handed out.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;

use crate::fault::{Fault, FaultRule};
use crate::identity::OAuthClient;
use crate::jwt;
use crate::keys::{self, Key};
use crate::message::{Fields, Request};
use crate::record::Recorded;
use crate::routes::Service;

/// What a person says when asked for consent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    /// Yes, to everything that was asked for.
    #[default]
    Grant,
    /// Yes, to those of the scopes asked for that are listed here; on the notebook authenticator's page, to exactly
    /// these, as the choice of read-only access made there.
    GrantOnly(Vec<String>),
    /// No.
    Deny,
}

/// What became of a Google Cloud project with Earth Engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectState {
    /// The API is enabled and the project registered.
    Ready,
    /// The Earth Engine API is not enabled.
    ApiDisabled,
    /// The API is enabled, and the project is not registered for Earth Engine.
    NotRegistered,
    /// The project exists, and the caller may not use it.
    NoPermission,
}

/// The whole state. One request at a time reads or changes it.
pub(crate) struct World {
    /// `http://127.0.0.1:PORT`.
    pub(crate) base: String,
    /// Seconds by which this clock is ahead of the machine's.
    pub(crate) clock_offset: i64,
    /// Seconds for which an access token is valid.
    pub(crate) token_lifetime: i64,
    pub(crate) consent: Consent,
    pub(crate) rotate_refresh_tokens: bool,

    pub(crate) project: String,
    pub(crate) project_number: String,
    pub(crate) projects: HashMap<String, ProjectState>,
    /// By e-mail address.
    pub(crate) service_accounts: HashMap<String, Account>,
    /// The service account of the machine, for the metadata server.
    pub(crate) machine: Option<String>,
    /// E-mail addresses of people. The first consents where none is named.
    pub(crate) people: Vec<String>,
    /// By client id.
    pub(crate) clients: HashMap<String, Client>,
    /// The client that the notebook authenticator hands out.
    pub(crate) notebook_client: OAuthClient,
    /// (caller, target): who may get tokens for which service account.
    pub(crate) impersonators: HashSet<(String, String)>,
    /// (service account, person): domain-wide delegation.
    pub(crate) delegations: HashSet<(String, String)>,

    /// By refresh token.
    pub(crate) grants: HashMap<String, Grant>,
    pub(crate) access_tokens: HashMap<String, AccessToken>,
    /// By authorization code.
    pub(crate) codes: HashMap<String, Code>,
    /// By the request id that the client chose.
    pub(crate) notebook_requests: HashMap<String, NotebookRequest>,
    pub(crate) subject_tokens: Vec<SubjectToken>,
    pub(crate) aws_identities: Vec<AwsIdentity>,
    /// The secret with which the workload gets a subject token.
    pub(crate) workload_request_token: String,
    /// Everything secret that this server made or was told of, and the ids of its keys: what may be recorded.
    pub(crate) known: HashSet<String>,

    pub(crate) rules: Vec<FaultRule>,
    pub(crate) requests: VecDeque<Recorded>,
    /// The key id of the key that signs ID tokens.
    pub(crate) google_key_id: String,
}

/// A service account.
pub(crate) struct Account {
    /// Its number, which tokens carry as `azp` and `sub`.
    pub(crate) unique_id: String,
    /// Which of the process's keys it gets when it needs one.
    pub(crate) number: usize,
    /// Key id and key.
    pub(crate) keys: Vec<(String, Arc<Key>)>,
}

/// An OAuth client.
pub(crate) struct Client {
    pub(crate) secret: String,
    pub(crate) deleted: bool,
}

/// What a person granted to a client.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) person: String,
    pub(crate) client_id: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) revoked: bool,
}

/// An access token that was handed out.
#[derive(Clone)]
pub(crate) struct AccessToken {
    /// An e-mail address, or the name of a federated identity.
    pub(crate) principal: String,
    /// The client, or the number of the service account.
    pub(crate) party: String,
    pub(crate) scopes: Vec<String>,
    /// Seconds since 1970.
    pub(crate) expires_at: i64,
    /// The refresh token it came from.
    pub(crate) refresh_token: Option<String>,
}

/// An authorization code, kept after its use so that a second use is recognised.
pub(crate) struct Code {
    pub(crate) grant: Grant,
    pub(crate) redirect_uri: String,
    /// The S256 challenge of RFC 7636, where the client sent one.
    pub(crate) challenge: Option<String>,
    pub(crate) expires_at: i64,
    pub(crate) used: bool,
}

/// A visit of the notebook authenticator's page.
pub(crate) struct NotebookRequest {
    pub(crate) client: OAuthClient,
    pub(crate) scopes: Vec<String>,
    /// The S256 challenge for the verifier that fetches the client.
    pub(crate) client_challenge: String,
}

/// A token of somebody else's that the STS takes.
#[derive(Clone)]
pub(crate) struct SubjectToken {
    pub(crate) audience: String,
    pub(crate) token_type: String,
    pub(crate) token: String,
    pub(crate) principal: String,
}

/// An AWS identity that the STS takes: the key that signs its requests.
#[derive(Clone)]
pub(crate) struct AwsIdentity {
    pub(crate) audience: String,
    pub(crate) key_id: String,
    pub(crate) secret_key: String,
    pub(crate) principal: String,
}

/// How long an authorization code can be used, in seconds.
const CODE_LIFETIME: i64 = 600;

impl World {
    /// Seconds since 1970, by this server's clock.
    pub(crate) fn now(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_secs()).unwrap_or(i64::MAX).saturating_add(self.clock_offset)
    }

    /// Hands out an access token, valid for `lifetime` seconds.
    pub(crate) fn issue(&mut self, token: AccessToken) -> String {
        let text = self.mint("ya29.", 120);
        self.access_tokens.insert(text.clone(), token);
        text
    }

    /// An access token without a refresh token, valid for `lifetime` seconds. `party` is whom it was given to.
    pub(crate) fn issue_once(
        &mut self,
        principal: &str,
        party: &str,
        scopes: Vec<String>,
        lifetime: i64,
    ) -> String {
        let expires_at = self.now().saturating_add(lifetime);
        let (principal, party) = (principal.to_owned(), party.to_owned());
        self.issue(AccessToken { principal, party, scopes, expires_at, refresh_token: None })
    }

    /// An access token under a person's grant, for `scopes` of it.
    pub(crate) fn issue_under(&mut self, grant: &Grant, refresh_token: &str, scopes: Vec<String>) -> String {
        let expires_at = self.now().saturating_add(self.token_lifetime);
        self.issue(AccessToken {
            principal: grant.person.clone(),
            party: grant.client_id.clone(),
            scopes,
            expires_at,
            refresh_token: Some(refresh_token.to_owned()),
        })
    }

    /// Hands out a refresh token.
    pub(crate) fn issue_refresh_token(&mut self, grant: Grant) -> String {
        let text = self.mint("1//0", 60);
        self.grants.insert(text.clone(), grant);
        text
    }

    /// Hands out an authorization code.
    pub(crate) fn issue_code(&mut self, grant: Grant, redirect_uri: &str, challenge: Option<&str>) -> String {
        let text = self.mint("4/0A", 50);
        let expires_at = self.now().saturating_add(CODE_LIFETIME);
        let (redirect_uri, challenge) = (redirect_uri.to_owned(), challenge.map(str::to_owned));
        self.codes.insert(text.clone(), Code { grant, redirect_uri, challenge, expires_at, used: false });
        text
    }

    /// Signs an ID token (OpenID Connect Core, section 2) for `audience`.
    pub(crate) fn issue_id_token(&mut self, audience: &str, party: &str, email: Option<&str>) -> String {
        let now = self.now();
        let mut claims = serde_json::json!({
            "iss": "https://accounts.google.com",
            "aud": audience,
            "azp": party,
            "sub": self.subject_number(email.unwrap_or(party)),
            "iat": now,
            "exp": now.saturating_add(3600),
        });
        if let Some(email) = email {
            claims["email"] = email.into();
            claims["email_verified"] = true.into();
        }
        self.sign(&claims)
    }

    /// Signs `claims` with Google's key.
    pub(crate) fn sign(&mut self, claims: &Value) -> String {
        let token = jwt::sign(&keys::key(keys::GOOGLE), &self.google_key_id, claims);
        self.known.insert(token.clone());
        token
    }

    /// The number by which Google knows an account.
    pub(crate) fn subject_number(&self, name: &str) -> String {
        if let Some(account) = self.service_accounts.get(name) {
            return account.unique_id.clone();
        }
        let hash = digest(&SHA256, name.as_bytes());
        let number = hash.as_ref()[..8].iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        format!("1{number:020}")
    }

    /// The token that a request carries, if it is valid now.
    pub(crate) fn caller(&self, request: &Request) -> Result<&AccessToken, &'static str> {
        let text = request.bearer().ok_or("CREDENTIALS_MISSING")?;
        let token = self.access_tokens.get(text).ok_or("ACCESS_TOKEN_TYPE_UNSUPPORTED")?;
        if token.expires_at <= self.now() { Err("ACCESS_TOKEN_EXPIRED") } else { Ok(token) }
    }

    /// The audience and the principal of the workload that comes with the sandbox.
    pub(crate) fn workload_identity(&self) -> (String, String) {
        let pool = format!("projects/{}/locations/global/workloadIdentityPools/sandbox", self.project_number);
        let audience = format!("//iam.googleapis.com/{pool}/providers/ci");
        (audience, format!("principal://iam.googleapis.com/{pool}/subject/job"))
    }

    /// A new secret: `prefix` and `bytes` random ones in base64url.
    pub(crate) fn mint(&mut self, prefix: &str, bytes: usize) -> String {
        let secret = format!("{prefix}{}", random_text(bytes));
        self.known.insert(secret.clone());
        secret
    }

    /// Whether a secret is one of this server's own, so that it may be recorded: it made it, was told of it, or gave
    /// out the key that an assertion says it was signed with.
    pub(crate) fn knows(&self, secret: &str) -> bool {
        // One without a key id is told by its signature.
        let own_key = |jwt: jwt::Jwt<'_>| match jwt.key_id() {
            Some(key_id) => self.known.contains(key_id),
            None => {
                let account = self.service_accounts.get(jwt.text("iss").unwrap_or_default());
                account.is_some_and(|account| account.keys.iter().any(|(_, key)| jwt.is_signed_by(key)))
            }
        };
        self.known.contains(secret) || jwt::Jwt::parse(secret).is_some_and(own_key)
    }

    /// The fault that the next request to `service` meets, if any; it is counted.
    pub(crate) fn take_fault(&mut self, service: Service) -> Option<Fault> {
        let rule = self.rules.iter_mut().find(|rule| rule.matches(service))?;
        Some(rule.take())
    }
}

/// `bytes` random bytes in base64url.
pub(crate) fn random_text(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    SystemRandom::new().fill(&mut random).expect("the system has random numbers");
    URL_SAFE_NO_PAD.encode(random)
}

/// Random decimal digits, the first of them not zero.
pub(crate) fn random_digits(count: usize) -> String {
    let mut random = vec![0; count];
    SystemRandom::new().fill(&mut random).expect("the system has random numbers");
    let digit = |(i, byte): (usize, &u8)| char::from(if i == 0 { b'1' + byte % 9 } else { b'0' + byte % 10 });
    random.iter().enumerate().map(digit).collect()
}

/// The S256 challenge for a verifier: RFC 7636, section 4.2.
pub(crate) fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

/// The full name of every scope that Google's services here take, or `None` for what is no scope.
///
/// Short names such as `earthengine` are a convenience of clients; Google refuses them.
pub(crate) fn is_scope(scope: &str) -> bool {
    let name = scope.strip_prefix("https://www.googleapis.com/auth/").unwrap_or_default();
    let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b"._-".contains(&b));
    named || ["openid", "email", "profile"].contains(&scope)
}

/// Whether any of the held scopes is one of `wanted`, named without their common beginning.
pub(crate) fn holds_any(held: &[String], wanted: &[&str]) -> bool {
    let short =
        |scope: &String| scope.strip_prefix("https://www.googleapis.com/auth/").unwrap_or(scope).to_owned();
    held.iter().map(short).any(|scope| wanted.contains(&scope.as_str()))
}

/// RFC 3339, in UTC.
pub(crate) fn timestamp(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

/// The client's id and secret: in the form, or in the `Authorization` header.
pub(crate) fn client_credentials(request: &Request, form: &Fields) -> (Option<String>, Option<String>) {
    match request.basic() {
        Some((id, secret)) => (Some(id), (!secret.is_empty()).then_some(secret)),
        None => (form.get("client_id").map(str::to_owned), form.get("client_secret").map(str::to_owned)),
    }
}
