//! Directories that variables name and another user controls: nothing is written there.
#![allow(clippy::print_stderr, reason = "a test may say that it was skipped")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::Machine;

const NOBODY: u32 = 65_534;

/// A directory with this mode.
fn directory(path: PathBuf, mode: u32) -> PathBuf {
    fs::create_dir(&path).expect("a directory");
    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its mode");
    path
}

/// Gives what is at a path to another user, which root alone may do.
fn given_away(path: &Path) -> bool {
    let given = lchown(path, Some(NOBODY), Some(NOBODY)).is_ok();
    if !given {
        eprintln!("SKIPPED: only root can give a file to another user");
    }
    given
}

fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).expect("a directory").next().is_none()
}

#[test]
fn serve_writes_nothing_where_another_users_link_leads() {
    let machine = Machine::with_google().with_key();
    // As /etc for root: where the link's owner cannot write, and the one who follows it can.
    let target = directory(machine.working().join("etc"), 0o700);
    let link = machine.working().join("link");
    symlink(&target, &link).expect("a link");
    if !given_away(&link) {
        return;
    }
    let mut command = machine.command(["serve", "-v"]);
    let mut child = command
        .env("XDG_RUNTIME_DIR", &link)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let cache = machine.home().join(".cache/ee-auth");
    let credential = || {
        let files = fs::read_dir(&cache).into_iter().flatten().flatten();
        files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("serve-"))
    };
    while !credential() {
        assert_eq!(child.try_wait().expect("a child"), None, "it serves");
        std::thread::yield_now();
    }
    assert!(is_empty(&target));
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("XDG_RUNTIME_DIR is not used"), "{said}");
    assert!(is_empty(&target) && !credential());
}

#[test]
fn exec_puts_its_credential_file_where_nobody_else_can_replace_it() {
    let machine = Machine::with_google().with_key();
    let open = directory(machine.working().join("open"), 0o777);
    let theirs = directory(machine.working().join("theirs"), 0o1777);
    let has_theirs = given_away(&theirs);
    for named in [Some(&open), has_theirs.then_some(&theirs)].into_iter().flatten() {
        let mut command = machine.command(["exec", "--via", "file", "-v", "--", "sh", "-c"]);
        command.arg(r#"test -r "$GOOGLE_APPLICATION_CREDENTIALS" && echo "$GOOGLE_APPLICATION_CREDENTIALS""#);
        let output = command.env("TMPDIR", named).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let file = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(Path::new(file.trim()).is_absolute() && !Path::new(file.trim()).starts_with(named), "{file}");
        assert!(said.contains("TMPDIR is not used"), "{said}");
        assert!(is_empty(named));
    }
}
