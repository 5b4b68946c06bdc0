//! What the program does where the system gives it little, or something odd: answers that are no objects, no descriptors, no
//! memory, a clock far away, no streams; and what it leaves behind when it crashes.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};

use crate::support::{Machine, Output, PROGRAM, run};

/// Commands that ask something of Google, and the services that answer them.
const ASKING: &[(&[&str], &str)] = &[
    (&["token", "--no-cache"], "token"),
    (&["status", "--online"], "tokeninfo"),
    (&["doctor", "--online"], "earthengine"),
    (&["doctor", "--online"], "tokeninfo"),
    (&["logout", "--revoke"], "revoke"),
    (&["exec", "--", "true"], "token"),
    (&["env"], "token"),
];

/// JSON that is not the object which is wanted, nor one that looks like it.
const NOT_THE_OBJECT: &[&str] = &[
    "[]",
    "null",
    "true",
    "0",
    "-1e999",
    "\"\"",
    "\"text\"",
    "{}",
    "[[]]",
    "[\"ya29.x\",3599,\"Bearer\"]",
    "{\"error\":[]}",
    "{\"error\":{\"details\":[[],null,0,{\"reason\":[]}],\"message\":[],\"status\":0}}",
    "{\"result\":null,\"access_token\":{},\"expires_in\":[],\"email\":0,\"scope\":{}}",
    "{\"error\":\"x\",\"error_description\":[],\"error_subtype\":{}}",
];

#[test]
fn an_answer_that_is_no_object_is_an_error_and_not_a_panic() {
    for (arguments, service) in ASKING {
        let machine = Machine::with_google().with_login();
        for fault in ["body", "error-body"] {
            for body in NOT_THE_OBJECT {
                machine.write(
                    ".config/earthengine/credentials",
                    machine.google().user().earthengine_file_json(),
                );
                machine.google().fail(format!("{service}={fault}:{body}x1").parse().expect("a fault"));
                machine.google().fail(format!("{service}={fault}:{body}").parse().expect("a fault"));
                // `run` fails where the program panics.
                let output = machine.run(*arguments);
                assert!([0, 1, 5, 6].contains(&output.status), "{service}={fault}:{body}\n{output}");
            }
        }
    }
}

#[test]
fn revoked_is_what_google_answers_with_success_whatever_it_says() {
    for body in NOT_THE_OBJECT {
        let machine = Machine::with_google().with_login();
        machine.google().fail(format!("revoke=body:{body}").parse().expect("a fault"));
        machine.run(["logout", "--revoke"]).expect(0);
        assert!(!machine.home().join(".config/earthengine/credentials").exists(), "{body}");
    }
}

/// Runs the program under limits of a shell's `ulimit`.
fn limited(machine: &Machine, limits: &str, arguments: &[&str]) -> Output {
    let mut shell = machine.command([""; 0]);
    let variables: Vec<_> =
        shell.get_envs().map(|(name, value)| (name.to_owned(), value.map(Into::into))).collect();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("ulimit {limits} || exit 99; exec \"$0\" \"$@\""), PROGRAM]).args(arguments);
    command.env_clear().current_dir(machine.working()).stdin(Stdio::null());
    for (name, value) in variables {
        let value: Option<std::ffi::OsString> = value;
        command.envs(value.map(|value| (name, value)));
    }
    shell.env_clear();
    run(&mut command)
}

#[cfg(target_os = "linux")]
#[test]
fn too_few_descriptors_are_an_error_that_says_so_and_not_a_panic() {
    let machine = Machine::with_google().with_key();
    for count in 4..24 {
        for arguments in
            [&["token", "--no-cache"][..], &["status", "--online"], &["exec", "--", "true"], &["env"]]
        {
            let output = limited(&machine, &format!("-n {count}"), arguments);
            // The dynamic linker needs some, too.
            if output.status == 0 || output.status == 127 {
                continue;
            }
            assert!(output.stderr.contains("Too many open files"), "{count}: {output}");
            assert!(output.stderr.contains("ulimit -n"), "{count}: {output}");
        }
        for arguments in [&["doctor", "--online"][..], &["explain"], &["providers"], &["config", "show"]] {
            limited(&machine, &format!("-n {count}"), arguments);
        }
    }
    limited(&machine, "-n 40", &["token", "--no-cache"]).expect(0);
}

/// Whether a file of this process's crash, or of one of `directory`, is there.
fn cores(machine: &Machine) -> Vec<String> {
    let names = fs::read_dir(machine.working()).expect("it is there");
    let names = names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("core")).collect()
}

/// Whether this system writes a crash into the working directory.
fn writes_cores() -> bool {
    fs::read_to_string("/proc/sys/kernel/core_pattern").is_ok_and(|pattern| pattern.starts_with("core"))
}

fn with_cores(command: &mut Command) -> &mut Command {
    let unlimited = || {
        let all = Rlimit { current: Some(1 << 30), maximum: Some(1 << 30) };
        Ok(setrlimit(Resource::Core, all)?)
    };
    #[allow(unsafe_code, reason = "there is no other way to say what a child begins with")]
    // SAFETY: between fork and exec it makes one system call.
    unsafe {
        command.pre_exec(unlimited)
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_crash_leaves_no_core_dump() {
    let machine = Machine::with_google().with_key();
    // The command says when the program is in the middle of its work, with a token in its memory. A SIGSEGV that somebody sends
    // is lost once: the handler of Rust's runtime waits for the fault to come again.
    for signal in [Signal::ABORT, Signal::ILL, Signal::FPE] {
        let mut command = machine.command(["exec", "--", "cat"]);
        with_cores(&mut command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it can be run");
        let mut input = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut input, b"x").expect("it reads");
        let mut started = [0];
        std::io::Read::read_exact(&mut child.stdout.take().expect("a pipe"), &mut started)
            .expect("it echoes");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a number")).expect("a process");
        kill_process(pid, signal).expect("it is there");
        child.wait().expect("it ends");
        assert_eq!(cores(&machine), Vec::<String>::new(), "{signal:?}");
    }
    if writes_cores() {
        // The same without us: else nothing is shown.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "kill -SEGV $$"]).current_dir(machine.working());
        with_cores(&mut command).status().expect("it can be run");
        assert_eq!(cores(&machine).len(), 1, "this system writes none, so the test shows nothing");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_command_of_exec_has_the_core_limit_that_it_would_have_without_us() {
    let machine = Machine::with_google().with_key();
    for limit in ["0", "100", "unlimited"] {
        let shown =
            limited(&machine, &format!("-S -c {limit}"), &["exec", "--", "sh", "-c", "ulimit -c"]).expect(0);
        assert_eq!(shown.stdout.trim(), limit, "{shown}");
        let own = limited(
            &machine,
            &format!("-S -c {limit}"),
            &["exec", "--", "sh", "-c", "grep core /proc/$PPID/limits"],
        )
        .expect(0);
        let soft = own.stdout.split_whitespace().nth(4).expect("a limit");
        assert!(["0", "1"].contains(&soft), "{own}");
    }
}
