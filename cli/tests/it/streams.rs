//! Data on standard output, everything else on standard error; and what happens where there is nobody to read it.

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use crate::support::{Machine, run};

/// Every command that prints something when nothing is configured, and the status with which it ends.
const PRINTING: &[(&[&str], i32)] = &[
    (&["explain"], 4),
    (&["explain", "--format", "json"], 4),
    (&["providers"], 0),
    (&["config", "show"], 0),
    (&["config", "show", "--format", "json"], 0),
    (&["config", "path"], 0),
    (&["config", "validate"], 0),
    (&["config", "schema"], 0),
    (&["completions", "bash"], 0),
    (&["man"], 0),
    (&["--help"], 0),
    (&["token", "--help"], 0),
    (&["--version"], 0),
];

const COMMANDS: &[&[&str]] = &[
    &[],
    &["token"],
    &["status"],
    &["explain"],
    &["doctor"],
    &["providers"],
    &["config"],
    &["config", "show"],
    &["config", "path"],
    &["config", "init"],
    &["config", "validate"],
    &["config", "schema"],
    &["login"],
    &["logout"],
    &["set-project"],
    &["unset-project"],
    &["profile"],
    &["profile", "list"],
    &["profile", "use"],
    &["profile", "remove"],
    &["plugin"],
    &["plugin", "add"],
    &["plugin", "check"],
    &["plugin", "list"],
    &["plugin", "new"],
    &["exec"],
    &["serve"],
    &["env"],
    &["trust"],
    &["cache"],
    &["cache", "clear"],
    &["completions"],
    &["man"],
    #[cfg(feature = "sandbox")]
    &["sandbox"],
];

#[test]
fn help_is_an_answer() {
    let machine = Machine::new();
    for command in COMMANDS {
        for flag in ["--help", "-h"] {
            let output = machine.run(command.iter().chain(&[flag])).expect(0);
            assert_eq!(output.stderr, "", "{output}");
            assert!(output.stdout.contains("Usage: ee-auth"), "{output}");
            assert!(output.stdout.lines().all(|line| line.chars().count() <= 100), "too wide\n{output}");
        }
    }
    let version = machine.run(["--version"]).expect(0);
    assert_eq!(version.stdout, format!("ee-auth {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_command_has_help_that_is_tested_here() {
    let help = Machine::new().run(["--help"]).expect(0);
    let (_, commands) = help.stdout.split_once("Commands:\n").expect("commands");
    let (commands, _) = commands.split_once("\n\n").expect("an end");
    for line in commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = line.split_whitespace().next().expect("a name");
        assert!(COMMANDS.contains(&&[name][..]), "{name}");
    }
}

#[test]
fn however_much_is_said_data_stays_alone() {
    let machine = Machine::with_google().with_key();
    for arguments in
        [&["token"][..], &["status"], &["explain"], &["providers"], &["config", "show"], &["config", "path"]]
    {
        for format in [&[][..], &["--format", "json"]] {
            let arguments: Vec<_> = arguments.iter().chain(format).collect();
            let quiet = machine.run(arguments.iter().chain(&[&"-q"])).expect(0);
            assert_eq!(quiet.stderr, "", "{quiet}");
            for flag in ["-v", "-vv", "-vvv"] {
                let loud = machine.run(arguments.iter().chain(&[&flag])).expect(0);
                if !format.is_empty() {
                    loud.json();
                }
                if arguments[0] == &"token" || arguments[0] == &"status" && !format.is_empty() {
                    // Another token, or one that is kept by now.
                    continue;
                }
                assert_eq!(loud.stdout, quiet.stdout, "{loud}");
            }
        }
    }
    let debug = machine.run(["token", "-vv"]).expect(0);
    assert!(debug.stderr.lines().any(|line| line.starts_with("debug ")), "{debug}");
    assert_eq!(debug.stdout.lines().count(), 1);
    let variable = run(machine.command(["token"]).env("EE_AUTH_LOG", "debug")).expect(0);
    assert!(variable.stderr.lines().any(|line| line.starts_with("debug ")), "{variable}");
}

#[test]
fn an_error_is_the_last_line_however_much_is_said() {
    let machine = Machine::with_google().with_key();
    machine.google().fail("token=invalid_grant".parse().expect("a fault"));
    for flags in [&[][..], &["-q"], &["-v"], &["-vvv"]] {
        let output = machine.run(["token", "--format", "json"].iter().chain(flags)).expect(5);
        assert_eq!(output.error()["code"], "rejected.invalid_grant", "{output}");
        assert_eq!(output.stdout, "");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let machine = Machine::with_google().with_key();
    for (arguments, status) in PRINTING.iter().chain(&[(&["token"][..], 0), (&["status"], 0)]) {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        drop(ours);
        let bare = Machine::new();
        let machine = if matches!(arguments[0], "token" | "status") { &machine } else { &bare };
        let mut child = machine
            .command(*arguments)
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be run");
        let mut stderr = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().expect("a pipe"), &mut stderr).expect("UTF-8");
        assert_eq!(child.wait().expect("it ends").code(), Some(*status), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("Broken pipe"), "{arguments:?}: {stderr}");
    }
}

/// A full disk. What was not written was not done.
#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let with_key = Machine::with_google().with_key();
    let bare = Machine::new();
    for (arguments, _) in PRINTING.iter().chain(&[(&["token"][..], 0), (&["status"], 0)]) {
        let machine = if matches!(arguments, ["token" | "status"]) { &with_key } else { &bare };
        let full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let mut command = machine.command(*arguments);
        let child = command.stdout(full).stderr(Stdio::piped()).spawn().expect("it can be run");
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(
            stderr.contains("standard output") && !stderr.contains("panicked"),
            "{arguments:?}: {stderr}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_standard_error_that_cannot_be_written_changes_nothing() {
    let machine = Machine::with_google().with_key();
    let full = || OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let output = machine.command(["token", "-vvv"]).stderr(full()).output().expect("it ends");
    assert!(output.status.success() && output.stdout.starts_with(b"ya29."));
    let status = Machine::new().command(["token"]).stderr(full()).status().expect("it ends");
    assert_eq!(status.code(), Some(4));
    let status = Machine::new().command(["tokne"]).stderr(full()).status().expect("it ends");
    assert_eq!(status.code(), Some(2));
}
