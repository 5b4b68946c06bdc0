//! The credential files that lead clients to the server.

use std::net::SocketAddr;
use std::path::PathBuf;

use ee_auth::ShowPath as _;
use ee_auth::host::Directory;
use ee_auth::{Error, Host, Secret};
use ee_auth_serve::{Profiles, Served, credential_file};

/// The credential files of this run, which go with it.
pub(super) struct CredentialFiles<'a> {
    pub(super) host: &'a Host,
    pub(super) secret: Secret,
    pub(super) files: Vec<CredentialFile>,
}

/// One of them: for what is served at an address, and under which name.
pub(super) struct CredentialFile {
    pub(super) path: PathBuf,
    pub(super) authority: String,
    pub(super) profile: Option<String>,
}

impl<'a> CredentialFiles<'a> {
    /// None yet. `secret` is what stands in them as the refresh token.
    pub(super) fn new(host: &'a Host, secret: Secret) -> Self {
        Self { host, secret, files: Vec::new() }
    }

    /// One more, to be written: for what is served at an address as `profile`.
    ///
    /// # Errors
    /// Where no directory is known for it.
    pub(super) fn add(&mut self, address: SocketAddr, profile: Option<String>) -> Result<(), Error> {
        let path = place_of_file(self.host, address.port(), profile.as_deref())?;
        let authority =
            profile.as_ref().map_or(address.to_string(), |name| format!("{address}/profiles/{name}"));
        self.files.push(CredentialFile { path, authority, profile });
        Ok(())
    }

    /// Writes all, in the place of those that are there.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn write(&self, profiles: &Profiles) -> Result<(), Error> {
        self.files.iter().try_for_each(|file| {
            let Some(served) = file.served(profiles) else { return Ok(()) };
            let content = credential_file::content(
                &format!("http://{}", file.authority),
                &self.secret,
                project(served),
                served.scopes().as_ref(),
            );
            self.host.files.write_private(&file.path, content.as_bytes()).map_err(|error| {
                let path = file.path.shown();
                Error::internal(format!("writing the credential file {path} failed: {error}"))
            })
        })
    }
}

impl Drop for CredentialFiles<'_> {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = self.host.files.remove(&file.path);
        }
    }
}

impl CredentialFile {
    /// What is served there; `None` where that profile is there no more.
    pub(super) fn served<'p>(&self, profiles: &'p Profiles) -> Option<&'p Served> {
        match &self.profile {
            None => Some(profiles.root()),
            Some(wanted) => profiles.named().find_map(|(name, served)| (name == wanted).then_some(served)),
        }
    }
}

/// The project that clients are to use.
pub(super) fn project(served: &Served) -> Option<&str> {
    served.credential().project().map(|project| project.id.as_str())
}

/// The credential file of a port: on this machine alone, since another may serve at the same port.
fn place_of_file(host: &Host, port: u16, profile: Option<&str>) -> Result<PathBuf, Error> {
    let profile = profile.map(|name| format!("-{name}")).unwrap_or_default();
    let name = format!("serve-{port}{profile}.json");
    let directory = host.environment.directory(Directory::Runtime);
    let directory = directory.or_else(|| host.environment.directory(Directory::Cache)).ok_or_else(|| {
        Error::invalid("home", "no directory is known for the credential file")
            .hint("set HOME or XDG_RUNTIME_DIR")
    })?;
    Ok(directory.join("ee-auth").join(name))
}
