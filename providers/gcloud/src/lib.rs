//! The provider `gcloud`: the application-default credentials that gcloud keeps.
//!
//! `gcloud auth application-default login` writes `application_default_credentials.json` into gcloud's configuration
//! directory: `CLOUDSDK_CONFIG` where it is set, else `~/.config/gcloud`, on Windows `%APPDATA%\gcloud`.

use std::path::PathBuf;
use std::sync::Arc;

use ee_auth_core::host::Directory;
use ee_auth_core::{BoxFuture, Finding, Kind, Options, Provider, Search};
use ee_auth_google::{Content, credential};

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
pub fn credentials_file(search: &Search) -> Option<PathBuf> {
    let directory = match search.variable("CLOUDSDK_CONFIG") {
        Some(directory) => PathBuf::from(directory),
        None if cfg!(windows) => PathBuf::from(search.variable("APPDATA")?).join("gcloud"),
        None => search.host().environment.directory(Directory::Home)?.join(".config").join("gcloud"),
    };
    Some(directory.join("application_default_credentials.json"))
}

/// The project that gcloud's application-default file says is to be charged, and the file.
pub fn quota_project(search: &Search) -> Option<(String, PathBuf)> {
    let path = credentials_file(search)?;
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
            let Some(path) = credentials_file(search) else {
                return Finding::not_found("no home directory is known, so gcloud has no configuration")
                    .hint("set HOME");
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
