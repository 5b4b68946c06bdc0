//! Where a subject token comes from (AIP-4117, `credential_source`), one module a source.

mod aws;
mod aws_signature;
mod certificate;
mod executable;
mod file;
mod format;
mod url;
mod variable;

use std::fmt;
use std::sync::Arc;

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::ClientCertificate;
use ee_auth_core::{Error, Exchange, Search, Secret, TokenKey};

use super::NEW_FILE;
use crate::Document;

pub use aws::{Aws, Lacking};
pub use file::File;
pub use format::Format;
pub use url::{Address, UrlSource};
pub use variable::Variable;

use certificate::Certificate;
use executable::Executable;

/// A token that another identity provider issued, got anew for every exchange.
pub(crate) struct Subject {
    pub(crate) token: Secret,
    /// What the connection to the STS has to show.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
}

impl From<Secret> for Subject {
    fn from(token: Secret) -> Self {
        Self { token, certificate: None }
    }
}

/// Where a subject token comes from.
#[derive(Debug)]
pub struct SubjectToken(Source);

#[derive(Debug)]
enum Source {
    File(File),
    Url(UrlSource),
    Variable(Variable),
    Executable(Executable),
    Aws(Aws),
    Certificate(Certificate),
}

impl SubjectToken {
    /// What the `credential_source` of a document of type `external_account` says.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it names no source, two, or one that is not there;
    /// [`Outcome::Untrusted`](ee_auth_core::Outcome::Untrusted) for an address that is not what it should be, or a
    /// program that the user has not allowed.
    pub(super) fn from_document(
        document: &Document,
        audience: &str,
        token_type: &str,
        search: &Search,
    ) -> Result<Self, Error> {
        const SOURCES: [&str; 5] = ["environment_id", "executable", "file", "url", "certificate"];
        let place = document.place();
        let section = document.object("credential_source")?;
        let Some(section) = section.filter(|section| section.names().next().is_some()) else {
            return Err(Error::invalid("missing_field", format!("{place}: `credential_source` is missing"))
                .hint(NEW_FILE));
        };
        let mut named: Vec<_> = SOURCES.into_iter().filter(|name| section.has(name)).collect();
        // AWS has a `url` beside.
        if named.first() == Some(&"environment_id") {
            named.retain(|name| *name != "url");
        }
        let source = match named[..] {
            ["environment_id"] => Source::Aws(Aws::from_section(&section, audience, search)?),
            ["executable"] => {
                Source::Executable(Executable::from_section(&section, audience, token_type, search)?)
            }
            ["file"] => Source::File(File::from_section(&section, search)?),
            ["url"] => Source::Url(UrlSource::from_section(&section)?),
            ["certificate"] => Source::Certificate(Certificate::from_section(&section, search)?),
            [] => {
                return Err(Error::invalid(
                    "missing_field",
                    format!("{place}: `credential_source` names no source: {}", SOURCES.join(", ")),
                )
                .hint(NEW_FILE));
            }
            _ => {
                return Err(Error::invalid(
                    "contradiction",
                    format!("{place}: `credential_source` names more than one source: {}", named.join(", ")),
                )
                .hint("remove all but the one that is meant"));
            }
        };
        Ok(Self(source))
    }

    /// Says that the federated identity is to stand for this service account, which a program may want to know.
    pub(super) fn for_service_account(&mut self, email: &str) {
        if let Source::Executable(executable) = &mut self.0 {
            executable.for_service_account(email);
        }
    }

    /// A new subject token.
    pub(crate) async fn get(&self, exchange: &Exchange) -> Result<Subject, Error> {
        match &self.0 {
            Source::File(file) => file.get(exchange).map(Subject::from),
            Source::Url(url) => url.get(exchange).await.map(Subject::from),
            Source::Variable(variable) => Ok(variable.get().into()),
            Source::Executable(executable) => executable.get(exchange).await.map(Subject::from),
            Source::Aws(aws) => aws.get(exchange).await.map(Subject::from),
            Source::Certificate(certificate) => certificate.get(exchange),
        }
    }

    /// Adds everything by which the tokens that are got for it differ from others.
    pub(crate) fn add_to(&self, key: &mut TokenKey) {
        match &self.0 {
            Source::File(file) => file.add_to(key),
            Source::Url(url) => url.add_to(key),
            Source::Variable(variable) => variable.add_to(key),
            Source::Executable(executable) => executable.add_to(key),
            Source::Aws(aws) => aws.add_to(key),
            Source::Certificate(certificate) => certificate.add_to(key),
        }
    }
}

impl From<File> for SubjectToken {
    fn from(file: File) -> Self {
        Self(Source::File(file))
    }
}

impl From<UrlSource> for SubjectToken {
    fn from(url: UrlSource) -> Self {
        Self(Source::Url(url))
    }
}

impl From<Variable> for SubjectToken {
    fn from(variable: Variable) -> Self {
        Self(Source::Variable(variable))
    }
}

impl From<Aws> for SubjectToken {
    fn from(aws: Aws) -> Self {
        Self(Source::Aws(aws))
    }
}

/// For a person: `federated token in /var/run/token`.
impl fmt::Display for SubjectToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::File(file) => write!(f, "federated token in {}", file.path().shown()),
            Source::Url(url) => write!(f, "federated token from {}", url.shown()),
            Source::Variable(variable) => write!(f, "federated token in {}", variable.name()),
            Source::Executable(executable) => {
                write!(f, "federated token from the program {}", executable.program().shown())
            }
            Source::Aws(_) => f.write_str("federated identity of AWS"),
            Source::Certificate(certificate) => {
                write!(f, "federated certificate in {}", certificate.path().shown())
            }
        }
    }
}
