//! Turns at making an exchange: on a machine that does not exist, and between real threads and processes.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests start processes, and panic where something is not as it should be"
)]

mod support;

use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use ee_auth_cache::DiskCache;
use ee_auth_core::TokenStore;
use ee_auth_core::host::{Directory, Environment, Host};
use ee_auth_fake::Fake;
use support::{Bank, key};

/// Whether a turn is had; it is given back at once.
fn has_turn(cache: &DiskCache) -> bool {
    pollster::block_on(cache.turn(&key("a"))).is_some()
}

mod fake {
    use super::*;

    const BOOT: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

    #[test]
    fn a_lock_stands_where_the_session_or_the_machine_ends_it() {
        let booted = || Fake::new().with_file("/proc/sys/kernel/random/boot_id", format!("{BOOT}\n"));
        let session = booted().with_directory(Directory::Runtime, "/run/user/1000");
        let directory = Path::new("/home/user/.cache/ee-auth");
        for (fake, directory, rest) in [
            (Fake::new(), directory, ".lock".to_owned()),
            (booted(), directory, format!(".{BOOT}.lock")),
            (session, Path::new("/run/user/1000/ee-auth"), ".lock".to_owned()),
        ] {
            let turn = pollster::block_on(DiskCache::new(fake.host()).turn(&key("a"))).unwrap();
            let [path] = &fake.locks()[..] else { panic!("{:?}", fake.locks()) };
            assert_eq!(path.parent(), Some(directory));
            let name = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(&name[64..], rest);
            drop(turn);
            assert!(fake.locks().is_empty());
        }
    }

    #[test]
    fn nobody_waits_without_end() {
        let fake = Fake::new();
        let cache = DiskCache::new(fake.host());
        let held = pollster::block_on(cache.turn(&key("a")));
        assert!(held.is_some());
        assert!(!has_turn(&cache));
        let sleeps = fake.sleeps();
        assert_eq!(sleeps.iter().sum::<Duration>(), Duration::from_secs(35));
        assert!(sleeps.iter().all(|pause| *pause <= Duration::from_millis(50)));
        assert!(sleeps[0] <= Duration::from_millis(2) && sleeps.len() < 1000, "{}", sleeps.len());
        // Another credential has a turn of its own.
        assert!(pollster::block_on(cache.turn(&key("b"))).is_some());
    }

    #[test]
    fn a_person_is_told_what_is_waited_for_once() {
        let fake = Fake::new().with_person([""; 0]);
        let cache = DiskCache::new(fake.host());
        let held = pollster::block_on(cache.turn(&key("a")));
        assert!(!has_turn(&cache.with_patience(Duration::from_secs(2))));
        assert!(fake.told().is_empty());
        assert!(!has_turn(&DiskCache::new(fake.host())));
        assert_eq!(fake.told().len(), 1);
        assert!(fake.told()[0].contains("at most 35 s"), "{:?}", fake.told());
        drop(held);
    }

    #[test]
    fn where_there_are_no_locks_nobody_waits() {
        for kind in [ErrorKind::Unsupported, ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied] {
            let (fake, bank) = (Fake::new(), Bank::new());
            fake.refuse_locks(Some(kind));
            assert!(!has_turn(&DiskCache::new(fake.host())));
            assert_eq!(bank.credential(&fake).token().unwrap().secret(), "token 1");
            assert_eq!(
                bank.credential(&fake).token().unwrap().secret(),
                "token 1",
                "it is kept all the same"
            );
            assert!(fake.sleeps().is_empty());
        }
        let fake = Fake::new().without_directory(Directory::Cache);
        assert!(!has_turn(&DiskCache::new(fake.host())));
    }

    #[test]
    fn nobody_waits_for_what_cannot_be_kept() {
        let fake = Fake::new().with_directory(Directory::Runtime, "/run/user/1000");
        let cache = DiskCache::new(fake.host());
        let held = pollster::block_on(cache.turn(&key("a")));
        fake.refuse_changes(Some(ErrorKind::StorageFull));
        // The session's directory has room; its locks stay.
        fake.refuse_locks(None);
        assert!(!has_turn(&cache));
        assert!(fake.sleeps().is_empty());
        drop(held);
    }

    #[test]
    fn a_turn_leaves_nothing_behind() {
        let fake = Fake::new();
        let cache = DiskCache::new(fake.host());
        let held = pollster::block_on(cache.turn(&key("a")));
        assert!(!has_turn(&cache));
        drop(held);
        assert_eq!(fake.changes(), []);
    }
}

/// The system, with directories of the test's.
fn system(home: &Path, runtime: Option<&Path>) -> Host {
    struct Directories(PathBuf, Option<PathBuf>);
    impl Environment for Directories {
        fn variable_os(&self, _: &str) -> Option<OsString> {
            None
        }
        fn names(&self) -> Vec<String> {
            Vec::new()
        }
        fn directory(&self, which: Directory) -> Option<PathBuf> {
            match which {
                Directory::Cache => Some(self.0.join("cache")),
                Directory::Runtime => self.1.clone(),
                _ => None,
            }
        }
        fn user_id(&self) -> Option<u32> {
            ee_auth_host::system().environment.user_id()
        }
    }
    let environment = Arc::new(Directories(home.to_owned(), runtime.map(Path::to_owned)));
    Host { environment, ..ee_auth_host::system() }
}

fn names(directory: &Path) -> Vec<OsString> {
    ee_auth_host::system().files.list(directory).unwrap()
}

#[test]
fn eight_threads_make_one_exchange() {
    let home = tempfile::tempdir().unwrap();
    let bank = Bank::slow(Duration::from_millis(50));
    let start = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            // Each has a credential of its own, as processes do.
            let credential = bank.credential_on(system(home.path(), None));
            let start = start.clone();
            thread::spawn(move || {
                start.wait();
                credential.token().unwrap().secret().to_owned()
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), "token 1");
    }
    assert_eq!(bank.exchanges(), 1);
    assert_eq!(
        names(&home.path().join("cache/ee-auth")).len(),
        2,
        "the token, and when it was last looked for old ones"
    );
}

#[test]
fn where_the_session_has_no_place_the_cache_has() {
    let home = tempfile::tempdir().unwrap();
    let runtime = home.path().join("runtime");
    std::fs::write(&runtime, "a file, and no directory").unwrap();
    let host = system(home.path(), Some(&runtime));
    let turn = pollster::block_on(DiskCache::new(host.clone()).turn(&key("a")));
    assert!(turn.is_some());
    assert_eq!(names(&home.path().join("cache/ee-auth")).len(), 1);
    assert!(!has_turn(&DiskCache::new(host).with_patience(Duration::ZERO)));
    drop(turn);
    assert_eq!(names(&home.path().join("cache/ee-auth")).len(), 0);
}

const HOME: &str = "EE_AUTH_TEST_HOME";

/// Not a test: what the tests run as a process of its own. Has its turn until its input ends.
#[test]
fn child() {
    let Ok(home) = std::env::var(HOME) else { return };
    let cache = DiskCache::new(system(Path::new(&home), None));
    let turn = pollster::block_on(cache.turn(&key("a")));
    std::io::stdout().write_all(if turn.is_some() { b"\nturn\n" } else { b"\nnone\n" }).unwrap();
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// A process that has its turn.
fn holder(home: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(HOME, home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "turn"));
    child
}

/// Ends a process in good order.
fn finish(mut child: Child) {
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_process_has_its_turn_to_its_end() {
    let home = tempfile::tempdir().unwrap();
    let cache = DiskCache::new(system(home.path(), None)).with_patience(Duration::ZERO);
    let child = holder(home.path());
    assert!(!has_turn(&cache));
    finish(child);
    assert!(has_turn(&cache));
    assert_eq!(names(&home.path().join("cache/ee-auth")).len(), 0);
}

#[test]
fn a_killed_process_gives_its_turn_back() {
    let home = tempfile::tempdir().unwrap();
    let cache = DiskCache::new(system(home.path(), None)).with_patience(Duration::ZERO);
    let mut child = holder(home.path());
    assert!(!has_turn(&cache));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(has_turn(&cache));
}

#[cfg(unix)]
#[test]
fn a_stopped_process_delays_nobody_beyond_the_deadline() {
    use rustix::process::{Pid, Signal, kill_process};

    let home = tempfile::tempdir().unwrap();
    let patience = Duration::from_millis(300);
    let cache = DiskCache::new(system(home.path(), None)).with_patience(patience);
    let child = holder(home.path());
    kill_process(Pid::from_child(&child), Signal::STOP).unwrap();
    let start = Instant::now();
    assert!(!has_turn(&cache));
    let waited = start.elapsed();
    assert!(waited >= patience && waited < Duration::from_secs(20), "{waited:?}");
    kill_process(Pid::from_child(&child), Signal::CONT).unwrap();
    finish(child);
    assert!(has_turn(&cache));
}
