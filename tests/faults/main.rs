//! The program killed at every system call that touches a file, and system calls that fail.
//!
//! Each operation that writes runs under `strace` once to see which system calls touch the home directory, then once for each
//! of them: killed there, or with an error there. Afterwards there is the old file or the new one, no secret is anywhere
//! but in its file, and the next command works and tidies up. `run` has it go through all of them.
//!
//! `EE_AUTH_FAULTS_SECONDS` is the time that each of the tests may take; with it, `strace` is required. Without it a few seconds
//! are taken, and the tests say `SKIPPED` where `strace` is missing. Which points are tried in a time that is not enough
//! for all is decided by `EE_AUTH_FAULTS_SEED`.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "the tests are the world outside: they start the program")]
#![allow(clippy::print_stderr, reason = "a test says what it tried, and that it was skipped")]

#[allow(dead_code, reason = "it is shared with the other tests of the program")]
#[path = "../../cli/tests/it/support.rs"]
mod support;

mod crowd;
mod operations;
mod points;

use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use operations::{OPERATIONS, Operation, Stage};
use points::{Fault, Point};
use support::{PROGRAM, can_trace, run};

/// How long a test may take; `None` where nobody said.
pub(crate) fn budget() -> Option<Duration> {
    let seconds = env::var("EE_AUTH_FAULTS_SECONDS").ok()?;
    Some(Duration::from_secs(seconds.parse().expect("EE_AUTH_FAULTS_SECONDS is a number")))
}

/// A sequence that looks like chance, and is the same for the same seed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(stream: u64) -> Self {
        let seed = env::var("EE_AUTH_FAULTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1_u64);
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Runs every operation with faults of one kind, as many as there is time for. Each operation has its turn before any has its
/// next.
fn try_all(faults: impl Fn(&Point) -> Vec<Fault>) {
    if !can_trace() {
        assert!(budget().is_none(), "strace is missing, or may not trace here");
        eprintln!("SKIPPED: strace is missing, or may not trace here");
        return;
    }
    let until = Instant::now() + budget().unwrap_or(Duration::from_secs(8));
    let mut chance = Chance::new(0);
    let mut plans: Vec<(&Operation, Vec<Fault>)> = Vec::new();
    for operation in OPERATIONS {
        let stage = Stage::new(operation);
        let mut planned: Vec<_> = points::of(&stage).iter().flat_map(&faults).collect();
        assert!(!planned.is_empty(), "{} touches no file", operation.name);
        for at in (1..planned.len()).rev() {
            planned.swap(at, chance.below(at + 1));
        }
        plans.push((operation, planned));
    }
    let all: usize = plans.iter().map(|(_, faults)| faults.len()).sum();
    let tasks = Mutex::new(in_turns(plans).into_iter());
    let done = Mutex::new(0_usize);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let mut stages: Vec<Stage> = Vec::new();
                while Instant::now() < until {
                    let Some((operation, fault)) = tasks.lock().expect("no test has failed").next() else {
                        return;
                    };
                    let known = stages.iter().position(|stage| stage.operation.name == operation.name);
                    let at = known.unwrap_or_else(|| {
                        stages.push(Stage::new(operation));
                        stages.len() - 1
                    });
                    let tried = panic::catch_unwind(AssertUnwindSafe(|| try_one(&stages[at], &fault)));
                    if tried.is_err() {
                        failed.lock().expect("no test has failed").push(format!(
                            "{}: {}",
                            operation.name,
                            fault.inject()
                        ));
                    }
                    *done.lock().expect("no test has failed") += 1;
                }
            });
        }
    });
    let done = done.into_inner().expect("no test has failed");
    assert!(done > 0, "there was no time for anything");
    eprintln!("{done} of {all} faults");
    let failed = failed.into_inner().expect("no test has failed");
    assert!(failed.is_empty(), "{} of them have failed:\n{}", failed.len(), failed.join("\n"));
}

/// One of each, again and again.
fn in_turns(mut plans: Vec<(&Operation, Vec<Fault>)>) -> Vec<(&Operation, Fault)> {
    let mut tasks = Vec::new();
    while plans.iter().any(|(_, faults)| !faults.is_empty()) {
        for (operation, faults) in &mut plans {
            tasks.extend(faults.pop().map(|fault| (*operation, fault)));
        }
    }
    tasks
}

/// Runs an operation with one fault, looks at what it leaves, and runs it once more.
fn try_one(stage: &Stage, fault: &Fault) {
    stage.set();
    let arguments = stage.arguments();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &fault.inject()]).arg(PROGRAM).args(&arguments);
    let output = run(stage.like(&mut strace));
    let what = format!("{} with {}\n{output}", stage.operation.name, fault.inject());
    let killed = output.status == 128 + 9;
    assert!(fault.kills() || !killed, "{what}");
    // Which system call is the nth depends on threads, so an error meant for a file may reach the eventfd by which tokio wakes
    // itself. No system fails there, and tokio panics where one does.
    if output.stderr.contains("runtime/io/driver.rs") {
        return;
    }

    let found = stage.view();
    let is_new = found == stage.new;
    assert!(is_new || found == stage.old, "neither the old state nor the new one\n{found}\n{what}");
    if output.status == 0 {
        assert!(is_new, "it said that it was done\n{found}\n{what}");
    }
    // What could not be removed is there still.
    stage.assert_no_secret_outside(killed || fault.is_in_unlink(), &what);

    let again = run(&mut stage.machine.command(stage.arguments()));
    let what = format!("{what}\nand then {again}");
    assert!(stage.operation.again.contains(&again.status), "{what}");
    assert_eq!(stage.view(), stage.new, "{what}");
    stage.assert_no_secret_outside(false, &what);
    stage.assert_tidy(&what);
}

#[test]
fn killed_at_any_system_call_it_leaves_the_old_state_or_the_new_one() {
    try_all(|point| vec![Fault::kill(point)]);
}

#[test]
fn an_error_of_any_system_call_leaves_the_old_state_or_the_new_one() {
    try_all(Fault::errors);
}
