//! Hiding stored logins from a command.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Directory, Host};
use ee_auth_core::{Error, Outcome, quoted};
use ee_auth_host::HiddenFiles;

use crate::logins::path_variable;
use crate::stand_in::{StandIn, give_back_left};

/// When stored logins are hidden from a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolate {
    /// Those that a client would use instead of the credential.
    #[default]
    Auto,
    /// All.
    Always,
    /// None.
    Never,
}

impl FromStr for Isolate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(Error::new(
                Outcome::Usage,
                "isolate",
                format!("invalid --isolate {}: expected auto, always or never", quoted(text)),
            )),
        }
    }
}

/// A way to hide files from a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// A mount namespace, in which the files do not exist: Linux, where the user may have one. Everything else is the same
    /// for the command, and there is nothing to undo.
    Namespace,
    /// Another directory as `HOME`, which has links to everything but the files. What the command creates directly in it is
    /// moved to the home directory afterwards: any Unix.
    StandIn,
}

/// Files that are hidden from a command.
#[derive(Debug)]
pub struct Isolation {
    files: Vec<PathBuf>,
    by: Hidden,
}

#[derive(Debug)]
enum Hidden {
    Nothing,
    Namespace(HiddenFiles),
    StandIns(Vec<(&'static str, StandIn)>),
}

impl Isolation {
    /// Hides those of `files` that exist from a command that is yet to start, by the best mechanism that this system allows.
    ///
    /// Before that, gives back what commands have created in stand-ins that a killed process left.
    ///
    /// # Errors
    /// `invalid.isolation` where no mechanism works.
    pub fn new(host: &Host, files: &[PathBuf]) -> Result<Self, Error> {
        give_back_left(host);
        let files = existing(files);
        let Some(first) = files.first() else { return Ok(Self { files, by: Hidden::Nothing }) };
        let refused = match Self::by(Mechanism::Namespace, host, &files) {
            Ok(isolation) => return Ok(isolation),
            Err(error) => error,
        };
        log::debug!("logins are not hidden by a mount namespace: {refused}");
        Self::by(Mechanism::StandIn, host, &files).map_err(|error| {
            let first = first.shown();
            Error::invalid("isolation", format!("cannot hide the login in {first} from the command: {error}"))
                .hint(format!(
                    "remove that file (`ee-auth logout` removes the login of earthengine-api), or run the command with \
                     `--isolate never`: it may then use that login. A mount namespace cannot be used here: {refused}"
                ))
        })
    }

    /// Hides those of `files` that exist by this mechanism and no other.
    ///
    /// # Errors
    /// The system's, where it is not possible here.
    pub fn by(mechanism: Mechanism, host: &Host, files: &[PathBuf]) -> io::Result<Self> {
        let files = existing(files);
        let by = match mechanism {
            _ if files.is_empty() => Hidden::Nothing,
            Mechanism::Namespace => Hidden::Namespace(HiddenFiles::new(files.clone())?),
            Mechanism::StandIn => Hidden::StandIns(stand_ins(host, &files)?),
        };
        Ok(Self { files, by })
    }

    /// What is hidden.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// What the command's variables must be.
    pub fn variables(&self) -> BTreeMap<String, OsString> {
        let Hidden::StandIns(stand_ins) = &self.by else { return BTreeMap::new() };
        let variable = |(name, stand_in): &(&str, StandIn)| ((*name).to_owned(), stand_in.path().into());
        stand_ins.iter().map(variable).collect()
    }

    /// What [`run_attached`](ee_auth_host::run_attached) has to hide.
    pub fn hidden_files(&self) -> Option<&HiddenFiles> {
        match &self.by {
            Hidden::Namespace(files) => Some(files),
            _ => None,
        }
    }

    /// How the files are hidden, for a person; `None` where nothing is.
    pub fn mechanism(&self) -> Option<String> {
        match &self.by {
            Hidden::Nothing => None,
            Hidden::Namespace(files) => Some(files.mechanism().to_owned()),
            Hidden::StandIns(stand_ins) => {
                let each = stand_ins.iter().map(|(name, at)| format!("{name}={}", at.path().shown()));
                Some(each.collect::<Vec<_>>().join(" and "))
            }
        }
    }
}

fn existing(files: &[PathBuf]) -> Vec<PathBuf> {
    files.iter().filter(|file| file.exists()).cloned().collect()
}

/// The directories below which the files are, by the variables that name them.
fn stand_ins(host: &Host, files: &[PathBuf]) -> io::Result<Vec<(&'static str, StandIn)>> {
    let environment = &*host.environment;
    let working = environment.directory(Directory::Working).unwrap_or_default();
    let home = environment.directory(Directory::Home).map(|home| ("HOME", home));
    let gcloud =
        path_variable(environment, "CLOUDSDK_CONFIG").map(|at| ("CLOUDSDK_CONFIG", working.join(at)));
    let mut found = Vec::new();
    for (name, real) in home.into_iter().chain(gcloud) {
        let below: Vec<&Path> = files.iter().filter_map(|file| file.strip_prefix(&real).ok()).collect();
        if !below.is_empty() {
            found.push((name, StandIn::new(&real, &below)?));
        }
    }
    Ok(found)
}
