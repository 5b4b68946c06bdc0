//! The provider `environment`: a credential in a variable, in whatever shape people paste it.
//!
//! The variables are those of [`VARIABLES`]; [`OWN`] overrides the others.
//!
//! What a value may look like, and in which order it is recognised, is in [`Shape`]. Two variables that hold
//! different credentials are an error that names both: choosing one would be guessing. An e-mail in one of them goes with the
//! key in any other, or in the file that `GOOGLE_APPLICATION_CREDENTIALS` names.

mod shape;
mod unread;
pub mod variables;

use std::sync::Arc;

use ee_auth_core::host::Directory;
use ee_auth_core::{
    BoxFuture, Error, ExposeSecret, Finding, Found, Kind, Options, Provider, Search, Secret,
    looks_like_credential, redact,
};
use ee_auth_google::authorized_user::{self, Login};
use ee_auth_google::identify::NOTHING_KNOWN;
use ee_auth_google::service_account::{self, Key, is_email};
use ee_auth_google::{Content, access_token, credential, earth_engine_client, path_in};

pub use shape::{FORMS, Form, Recognised, Shape};
pub use unread::{Unread, unread};
pub use variables::{APPLICATION_DEFAULT, OWN, Usually, VARIABLES, Variable, names};

/// How `environment` is configured: not at all.
pub const KIND: Kind = Kind {
    name: "environment",
    summary: "a credential in a variable, in whatever shape it was pasted",
    interactive: false,
    declared_only: false,
    options: &[],
    build: |_name, _options: &Options| Ok(Arc::new(Environment)),
};

/// The provider.
#[derive(Debug)]
pub struct Environment;

impl Provider for Environment {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            match candidate(search) {
                Ok(Some(candidate)) => Finding::from(candidate.found(search)),
                Ok(None) => unread::unread(search)
                    .iter()
                    .fold(nothing(), |finding, unread| finding.note(unread.words())),
                Err(error) => Finding::from(error),
            }
        })
    }
}

fn nothing() -> Finding {
    Finding::not_found("none of the variables that may hold a credential is set")
        .hint(format!("set {OWN} to a service account's key: its JSON, base64 of it, or its path"))
}

/// An account's e-mail in a variable.
struct Email {
    variable: Variable,
    address: String,
}

/// A credential in a variable.
struct Candidate {
    variable: Variable,
    /// The e-mail that goes with it.
    email: Option<Email>,
    recognised: Recognised,
}

/// The credential in the variables, where all that is set is one and the same.
fn candidate(search: &Search) -> Result<Option<Candidate>, Error> {
    let [own, others @ ..] = &VARIABLES;
    let mut emails = Vec::new();
    let mut candidates = Vec::new();
    if let Some(value) = search.secret_variable(own.name)? {
        let recognised = Recognised::from_value(&value, own.name, search)?;
        let is_pem = matches!(recognised.shape, Shape::Pem(_));
        candidates.push(Candidate { variable: *own, email: None, recognised });
        // Of the others, a private key needs the e-mail alone.
        if !is_pem {
            return Ok(candidates.pop());
        }
    }
    let has_own = !candidates.is_empty();
    for variable in others {
        let Some(value) = search.secret_variable(variable.name)? else { continue };
        match email(&value) {
            Some(address) => emails.push(Email { variable: *variable, address }),
            None if has_own => {}
            None => {
                let recognised = Recognised::from_value(&value, variable.name, search)
                    .map_err(|error| error_of(error, variable))?;
                candidates.push(Candidate { variable: *variable, email: None, recognised });
            }
        }
    }
    let email = only_email(emails)?;
    match (only_one(candidates)?, email) {
        (Some(candidate), Some(email)) => candidate.with(email).map(Some),
        (Some(candidate), None) => candidate.without_email().map(Some),
        (None, Some(email)) => of_application_default(email, search).map(Some),
        (None, None) => Ok(None),
    }
}

/// The e-mail that a value is, where it is one.
fn email(value: &Secret) -> Option<String> {
    let text = shape::unquoted(value.expose_secret());
    (is_email(&text) && !text.contains(['/', '\\']) && !looks_like_credential(&text))
        .then(|| text.to_string())
}

/// In the place of an e-mail, an e-mail is the likeliest to be meant.
fn error_of(error: Error, variable: &Variable) -> Error {
    let Usually::EmailOfKeyIn(key) = variable.usually else { return error };
    if !error.message().ends_with(NOTHING_KNOWN) {
        return error;
    }
    let name = variable.name;
    Error::invalid("email", format!("{name} is set, but holds no e-mail, and no credential either")).hint(format!(
        "set {name} to the account's e-mail, NAME@PROJECT.iam.gserviceaccount.com, and {key} to its key; or {name} to \
         the whole JSON of the key, which needs no e-mail"
    ))
}

fn only_email(mut emails: Vec<Email>) -> Result<Option<Email>, Error> {
    let Some(first) = emails.first() else { return Ok(None) };
    let Some(other) = emails.iter().find(|other| !same_email(&other.address, &first.address)) else {
        return Ok(Some(emails.swap_remove(0)));
    };
    let (one, two) = (first.variable.name, other.variable.name);
    Err(contradiction(format!("{one} is {}, and {two} is {}", first.address, other.address))
        .hint(format!("unset the one that is wrong, or set {OWN} to the JSON of the key, which beats both")))
}

/// Google's accounts do not differ in case.
fn same_email(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// The one credential, where all that is set is one and the same.
fn only_one(mut candidates: Vec<Candidate>) -> Result<Option<Candidate>, Error> {
    let Some(first) = candidates.first() else { return Ok(None) };
    if let Some(other) =
        candidates.iter().find(|other| !other.recognised.shape.same_as(&first.recognised.shape))
    {
        return Err(contradiction(format!(
            "{} and {} hold different credentials: {} and {}",
            first.variable.name,
            other.variable.name,
            first.describe(),
            other.describe()
        ))
        .hint(format!("unset the one that is wrong, or set {OWN}, which beats both")));
    }
    // Of the same key, the one that says whose it is.
    let whole = candidates.iter().position(|candidate| !matches!(candidate.recognised.shape, Shape::Pem(_)));
    Ok(Some(candidates.swap_remove(whole.unwrap_or(0))))
}

/// The key of an account whose e-mail is all that our variables hold, from the file that `GOOGLE_APPLICATION_CREDENTIALS` names.
fn of_application_default(email: Email, search: &Search) -> Result<Candidate, Error> {
    let Some(path) = search.path_variable(APPLICATION_DEFAULT) else { return Err(half_of(&email)) };
    let working = search.host().environment.directory(Directory::Working).unwrap_or_default();
    let path = path_in(&path, &working, APPLICATION_DEFAULT)?;
    let content = Content::read(search, &path, APPLICATION_DEFAULT)?;
    let recognised = Recognised::from_content(&content, APPLICATION_DEFAULT)?;
    let variable = Variable { name: APPLICATION_DEFAULT, usually: Usually::Credential };
    Candidate { variable, email: None, recognised }.with(email)
}

/// The error for an e-mail without its key.
fn half_of(email: &Email) -> Error {
    let name = email.variable.name;
    let key = match email.variable.usually {
        Usually::EmailOfKeyIn(key) => key,
        _ => "EE_SA_CREDENTIALS_FILE",
    };
    half(name, key).hint(format!(
        "set {key} to the key of {}: its path, JSON or PEM; {name} is the e-mail alone. A JSON key needs no e-mail: put it into \
         {OWN}",
        redact(&email.address)
    ))
}

fn half(set: &str, missing: &str) -> Error {
    Error::invalid("half_pair", format!("{set} is set, and {missing}, which goes with it, is not"))
}

fn contradiction(message: String) -> Error {
    Error::invalid("contradiction", message)
}

impl Candidate {
    /// The credential with the e-mail in another variable, where it is of that account.
    fn with(mut self, email: Email) -> Result<Self, Error> {
        let (name, address, key) = (email.variable.name, &email.address, self.variable.name);
        match &self.recognised.shape {
            Shape::Pem(_) => {
                self.email = Some(email);
                Ok(self)
            }
            shape => match shape.principal() {
                Some(account) if same_email(&account, address) => Ok(self),
                Some(account) => Err(contradiction(format!(
                    "{name} is {address}, and the key in {key} is of {}",
                    redact(&account)
                ))
                .hint(format!("correct {name}, or set {key} to the key of {address}"))),
                None => Err(contradiction(format!("{name} is {address}, and {key} holds {}", shape.name()))
                    .hint(format!("unset {name}; or set {key} to the key of {address}"))),
            },
        }
    }

    /// The credential where there is no e-mail for it.
    fn without_email(self) -> Result<Self, Error> {
        let name = self.variable.name;
        match (&self.recognised.shape, self.variable.usually) {
            (Shape::Pem(_), Usually::KeyOf(email)) => Err(half(name, email).hint(format!(
                "set {email} to the service account's e-mail. A JSON key needs no e-mail: put its path into {OWN}"
            ))),
            (Shape::Pem(_), _) => Err(Error::invalid(
                "missing_field",
                format!("{name} holds a private key alone, which does not say whose it is"),
            )
            .hint(format!(
                "put the whole JSON of the key into {name}; or set EE_SERVICE_ACCOUNT to the e-mail of its account: \
                 the key may stay here, or be in EE_SA_CREDENTIALS_FILE"
            ))),
            _ => Ok(self),
        }
    }

    /// What it is, without a secret.
    fn describe(&self) -> String {
        match self.recognised.shape.principal() {
            Some(email) => redact(&email),
            None => self.recognised.shape.name().to_owned(),
        }
    }

    fn found(self, search: &Search) -> Result<Found, Error> {
        let Recognised { shape, place, warnings } = self.recognised;
        let mut found = match shape {
            Shape::Json(document) => credential::found(&document, search)?,
            Shape::RefreshToken(refresh_token) => authorized_user::found(
                Login {
                    client_id: earth_engine_client::ID.to_owned(),
                    client_secret: Some(earth_engine_client::SECRET.into()),
                    refresh_token,
                    scopes: None,
                    token_uri: None,
                    place,
                    file: None,
                    log_in: "ee-auth login --force",
                    copy_again: None,
                },
                search.settings(),
            )?,
            Shape::AccessToken(token) => access_token::found(&token, &place, search.host().clock.now())?,
            Shape::Pem(pem) => service_account::found(
                Key::from_pem(self.email.as_ref().map_or("", |email| &email.address), &pem, &place)?,
                search.scopes(),
                None,
                search.settings(),
            )?,
        };
        found.warnings.extend(warnings);
        Ok(found)
    }
}
