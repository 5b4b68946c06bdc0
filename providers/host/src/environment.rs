use std::ffi::OsString;
use std::path::PathBuf;

use ee_auth_core::host::{Directory, Environment};

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
            Directory::Runtime => dirs::runtime_dir(),
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
}
