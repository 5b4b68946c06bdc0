//! What is left of a process that a signal ends: each case runs this binary again, and ends it.
#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "the tests make and end the process that they look at"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ee_auth_core::host::{self, Variables};
use ee_auth_host::{EndOfProcess, Undo, own_signals, system};
use rustix::process::{Pid, Signal, kill_process};

/// What [`child`] is to do, and where.
const DO: &str = "EE_AUTH_TEST_DO";
const PLACE: &str = "EE_AUTH_TEST_PLACE";

const SIGNALS: [Signal; 3] = [Signal::HUP, Signal::INT, Signal::TERM];

/// A program that says when it is there, and again when it is asked to end. What it waits for holds none of its output, and
/// ends soon.
const POLITE: &str = "trap 'trap \"\" TERM; echo told >&2; exit' TERM; echo ready >&2
    while :; do sleep 1 >/dev/null 2>&1 & wait; done";

/// Not a test: what the tests end.
#[test]
fn child() {
    let Ok(what) = std::env::var(DO) else { return };
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap());
    let _end = (what != "unwatched").then(EndOfProcess::watch);
    let write = || system().files.write_temporary(&place, b"for a moment").unwrap();
    match &*what {
        "temporary" | "unwatched" => {
            let _file = write();
            say_and_stay("ready");
        }
        "many" => {
            let say = |text: &'static str| {
                let made = Undo::make(|| Ok::<_, ()>(()), |()| move || eprintln!("undone {text}"));
                made.unwrap().1
            };
            let _both = (say("first"), say("second"));
            say("dropped").forget();
            say_and_stay("ready");
        }
        "owned" => {
            let _file = write();
            own_signals();
            say_and_stay("ready");
            say_and_stay("still here");
        }
        // A signal that comes just before: the thread that listens cannot have dealt with it yet.
        "late" => {
            let _file = write();
            eprintln!("ready");
            let raise = || signal_hook::low_level::raise(signal_hook::consts::SIGTERM);
            let _made = Undo::make(raise, |()| || ()).unwrap();
            own_signals();
            say_and_stay("not to be reached");
        }
        "person" => {
            let command = host::Command {
                program: "/bin/sh".into(),
                arguments: vec!["-c".into(), POLITE.into()],
                variables: Variables::Inherit(Vec::new()),
                input: None,
                timeout: Duration::from_secs(1000),
                output_limit: 0,
            };
            let _ = pollster::block_on(system().processes.run_with_person(command));
        }
        // The end of a `main`, with something running on another thread.
        "returns" => {
            let command = host::Command {
                program: "/bin/sh".into(),
                arguments: vec![
                    "-c".into(),
                    "echo $$ >\"$0.new\"; mv \"$0.new\" \"$0\"; sleep 1000".into(),
                    place.clone().into(),
                ],
                variables: Variables::Inherit(Vec::new()),
                input: None,
                timeout: Duration::from_secs(1000),
                output_limit: 0,
            };
            let host = system();
            let running = host.clone();
            host.tasks.spawn(Box::pin(async move {
                let _ = running.processes.run(command).await;
            }));
            while !place.exists() {
                std::thread::yield_now();
            }
        }
        other => panic!("{other}"),
    }
}

fn say_and_stay(text: &str) {
    eprintln!("{text}");
    let mut rest = String::new();
    let _ = std::io::stdin().read_line(&mut rest);
}

/// [`child`], and what it writes.
struct Process {
    child: Child,
    output: BufReader<std::process::ChildStderr>,
}

impl Process {
    /// Starts it with no signal ignored but `ignored`, and waits until it says that it is ready.
    fn start(what: &str, place: &Path, ignored: &str) -> Self {
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP,INT,TERM").arg(format!("--ignore-signal={ignored}"));
        command.arg(std::env::current_exe().unwrap()).args(["--exact", "child", "--nocapture"]);
        command.env(DO, what).env(PLACE, place);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stderr.take().unwrap());
        let mut process = Self { child, output };
        process.wait_for("ready");
        process
    }

    fn wait_for(&mut self, wanted: &str) {
        let mut line = String::new();
        while line.trim_end() != wanted {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it ended before it said {wanted}");
        }
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The signal that ended it, and what it and all that it started said until they were gone.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().signal(), rest)
    }
}

#[test]
fn what_is_there_for_a_moment_goes_with_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("made/file");
    for signal in SIGNALS {
        let process = Process::start("temporary", &place, "USR1");
        assert_eq!(fs::read(&place).unwrap(), b"for a moment");
        process.send(signal);
        assert_eq!(process.end().0, Some(signal.as_raw()));
        assert_eq!(fs::read_dir(place.parent().unwrap()).unwrap().count(), 0);
    }
}

#[test]
fn all_is_undone_in_turn() {
    let process = Process::start("many", Path::new("/"), "USR1");
    process.send(Signal::TERM);
    assert_eq!(process.end(), (Some(Signal::TERM.as_raw()), "undone second\nundone first\n".to_owned()));
}

#[test]
fn a_library_leaves_signals_alone() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("file");
    let process = Process::start("unwatched", &place, "USR1");
    process.send(Signal::TERM);
    assert_eq!(process.end().0, Some(Signal::TERM.as_raw()));
    assert!(place.exists());
}

#[test]
fn what_is_ignored_stays_so() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("file");
    let process = Process::start("temporary", &place, "HUP,INT");
    process.send(Signal::HUP);
    process.send(Signal::INT);
    assert!(place.exists());
    process.send(Signal::TERM);
    // Of signals that are pending, the one with the lowest number comes first.
    assert_eq!(process.end().0, Some(Signal::TERM.as_raw()));
    assert!(!place.exists());
}

#[test]
fn whoever_owns_signals_decides() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("file");
    let mut process = Process::start("owned", &place, "USR1");
    process.send(Signal::TERM);
    std::io::Write::write_all(process.child.stdin.as_mut().unwrap(), b"\n").unwrap();
    process.wait_for("still here");
    assert!(place.exists());
    // The end of main, where there is no more to be read.
    drop(process.child.stdin.take());
    assert_eq!(process.end().0, None);
    assert!(!place.exists());
}

#[test]
fn what_came_before_there_was_an_owner_is_not_lost() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("file");
    for _ in 0..20 {
        let process = Process::start("late", &place, "USR1");
        assert_eq!(process.end(), (Some(Signal::TERM.as_raw()), String::new()));
        assert!(!place.exists());
    }
}

#[test]
fn a_program_that_has_the_terminal_is_asked_to_end() {
    for signal in SIGNALS {
        let process = Process::start("person", Path::new("/"), "USR1");
        process.send(signal);
        assert_eq!(process.end(), (Some(signal.as_raw()), "told\n".to_owned()));
    }
}

#[test]
fn the_end_of_main_is_an_end_too() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("id");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env(DO, "returns").env(PLACE, &place);
    // What it starts holds its output: the end of that is the end of all of them.
    assert!(command.stdin(Stdio::null()).output().unwrap().status.success());
    let id: i32 = fs::read_to_string(&place).unwrap().trim().parse().unwrap();
    // Killed, it may still wait for somebody to look at its status.
    let state = || fs::read_to_string(format!("/proc/{id}/stat")).ok();
    let runs = || state().is_some_and(|stat| !stat.contains(") Z") && !stat.contains(") X"));
    let start = std::time::Instant::now();
    while runs() {
        assert!(start.elapsed() < Duration::from_secs(60), "it goes with whoever started it");
    }
}
