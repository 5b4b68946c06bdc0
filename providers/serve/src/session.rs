//! The endpoint for one command.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use ee_auth_core::host::Environment;
use ee_auth_core::{Credential, Error, Secret};
use ring::rand::{SecureRandom, SystemRandom};
use tempfile::NamedTempFile;

use crate::{
    Address, Listener, Options, Place, Profiles, Refusal, Served, Server, Variables, Via, credential_file,
    variables,
};

/// A server and a credential file that last as long as a command does.
#[derive(Debug)]
pub struct Session {
    server: Server,
    file: Option<NamedTempFile>,
    variables: Variables,
}

impl Session {
    /// Serves `credential` at a random port of 127.0.0.1.
    ///
    /// # Errors
    /// [`Outcome::Internal`](ee_auth_core::Outcome::Internal) where there is no port or no file to be had.
    pub fn start(credential: Credential, via: Via, environment: &dyn Environment) -> Result<Self, Error> {
        let failed = |error: io::Error| {
            Error::internal(format!(
                "the endpoint for the command could not be started on 127.0.0.1: {error}"
            ))
        };
        let project = credential.project().map(|project| project.id.clone());
        let secret = local_secret();
        let listener = Listener::bind(&Address::any_loopback()).map_err(failed)?;
        let authority = listener.address().to_string();
        let served = Served::new(credential);
        let identity = served.identity().to_owned();
        let profiles = Profiles::new(served);
        let server =
            Server::start(vec![listener], secret.clone(), profiles, Options::default()).map_err(failed)?;
        let content = credential_file::content(&format!("http://{authority}"), &secret, project.as_deref());
        let file = via.uses_file().then(|| temporary(&content)).transpose().map_err(|error| {
            Error::internal(format!("the command's credential file could not be written: {error}"))
                .hint("see whether there is room in the directory for temporary files; TMPDIR names another")
        })?;
        let place = Place {
            authority: &authority,
            file: file.as_ref().map(NamedTempFile::path),
            secret: &secret,
            identity: &identity,
            project: project.as_deref(),
        };
        let variables = variables(&place, via, environment);
        Ok(Self { server, file, variables })
    }

    /// What the command's variables are to be.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The credential file.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(NamedTempFile::path)
    }

    /// How many requests were refused, by the reason.
    pub fn refusals(&self) -> Vec<(Refusal, u64)> {
        self.server.refusals()
    }
}

/// A file in the directory for temporary ones, which only the user can read. It is gone with the handle.
fn temporary(content: &str) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("ee-auth-").suffix(".json").tempfile()?;
    file.write_all(content.as_bytes())?;
    Ok(file)
}

/// A secret that stands as the refresh token of one run: 256 random bits.
pub fn local_secret() -> Secret {
    Secret::from(random_hex(32))
}

/// So many random bytes, in hexadecimal digits.
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    SystemRandom::new().fill(&mut random).expect("the system has random numbers");
    random.iter().fold(String::with_capacity(2 * bytes), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
