//! Logins of earthengine-api that would be used in the place of what is served, and a home directory without them.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use ee_auth_core::host::{Directory, Host, variable};
use ee_auth_core::{Credential, Error};
use ee_auth_host::Undo;
use serde_json::Value;

use crate::left_behind::{hold, tidy_up};

/// Below the home directory: what earthengine-api looks at before anything else, and gcloud's application-default file,
/// whose project it prefers to that of the credential in use.
const LOGINS: [&str; 2] =
    [".config/earthengine/credentials", ".config/gcloud/application_default_credentials.json"];

/// How the names of the directories begin that stand in for a home directory.
const PREFIX: &str = ".ee-auth-home-";

/// What on this machine would make earthengine-api do something else than use `credential` with its project, each in words
/// for a person, with what hides it. `is_own` says that the credential is that very login; `isolated`, that the home directory
/// is hidden already.
pub fn outranking_logins(host: &Host, credential: &Credential, is_own: bool, isolated: bool) -> Vec<String> {
    let Some(home) = host.environment.directory(Directory::Home) else { return Vec::new() };
    let project = credential.project().map(|project| project.id.as_str());
    let read = |path: &Path| -> Option<Value> {
        let read = host.files.read(path, ee_auth_core::host::MAX_CREDENTIAL_FILE).ok()?;
        serde_json::from_slice(&read.bytes).ok()
    };
    let isolate = "`ee-auth exec --isolate-home -- CMD` hides it";
    let login = home.join(LOGINS[0]);
    let stored = read(&login).filter(|_| !isolated).unwrap_or_default();
    if !is_own && stored["refresh_token"].as_str().is_some_and(|token| !token.is_empty()) {
        return vec![format!(
            "earthengine-api will use the login in {} in place of this credential; {isolate}",
            login.display()
        )];
    }
    let other =
        |file: &Value, key: &str| file[key].as_str().filter(|id| Some(*id) != project).map(str::to_owned);
    let says = |id: &str, path: &Path, hides: &str| {
        vec![format!("earthengine-api will use the project {id}, which {} names; {hides}", path.display())]
    };
    if let Some(id) = other(&stored, "project") {
        return says(&id, &login, isolate);
    }
    // Where the variable leads is left alone by a home directory that is hidden.
    let (adc, hides) = match variable(&*host.environment, "CLOUDSDK_CONFIG") {
        Some(directory) => (
            Path::new(&directory).join("application_default_credentials.json"),
            "`env -u CLOUDSDK_CONFIG ee-auth exec -- CMD` hides it",
        ),
        None if isolated => return Vec::new(),
        None => (home.join(LOGINS[1]), isolate),
    };
    match (read(&adc).and_then(|file| other(&file, "quota_project_id")), project) {
        (Some(id), Some(_)) => says(&id, &adc, hides),
        _ => Vec::new(),
    }
}

/// A directory that stands in for the home directory: everything in it is a link to what is there, but for the logins,
/// which are not. What a command makes in it is moved to the real one at the end.
///
/// Links work for every user on every Unix. A mount would leave the path as it is, but needs a user namespace, which many
/// systems forbid, and in which `sudo` and the like do not work.
///
/// What another one has left behind whose process was killed is tidied up first, as far as nothing is replaced by it.
#[derive(Debug)]
pub struct IsolatedHome {
    stand_in: PathBuf,
    _lock: Option<File>,
    _undo: Undo,
}

impl IsolatedHome {
    /// Makes one for the user's home directory.
    ///
    /// # Errors
    /// [`Outcome::Internal`](ee_auth_core::Outcome::Internal) where it cannot be made.
    pub fn new(host: &Host) -> Result<Self, Error> {
        let home = host.environment.directory(Directory::Home).ok_or_else(|| {
            Error::invalid("home", "no home directory is known, so none can be isolated").hint("set HOME")
        })?;
        let failed = |error: io::Error| {
            Error::internal(format!("a directory in place of {} could not be made: {error}", home.display()))
                .hint("run the command without --isolate-home, after `ee-auth logout`, or in a container")
        };
        tidy_up(&home, PREFIX, "", |left| GiveBack { real: &home, replace: false }.run(left));
        let make = || {
            // On the same file system what is made there can be moved at once. Elsewhere, where there is no other way.
            let stand_in = tempfile::Builder::new()
                .prefix(PREFIX)
                .tempdir_in(&home)
                .or_else(|_| tempfile::Builder::new().prefix(PREFIX).tempdir())?
                .keep();
            let lock = File::open(&stand_in).inspect(|directory| hold(directory, true)).ok();
            match link_all(&home, &stand_in, Path::new("")) {
                Ok(()) => Ok((stand_in, lock)),
                Err(error) => {
                    GiveBack { real: &home, replace: true }.run(&stand_in);
                    Err(error)
                }
            }
        };
        let ((stand_in, lock), undo) = Undo::make(make, |(stand_in, _)| {
            let (home, stand_in) = (home.clone(), stand_in.clone());
            move || GiveBack { real: &home, replace: true }.run(&stand_in)
        })
        .map_err(failed)?;
        Ok(Self { stand_in, _lock: lock, _undo: undo })
    }

    /// What `HOME` is to be.
    pub fn path(&self) -> &Path {
        &self.stand_in
    }
}

/// Whether there is a login below `relative`.
fn leads_to_login(relative: &Path) -> bool {
    LOGINS.iter().any(|login| Path::new(login).starts_with(relative) && Path::new(login) != relative)
}

fn is_login(relative: &Path) -> bool {
    LOGINS.iter().any(|login| Path::new(login) == relative)
}

/// Fills `stand_in` with links to what is in `real`. What leads to a login is a directory of its own.
fn link_all(real: &Path, stand_in: &Path, relative: &Path) -> io::Result<()> {
    for entry in fs::read_dir(real)? {
        let name = entry?.file_name();
        let (source, target, relative) = (real.join(&name), stand_in.join(&name), relative.join(&name));
        let is_stand_in = name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
        if is_login(&relative) || is_stand_in {
            continue;
        }
        if leads_to_login(&relative) && source.is_dir() {
            private_directory(&target)?;
            link_all(&source, &target, &relative)?;
        } else {
            link(&source, &target)?;
        }
    }
    Ok(())
}

/// Moves what was made in a stand-in to the real home directory, and removes the stand-in.
#[derive(Clone, Copy)]
struct GiveBack<'a> {
    real: &'a Path,
    /// Whether what is there is replaced: after a command. Long after it, what is there may be newer.
    replace: bool,
}

impl GiveBack<'_> {
    fn run(self, stand_in: &Path) {
        if let Err(error) = self.directory(stand_in, Path::new("")) {
            log::warn!(
                "what a command wrote to its home directory is left in {}: {error}",
                stand_in.display()
            );
        }
    }

    /// All that is in `stand_in`, which stands for `relative`, but for links of ours.
    fn directory(self, stand_in: &Path, relative: &Path) -> io::Result<()> {
        for entry in fs::read_dir(stand_in)? {
            let name = entry?.file_name();
            let (source, relative) = (stand_in.join(&name), relative.join(&name));
            let target = self.real.join(&relative);
            let kind = source.symlink_metadata()?.file_type();
            if kind.is_symlink() && fs::read_link(&source).is_ok_and(|to| to == target) {
                fs::remove_file(&source)?;
            } else if kind.is_dir() && leads_to_login(&relative) {
                fs::create_dir_all(&target)?;
                self.directory(&source, &relative)?;
            } else if is_login(&relative) && target.symlink_metadata().is_ok() {
                log::warn!(
                    "the command has logged in: that login is not kept, since --isolate-home keeps the one that is there"
                );
                fs::remove_file(&source)?;
            } else {
                self.one(&source, &target, kind.is_dir())?;
            }
        }
        fs::remove_dir(stand_in)
    }

    /// What replaced a file by a new one, as editors do, replaces the real one. A directory replaces nothing.
    fn one(self, source: &Path, target: &Path, is_directory: bool) -> io::Result<()> {
        if (is_directory || !self.replace) && target.symlink_metadata().is_ok() {
            let name = target.file_name().unwrap_or(OsStr::new("?")).to_string_lossy();
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("there is another {name} already"),
            ));
        }
        match fs::rename(source, target) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices && !is_directory => {
                fs::copy(source, target)?;
                fs::remove_file(source)
            }
            moved => moved,
        }
    }
}

fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(unix)]
fn link(source: &Path, target: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(source, target)
}

#[cfg(not(unix))]
fn link(_source: &Path, _target: &Path) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "links need rights here that most users do not have"))
}
