//! The default profile, which `ee-auth profile use` keeps in the state directory.

use std::path::PathBuf;

use ee_auth_core::host::{Directory, Host};
use ee_auth_core::{Error, ProfileName, redact};

use crate::origin::{Located, Origin};

/// The most bytes that the file may have: a name is short.
const MAX_FILE: u64 = 4096;

/// The default profile and the file that says so; `None` where there is none.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where the file cannot be read or holds no name.
pub fn default_profile(host: &Host) -> Result<Option<Located<ProfileName>>, Error> {
    let Some(path) = file(host) else { return Ok(None) };
    let explain = |what: String| {
        Error::invalid("profile_name", format!("the default profile in {}: {what}", path.display()))
            .hint("choose it again with `ee-auth profile use NAME`, or remove the file")
    };
    let bytes = match host.files.read(&path, MAX_FILE) {
        Ok(read) => read.bytes,
        Err(error) if host.counts_as_absent(&path, &error) => return Ok(None),
        Err(error) => return Err(explain(error.to_string())),
    };
    let name = std::str::from_utf8(&bytes).map_err(|_| explain("it is not UTF-8 text".to_owned()))?.trim();
    if name.is_empty() {
        return Ok(None);
    }
    let name = name.parse().map_err(|error: Error| explain(redact(error.message())))?;
    Ok(Some(Located::new(name, Origin::State(path))))
}

/// Makes `name` the default profile; `None`: there is none any more.
///
/// # Errors
/// [`Outcome::Internal`](ee_auth_core::Outcome::Internal) where the system has no state directory or refuses the
/// write.
pub fn set_default_profile(host: &Host, name: Option<&ProfileName>) -> Result<(), Error> {
    let Some(path) = file(host) else {
        return Err(Error::internal("the default profile cannot be kept: no home directory is known")
            .hint("set HOME, or name the profile with `--profile` or EE_AUTH_PROFILE"));
    };
    let result = match name {
        Some(name) => host.files.write_private(&path, format!("{name}\n").as_bytes()),
        None => host.files.remove(&path),
    };
    result.map_err(|error| {
        Error::internal(format!("keeping the default profile in {}: {error}", path.display()))
    })
}

fn file(host: &Host) -> Option<PathBuf> {
    Some(host.environment.directory(Directory::State)?.join("ee-auth").join("profile"))
}
