//! A crash, a full disk and Ctrl-C, at every point at which a login waits for somebody; and two logins at once.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::{Begun, Waiting, content, log_in, stored};
use crate::support::{Machine, PROGRAM, run, run_with_input};

const SIGNALS: [(&str, i32); 3] = [("INT", 130), ("KILL", 137), ("TERM", 143)];

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(status.expect("there is a `kill`").success());
}

fn status_of(mut child: Child) -> i32 {
    let status = child.wait().expect("it ends");
    let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
    status.code().or(signal).expect("a status or a signal")
}

/// Starts to finish a login, and waits until the request for `path` has come, to which there is no answer.
fn hang(machine: &Machine, service: &str, path: &str) -> Child {
    let begun = Begun::new(machine, &["--mode", "notebook"]);
    let code = begun.code();
    machine.google().clear_requests();
    machine.google().fail(format!("{service}=hang").parse().expect("a fault"));
    let arguments = ["login", "--code-verifier", &begun.verifier, "--authorization-code", "-"];
    let mut child = machine
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it can be run");
    child.stdin.take().expect("a pipe").write_all(code.as_bytes()).expect("it reads");
    while !machine.google().requests().iter().any(|request| request.path == path && request.faulty) {
        assert!(child.try_wait().expect("a child").is_none(), "it waits for the answer");
        thread::sleep(Duration::from_millis(5));
    }
    machine.google().heal();
    child
}

#[test]
fn whoever_stops_a_login_keeps_the_old_one() {
    for (name, status) in SIGNALS {
        let machine = Machine::with_google();
        log_in(&machine, &[]);
        let old = fs::read(stored(&machine)).expect("a login");
        let unchanged = |at: &str| {
            assert_eq!(fs::read(stored(&machine)).expect("a login"), old, "{name}, {at}");
            machine.run(["token", "--no-cache"]).expect(0);
        };
        let browser = Waiting::start(machine.command(["login", "--mode", "localhost:0", "--force"]));
        signal(&browser.child, name);
        assert_eq!(browser.end().0, status);
        unchanged("waiting for the browser");
        for (service, path) in [("client_auth", "/client-auth/fetch"), ("token", "/token")] {
            let child = hang(&machine, service, path);
            signal(&child, name);
            assert_eq!(status_of(child), status);
            unchanged(service);
        }
        // The login is stored by then.
        let child = hang(
            &machine,
            "earthengine",
            &format!("/v1/projects/{}/value:compute", machine.google().project_number()),
        );
        signal(&child, name);
        assert_eq!(status_of(child), status);
        let new = content(&machine);
        assert_ne!(serde_json::to_vec(&new).expect("JSON"), old);
        machine.run(["token", "--no-cache"]).expect(0);
    }
}

/// Whenever it is killed: there is the old file or the new one, and never half of one.
#[test]
fn there_is_always_a_whole_file() {
    let machine = Machine::with_google();
    log_in(&machine, &[]);
    for round in 0..25 {
        let begun = Begun::new(&machine, &["--mode", "notebook"]);
        let code = begun.code();
        let arguments = ["login", "--code-verifier", &begun.verifier, "--authorization-code", &code];
        let mut command = machine.command(arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be run");
        thread::sleep(Duration::from_millis(round * 4));
        // It may have ended.
        let _ = child.kill();
        child.wait().expect("it ends");
        let login: Value = content(&machine);
        assert!(login["refresh_token"].as_str().is_some_and(|token| token.starts_with("1//")), "{round}");
    }
    machine.run(["token", "--no-cache"]).expect(0);
    log_in(&machine, &[]);
}

/// A limit on the size of files stands for a full disk. Where nobody takes note of the signal, it is a crash.
#[test]
fn a_full_disk_keeps_the_old_login() {
    for (heed, status) in [("trap '' XFSZ;", 1), ("", 128 + 25)] {
        let machine = Machine::with_google();
        log_in(&machine, &[]);
        let old = fs::read(stored(&machine)).expect("a login");
        let begun = Begun::new(&machine, &["--mode", "notebook"]);
        let code = begun.code();
        let limited = |arguments: &[&str]| {
            let mut shell = machine.command([""; 0]);
            let variables: Vec<_> = shell
                .get_envs()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
                .collect();
            shell = Command::new("sh");
            shell.args(["-c", &format!("{heed} ulimit -c 0; ulimit -f 0; exec \"$0\" \"$@\""), PROGRAM]);
            shell.args(arguments).env_clear().envs(variables).current_dir(machine.working());
            shell
        };
        let finish =
            ["login", "--format=json", "--code-verifier", &begun.verifier, "--authorization-code", "-"];
        let output = run_with_input(&mut limited(&finish), code.as_bytes());
        let signal = if cfg!(target_os = "linux") { status } else { output.status };
        let output = output.expect(signal);
        if status == 1 {
            let error = output.error();
            assert_eq!(error["code"], "internal.unwritable", "{output}");
            assert!(error["hint"].as_str().expect("a hint").contains("nothing was changed"), "{output}");
        }
        assert_eq!(fs::read(stored(&machine)).expect("a login"), old);
        run(&mut limited(&["set-project", "my-project"])).expect(signal);
        assert_eq!(fs::read(stored(&machine)).expect("a login"), old);
        machine.run(["token", "--no-cache"]).expect(0);
        let directory = machine.home().join(".config/earthengine");
        if status == 1 {
            let names: Vec<_> = fs::read_dir(directory)
                .expect("a directory")
                .map(|entry| entry.expect("a name").file_name())
                .collect();
            assert_eq!(names, ["credentials"], "nothing is left lying about");
        }
    }
}

#[test]
fn logins_at_once_leave_one_whole_login() {
    let machine = Machine::with_google();
    let codes: Vec<_> = (0..6)
        .map(|_| {
            let begun = Begun::new(&machine, &["--mode", "notebook"]);
            let code = begun.code();
            (begun, code)
        })
        .collect();
    thread::scope(|scope| {
        for (begun, code) in &codes {
            scope.spawn(|| begun.finish(&machine, code, &[]).expect(0));
            scope.spawn(|| machine.run(["set-project", &machine.google().project_id()]).expect(0));
        }
    });
    let login = content(&machine);
    assert!(login["refresh_token"].is_string() && login["client_id"].is_string(), "{login}");
    assert_eq!(login.as_object().expect("an object").len(), 5);
    machine.run(["token", "--no-cache"]).expect(0);
}

/// A process that was stopped in the middle of a change may go on with it: nobody else changes anything until then.
#[test]
fn while_a_lock_is_never_released_nothing_is_changed_or_removed() {
    let machine = Machine::with_google().with_login();
    let before = content(&machine);
    let lock = machine.write(".config/earthengine/.credentials.lock", "");
    let mut holder = Command::new("flock");
    let holder =
        holder.args(["--no-fork".as_ref(), lock.as_os_str(), "sleep".as_ref(), "60".as_ref()]).spawn();
    let Ok(mut holder) = holder else { return };
    // Until it has the lock.
    while run(Command::new("flock").args(["--nonblock".as_ref(), lock.as_os_str(), "true".as_ref()])).status
        == 0
    {}
    let both = thread::scope(|scope| {
        let set = scope.spawn(|| machine.run(["set-project", "my-project"]));
        let removed = scope.spawn(|| machine.run(["logout"]));
        [set, removed].map(|run| run.join().expect("it does not panic"))
    });
    for output in both {
        assert_eq!(output.status, 6, "{output}");
        assert!(output.stderr.contains("timed out waiting for the lock "), "{output}");
        assert!(output.stderr.contains("its owner may be suspended"), "{output}");
    }
    assert_eq!(content(&machine), before);
    let _ = holder.kill();
    holder.wait().expect("it ends");
}
