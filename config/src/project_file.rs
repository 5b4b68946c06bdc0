//! Finds the project file: the nearest `ee-auth.toml` upwards from the working directory.

use std::path::{Path, PathBuf};

use ee_auth_core::host::{Directory, FileStatus, Host};

use crate::config::{Layer, LayerKind, LayerState};

/// The name of a configuration file, wherever it is.
pub(crate) const FILE_NAME: &str = "ee-auth.toml";

/// What the way up came past.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) file: Option<PathBuf>,
    /// The links and the files of other users, which do not count.
    pub(crate) passed_by: Vec<Layer>,
}

/// Goes up from the working directory: not beyond the root of a repository (`.git`), the home directory or a mount
/// point. Passes by symbolic links and the files of other users, and those in `known`, which have a place of their own among
/// the layers.
///
/// A link would lend the trust in the file that it leads to, and the text of a file that is not the project's, to the
/// directory that it stands in. A directory is known by its path without links, so there is none on the way to a file.
pub(crate) fn find(host: &Host, known: &[PathBuf]) -> Found {
    let mut found = Found::default();
    let Some(working) = host.environment.directory(Directory::Working) else { return found };
    let files = &*host.files;
    let canonical = |path: PathBuf| files.canonical(&path).unwrap_or(path);
    let working = canonical(working);
    let home = host.environment.directory(Directory::Home).map(canonical);
    let user = user_id(host);
    let mut device = None;
    for directory in working.ancestors() {
        let here = files.status(directory).ok().and_then(|status| status.device);
        if device.is_some() && here.is_some() && device != here {
            break;
        }
        device = here.or(device);
        let candidate = directory.join(FILE_NAME);
        let mut pass_by = |path, state| found.passed_by.push(Layer { kind: LayerKind::Project, path, state });
        match files.link(&candidate) {
            Ok(Some(_)) if !is_known(host, &candidate, known) => pass_by(candidate, LayerState::Link),
            Ok(None) => {
                let status = files.status(&candidate);
                if status.is_ok_and(|status| is_foreign(&status, user)) {
                    pass_by(candidate, LayerState::Foreign);
                } else if !is_known(host, &candidate, known) {
                    found.file = Some(candidate);
                    break;
                }
            }
            Ok(Some(_)) | Err(_) => {}
        }
        // Whatever stands there, were it a link that leads nowhere, was put there as the root of a repository.
        if home.as_deref() == Some(directory) || files.link(&directory.join(".git")).is_ok() {
            break;
        }
    }
    found
}

/// Whether another user owns the file. Where there are no Unix users, nobody does.
pub(crate) fn is_foreign(status: &FileStatus, user: Option<u32>) -> bool {
    matches!((status.owner, user), (Some(owner), Some(user)) if owner != user)
}

/// The user that runs this; where the host does not know, whoever owns the home directory.
pub(crate) fn user_id(host: &Host) -> Option<u32> {
    host.environment.user_id().or_else(|| {
        let home = host.environment.directory(Directory::Home)?;
        host.files.status(&home).ok()?.owner
    })
}

fn is_known(host: &Host, path: &Path, known: &[PathBuf]) -> bool {
    let same = |path: &Path| host.files.canonical(path).unwrap_or_else(|_| path.to_owned());
    known.iter().any(|known| known == path || same(known) == same(path))
}
