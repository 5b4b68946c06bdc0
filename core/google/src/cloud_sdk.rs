//! Where gcloud (the Google Cloud SDK) keeps its configuration and its application-default credentials.
//!
//! Google's own libraries look into gcloud's directory as part of AIP-4110, with no gcloud there at all. So it is known
//! here, where every provider can ask, and not only in the provider that is named after the program.

use std::path::PathBuf;

use ee_auth_core::host::Directory;
use ee_auth_core::{Error, Search};

use crate::path_in;

/// gcloud's configuration directory: `CLOUDSDK_CONFIG` where it is set, else `~/.config/gcloud`, on Windows
/// `%APPDATA%\gcloud`; `None` where the system has no home directory.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where `CLOUDSDK_CONFIG` holds a credential and no path.
pub fn directory(search: &Search) -> Result<Option<PathBuf>, Error> {
    let environment = &search.host().environment;
    if let Some(directory) = search.path_variable("CLOUDSDK_CONFIG") {
        let working = environment.directory(Directory::Working).unwrap_or_default();
        return path_in(&directory, &working, "CLOUDSDK_CONFIG").map(Some);
    }
    Ok(if cfg!(windows) {
        search.path_variable("APPDATA").map(|data| data.join("gcloud"))
    } else {
        environment.directory(Directory::Home).map(|home| home.join(".config").join("gcloud"))
    })
}

/// The name of the file in that directory which `gcloud auth application-default login` writes.
pub const APPLICATION_DEFAULT: &str = "application_default_credentials.json";

/// gcloud's application-default file, there or not; `None` where the system has no home directory.
///
/// # Errors
/// As [`directory`].
pub fn application_default_file(search: &Search) -> Result<Option<PathBuf>, Error> {
    Ok(directory(search)?.map(|directory| directory.join(APPLICATION_DEFAULT)))
}
