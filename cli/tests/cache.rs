//! Tokens kept between runs of the program, against the loopback Google.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests start processes, and panic where something is not as it should be"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ee_auth_sandbox::{Options, Sandbox, Service};
use serde_json::Value;
use tempfile::TempDir;

/// A machine on which Ada has logged in, and a Google that knows her.
struct Machine {
    google: Sandbox,
    home: TempDir,
    /// Not in the home directory, where it would be a project's file.
    elsewhere: TempDir,
}

impl Machine {
    fn new() -> Self {
        let google = Sandbox::start(Options::default()).unwrap();
        let machine = Self { google, home: TempDir::new().unwrap(), elsewhere: TempDir::new().unwrap() };
        std::fs::write(machine.config(), machine.google.config_toml()).unwrap();
        machine.log_in();
        machine
    }

    /// Stores a new login.
    fn log_in(&self) {
        let stored = self.home.path().join(".config/earthengine/credentials");
        let content = self.google.user().earthengine_file_json();
        ee_auth_host::system().files.write_private(&stored, content.as_bytes()).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.elsewhere.path().join("ee-auth.toml")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ee-auth"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("XDG_CACHE_HOME", self.cache())
            .env("EE_AUTH_CONFIG", self.config())
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What the program prints, and nothing on standard error.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert_eq!(stderr(&output), "", "{arguments:?}");
        stdout(&output)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[arguments, &["--format", "json"]].concat())).unwrap()
    }

    fn cache(&self) -> PathBuf {
        self.elsewhere.path().join("cache")
    }

    /// The names of what is kept, marks and locks aside.
    fn kept(&self) -> Vec<String> {
        names(&self.cache().join("ee-auth")).into_iter().filter(|name| name.ends_with(".json")).collect()
    }

    fn exchanges(&self) -> usize {
        self.google.requests().iter().filter(|request| request.service == Service::Token).count()
    }
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap().trim_end().to_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_token_is_got_once_and_printed_twice() {
    let machine = Machine::new();
    let status = machine.json(&["status"]);
    assert_eq!(status["token"], serde_json::json!({ "cached": false, "expires_at": null }));

    let first = machine.json(&["token"]);
    let second = machine.json(&["token"]);
    assert_eq!((&first["cached"], &second["cached"]), (&false.into(), &true.into()));
    for key in ["access_token", "expires_at", "scopes", "project", "principal", "provider"] {
        assert_eq!(first[key], second[key], "{key}");
    }
    assert_eq!(machine.run(&["token"]), first["access_token"].as_str().unwrap());
    assert_eq!(machine.exchanges(), 1);

    let status = machine.json(&["status"]);
    let expected = serde_json::json!({ "cached": true, "expires_at": first["expires_at"] });
    assert_eq!(status["token"], expected);
    assert_eq!(machine.json(&["status", "--offline"])["token"], expected);
    assert!(machine.run(&["status"]).contains(first["expires_at"].as_str().unwrap()));
    assert_eq!(machine.exchanges(), 1);
}

#[test]
fn no_cache_neither_reads_nor_writes() {
    let machine = Machine::new();
    let alone = machine.run(&["token", "--no-cache"]);
    assert!(names(&machine.cache()).is_empty());
    let kept = machine.run(&["token"]);
    let new = machine.run(&["token", "--no-cache"]);
    assert!(alone != kept && kept != new);
    assert_eq!(machine.run(&["token"]), kept);
    for store in ["memory", "none"] {
        let output = machine.command(&["token"]).env("EE_AUTH_CACHE", store).output().unwrap();
        assert_ne!(stdout(&output), kept);
    }
    assert_eq!(machine.run(&["token"]), kept);
}

#[test]
fn another_credential_has_another_token() {
    let machine = Machine::new();
    let ada = machine.run(&["token"]);
    assert_ne!(machine.run(&["token", "--scopes", "earthengine"]), ada, "for fewer scopes");
    machine.log_in();
    assert_ne!(machine.run(&["token"]), ada, "after another login");
    assert_eq!(machine.kept().len(), 3);
    // The login is gone, and what was got with it must not be had any more.
    std::fs::remove_file(machine.home.path().join(".config/earthengine/credentials")).unwrap();
    assert_eq!(machine.command(&["token"]).output().unwrap().status.code(), Some(4));
}

#[test]
fn clearing_says_how_many_there_were() {
    let machine = Machine::new();
    assert_eq!(machine.run(&["cache", "clear"]), "0 tokens removed");
    let first = machine.run(&["token"]);
    assert_eq!(machine.run(&["cache", "clear"]), "1 token removed");
    assert!(machine.kept().is_empty());
    assert_ne!(machine.run(&["token"]), first);
    machine.run(&["token", "--scopes", "earthengine"]);
    assert_eq!(machine.json(&["cache", "clear"]), serde_json::json!({ "removed": 2 }));
}

#[cfg(not(feature = "keyring"))]
#[test]
fn a_keyring_is_not_silently_a_file() {
    let machine = Machine::new();
    for command in ["token", "status", "explain"] {
        let output =
            machine.command(&[command, "--format", "json"]).env("EE_AUTH_CACHE", "keyring").output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{command}");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["code"], "invalid.cache_store");
        assert!(error["error"]["message"].as_str().unwrap().starts_with("EE_AUTH_CACHE: "), "{error}");
    }
    assert!(names(&machine.cache()).is_empty());
    // Nor is the login that may be in it.
    let output = machine.command(&["token", "--no-cache"]).env("EE_AUTH_CACHE", "keyring").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    for command in [&["login"][..], &["logout"], &["profile", "list"]] {
        let output = machine.command(command).env("EE_AUTH_CACHE", "keyring").output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{command:?}");
        assert!(stderr(&output).contains("feature `keyring`"), "{}", stderr(&output));
    }
    assert!(machine.home.path().join(".config/earthengine/credentials").exists());
}

#[test]
fn a_cache_that_cannot_be_written_costs_an_exchange_and_no_more() {
    let machine = Machine::new();
    // Not even root can make a directory in a file.
    std::fs::write(machine.cache(), "").unwrap();
    let (first, second) = (machine.run(&["token"]), machine.run(&["token"]));
    assert_ne!(first, second);
    let output = machine.command(&["token", "-v"]).output().unwrap();
    let said = stderr(&output);
    assert!(
        said.contains(machine.cache().to_str().unwrap()) && said.contains("EE_AUTH_CACHE=memory"),
        "{said}"
    );
    assert!(!said.contains(&stdout(&output)));
    assert_eq!(machine.exchanges(), 3);
}

#[test]
fn a_damaged_file_is_replaced() {
    let machine = Machine::new();
    let first = machine.run(&["token"]);
    let file = machine.cache().join("ee-auth").join(&machine.kept()[0]);
    let text = std::fs::read_to_string(&file).unwrap();
    for damaged in
        [String::new(), text[..text.len() / 2].to_owned(), text.replace("\"version\":1", "\"version\":2")]
    {
        std::fs::write(&file, damaged).unwrap();
        let output = machine.command(&["token", "-v"]).output().unwrap();
        assert_ne!(stdout(&output), first);
        assert!(stderr(&output).contains(file.to_str().unwrap()));
        assert_eq!(machine.run(&["token"]), stdout(&output));
    }
}

#[cfg(unix)]
#[test]
fn what_is_kept_is_private() {
    use std::os::unix::fs::PermissionsExt;

    let machine = Machine::new();
    let first = machine.run(&["token"]);
    let directory = machine.cache().join("ee-auth");
    let file = directory.join(&machine.kept()[0]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&directory), mode(&file)), (0o700, 0o600));
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    assert_ne!(machine.run(&["token"]), first, "others may have read it");
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn fifty_processes_make_one_exchange() {
    // Beside the tokens, and in a directory of the session's.
    for session in [false, true] {
        let machine = Machine::new();
        machine.google.fail("token=delay:0.5".parse().unwrap());
        let runtime = machine.elsewhere.path().join("runtime");
        std::fs::create_dir(&runtime).unwrap();
        std::fs::set_permissions(&runtime, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let children: Vec<Child> = (0..50)
            .map(|_| {
                let mut command = machine.command(&["token"]);
                if session {
                    command.env("XDG_RUNTIME_DIR", &runtime);
                }
                command.spawn().unwrap()
            })
            .collect();
        let mut tokens: Vec<_> =
            children.into_iter().map(|child| stdout(&child.wait_with_output().unwrap())).collect();
        tokens.dedup();
        assert_eq!(tokens.len(), 1);
        assert_eq!(machine.exchanges(), 1);
        let left =
            [machine.cache().join("ee-auth"), runtime.join("ee-auth")].map(|directory| names(&directory));
        assert!(
            left.iter().flatten().all(|name| !name.ends_with(".lock") && !name.starts_with(".ee-auth")),
            "{left:?}"
        );
        assert_eq!(names(&runtime).len(), usize::from(session));
    }
}

#[test]
fn a_killed_process_keeps_nobody_waiting() {
    let machine = Machine::new();
    machine.google.fail("token=hangx1".parse().unwrap());
    let mut first = machine.command(&["token"]).spawn().unwrap();
    let start = Instant::now();
    while machine.exchanges() == 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "the first process asks for a token");
        thread::sleep(Duration::from_millis(5));
    }
    let second = machine.command(&["token"]).spawn().unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    let killed = Instant::now();
    stdout(&second.wait_with_output().unwrap());
    assert!(killed.elapsed() < Duration::from_secs(20), "it did not wait until its patience was over");
    assert_eq!(machine.exchanges(), 2);
}

#[test]
fn the_sandbox_leaves_the_users_cache_alone() {
    let machine = Machine::new();
    let kept = machine.run(&["token"]);
    let program = env!("CARGO_BIN_EXE_ee-auth");
    for arguments in [
        &["sandbox"][..],
        &["sandbox", "--", program, "token"],
        &["sandbox", "--", program, "cache", "clear"],
    ] {
        let output = machine.command(arguments).env_remove("EE_AUTH_CONFIG").output().unwrap();
        assert_ne!(stdout(&output), kept);
    }
    assert_eq!(machine.kept().len(), 1);
    assert_eq!(machine.run(&["token"]), kept);
}
