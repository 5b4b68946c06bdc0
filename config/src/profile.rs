//! The default profile, which `ee-auth profile use` keeps in the state directory.

use std::path::PathBuf;

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Directory, Edit, FileRead, Host};
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
        Error::invalid("profile_name", format!("the default profile in {}: {what}", path.shown()))
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
/// write, [`Outcome::Unavailable`](ee_auth_core::Outcome::Unavailable) where another process does not release the file.
pub fn set_default_profile(host: &Host, name: Option<&ProfileName>) -> Result<(), Error> {
    change(host, |_| match name {
        Some(name) => Edit::Write(format!("{name}\n").into_bytes().into()),
        None => Edit::Remove,
    })
}

/// Leaves no default profile where it is `name`.
///
/// # Errors
/// As [`set_default_profile`].
pub fn unset_default_profile(host: &Host, name: &ProfileName) -> Result<(), Error> {
    change(host, |old| {
        let is_set = old.is_some_and(|old| old.bytes.trim_ascii() == name.as_str().as_bytes());
        if is_set { Edit::Remove } else { Edit::Keep }
    })
}

fn change(host: &Host, change: impl Fn(Option<&FileRead>) -> Edit) -> Result<(), Error> {
    let Some(path) = file(host) else {
        return Err(Error::internal("the default profile cannot be kept: no home directory is known")
            .hint("set HOME, or name the profile with `--profile` or EE_AUTH_PROFILE"));
    };
    let failed = |error: &dyn std::fmt::Display| {
        Error::internal(format!("keeping the default profile in {}: {error}", path.shown()))
    };
    host.update_blocking(&path, MAX_FILE, |old| Ok((change(old), ())))
        .map_err(|error| error.explain(|error| failed(error), |error| failed(error)))
}

fn file(host: &Host) -> Option<PathBuf> {
    Some(host.environment.directory(Directory::State)?.join("ee-auth").join("profile"))
}
