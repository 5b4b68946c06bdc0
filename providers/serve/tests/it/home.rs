//! A home directory without logins, and logins that would be used.
#![cfg(unix)]

use std::fs;
use std::path::Path;

use ee_auth_core::Host;
use ee_auth_fake::Fake;
use ee_auth_serve::{IsolatedHome, outranking_logins};
use tempfile::TempDir;

use crate::support::{Exchanges, credential};

fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    for (path, content) in [
        (".bashrc", "rc"),
        ("data/table.csv", "1,2"),
        (".config/other/settings", "s"),
        (".config/earthengine/credentials", r#"{"refresh_token":"x"}"#),
        (".config/earthengine/work/credentials", "{}"),
        (".config/gcloud/application_default_credentials.json", "{}"),
        (".config/gcloud/active_config", "default"),
    ] {
        let path = home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    home
}

/// The fake machine with a home directory that is there.
fn host(home: &Path) -> Host {
    #[derive(Debug)]
    struct At(std::path::PathBuf);
    impl ee_auth_core::host::Environment for At {
        fn variable_os(&self, _: &str) -> Option<std::ffi::OsString> {
            None
        }
        fn names(&self) -> Vec<String> {
            Vec::new()
        }
        fn directory(&self, _: ee_auth_core::host::Directory) -> Option<std::path::PathBuf> {
            Some(self.0.clone())
        }
        fn user_id(&self) -> Option<u32> {
            None
        }
    }
    Host { environment: std::sync::Arc::new(At(home.to_owned())), ..Fake::new().host() }
}

#[test]
fn everything_is_there_but_the_logins() {
    let home = home();
    let isolated = IsolatedHome::new(&host(home.path())).unwrap();
    let inside = isolated.path().to_owned();
    for there in
        [".bashrc", "data/table.csv", ".config/other/settings", ".config/earthengine/work/credentials"]
    {
        assert!(inside.join(there).is_file(), "{there}");
    }
    assert!(inside.join(".config/gcloud/active_config").is_file());
    for hidden in [".config/earthengine/credentials", ".config/gcloud/application_default_credentials.json"] {
        assert!(inside.join(hidden).symlink_metadata().is_err(), "{hidden}");
    }
    drop(isolated);
    assert!(!inside.exists());
    assert!(home.path().join(".config/earthengine/credentials").is_file());
}

#[test]
fn what_is_written_there_is_kept() {
    let home = home();
    let isolated = IsolatedHome::new(&host(home.path())).unwrap();
    let inside = isolated.path().to_owned();
    fs::write(inside.join("result.tif"), "new").unwrap();
    fs::create_dir(inside.join("results")).unwrap();
    fs::write(inside.join("results/one"), "1").unwrap();
    fs::write(inside.join("data/more.csv"), "3").unwrap();
    fs::write(inside.join(".config/earthengine/note"), "n").unwrap();
    // As editors save.
    fs::write(inside.join("rc.new"), "changed").unwrap();
    fs::rename(inside.join("rc.new"), inside.join(".bashrc")).unwrap();
    // Taking a link away takes nothing away.
    fs::remove_file(inside.join(".config/other")).unwrap();
    // A login made there is not put over the real one.
    fs::write(inside.join(".config/earthengine/credentials"), "other").unwrap();
    drop(isolated);
    let read = |path: &str| fs::read_to_string(home.path().join(path)).unwrap();
    assert_eq!(read("result.tif"), "new");
    assert_eq!(read("results/one"), "1");
    assert_eq!(read("data/more.csv"), "3");
    assert_eq!(read(".config/earthengine/note"), "n");
    assert_eq!(read(".bashrc"), "changed");
    assert_eq!(read(".config/other/settings"), "s");
    assert_eq!(read(".config/earthengine/credentials"), r#"{"refresh_token":"x"}"#);
    assert!(!inside.exists());
}

#[test]
fn a_home_without_a_login_gets_the_one_that_is_made() {
    let home = tempfile::tempdir().unwrap();
    let isolated = IsolatedHome::new(&host(home.path())).unwrap();
    let login = isolated.path().join(".config/earthengine/credentials");
    fs::create_dir_all(login.parent().unwrap()).unwrap();
    fs::write(&login, "new").unwrap();
    drop(isolated);
    assert_eq!(fs::read_to_string(home.path().join(".config/earthengine/credentials")).unwrap(), "new");
}

#[test]
fn two_at_once_do_not_see_each_other() {
    let home = home();
    let first = IsolatedHome::new(&host(home.path())).unwrap();
    let second = IsolatedHome::new(&host(home.path())).unwrap();
    for (one, other) in [(&first, &second), (&second, &first)] {
        assert!(!one.path().join(other.path().file_name().unwrap()).exists());
    }
    drop(first);
    assert!(second.path().join(".bashrc").is_file());
}

#[test]
fn logins_that_would_be_used_are_told_of() {
    let login = "/home/user/.config/earthengine/credentials";
    let adc = "/home/user/.config/gcloud/application_default_credentials.json";
    let told = |fake: &Fake, own, isolated| {
        let credential = credential(fake, &Exchanges::default(), None);
        outranking_logins(&fake.host(), &credential, own, isolated).join("\n")
    };
    let with_login = Fake::new().with_file(login, r#"{"refresh_token":"x","project":"my-project"}"#);
    assert!(told(&with_login, false, false).contains(login));
    assert_eq!(told(&with_login, true, false), "");
    assert_eq!(told(&with_login, false, true), "", "it is hidden");
    for (path, content) in [(login, r#"{"project":"other"}"#), (adc, r#"{"quota_project_id":"other"}"#)] {
        let fake = Fake::new().with_file(path, content);
        let said = told(&fake, false, false);
        assert!(said.contains("other") && said.contains(path) && said.contains("--isolate-home"), "{said}");
        assert_eq!(told(&fake, false, true), "");
    }
    for content in ["{", "{}", "[]", r#"{"project":"my-project"}"#, r#"{"refresh_token":""}"#] {
        assert_eq!(told(&Fake::new().with_file(login, content), false, false), "", "{content}");
    }
}

/// A variable leads there, and not the home directory.
#[test]
fn gclouds_own_directory_is_not_hidden_with_the_home_directory() {
    let fake = Fake::new().with_variable("CLOUDSDK_CONFIG", "/home/user/gcloud").with_file(
        "/home/user/gcloud/application_default_credentials.json",
        r#"{"quota_project_id":"other"}"#,
    );
    let credential = credential(&fake, &Exchanges::default(), None);
    for isolated in [false, true] {
        let said = outranking_logins(&fake.host(), &credential, false, isolated).join("\n");
        assert!(said.contains("project other") && said.contains("env -u CLOUDSDK_CONFIG"), "{said}");
    }
}
