//! The provider `service_account`: the key that `ee-auth.toml` names.
//!
//! | option | |
//! | --- | --- |
//! | `key_file` | the key: the JSON of the Cloud console, or the PEM alone |
//! | `email` | the account; needed with a PEM, checked against a JSON |
//! | `subject` | the user it stands for, by domain-wide delegation |
//!
//! Without `key_file` it skips. A key file that is not there is an error, since somebody named it.

use std::path::PathBuf;
use std::sync::Arc;

use ee_auth_core::{
    BoxFuture, Error, Finding, Found, Kind, OptionSpec, OptionType, Options, Provider, Search, Secret,
};
use ee_auth_google::service_account::{self, Key};
use ee_auth_google::{Content, credential};

/// How `service_account` is configured.
pub const KIND: Kind = Kind {
    name: "service_account",
    summary: "a service account's key, named in ee-auth.toml",
    interactive: false,
    declared_only: false,
    options: &[
        OptionSpec {
            name: "key_file",
            value: OptionType::Path,
            summary: "the key: the JSON that the Cloud console gives, or the PEM alone (with `email`)",
        },
        OptionSpec { name: "email", value: OptionType::String, summary: "the account's e-mail" },
        OptionSpec {
            name: "subject",
            value: OptionType::String,
            summary: "the user to stand for, by domain-wide delegation",
        },
    ],
    build: |name, options| Ok(Arc::new(ServiceAccount::new(name, options)?)),
};

/// The provider.
#[derive(Debug)]
pub struct ServiceAccount {
    name: String,
    key_file: Option<PathBuf>,
    email: Option<String>,
    subject: Option<String>,
}

impl ServiceAccount {
    fn new(name: &str, options: &Options) -> Result<Self, Error> {
        let provider = Self {
            name: name.to_owned(),
            key_file: options.path("key_file"),
            email: options.string("email"),
            subject: options.string("subject"),
        };
        if provider.key_file.is_none() && !options.is_empty() {
            return Err(Error::invalid(
                "missing_field",
                format!("[providers.{name}] has options, but `key_file` is missing"),
            )
            .hint(format!("add `key_file = \"~/key.json\"` under [providers.{name}]")));
        }
        Ok(provider)
    }

    fn key_in(&self, content: &Content, search: &Search) -> Result<Found, Error> {
        if !service_account::is_pem(content.text()?) {
            let document = content.document()?;
            let found = credential::service_account(&document, search, self.subject.clone())?;
            let in_file = document.text("client_email")?;
            return match (&self.email, in_file) {
                (Some(expected), Some(actual)) if *expected != actual => Err(Error::invalid(
                    "contradiction",
                    format!(
                        "[providers.{}] says `email = \"{expected}\"`, and {} is of {actual}",
                        self.name,
                        content.place()
                    ),
                )
                .hint("correct `email`, or leave it out: the key file says whose it is")),
                _ => Ok(found),
            };
        }
        let Some(email) = &self.email else {
            return Err(Error::invalid(
                "missing_field",
                format!("{} is a PEM, which does not say whose key it is", content.place()),
            )
            .hint(format!(
                "add `email = \"NAME@PROJECT.iam.gserviceaccount.com\"` under [providers.{}]",
                self.name
            )));
        };
        let key = Key::from_pem(email, &Secret::from(content.text()?), content.place())?;
        let mut found =
            service_account::found(key, search.scopes(), self.subject.clone(), search.settings())?;
        found.warnings.extend(content.warnings().iter().cloned());
        Ok(found)
    }
}

impl Provider for ServiceAccount {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let Some(key_file) = &self.key_file else {
                return Finding::not_applicable("no `key_file` is configured")
                    .hint("name the key in ee-auth.toml: `key_file = \"~/key.json\"` under [providers.service_account]");
            };
            let named_by = format!("`key_file` of [providers.{}]", self.name);
            Finding::from(
                Content::read(search, key_file, &named_by).and_then(|content| self.key_in(&content, search)),
            )
        })
    }
}
