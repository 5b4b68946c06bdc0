//! What a plugin answers.

use std::time::{Duration, SystemTime};

use ee_auth_core::{Error, Outcome, Scopes, Secret};
use ee_auth_google::access_token::is_bearer_token;
use ee_auth_google::executable_answer::{ExecutableAnswer, SubjectTokenKind};
use serde::Deserialize;
use serde_json::Value;

use crate::{Manifest, Op, VERSION, manifest, words};

/// The most bytes that an answer may have: 1 MiB.
pub const MAX_ANSWER: usize = 1 << 20;

/// An expiry further off than this is no expiry but a time in milliseconds: ten years.
const FURTHEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// A plugin's answer.
#[derive(Debug)]
pub enum Answer {
    /// To [`Op::Get`]: a token, or what can be exchanged for one.
    Granted(Granted),
    /// To [`Op::Login`] and [`Op::Logout`]: it is done.
    Done,
    /// To [`Op::Describe`].
    Manifest(Manifest),
    /// It cannot, and says why.
    Refused(Refusal),
}

/// A success.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The token, or what can be exchanged for one.
    pub subject: Subject,
    /// When it stops being valid; `None` where the plugin does not say.
    pub expires_at: Option<SystemTime>,
    /// How long it may be kept.
    pub cache: Cache,
    /// The scopes that it has; `None` where the plugin does not say.
    pub scopes: Option<Scopes>,
    /// The account's e-mail.
    pub principal: Option<String>,
    /// The project to charge.
    pub project: Option<String>,
}

/// What a plugin hands out.
#[derive(Clone, Debug)]
pub enum Subject {
    /// An access token, ready for use.
    AccessToken(Secret),
    /// A JWT that says who this is, to be exchanged at the STS (RFC 8693).
    IdToken(Secret),
    /// A SAML 2.0 response in base64, to be exchanged at the STS.
    SamlResponse(Secret),
}

/// How long an answer may be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// It is used once, and the plugin is asked again for the next.
    Never,
    /// Until it expires, in the memory of one process.
    #[default]
    Session,
    /// Until it expires, where `[cache]` keeps tokens.
    Expires,
}

/// A plugin's "no".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why, as programs see it.
    pub code: RefusalCode,
    /// Why, in the plugin's own words, made fit to show; empty where it has none.
    pub message: String,
}

/// The codes of a plugin's "no".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCode {
    /// It has no credential.
    NotFound,
    /// It has nothing to do with the present set-up.
    NotApplicable,
    /// A person would have to sign in.
    InteractionRequired,
    /// What it asks could not be reached.
    Unavailable,
    /// What it asks said no.
    Rejected,
    /// It is set up wrongly; also every code that this version does not know.
    Invalid,
}

impl RefusalCode {
    /// The code of this name; [`RefusalCode::Invalid`] for one that is not known.
    pub fn named(name: &str) -> Self {
        match name {
            "not_found" => Self::NotFound,
            "not_applicable" => Self::NotApplicable,
            "interaction_required" => Self::InteractionRequired,
            "unavailable" => Self::Unavailable,
            "rejected" => Self::Rejected,
            _ => Self::Invalid,
        }
    }

    /// The name in an answer.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NotApplicable => "not_applicable",
            Self::InteractionRequired => "interaction_required",
            Self::Unavailable => "unavailable",
            Self::Rejected => "rejected",
            Self::Invalid => "invalid",
        }
    }
}

impl Answer {
    /// The one answer in what a plugin wrote: one line of JSON, with white space around it or not, and nothing else.
    ///
    /// # Errors
    /// [`Outcome::Protocol`], saying in which way it breaks the protocol: nothing, half a line, two answers, more than
    /// [`MAX_ANSWER`], no UTF-8, no JSON, another version, a success without a token, an expiry that has passed.
    pub fn parse(op: Op, written: &[u8], now: SystemTime) -> Result<Self, Error> {
        let raw = Raw::parse(written)?;
        if !raw.success {
            return Ok(Self::Refused(raw.refusal()));
        }
        match op {
            Op::Get => raw.granted(now).map(Self::Granted),
            Op::Login | Op::Logout => Ok(Self::Done),
            Op::Describe => Manifest::from_raw(raw.manifest()?).map(Self::Manifest),
        }
    }

    /// The answer of an executable that was made for Google's executable-sourced credentials. Its codes are its own, so a
    /// failure is a rejection whose message begins with its code.
    ///
    /// # Errors
    /// [`Outcome::Protocol`] as [`ExecutableAnswer::read`] says.
    pub fn parse_google(written: &[u8], now: SystemTime) -> Result<Self, Error> {
        let answer =
            ExecutableAnswer::read(written, now).map_err(|found| breach(found.detail, &found.message))?;
        Ok(match answer {
            ExecutableAnswer::Token(token) => Self::Granted(Granted {
                subject: match token.kind {
                    SubjectTokenKind::IdToken => Subject::IdToken(token.secret),
                    SubjectTokenKind::SamlResponse => Subject::SamlResponse(token.secret),
                },
                expires_at: token.expires_at,
                cache: Cache::Session,
                scopes: None,
                principal: None,
                project: None,
            }),
            ExecutableAnswer::Failure { code, message } => Self::Refused(Refusal {
                code: RefusalCode::Rejected,
                message: words::line(&format!("{code}: {message}")),
            }),
        })
    }

    /// Standard output, trimmed, as an access token of which nothing else is known.
    ///
    /// # Errors
    /// [`Outcome::Protocol`] where there is nothing, or something that is no bearer token (RFC 6750, section 2.1).
    pub fn parse_token(written: &[u8]) -> Result<Self, Error> {
        let text = text(written)?;
        if text.is_empty() {
            return Err(breach(
                "silent",
                "it wrote nothing to standard output, and a token was to stand there",
            ));
        }
        if !is_bearer_token(text) {
            return Err(breach("token", "what it wrote to standard output is not a token alone"));
        }
        Ok(Self::Granted(Granted {
            subject: Subject::AccessToken(Secret::from(text)),
            expires_at: None,
            cache: Cache::Session,
            scopes: None,
            principal: None,
            project: None,
        }))
    }
}

/// The white space around it aside, what was written.
fn text(written: &[u8]) -> Result<&str, Error> {
    if written.len() > MAX_ANSWER {
        return Err(too_large());
    }
    std::str::from_utf8(written)
        .map(str::trim)
        .map_err(|_| breach("encoding", "its answer is not UTF-8 text"))
}

/// The error for more than [`MAX_ANSWER`] bytes.
pub(crate) fn too_large() -> Error {
    breach("too_large", &format!("it wrote more than {MAX_ANSWER} bytes, and an answer is one line"))
}

/// An answer that breaks the protocol.
pub(crate) fn breach(detail: &'static str, message: &str) -> Error {
    Error::new(Outcome::Protocol, detail, message)
        .hint("this is a fault of the plugin; `ee-auth plugin check` says what its author has to mend")
}

/// An answer as it is written. Values are looked at one by one, so that an error names the key and never shows a value.
struct Raw {
    success: bool,
    values: serde_json::Map<String, Value>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        for value in self.values.values_mut() {
            if let Value::String(text) = value {
                zeroize::Zeroize::zeroize(text);
            }
        }
    }
}

impl Raw {
    fn parse(written: &[u8]) -> Result<Self, Error> {
        let text = text(written)?;
        if text.is_empty() {
            return Err(breach("silent", "it answered nothing"));
        }
        let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        let values = match stream.next() {
            Some(Ok(Value::Object(values))) => values,
            Some(Ok(_)) => return Err(breach("malformed", "its answer is not a JSON object")),
            Some(Err(error)) if error.is_eof() => {
                return Err(breach("truncated", "its answer breaks off before its end"));
            }
            _ => return Err(breach("malformed", "its answer is not JSON")),
        };
        let (answer, rest) = text.split_at_checked(stream.byte_offset()).unwrap_or((text, ""));
        match rest.trim_start() {
            rest if rest.starts_with('{') => {
                return Err(breach("two_answers", "it answered more than once"));
            }
            rest if !rest.is_empty() => {
                return Err(breach("trailing", "it wrote something after its answer"));
            }
            _ if answer.contains('\n') => {
                return Err(breach("lines", "its answer is spread over several lines, and must be one"));
            }
            _ => {}
        }
        let mut raw = Self { success: false, values };
        match raw.values.get("version") {
            Some(version) if version.as_u64() == Some(VERSION) => {}
            Some(Value::Number(other)) => {
                let message =
                    format!("it speaks version {other} of the protocol, and was asked for {VERSION}");
                return Err(breach("version", &message));
            }
            _ => return Err(breach("version", "its answer has no `version`, which is 1")),
        }
        match raw.values.get("success") {
            Some(Value::Bool(success)) => raw.success = *success,
            _ => return Err(breach("success", "its answer does not say `success`: true or false")),
        }
        Ok(raw)
    }

    /// A text; an empty one and `null` mean none.
    fn string(&self, key: &str) -> Result<Option<&str>, Error> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Some(_) => Err(breach("field", &format!("`{key}` in its answer must be a string"))),
        }
    }

    /// A name that is to be shown, and compared with what `expect` says.
    fn name(&self, key: &str) -> Result<Option<String>, Error> {
        let Some(name) = self.string(key)? else { return Ok(None) };
        let fits =
            name.chars().count() <= 320 && !name.contains(|c: char| c.is_control() || c.is_whitespace());
        // What cannot be shown as it stands could be shown as something else.
        if !fits || words::line(name) != name {
            return Err(breach("field", &format!("`{key}` in its answer is no name")));
        }
        Ok(Some(name.to_owned()))
    }

    fn refusal(&self) -> Refusal {
        let text = |key| self.values.get(key).and_then(Value::as_str).unwrap_or_default();
        Refusal { code: RefusalCode::named(text("code")), message: words::line(text("message")) }
    }

    fn manifest(&self) -> Result<manifest::Raw, Error> {
        manifest::Raw::deserialize(Value::Object(self.values.clone()))
            .map_err(|_| breach("manifest", "a key of its manifest has the wrong type"))
    }

    fn granted(&self, now: SystemTime) -> Result<Granted, Error> {
        let subject = self.subject()?;
        let scopes = match self.values.get("scopes") {
            None | Some(Value::Null) => None,
            Some(Value::Array(names)) => {
                let names: Option<Vec<_>> = names.iter().map(Value::as_str).collect();
                let scopes = names.and_then(|names| Scopes::new(names).ok());
                Some(scopes.ok_or_else(|| breach("field", "`scopes` in its answer holds what is no scope"))?)
            }
            Some(_) => return Err(breach("field", "`scopes` in its answer must be an array of strings")),
        };
        Ok(Granted {
            subject,
            expires_at: self.expires_at(now)?,
            cache: match self.string("cache")? {
                None | Some("session") => Cache::Session,
                Some("expires") => Cache::Expires,
                // Whatever a later version means, this keeps nothing too long.
                Some(_) => Cache::Never,
            },
            scopes: scopes.filter(|scopes| !scopes.is_empty()),
            principal: self.name("principal")?,
            project: self.name("project")?,
        })
    }

    fn subject(&self) -> Result<Subject, Error> {
        const TYPE: &str = "urn:ietf:params:oauth:token-type:";
        let secret = |key: &'static str| -> Result<Option<Secret>, Error> {
            match self.string(key)? {
                None => Ok(None),
                Some(text) if is_bearer_token(text) => Ok(Some(Secret::from(text))),
                Some(_) => {
                    Err(breach("token", &format!("`{key}` in its answer has characters that no token has")))
                }
            }
        };
        let found = [secret("access_token")?, secret("id_token")?, secret("saml_response")?];
        let [access_token, id_token, saml_response] = found;
        let kind = self.string("token_type")?.map(|kind| kind.strip_prefix(TYPE).unwrap_or(kind));
        let (key, subject) = match kind {
            Some("access_token" | "Bearer" | "bearer") => {
                ("access_token", access_token.map(Subject::AccessToken))
            }
            Some("id_token" | "jwt") => ("id_token", id_token.map(Subject::IdToken)),
            Some("saml2") => ("saml_response", saml_response.map(Subject::SamlResponse)),
            Some(_) => {
                let message = "`token_type` in its answer is not one of \
                               urn:ietf:params:oauth:token-type:access_token, …:id_token, …:jwt and …:saml2";
                return Err(breach("token_type", message));
            }
            None => (
                "access_token",
                access_token
                    .map(Subject::AccessToken)
                    .or(id_token.map(Subject::IdToken))
                    .or(saml_response.map(Subject::SamlResponse)),
            ),
        };
        subject.ok_or_else(|| breach("no_token", &format!("it reports a success and gives no `{key}`")))
    }

    /// Seconds since 1970.
    fn expires_at(&self, now: SystemTime) -> Result<Option<SystemTime>, Error> {
        let seconds = match self.values.get("expiration_time") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(_) => None,
        };
        let Some(seconds) = seconds.filter(|seconds| *seconds >= 0.0) else {
            let message = "`expiration_time` in its answer must be a number: seconds since 1970";
            return Err(breach("expiration_time", message));
        };
        let expires_at = Duration::try_from_secs_f64(seconds.floor())
            .ok()
            .and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
        match expires_at {
            Some(at) if at <= now => Err(breach("expired", "the token in its answer has expired already")),
            Some(at) if at.duration_since(now).is_ok_and(|left| left <= FURTHEST) => Ok(Some(at)),
            _ => {
                let message = "`expiration_time` in its answer is more than ten years off: it is in seconds since \
                               1970, not in milliseconds";
                Err(breach("expiration_time", message))
            }
        }
    }
}

#[cfg(test)]
mod tests;
