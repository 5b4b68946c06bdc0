//! The endpoint for one command.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Directory, Environment};
use ee_auth_core::{Credential, Error, Secret};
use ee_auth_host::Undo;
use ring::rand::{SecureRandom, SystemRandom};

use crate::left_behind::{hold, tidy_up};
use crate::{
    Address, Listener, Place, Profiles, Refusal, Served, Server, Variables, Via, credential_file, variables,
};

/// A server and a credential file that last as long as a command does.
#[derive(Debug)]
pub struct Session {
    server: Server,
    file: Option<CredentialFile>,
    variables: Variables,
}

impl Session {
    /// Serves `credential` at a random port of 127.0.0.1.
    ///
    /// # Errors
    /// [`Outcome::Internal`](ee_auth_core::Outcome::Internal) where there is no port or no file to be had.
    pub fn start(credential: Credential, via: Via, environment: &dyn Environment) -> Result<Self, Error> {
        let failed = |error: io::Error| {
            Error::system("the endpoint for the command could not be started on 127.0.0.1", &error)
        };
        let project = credential.project().map(|project| project.id.clone());
        let secret = local_secret();
        let listener = Listener::bind(&Address::any_loopback()).map_err(failed)?;
        let authority = listener.address().to_string();
        let served = Served::new(credential);
        let identity = served.identity().to_owned();
        let scopes = served.scopes();
        let profiles = Profiles::new(served);
        let server = Server::start(vec![listener], secret.clone(), profiles, via).map_err(failed)?;
        let base = format!("http://{authority}");
        let content = credential_file::content(&base, &secret, project.as_deref(), scopes.as_ref());
        let file = via.uses_file().then(|| CredentialFile::write(&content, environment)).transpose()?;
        let place = Place {
            authority: &authority,
            file: file.as_ref().map(|file| &*file.path),
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
        self.file.as_ref().map(|file| &*file.path)
    }

    /// How many requests were refused, by the reason.
    pub fn refusals(&self) -> Vec<(Refusal, u64)> {
        self.server.refusals()
    }
}

/// How the names of these files begin and end.
const NAME: (&str, &str) = ("ee-auth-", ".json");

/// A file in the directory for temporary ones, which only the user can read. It is gone with the handle, or with the process.
#[derive(Debug)]
struct CredentialFile {
    path: PathBuf,
    _open: File,
    _undo: Undo,
}

impl CredentialFile {
    fn write(content: &str, environment: &dyn Environment) -> Result<Self, Error> {
        let Some(directory) = environment.directory(Directory::Temporary) else {
            return Err(Error::internal(
                "no directory for the command's credential file: others can replace files in each that there is",
            )
            .hint("set TMPDIR to a directory of your own; `-v` says what is wrong with each"));
        };
        Self::write_in(&directory, content).map_err(|error| {
            let doing = format!("writing the command's credential file to {} failed", directory.shown());
            let failed = Error::system(&doing, &error);
            match failed.next_step() {
                Some(_) => failed,
                None => failed.hint(
                    "see whether there is room in the directory for temporary files; TMPDIR names another",
                ),
            }
        })
    }

    fn write_in(directory: &Path, content: &str) -> io::Result<Self> {
        tidy_up(directory, NAME.0, NAME.1, |left| drop(fs::remove_file(left)));
        let ((mut open, path), undo) = Undo::make(
            || {
                let file = tempfile::Builder::new().prefix(NAME.0).suffix(NAME.1).tempfile_in(directory)?;
                hold(file.as_file(), false);
                file.keep().map_err(|error| error.error)
            },
            |(_, path)| {
                let path = path.clone();
                move || drop(fs::remove_file(path))
            },
        )?;
        open.write_all(content.as_bytes())?;
        Ok(Self { path, _open: open, _undo: undo })
    }
}

/// A secret that stands as the refresh token of one run: 256 random bits.
pub fn local_secret() -> Secret {
    Secret::from(random_hex(32))
}

/// So many random bytes, in hexadecimal digits.
#[expect(clippy::expect_used, reason = "a secret that can be guessed would be worse than an end")]
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    SystemRandom::new().fill(&mut random).expect("the system has random numbers");
    random.iter().fold(String::with_capacity(2 * bytes), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
