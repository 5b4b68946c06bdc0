//! Many processes at once.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::operations::left;
use crate::support::Machine;
use crate::{Chance, budget};

#[test]
fn what_many_processes_change_at_once_is_all_there() {
    let (processes, time) = match budget() {
        Some(time) => (200, time),
        None => (16, Duration::from_secs(2)),
    };
    let machine = Machine::with_google().with_login();
    let file = machine.home().join(".config/earthengine/credentials");
    let stored =
        || -> Value { serde_json::from_slice(&fs::read(&file).expect("it is there")).expect("it is whole") };
    let refresh_token = stored()["refresh_token"].clone();
    let until = Instant::now() + time;
    let runs = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..processes {
            let (machine, runs) = (&machine, &runs);
            scope.spawn(move || {
                let own = format!("many/{number}/ee-auth.toml");
                machine.write(format!("work/{own}"), "");
                let mut chance = Chance::new(number + 1);
                let mut trusted = false;
                let mut first = true;
                while first || Instant::now() < until {
                    first = false;
                    let project = format!("project-{number}");
                    let arguments: &[&str] = match chance.below(8) {
                        0 | 1 if trusted => &["trust", "--revoke", &own],
                        0 | 1 => &["trust", &own],
                        2 => &["set-project", &project],
                        3 => &["unset-project"],
                        4 => &["token"],
                        5 => &["trust", "--list"],
                        6 => &["profile", "list"],
                        _ => &["status"],
                    };
                    let output = machine.run(arguments).expect(0);
                    match arguments {
                        ["trust", "--revoke", _] => {
                            assert!(!output.stderr.contains("was not trusted"), "{output}");
                            trusted = false;
                        }
                        ["trust", path] if *path == own => trusted = true,
                        _ => {}
                    }
                    runs.fetch_add(1, Ordering::Relaxed);
                }
                machine.run(["trust", &own]).expect(0);
            });
        }
    });
    eprintln!("{} runs of {processes} processes at once", runs.into_inner());
    let listed = machine.run(["trust", "--list"]).expect(0);
    assert_eq!(listed.stdout.lines().count() as u64, processes, "{listed}");
    assert_eq!(stored()["refresh_token"], refresh_token);
    assert!(left(&machine).is_empty(), "{:?}", left(&machine));
}

/// A process that was stopped between reading and writing, and goes on when somebody has logged out.
#[test]
fn a_login_that_was_removed_does_not_come_back_from_a_process_that_was_stopped() {
    use std::process::{Command, Stdio};

    use crate::support::{PROGRAM, can_trace};

    if !can_trace() {
        assert!(budget().is_none(), "strace is missing, or may not trace here");
        eprintln!("SKIPPED: strace is missing, or may not trace here");
        return;
    }
    let machine = Machine::with_google().with_login();
    let file = machine.home().join(".config/earthengine/credentials");
    // It stops right before the new file takes the place of the old one.
    let mut slow = Command::new("strace");
    slow.args(["-f", "-qq", "-o", "/dev/null", "-e", "inject=rename,renameat,renameat2:delay_enter=3000000"]);
    let model = machine.command([""; 0]);
    slow.arg(PROGRAM).args(["set-project", "late"]).env_clear().current_dir(machine.working());
    slow.envs(model.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut slow = slow.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it can be run");
    let lock = file.with_file_name(".credentials.lock");
    while !lock.exists() {
        assert!(slow.try_wait().expect("a child").is_none(), "it ended before it took the lock");
        thread::sleep(Duration::from_millis(5));
    }
    let output = machine.run(["logout"]);
    slow.wait().expect("it ends");
    match output.status {
        0 => assert!(!file.exists(), "it said that the login was removed\n{output}"),
        6 => assert!(file.exists() && output.stderr.contains("timed out waiting for the lock"), "{output}"),
        _ => panic!("{output}"),
    }
    assert!(left(&machine).is_empty(), "{:?}", left(&machine));
}
