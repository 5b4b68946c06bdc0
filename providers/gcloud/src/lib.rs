//! The provider `gcloud`: the application-default credentials that gcloud keeps.
//!
//! `gcloud auth application-default login` writes `application_default_credentials.json` into gcloud's configuration
//! directory: `CLOUDSDK_CONFIG` where it is set, else `~/.config/gcloud`, on Windows `%APPDATA%\gcloud`.

use std::path::PathBuf;
use std::sync::Arc;

use ee_auth_core::host::Directory;
use ee_auth_core::{BoxFuture, Error, Finding, Kind, Options, Provider, Search};
use ee_auth_google::{Content, credential, path_in};

/// How `gcloud` is configured: not at all.
pub const KIND: Kind = Kind {
    name: "gcloud",
    summary: "the application-default credentials of gcloud",
    interactive: false,
    declared_only: false,
    options: &[],
    build: |_name, _options: &Options| Ok(Arc::new(Gcloud)),
};

/// gcloud's application-default file; `None` where the system has no home directory.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where `CLOUDSDK_CONFIG` holds a credential and no path.
pub fn credentials_file(search: &Search) -> Result<Option<PathBuf>, Error> {
    let environment = &search.host().environment;
    let directory = if let Some(directory) = search.path_variable("CLOUDSDK_CONFIG") {
        let working = environment.directory(Directory::Working).unwrap_or_default();
        Some(path_in(&directory, &working, "CLOUDSDK_CONFIG")?)
    } else if cfg!(windows) {
        search.path_variable("APPDATA").map(|data| data.join("gcloud"))
    } else {
        environment.directory(Directory::Home).map(|home| home.join(".config").join("gcloud"))
    };
    Ok(directory.map(|directory| directory.join("application_default_credentials.json")))
}

/// The project that gcloud's application-default file says is to be charged, and the file.
pub fn quota_project(search: &Search) -> Option<(String, PathBuf)> {
    let path = credentials_file(search).ok()??;
    // A file that cannot be read is the provider's to report, if it is asked.
    let document = Content::read_if_present(search, &path).ok()??.document().ok()?;
    Some((document.text("quota_project_id").ok()??, path))
}

/// The provider.
#[derive(Debug)]
pub struct Gcloud;

impl Provider for Gcloud {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let path = match credentials_file(search) {
                Ok(Some(path)) => path,
                Ok(None) => {
                    return Finding::not_found("no home directory is known, so gcloud has no configuration")
                        .hint("set HOME");
                }
                Err(error) => return Finding::from(error),
            };
            match Content::read_if_present(search, &path) {
                Ok(Some(content)) => Finding::from(
                    content.document().and_then(|document| credential::found(&document, search)),
                ),
                Ok(None) => Finding::not_found("gcloud has no application-default credentials")
                    .hint("`gcloud auth application-default login` makes them"),
                Err(error) => Finding::from(error),
            }
        })
    }
}
