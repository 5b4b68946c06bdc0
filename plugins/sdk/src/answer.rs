use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

/// A credential, and what is known of it.
///
/// ```
/// use std::time::Duration;
/// use ee_auth_plugin::Answer;
/// let answer = Answer::access_token("secret")
///     .expires_in(Duration::from_secs(3600))
///     .principal("robot@my-ee-project.iam.gserviceaccount.com");
/// assert!(!format!("{answer:?}").contains("secret"));
/// ```
#[derive(Clone)]
#[must_use]
pub struct Answer(Map<String, Value>);

/// How long ee-auth may keep a token between runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Not at all: it is asked for every time.
    Never,
    /// As long as the process lives.
    Session,
    /// Until it expires, in a file that only the user can read.
    Expires,
}

impl Answer {
    /// A Google access token.
    pub fn access_token(token: impl Into<String>) -> Self {
        Self::of("urn:ietf:params:oauth:token-type:access_token", "access_token", token.into())
    }

    /// An OpenID Connect ID token for the audience of the request, which ee-auth exchanges for an access token.
    pub fn id_token(token: impl Into<String>) -> Self {
        Self::of("urn:ietf:params:oauth:token-type:id_token", "id_token", token.into())
    }

    /// A SAML 2.0 response for the audience of the request, which ee-auth exchanges for an access token.
    pub fn saml_response(response: impl Into<String>) -> Self {
        Self::of("urn:ietf:params:oauth:token-type:saml2", "saml_response", response.into())
    }

    fn of(token_type: &str, key: &str, token: String) -> Self {
        let mut answer = success();
        answer.insert("token_type".to_owned(), token_type.into());
        answer.insert(key.to_owned(), token.into());
        Self(answer)
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// The same answer with the moment at which the token expires, in seconds since the beginning of 1970.
    pub fn expires_at(self, unix_time: u64) -> Self {
        self.with("expiration_time", unix_time)
    }

    /// The same answer with how long the token lives from now.
    pub fn expires_in(self, lifetime: Duration) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.expires_at(now.saturating_add(lifetime).as_secs())
    }

    /// The same answer with how long the token may be kept. Where nothing is said, it is kept as long as the process lives.
    pub fn cache(self, cache: Cache) -> Self {
        self.with(
            "cache",
            match cache {
                Cache::Never => "never",
                Cache::Session => "session",
                Cache::Expires => "expires",
            },
        )
    }

    /// The same answer with the scopes that the token has.
    pub fn scopes<I>(self, scopes: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.with("scopes", scopes.into_iter().map(Into::into).collect::<Vec<String>>())
    }

    /// The same answer with the account's e-mail.
    pub fn principal(self, email: impl Into<String>) -> Self {
        self.with("principal", email.into())
    }

    /// The same answer with the project that belongs to the credential.
    pub fn project(self, id: impl Into<String>) -> Self {
        self.with("project", id.into())
    }

    /// As it is sent: one line of JSON. It holds the token.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(key, _): &(&String, &Value)| {
            !matches!(key.as_str(), "access_token" | "id_token" | "saml_response" | "success" | "version")
        };
        f.debug_map().entries(self.0.iter().filter(shown)).finish_non_exhaustive()
    }
}

fn success() -> Map<String, Value> {
    Map::from_iter([("version".to_owned(), json!(1)), ("success".to_owned(), json!(true))])
}

/// The answer to a login or logout that worked.
pub(crate) fn done() -> String {
    Value::Object(success()).to_string()
}

/// Why there is no credential. The message is for a person: it says what was tried, and never holds a secret.
#[derive(Clone, Debug)]
pub struct Failure {
    code: &'static str,
    message: String,
}

impl Failure {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// There is no credential here; the chain asks the next provider.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new("not_found", message)
    }

    /// This provider has nothing to do with the present set-up; the chain asks the next.
    pub fn not_applicable(message: impl Into<String>) -> Self {
        Self::new("not_applicable", message)
    }

    /// A person would have to be asked, and none may be; the chain asks the next.
    pub fn interaction_required(message: impl Into<String>) -> Self {
        Self::new("interaction_required", message)
    }

    /// The other side could not be reached, or did not answer as it should.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new("unavailable", message)
    }

    /// The other side looked and said no.
    pub fn rejected(message: impl Into<String>) -> Self {
        Self::new("rejected", message)
    }

    /// Something that a person wrote is wrong: the configuration, a file.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new("invalid", message)
    }

    /// `not_found`, `rejected` and the like.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// As it is sent: one line of JSON.
    pub fn to_json(&self) -> String {
        json!({"version": 1, "success": false, "code": self.code, "message": self.message}).to_string()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}
