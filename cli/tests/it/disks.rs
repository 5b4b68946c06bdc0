//! Tokens are got all the same where they cannot be kept: disks that are full or read-only, file systems without locks,
//! directories that are not as they should be. What can be acted upon is said with `-v`.
//!
//! Full and read-only disks are mounted in a namespace of their own, which needs root and `unshare`; what a network file
//! system answers is put there by `strace`. Where these are missing, the tests say `SKIPPED`.
#![allow(clippy::print_stderr, reason = "a test may say that it was skipped")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ee_auth_sandbox::Service;

use crate::support::{Machine, Output, PROGRAM, can_trace, run};

/// The user nobody, who is somebody else.
const NOBODY: u32 = 65534;

fn cache(machine: &Machine) -> PathBuf {
    machine.home().join(".cache/ee-auth")
}

/// The one file that keeps a token.
#[track_caller]
fn kept(machine: &Machine) -> PathBuf {
    let entries = fs::read_dir(cache(machine)).expect("the cache").map(|entry| entry.expect("a name").path());
    let kept: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    kept[0].clone()
}

fn exchanges(machine: &Machine) -> usize {
    machine.google().requests().iter().filter(|request| request.service == Service::Token).count()
}

/// The token in the output of a run that succeeded.
#[track_caller]
fn token(output: &Output) -> &str {
    assert_eq!(output.status, 0, "{output}");
    let token = output.stdout.trim_end();
    assert!(token.starts_with("ya29.") && token.lines().count() == 1, "{output}");
    token
}

/// Runs a line of a shell, as root of mounts of its own. `$PROGRAM` is the program, `$CACHE` the directory above its cache.
/// `None` where that cannot be done.
fn with_mounts(machine: &Machine, line: &str) -> Option<Output> {
    let works = |line: &str| {
        let mut shell = Command::new("unshare");
        shell.args(["--mount", "sh", "-c", line]).status().is_ok_and(|status| status.success())
    };
    if !rustix::process::geteuid().is_root() || !works("mount -t tmpfs -o size=64k none /mnt") {
        eprintln!("SKIPPED: only root may mount a disk, where namespaces can be made");
        return None;
    }
    let above = machine.home().join(".cache");
    fs::create_dir_all(&above).expect("it can be made");
    let command = machine.command([""; 0]);
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "sh", "-euc", line]).env_clear().current_dir(machine.working());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(run(shell.env("PROGRAM", PROGRAM).env("CACHE", above)))
}

/// The program under `strace`, which has system calls fail as these of its options say. `None` where there is none.
fn with_failing(machine: &Machine, options: &[&str], arguments: &[&str]) -> Option<Output> {
    if !can_trace() {
        eprintln!("SKIPPED: strace is missing, or may trace nothing here");
        return None;
    }
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null"]);
    let command = machine.command([""; 0]);
    strace.args(options).arg(PROGRAM).args(arguments).env_clear().current_dir(machine.working());
    strace.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(run(&mut strace))
}

const FULL: &str = "mount -t tmpfs -o size=64k none \"$CACHE\"; mkdir -m 700 \"$CACHE/ee-auth\"; \
                    dd if=/dev/zero of=\"$CACHE/all\" 2>/dev/null || true; ";

#[test]
fn on_a_full_disk_a_token_is_got_and_it_is_said_why_it_is_not_kept() {
    let machine = Machine::with_google().with_login();
    let Some(output) = with_mounts(&machine, &format!("{FULL} exec \"$PROGRAM\" token -v")) else { return };
    token(&output);
    for said in
        ["/.cache/ee-auth/", "No space left on device", "see that the disk is not full", "EE_AUTH_CACHE"]
    {
        assert!(output.stderr.contains(said), "{said}\n{output}");
    }
    let quiet = with_mounts(&machine, &format!("{FULL} \"$PROGRAM\" token; ls -A \"$CACHE/ee-auth\""))
        .expect("as before");
    assert_eq!(
        (quiet.stdout.lines().count(), quiet.stderr.as_str()),
        (1, ""),
        "nothing is left behind\n{quiet}"
    );
}

#[test]
fn on_a_full_disk_nobody_waits_for_what_cannot_be_kept() {
    let machine = Machine::with_google().with_login();
    machine.google().fail("token=delay:1".parse().expect("a rule"));
    let eight = "for i in 1 2 3 4 5 6 7 8; do \"$PROGRAM\" token & done; wait";
    let start = std::time::Instant::now();
    let Some(output) = with_mounts(&machine, &format!("{FULL} {eight}")) else { return };
    let taken = start.elapsed();
    assert_eq!((output.status, output.stdout.lines().count()), (0, 8), "{output}");
    assert_eq!(exchanges(&machine), 8);
    // One after the other they would take eight seconds.
    assert!(taken < Duration::from_secs(7), "{taken:?}");
}

#[test]
fn on_a_read_only_disk_tokens_are_got_and_what_is_kept_is_used() {
    const READ_ONLY: &str = "mount --bind \"$CACHE\" \"$CACHE\"; mount -o remount,bind,ro \"$CACHE\"; ";
    let machine = Machine::with_google().with_login();
    let token_on_it = format!("{READ_ONLY} exec \"$PROGRAM\" token -v");
    // Not even its directory is there.
    let Some(output) = with_mounts(&machine, &token_on_it) else { return };
    let alone = token(&output).to_owned();
    assert!(
        output.stderr.contains("Read-only file system") && output.stderr.contains("EE_AUTH_CACHE"),
        "{output}"
    );

    let before = machine.run(["token"]);
    assert_ne!(token(&before), alone);
    let after = with_mounts(&machine, &token_on_it).expect("as before");
    assert_eq!(token(&after), token(&before), "what was kept before is read");
    assert_eq!(exchanges(&machine), 2);
    fs::write(kept(&machine), "{").expect("it can be damaged");
    let damaged = with_mounts(&machine, &token_on_it).expect("as before");
    assert_ne!(token(&damaged), token(&before));
}

#[test]
fn a_file_system_without_locks_costs_no_token_and_no_wait() {
    for error in ["ENOLCK", "EOPNOTSUPP", "ENOSYS"] {
        let machine = Machine::with_google().with_login();
        let options = ["-e".to_owned(), format!("inject=flock:error={error}")];
        let options = options.each_ref().map(String::as_str);
        let Some(output) = with_failing(&machine, &options, &["token", "-v"]) else { return };
        token(&output);
        for said in
            [".lock: ", "no lock can be had there, so that several processes may get a token at a time"]
        {
            assert!(output.stderr.contains(said), "{error}\n{output}");
        }
        let again = with_failing(&machine, &options, &["token"]).expect("as before");
        assert_eq!((token(&again), again.stderr.as_str()), (token(&output), ""), "it was kept all the same");
        let project = with_failing(&machine, &options, &["set-project", "without-locks"]).expect("as before");
        assert_eq!(project.status, 0, "{project}");
        assert!(machine.run(["status"]).stdout.contains("without-locks"));
    }
}

#[test]
fn a_file_that_another_machine_has_replaced_is_opened_again() {
    let machine = Machine::with_google().with_login();
    machine.run(["token"]).expect(0);
    let login = machine.home().join(".config/earthengine/credentials");
    for file in [kept(&machine), login] {
        let file = file.to_str().expect("it is text").to_owned();
        let first = machine.run(["token"]);
        // The first time that it is read, and no other file.
        let options = ["-e", "inject=read:error=ESTALE:when=1", "-P", &file];
        let Some(output) = with_failing(&machine, &options, &["token", "-v"]) else { return };
        assert_eq!(token(&output), token(&first));
        assert!(!output.stderr.contains("tale"), "{output}");
        // And whenever it is read, which ends as well.
        let options = ["-e", "inject=read:error=ESTALE", "-P", &file];
        let output = with_failing(&machine, &options, &["token", "-v"]).expect("as before");
        assert!(output.stderr.contains(&file) && output.stderr.contains("Stale file handle"), "{output}");
    }
    assert_eq!(exchanges(&machine), 2, "what cannot be read is got again");
}

#[test]
fn the_cache_may_be_elsewhere_behind_a_link() {
    let machine = Machine::with_google().with_login();
    let elsewhere = machine.home().join("scratch/tokens");
    fs::create_dir_all(&elsewhere).expect("it can be made");
    fs::create_dir_all(machine.home().join(".cache")).expect("it can be made");
    symlink(&elsewhere, cache(&machine)).expect("it can be made");
    let output = machine.run(["token"]);
    assert_eq!(machine.run(["token"]).stdout, output.stdout);
    assert_eq!((exchanges(&machine), kept(&machine).parent()), (1, Some(&*cache(&machine))));
    assert!(fs::read_dir(elsewhere).expect("it is there").count() > 0);
    assert_eq!(machine.run(["cache", "clear"]).stdout, "1 token removed\n");
    // One that leads nowhere is said, and costs nothing but the exchange.
    fs::remove_file(cache(&machine)).expect("it can be removed");
    symlink("nowhere/at/all", cache(&machine)).expect("it can be made");
    let output = machine.run(["token", "-v"]);
    token(&output);
    assert!(output.stderr.contains("/.cache/ee-auth") && output.stderr.contains("EE_AUTH_CACHE"), "{output}");
}

/// Gives everything in a home directory to the user nobody, and has a command run as that user. `None` where that cannot be.
fn as_nobody(machine: &Machine, arguments: &[&str]) -> Option<Command> {
    let mut reach = Command::new("test");
    reach.args(["-x", PROGRAM]).uid(NOBODY).gid(NOBODY);
    if !rustix::process::geteuid().is_root() || !reach.status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: only root may become another user, who must be able to run the program");
        return None;
    }
    let mut command = machine.command(arguments);
    command.uid(NOBODY).gid(NOBODY);
    Some(command)
}

fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).expect("root may");
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a directory") {
            give(&entry.expect("a name").path(), user);
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode can be set");
}

#[test]
fn in_a_directory_of_another_user_nothing_of_theirs_is_believed() {
    let machine = Machine::with_google().with_login();
    let Some(mut command) = as_nobody(&machine, &["token", "-v"]) else { return };
    give(&machine.home(), NOBODY);
    set_mode(machine.home().parent().expect("a directory"), 0o755);
    let first = run(&mut command);
    token(&first);
    let (file, text) = (kept(&machine), fs::read(kept(&machine)).expect("it can be read"));

    // It is root's, who lets nobody write there.
    give(&cache(&machine), 0);
    set_mode(&cache(&machine), 0o755);
    let output = run(&mut command);
    assert_ne!(token(&output), token(&first), "a token that root may have put there");
    for said in ["Permission denied", "Make the directory writable"] {
        assert!(output.stderr.contains(said), "{said}\n{output}");
    }

    // Everybody may write there: whose a file is, is looked at all the same.
    set_mode(&cache(&machine), 0o777);
    set_mode(&file, 0o644);
    let output = run(&mut command);
    assert_ne!(token(&output), token(&first));
    assert!(output.stderr.contains("it belongs to another user; a new token takes its place"), "{output}");
    assert_eq!(token(&run(&mut command)), token(&output), "the file is nobody's now, and private");
    assert_ne!(fs::read(&file).expect("it is there"), text);

    // A lock that root has put there cannot be had, and is not waited for.
    fs::remove_file(&file).expect("it can be removed");
    let lock = PathBuf::from(file.to_str().expect("it is text").replace(".v1.json", ".lock"));
    fs::write(&lock, "").expect("it can be written");
    set_mode(&lock, 0o600);
    let output = run(&mut command);
    assert_ne!(token(&output), token(&first));
    assert!(output.stderr.contains("no lock can be had there"), "{output}");
}
