use std::ffi::OsString;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::sync::{Mutex, PoisonError};

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Directory, Environment};
#[cfg(unix)]
use ee_auth_core::host::{FileKind, Files, PathGuard};

#[cfg(unix)]
use crate::files::SystemFiles;

pub(crate) struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn variable_os(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn names(&self) -> Vec<String> {
        std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
    }

    fn program(&self) -> Option<PathBuf> {
        std::env::current_exe().ok()
    }

    fn directory(&self, which: Directory) -> Option<PathBuf> {
        match which {
            Directory::Home => dirs::home_dir(),
            Directory::Config => dirs::config_dir(),
            Directory::Cache => dirs::cache_dir(),
            Directory::Data => dirs::data_dir(),
            Directory::State => dirs::state_dir().or_else(dirs::data_dir),
            Directory::Runtime => dirs::runtime_dir().filter(|path| is_own(path)),
            Directory::Temporary => temporary(),
            Directory::Working => std::env::current_dir().ok(),
            _ => None,
        }
    }

    fn user_id(&self) -> Option<u32> {
        #[cfg(unix)]
        return Some(rustix::process::geteuid().as_raw());
        #[cfg(not(unix))]
        return None;
    }
}

/// The directory for files that are there for a moment; `None` where others could replace a file in each that there is.
fn temporary() -> Option<PathBuf> {
    let named = std::env::temp_dir();
    if is_safe(&named, "TMPDIR") {
        return Some(named);
    }
    // Where `TMPDIR` cannot be believed, the system's own, and then the user's.
    let system = PathBuf::from("/tmp");
    let own = || {
        SystemEnvironment
            .directory(Directory::Runtime)
            .or_else(|| SystemEnvironment.directory(Directory::Cache))
    };
    if named != system && is_safe(&system, "/tmp") {
        Some(system)
    } else {
        own().filter(|path| is_safe(path, "it"))
    }
}

/// Whether a directory for temporary files, which `name` names, is the user's or root's, and nobody else can replace a file in it:
/// they could put another credential into the place of ours, or lead what we write to another file.
#[cfg(unix)]
fn is_safe(path: &Path, name: &'static str) -> bool {
    let checked = absolute(path).and_then(|()| guard().check(path).map_err(|risk| risk.to_string()));
    checked.map_err(|why| not_used(name, path, &why)).is_ok()
}

/// Whether `XDG_RUNTIME_DIR` is what the XDG Base Directory Specification says: the user's own, with mode 0700.
#[cfg(unix)]
fn is_own(path: &Path) -> bool {
    let own = || {
        absolute(path)?;
        guard().check(path).map_err(|risk| risk.to_string())?;
        let status = SystemFiles.status(path).map_err(|error| error.to_string())?;
        if status.kind != FileKind::Directory {
            return Err("it is not a directory".to_owned());
        }
        if status.owner != SystemEnvironment.user_id() {
            return Err("it belongs to another user".to_owned());
        }
        match status.mode {
            Some(mode) if mode & 0o077 != 0 => {
                Err(format!("its mode is {:04o}, expected 0700", mode & 0o777))
            }
            _ => Ok(()),
        }
    };
    own().map_err(|why| not_used("XDG_RUNTIME_DIR", path, &why)).is_ok()
}

#[cfg(unix)]
fn guard() -> PathGuard<'static> {
    PathGuard::new(&SystemFiles, SystemEnvironment.user_id()).for_system_directories()
}

#[cfg(unix)]
fn absolute(path: &Path) -> Result<(), String> {
    if path.is_absolute() { Ok(()) } else { Err("it is not an absolute path".to_owned()) }
}

/// Says so, once for each name.
#[cfg(unix)]
fn not_used(name: &'static str, path: &Path, why: &str) {
    static SAID: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if !said.contains(&name) {
        said.push(name);
        log::info!("{name} is not used: {} is not a safe place for your files: {why}", path.shown());
    }
}

#[cfg(not(unix))]
fn is_safe(_: &Path, _: &str) -> bool {
    true
}

#[cfg(not(unix))]
fn is_own(_: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_directories_are_the_process_own() {
        // Cargo sets it for every test.
        let manifest = SystemEnvironment.variable_os("CARGO_MANIFEST_DIR").unwrap();
        assert_eq!(SystemEnvironment.directory(Directory::Working).unwrap(), PathBuf::from(manifest));
        assert_eq!(SystemEnvironment.variable_os("EE_AUTH_NO_SUCH_VARIABLE"), None);
        assert_eq!(SystemEnvironment.user_id().is_some(), cfg!(unix));
    }

    #[cfg(unix)]
    mod unix {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

        use super::*;

        const NOBODY: u32 = 65_534;

        /// A directory of the user's with this mode.
        fn directory(path: PathBuf, mode: u32) -> PathBuf {
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            path
        }

        /// Gives what is at a path to another user, which root alone may do.
        #[allow(clippy::print_stderr, reason = "a test may say that it was skipped")]
        fn given_away(path: &Path) -> bool {
            let given = lchown(path, Some(NOBODY), Some(NOBODY)).is_ok();
            if !given {
                eprintln!("SKIPPED: only root can give a file to another user");
            }
            given
        }

        #[test]
        fn a_runtime_directory_is_the_users_own_with_mode_0700() {
            let root = tempfile::tempdir().unwrap();
            let at = |name: &str| root.path().join(name);
            let own = directory(at("own"), 0o700);
            assert!(is_own(&own));
            for mode in [0o755, 0o770, 0o701, 0o777, 0o1777] {
                assert!(!is_own(&directory(at(&format!("{mode:o}")), mode)), "{mode:o}");
            }
            symlink(&own, at("link")).unwrap();
            assert!(is_own(&at("link")));
            fs::write(at("file"), "").unwrap();
            assert!(!is_own(&at("file")) && !is_own(&at("nothing")) && !is_own(Path::new("relative")));
            // Who can write the directory above can put another in its place.
            directory(at("shared"), 0o777);
            assert!(!is_own(&directory(at("shared/own"), 0o700)));
        }

        #[test]
        fn a_runtime_directory_to_which_another_user_leads_is_not_used() {
            let root = tempfile::tempdir().unwrap();
            let at = |name: &str| root.path().join(name);
            let own = directory(at("own"), 0o700);
            symlink(&own, at("link")).unwrap();
            let theirs = directory(at("theirs"), 0o755);
            symlink(root.path(), theirs.join("up")).unwrap();
            if !given_away(&at("link")) || !given_away(&theirs) {
                return;
            }
            assert!(!is_own(&at("link")) && !is_own(&theirs.join("up/own")));
            chown(&own, Some(NOBODY), None).unwrap();
            assert!(!is_own(&own));
        }

        #[test]
        fn a_temporary_directory_is_one_in_which_nobody_else_replaces_files() {
            let root = tempfile::tempdir().unwrap();
            let at = |name: &str| root.path().join(name);
            let safe = |path: &Path| is_safe(path, "a test");
            for mode in [0o700, 0o755, 0o1777] {
                assert!(safe(&directory(at(&format!("good-{mode:o}")), mode)), "{mode:o}");
            }
            for mode in [0o777, 0o757] {
                assert!(!safe(&directory(at(&format!("bad-{mode:o}")), mode)), "{mode:o}");
            }
            assert!(!safe(&at("nothing")) && !safe(Path::new("relative")));
            let theirs = directory(at("theirs"), 0o1777);
            symlink(at("good-700"), at("link")).unwrap();
            assert!(safe(&at("link")));
            if given_away(&theirs) && given_away(&at("link")) {
                // The owner of a sticky directory may replace everything in it.
                assert!(!safe(&theirs) && !safe(&at("link")));
            }
        }
    }
}
