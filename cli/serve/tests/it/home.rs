//! Stored logins that would be used, and hiding them.
#![cfg(unix)]
#![allow(clippy::print_stderr, reason = "a test may say that it was skipped")]

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use ee_auth_core::Host;
use ee_auth_fake::Fake;
use ee_auth_host::run_attached;
use ee_auth_serve::{ConflictingLogin, Isolation, Mechanism, SameLogin, Via, give_back_left, stored_logins};
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

const LOGIN: &str = ".config/earthengine/credentials";
const APPLICATION_DEFAULT: &str = ".config/gcloud/application_default_credentials.json";

/// The home directory without the stored logins, by this mechanism; `None` where this machine has no such mechanism.
fn isolated(home: &Path, mechanism: Mechanism) -> Option<Isolation> {
    let host = host(home);
    match (Isolation::by(mechanism, &host, &stored_logins(&host)), mechanism) {
        (Ok(isolation), _) => Some(isolation),
        (Err(error), Mechanism::Namespace) => {
            eprintln!("SKIPPED: no mount namespace: {error}");
            None
        }
        (Err(error), Mechanism::StandIn) => panic!("{error}"),
    }
}

/// Runs a script in the isolated home directory.
fn run(home: &Path, isolation: &Isolation, script: &str) -> std::process::ExitCode {
    let mut variables = isolation.variables();
    variables.entry("HOME".to_owned()).or_insert(home.into());
    let arguments = ["-c".into(), script.into()];
    run_attached("sh".as_ref(), &arguments, &variables, &[], isolation.hidden_files()).exit_code()
}

const SUCCESS: std::process::ExitCode = std::process::ExitCode::SUCCESS;

#[track_caller]
fn succeeds(home: &Path, isolation: &Isolation, script: &str) {
    let status = run(home, isolation, &format!("set -e; cd \"$HOME\"; {script}"));
    assert_eq!(format!("{status:?}"), format!("{SUCCESS:?}"), "{script}");
}

const MECHANISMS: [Mechanism; 2] = [Mechanism::Namespace, Mechanism::StandIn];

#[test]
fn everything_is_there_but_the_logins() {
    for mechanism in MECHANISMS {
        let home = home();
        let Some(isolation) = isolated(home.path(), mechanism) else { continue };
        for there in
            [".bashrc", "data/table.csv", ".config/other/settings", ".config/earthengine/work/credentials"]
        {
            succeeds(home.path(), &isolation, &format!("test -f {there}"));
        }
        succeeds(home.path(), &isolation, "test -f .config/gcloud/active_config");
        for hidden in [LOGIN, APPLICATION_DEFAULT] {
            succeeds(home.path(), &isolation, &format!("! test -e {hidden}; ! cat {hidden} 2>/dev/null"));
            // earthengine-api passes over no other error.
            succeeds(
                home.path(),
                &isolation,
                &format!("LC_ALL=C cat {hidden} 2>&1 | grep -q 'No such file'"),
            );
            // Nothing that the command stores there would be there afterwards: it is told so.
            succeeds(home.path(), &isolation, &format!("! (echo x >{hidden}) 2>/dev/null"));
        }
        drop(isolation);
        assert_eq!(fs::read_to_string(home.path().join(LOGIN)).unwrap(), r#"{"refresh_token":"x"}"#);
        leaves_nothing(home.path());
    }
}

/// Nothing is left, at the latest when the commands of the tests beside this one have ended, which inherit the locks of all
/// stand-ins of this process.
#[track_caller]
fn leaves_nothing(home: &Path) {
    let start = std::time::Instant::now();
    let is_ours = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(".ee-auth-");
    while fs::read_dir(home).unwrap().any(|entry| is_ours(&entry.unwrap().file_name())) {
        assert!(start.elapsed().as_secs() < 60, "something is left");
        give_back_left(&host(home));
    }
}

#[test]
fn what_is_written_there_stays() {
    for mechanism in MECHANISMS {
        let home = home();
        let Some(isolation) = isolated(home.path(), mechanism) else { continue };
        let script = r"
            echo new >result.tif
            mkdir results; echo 1 >results/one; ln -s one results/link; mkdir results/empty
            mkdir closed; echo 1 >closed/one; chmod 500 closed
            echo 3 >data/more.csv; echo n >.config/earthengine/note; echo n >.config/new
            echo changed >rc.new; mv rc.new .bashrc
            mkfifo fifo; ln -s data/table.csv link; echo old >kept-time; touch -d 2001-01-01 kept-time
            umask 077; mkdir private";
        succeeds(home.path(), &isolation, script);
        drop(isolation);
        let read = |path: &str| fs::read_to_string(home.path().join(path)).unwrap();
        for (path, content) in [
            ("result.tif", "new\n"),
            ("results/one", "1\n"),
            ("results/link", "1\n"),
            ("closed/one", "1\n"),
            ("data/more.csv", "3\n"),
            (".config/earthengine/note", "n\n"),
            (".config/new", "n\n"),
            (".bashrc", "changed\n"),
            ("link", "1,2"),
            ("kept-time", "old\n"),
            (".config/other/settings", "s"),
        ] {
            assert_eq!(read(path), content, "{path}, {mechanism:?}");
        }
        let mode = |path: &str| fs::metadata(home.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("closed"), mode("private")), (0o500, 0o700), "{mechanism:?}");
        assert!(home.path().join("results/empty").is_dir());
        assert!(fs::metadata(home.path().join("fifo")).unwrap().file_type().is_fifo());
        leaves_nothing(home.path());
    }
}

/// As at the same time: both write what was not there before.
#[test]
fn commands_that_create_the_same_names_lose_nothing() {
    let home = home();
    let isolations: Vec<_> = (0..8).filter_map(|_| isolated(home.path(), Mechanism::StandIn)).collect();
    for (number, isolation) in isolations.iter().enumerate() {
        let other = &isolations[(number + 1) % isolations.len()];
        assert_ne!(isolation.variables(), other.variables());
        let script =
            format!("mkdir -p a/b; echo {number} >a/b/{number}; echo {number} >a/same; echo same >a/equal");
        succeeds(home.path(), isolation, &script);
    }
    // Not in the order in which they have written.
    isolations.into_iter().rev().for_each(drop);
    for number in 0..8 {
        let path = home.path().join(format!("a/b/{number}"));
        assert_eq!(fs::read_to_string(path).unwrap(), format!("{number}\n"));
    }
    // The last writer wins, as in a home directory that all had used.
    assert_eq!(fs::read_to_string(home.path().join("a/same")).unwrap(), "7\n");
    let names = fs::read_dir(home.path().join("a")).unwrap().map(|entry| entry.unwrap().file_name());
    let beside = names.filter(|name| name.to_string_lossy().starts_with("equal")).count();
    assert_eq!(beside, 1, "what is equal is no conflict");
    leaves_nothing(home.path());
}

/// The command has not read what it would replace.
#[test]
fn what_is_put_in_the_place_of_a_hidden_login_is_kept_beside_it() {
    let home = home();
    let outer = isolated(home.path(), Mechanism::StandIn).unwrap();
    succeeds(home.path(), &outer, &format!("echo new >t; mv -f t {LOGIN}"));
    drop(outer);
    let read = |path: &str| fs::read_to_string(home.path().join(path)).unwrap();
    assert_eq!(read(LOGIN), r#"{"refresh_token":"x"}"#);
    assert_eq!(read(&format!("{LOGIN}.ee-auth-exec-1")), "new\n");
}

/// A file and a directory of one name cannot be merged.
#[test]
fn a_directory_and_a_file_of_one_name_are_both_there_afterwards() {
    let home = home();
    let first = isolated(home.path(), Mechanism::StandIn).unwrap();
    let second = isolated(home.path(), Mechanism::StandIn).unwrap();
    succeeds(home.path(), &first, "mkdir x; echo 1 >x/in; echo 1 >y");
    succeeds(home.path(), &second, "echo 2 >x; mkdir y; echo 2 >y/in");
    drop(first);
    drop(second);
    let read = |path: &str| fs::read_to_string(home.path().join(path)).unwrap();
    assert_eq!((read("x/in"), read("y")), ("1\n".to_owned(), "1\n".to_owned()));
    assert_eq!((read("x.ee-auth-exec-1"), read("y.ee-auth-exec-1/in")), ("2\n".to_owned(), "2\n".to_owned()));
}

#[test]
fn what_a_process_still_uses_is_given_back_and_stays_there() {
    let home = home();
    let isolation = isolated(home.path(), Mechanism::StandIn).unwrap();
    let stand_in = Path::new(&isolation.variables()["HOME"]).to_owned();
    let script = "echo 1 >before; (read line <wait; echo 2 >after) >/dev/null 2>&1 & :";
    let fifo = home.path().join("wait");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    succeeds(home.path(), &isolation, &script.replace("<wait", &format!("<{}", fifo.display())));
    drop(isolation);
    assert_eq!(fs::read_to_string(home.path().join("before")).unwrap(), "1\n");
    assert_eq!(fs::read_to_string(stand_in.join("before")).unwrap(), "1\n", "the process finds it");
    fs::write(fifo, "\n").unwrap();
    leaves_nothing(home.path());
    assert_eq!(fs::read_to_string(home.path().join("after")).unwrap(), "2\n");
}

/// `ee-auth login`, or `ee.Authenticate()`, in another terminal.
#[cfg(target_os = "linux")]
#[test]
fn a_login_that_is_replaced_meanwhile_stays_hidden() {
    let home = home();
    let Some(isolation) = isolated(home.path(), Mechanism::Namespace) else { return };
    let login = home.path().join(LOGIN);
    let script = r#"
        echo >"$HOME/ready"
        while ! test -e "$HOME/replaced"; do sleep 0.02; done
        i=0; while test -e .config/earthengine/credentials; do i=$((i+1)); test $i -lt 500; sleep 0.02; done
        rm "$HOME/replaced"; echo >"$HOME/ready"
        while ! test -e "$HOME/replaced"; do sleep 0.02; done
        i=0; while test -e .config/earthengine/credentials; do i=$((i+1)); test $i -lt 500; sleep 0.02; done"#;
    let at = home.path().to_owned();
    let replacing = std::thread::spawn(move || {
        for round in 0..2 {
            while !at.join("ready").exists() {
                std::thread::yield_now();
            }
            fs::remove_file(at.join("ready")).unwrap();
            if round == 0 {
                fs::write(at.join("new"), "{\"refresh_token\":\"y\"}").unwrap();
                fs::rename(at.join("new"), &login).unwrap();
            } else {
                fs::remove_dir_all(login.parent().unwrap()).unwrap();
                fs::create_dir(login.parent().unwrap()).unwrap();
                fs::write(&login, "{\"refresh_token\":\"z\"}").unwrap();
            }
            fs::write(at.join("replaced"), "").unwrap();
        }
    });
    succeeds(home.path(), &isolation, script);
    replacing.join().unwrap();
    assert!(home.path().join(LOGIN).is_file(), "it is hidden, not gone");
}

#[test]
fn a_login_that_is_a_link_is_hidden() {
    for mechanism in MECHANISMS {
        let home = home();
        let login = home.path().join(LOGIN);
        fs::rename(&login, home.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(home.path().join("elsewhere"), &login).unwrap();
        let Some(isolation) = isolated(home.path(), mechanism) else { continue };
        succeeds(home.path(), &isolation, &format!("! test -e {LOGIN}; test -f elsewhere"));
    }
}

#[test]
fn logins_that_would_be_used_are_found() {
    let login = "/home/user/.config/earthengine/credentials";
    let adc = "/home/user/.config/gcloud/application_default_credentials.json";
    let found = |fake: &Fake, same, via| {
        let credential = credential(fake, &Exchanges::default(), None);
        let found = ConflictingLogin::all(&fake.host(), &credential, same, via);
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let none = SameLogin::None;
    let with_login = Fake::new().with_file(login, r#"{"refresh_token":"x","project":"my-project"}"#);
    assert!(found(&with_login, none, Via::Both).contains(login));
    assert_eq!(found(&with_login, SameLogin::EarthEngine, Via::Both), "", "it is the credential");
    assert!(found(&with_login, SameLogin::ApplicationDefault, Via::Both).contains(login));
    for (path, content) in [(login, r#"{"project":"other"}"#), (adc, r#"{"quota_project_id":"other"}"#)] {
        let fake = Fake::new().with_file(path, content);
        let said = found(&fake, none, Via::File);
        assert!(said.contains("project other") && said.contains(path), "{said}");
    }
    // The credential itself, with another project than was asked for.
    let other = Fake::new().with_file(login, r#"{"refresh_token":"x","project":"other"}"#);
    assert!(found(&other, SameLogin::EarthEngine, Via::Both).contains("project other"));
    for content in ["{}", r#"{"project":"my-project"}"#, r#"{"refresh_token":""}"#, r#"{"project":""}"#] {
        assert_eq!(found(&Fake::new().with_file(login, content), none, Via::Both), "", "{content}");
    }
    for content in ["{", "[]", "", "null"] {
        for path in [login, adc] {
            let said = found(&Fake::new().with_file(path, content), none, Via::Both);
            assert!(said.contains("will fail") && said.contains(path), "{content}: {said}");
        }
    }
    // earthengine-api looks at gcloud's file only where its own has no project.
    let both = Fake::new().with_file(adc, r#"{"quota_project_id":"other"}"#);
    let own = |content: &str| both.clone().with_file(login, content.to_owned());
    assert_eq!(found(&own(r#"{"project":"my-project"}"#), none, Via::Both), "");
    assert!(found(&own(r#"{"refresh_token":"x"}"#), none, Via::Both).contains(adc));
}

/// Google's libraries ask the metadata server last.
#[test]
fn gclouds_login_comes_before_a_metadata_server() {
    let adc = "/home/user/.config/gcloud/application_default_credentials.json";
    let found = |fake: &Fake, same, via| {
        let credential = credential(fake, &Exchanges::default(), None);
        let found = ConflictingLogin::all(&fake.host(), &credential, same, via);
        found.iter().map(|login| login.path().to_owned()).collect::<Vec<_>>()
    };
    let fake = Fake::new().with_file(adc, r#"{"type":"authorized_user","refresh_token":"x"}"#);
    assert_eq!(found(&fake, SameLogin::None, Via::Metadata), [Path::new(adc)]);
    assert!(found(&fake, SameLogin::ApplicationDefault, Via::Metadata).is_empty());
    assert!(found(&fake, SameLogin::None, Via::Both).is_empty(), "the file comes before both");
    // Some libraries know the variable, and some do not.
    let elsewhere = "/home/user/gcloud/application_default_credentials.json";
    let fake = fake
        .with_variable("CLOUDSDK_CONFIG", "/home/user/gcloud")
        .with_file(elsewhere, r#"{"type":"authorized_user","quota_project_id":"other"}"#);
    assert_eq!(found(&fake, SameLogin::None, Via::Metadata), [Path::new(elsewhere), Path::new(adc)]);
    assert_eq!(found(&fake, SameLogin::None, Via::File), [Path::new(elsewhere)], "for its project");
}
