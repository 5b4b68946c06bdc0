//! The OAuth client that gcloud is to use, in the file that it reads it from.

use std::path::{Path, PathBuf};

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::TemporaryFile;
use ee_auth_core::{Endpoints, Error, ExposeSecret, Host, OAuthClient};
use serde_json::json;
use zeroize::Zeroizing;

/// A file for `--client-id-file`. It is removed when this is dropped.
///
/// It lies in gcloud's own configuration directory, which a gcloud that runs in a container or sandbox sees too. One that a
/// killed process left there goes with the next login.
pub(crate) struct ClientFile {
    path: PathBuf,
    _file: TemporaryFile,
}

impl ClientFile {
    /// Writes `client` as the Cloud console would, for the user alone to read.
    pub(crate) fn write(
        host: &Host,
        directory: &Path,
        client: &OAuthClient,
        endpoints: &Endpoints,
    ) -> Result<Self, Error> {
        if !client.redirect_uris.is_empty() {
            return Err(Error::invalid(
                "client_file",
                format!("{}: gcloud takes no web clients, whose redirects are registered", client.origin),
            )
            .hint(DESKTOP));
        }
        let Some(secret) = &client.secret else {
            return Err(Error::invalid(
                "client_file",
                format!("{}: gcloud takes no client without `client_secret`", client.origin),
            )
            .hint(DESKTOP));
        };
        let json = json!({"installed": {
            "client_id": client.id,
            "client_secret": secret.expose_secret(),
            "auth_uri": endpoints.authorize.as_str(),
            "token_uri": endpoints.token.as_str(),
            "redirect_uris": ["http://localhost"],
        }});
        let text = Zeroizing::new(json.to_string());
        let path = directory.join(NAME);
        let file = host.files.write_temporary(&path, text.as_bytes()).map_err(|error| {
            Error::internal(format!("writing {}, which gcloud was to read: {error}", path.shown()))
                .hint("make room on the disk, or see who may write there; `ee-auth login --mode localhost` writes no such file")
        })?;
        Ok(Self { path, _file: file })
    }

    /// Removes what a killed process left.
    pub(crate) fn remove(host: &Host, directory: &Path) {
        let path = directory.join(NAME);
        if let Err(error) = host.files.remove(&path) {
            log::warn!("{} could not be removed: {error}", path.shown());
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

const NAME: &str = "ee-auth-client-id.json";

const DESKTOP: &str = "make a client of the type \"Desktop app\": https://console.cloud.google.com/apis/credentials; or \
                       `ee-auth login --mode localhost`, which can use this one";
