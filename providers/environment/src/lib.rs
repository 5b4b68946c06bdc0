//! The provider `environment`: a credential in a variable, in whatever shape people paste it.
//!
//! The variables are those of [`VARIABLES`]; [`OWN`] overrides the others.
//!
//! What a value may look like, and in which order it is recognised, is in [`Shape`]. Two variables that hold
//! different credentials are an error that names both: choosing one would be guessing.

mod shape;
pub mod variables;

use std::sync::Arc;

use ee_auth_core::{BoxFuture, Error, Finding, Found, Kind, Options, Provider, Search, Secret, redact};
use ee_auth_google::authorized_user::{self, Login};
use ee_auth_google::service_account::{self, Key, is_email};
use ee_auth_google::{access_token, credential, earth_engine_client};

pub use shape::{Recognised, Shape};
pub use variables::{OWN, VARIABLES, names};
use variables::{Usually, Variable};

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
            match candidates(search).and_then(only_one) {
                Ok(Some(candidate)) => Finding::from(candidate.found(search)),
                Ok(None) => Finding::not_found("none of the variables that may hold a credential is set")
                    .hint(format!(
                        "set {OWN} to a service account's key: its JSON, base64 of it, or its path"
                    )),
                Err(error) => Finding::from(error),
            }
        })
    }
}

/// A credential that one variable, or a pair of them, holds.
struct Candidate {
    /// The variables, for a person.
    named: String,
    /// The e-mail of a pair.
    email: Option<String>,
    recognised: Recognised,
}

fn candidates(search: &Search) -> Result<Vec<Candidate>, Error> {
    if let Some(value) = search.secret_variable(OWN)? {
        return Ok(vec![Candidate::single(OWN, &value, search)?]);
    }
    let mut candidates = Vec::new();
    for Variable { name, .. } in VARIABLES.iter().filter(|variable| variable.usually == Usually::Credential) {
        if let Some(value) = search.secret_variable(name)? {
            candidates.push(Candidate::single(name, &value, search)?);
        }
    }
    for (email, key) in pairs() {
        match (search.variable(email)?, search.secret_variable(key)?) {
            (None, None) => {}
            (Some(address), Some(value)) => {
                candidates.push(Candidate::pair(email, address, key, &value, search)?)
            }
            (Some(_), None) => {
                return Err(half(email, key).hint(format!(
                    "set {key} to the path of the account's key; {email} is the e-mail alone. A JSON key needs no \
                     e-mail: put it into {OWN}"
                )));
            }
            (None, Some(_)) => {
                return Err(half(key, email).hint(format!(
                    "set {email} to the service account's e-mail. A JSON key needs no e-mail: put its path into {OWN}"
                )));
            }
        }
    }
    Ok(candidates)
}

fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
    VARIABLES.iter().filter_map(|variable| match variable.usually {
        Usually::EmailOfKeyIn(key) => Some((variable.name, key)),
        _ => None,
    })
}

fn half(set: &str, missing: &str) -> Error {
    Error::invalid("half_pair", format!("{set} is set, and {missing}, which goes with it, is not"))
}

/// The one credential, where all that is set is one and the same.
fn only_one(mut candidates: Vec<Candidate>) -> Result<Option<Candidate>, Error> {
    let Some(other) = candidates.iter().skip(1).find(|other| !other.same_as(&candidates[0])) else {
        return Ok(if candidates.is_empty() { None } else { Some(candidates.swap_remove(0)) });
    };
    let first = &candidates[0];
    Err(Error::invalid(
        "contradiction",
        format!(
            "{} and {} hold different credentials: {} and {}",
            first.named,
            other.named,
            first.describe(),
            other.describe()
        ),
    )
    .hint(format!("unset the one that is wrong, or set {OWN}, which beats both")))
}

impl Candidate {
    fn single(name: &str, value: &Secret, search: &Search) -> Result<Self, Error> {
        let recognised = Recognised::from_value(value, name, search)?;
        if matches!(recognised.shape, Shape::Pem(_)) {
            return Err(Error::invalid(
                "missing_field",
                format!("{name} holds a private key alone, which does not say whose it is"),
            )
            .hint(format!(
                "put the whole JSON of the key into {name}; or set {} to the e-mail and {} to the path of the PEM",
                "EE_SERVICE_ACCOUNT", "EE_SA_CREDENTIALS_FILE"
            )));
        }
        Ok(Self { named: name.to_owned(), email: None, recognised })
    }

    fn pair(email: &str, address: String, key: &str, value: &Secret, search: &Search) -> Result<Self, Error> {
        // Somebody may have put the key here: what is no e-mail is not shown.
        if !is_email(&address) {
            return Err(Error::invalid("email", format!("{email} is set, but holds no e-mail")).hint(format!(
                "set {email} to the account's e-mail, NAME@PROJECT.iam.gserviceaccount.com. A JSON key needs no \
                 e-mail: put it into {OWN}, and unset {email} and {key}"
            )));
        }
        let recognised = Recognised::from_value(value, key, search)?;
        let in_key = match &recognised.shape {
            Shape::Pem(_) => None,
            Shape::Json(document) if document.credential_type() == Some("service_account") => {
                document.text("client_email")?
            }
            _ => {
                return Err(Error::invalid("wrong_type", format!("{key} holds no service account's key"))
                    .hint(format!("set {key} to the path of the key of {address}")));
            }
        };
        match in_key {
            Some(actual) if actual != address => Err(Error::invalid(
                "contradiction",
                format!("{email} is {address}, and the key in {key} is of {}", redact(&actual)),
            )
            .hint(format!("correct {email}, or set {key} to the key of {address}"))),
            _ => Ok(Self { named: format!("{email} and {key}"), email: Some(address), recognised }),
        }
    }

    fn same_as(&self, other: &Self) -> bool {
        self.principal() == other.principal() && self.recognised.shape.same_as(&other.recognised.shape)
    }

    /// The account's e-mail, where it says so.
    fn principal(&self) -> Option<String> {
        self.email.clone().or_else(|| self.recognised.shape.principal())
    }

    /// What it is, without a secret.
    fn describe(&self) -> String {
        match self.principal() {
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
                    log_in: "ee-auth login --force",
                },
                search.settings(),
            )?,
            Shape::AccessToken(token) => access_token::found(&token, &place, search.host().clock.now())?,
            Shape::Pem(pem) => service_account::found(
                Key::from_pem(self.email.as_deref().unwrap_or_default(), &pem, &place)?,
                search.scopes(),
                None,
                search.settings(),
            )?,
        };
        found.warnings.extend(warnings);
        Ok(found)
    }
}
