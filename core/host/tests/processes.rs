//! Other programs, the unruly ones above all.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests make the files that they look at"
)]

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use ee_auth_core::Secret;
use ee_auth_core::host::{Command, Output, ProcessError, Variables};

fn shell(script: &str, arguments: &[&Path]) -> Command {
    Command {
        program: PathBuf::from("/bin/sh"),
        arguments: [OsString::from("-c"), script.into()]
            .into_iter()
            .chain(arguments.iter().map(|argument| argument.into()))
            .collect(),
        variables: Variables::Inherit(Vec::new()),
        input: None,
        timeout: Duration::from_secs(60),
        output_limit: 1000,
    }
}

fn run(command: Command) -> Result<Output, ProcessError> {
    pollster::block_on(ee_auth_host::system().processes.run(command))
}

/// A FIFO, and a thread that sends its first line, and then when nobody holds it any more.
fn fifo(directory: &Path) -> (PathBuf, Receiver<String>) {
    let path = directory.join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let (sender, receiver) = channel();
    let from = path.clone();
    thread::spawn(move || {
        let mut fifo = BufReader::new(File::open(from).unwrap());
        let mut text = String::new();
        fifo.read_line(&mut text).unwrap();
        sender.send(text.clone()).unwrap();
        fifo.read_to_string(&mut text).unwrap();
        sender.send(String::new()).unwrap();
    });
    (path, receiver)
}

/// A child and a grandchild that hold a FIFO for ever.
const HOLD: &str = r#"(echo ready; exec sleep 1000) >"$0" & wait"#;

#[test]
fn a_program_gets_what_it_is_given() {
    let mut command =
        shell(r#"printf '%s|' "$A" "$0"; cat; echo oops >&2; exit 3"#, &[Path::new("an argument; x")]);
    command.variables = Variables::Inherit(vec![("A".into(), "value".into())]);
    command.input = Some(Secret::from("the input"));
    let output = run(command).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "value|an argument; x|the input");
    assert_eq!((output.stderr.as_str(), output.status), ("oops\n", Some(3)));
}

#[test]
fn variables_can_be_withheld() {
    let mut command = shell("", &[]);
    command.program = ee_auth_host::system().processes.find("env").unwrap();
    command.arguments = Vec::new();
    command.variables = Variables::Only(vec![("ONE".into(), "1".into())]);
    assert_eq!(run(command).unwrap().stdout[..], *b"ONE=1\n");
}

#[test]
fn a_program_may_leave_its_input_unread() {
    let mut command = shell("exit 0", &[]);
    command.input = Some(Secret::from("x".repeat(1 << 20)));
    assert_eq!(run(command).unwrap().status, Some(0));
    // Without input there is an empty one, never this process's.
    assert_eq!(run(shell("cat", &[])).unwrap().status, Some(0));
}

#[test]
fn a_signal_is_no_status() {
    assert_eq!(run(shell("kill -9 $$", &[])).unwrap().status, None);
}

#[test]
fn what_cannot_be_started_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    fs::write(&plain, "").unwrap();
    for (program, reason) in
        [(directory.path().join("missing"), "No such file"), (plain, "denied"), ("sh".into(), "by its path")]
    {
        let mut command = shell("", &[]);
        command.program = program;
        match run(command) {
            Err(ProcessError::Start(message)) => assert!(message.contains(reason), "{message}"),
            other => panic!("{:?}", other.err()),
        }
    }
}

#[test]
fn output_has_its_limit() {
    assert!(matches!(run(shell("exec yes", &[])), Err(ProcessError::TooMuchOutput(1000))));
    let all = run(shell("head -c 1000 /dev/zero", &[])).unwrap();
    assert_eq!(all.stdout.len(), 1000);
    let output = run(shell("head -c 100000 /dev/zero >&2; echo done", &[])).unwrap();
    assert_eq!(output.stderr.len(), 1000, "what is more is dropped, and the program goes on");
    assert_eq!(output.stdout[..], *b"done\n");
}

#[test]
fn the_deadline_kills_the_whole_group() {
    let directory = tempfile::tempdir().unwrap();
    let (fifo, events) = fifo(directory.path());
    let mut command = shell(HOLD, &[&fifo]);
    command.timeout = Duration::from_secs(1);
    assert!(matches!(run(command), Err(ProcessError::Timeout(limit)) if limit == Duration::from_secs(1)));
    assert_eq!(events.recv().unwrap(), "ready\n");
    assert_eq!(events.recv_timeout(Duration::from_secs(20)).as_deref(), Ok(""), "the grandchild is gone");
}

#[test]
fn dropping_the_future_kills_the_whole_group() {
    let directory = tempfile::tempdir().unwrap();
    let (fifo, events) = fifo(directory.path());
    let processes = ee_auth_host::system().processes;
    let mut running = processes.run(shell(HOLD, &[&fifo]));
    let mut context = Context::from_waker(Waker::noop());
    assert!(running.as_mut().poll(&mut context).is_pending());
    assert_eq!(events.recv().unwrap(), "ready\n");
    drop(running);
    assert_eq!(events.recv_timeout(Duration::from_secs(20)).as_deref(), Ok(""), "the grandchild is gone");
}

#[test]
fn what_a_program_leaves_behind_is_not_waited_for() {
    // The grandchild holds the output open. It is left alone: a program may start an agent.
    let start = Instant::now();
    let output = run(shell("sleep 1000 & echo $!", &[])).unwrap();
    assert!(start.elapsed() < Duration::from_secs(30));
    let grandchild: i32 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    let grandchild = rustix::process::Pid::from_raw(grandchild).unwrap();
    rustix::process::kill_process(grandchild, rustix::process::Signal::KILL).expect("it still runs");
}
