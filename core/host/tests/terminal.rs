//! The person at a terminal: each case runs this binary again, on a terminal of its own.
#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "the tests are the person"
)]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use ee_auth_core::ExposeSecret;
use ee_auth_core::host::{self, Presence, ProcessError, Variables};
use ee_auth_terminal::{Session, command};

/// What [`child`] is to do.
const DO: &str = "EE_AUTH_TEST_DO";

/// Runs [`child`] on a terminal, with these variables.
fn start(variables: &[(&str, &str)]) -> Session {
    let mut command = command(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).envs(variables.iter().copied());
    Session::start(command)
}

/// Not a test: what the tests run on a terminal of its own. What it says with the terminal is looked at.
#[test]
fn child() {
    let Ok(what) = std::env::var(DO) else { return };
    let host = ee_auth_host::system();
    let ask = |question: &str| pollster::block_on(host.person.ask(question));
    match what.split_once(' ').map_or(&*what, |(what, _)| what) {
        "presence" => {
            eprintln!("{:?} {:?}", host.person.presence(), ask("Who?").map_err(|error| error.kind()))
        }
        "ask" => eprintln!("<{}>", ask("Who is there?").unwrap().expose_secret()),
        "secret" => {
            let secret = pollster::block_on(host.person.ask_secret("Password?"));
            eprintln!("<{}>", secret.unwrap().expose_secret());
            eprintln!("<{}>", ask("And your name?").unwrap().expose_secret());
        }
        "interrupted" => {
            let interrupted = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal_hook::consts::SIGINT, interrupted.clone()).unwrap();
            let secret = pollster::block_on(host.person.ask_secret("Password?"));
            eprintln!("<{}>", secret.unwrap().expose_secret());
            // The system may hand the signal to another thread, which takes its time.
            let deadline = Instant::now() + Duration::from_secs(30);
            while !interrupted.load(Ordering::Relaxed) {
                assert!(Instant::now() < deadline, "the signal got lost");
                std::thread::yield_now();
            }
            assert!(echoes());
            eprintln!("seen");
        }
        "forget" => {
            for round in 0..20 {
                let mut asking = host.person.ask_secret("Never mind.");
                assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                std::thread::sleep(Duration::from_millis(round * 3));
                drop(asking);
                assert!(echoes(), "{round}");
            }
            eprintln!("seen");
        }
        "end" => eprintln!("<{:?}>", ask("Who is there?").unwrap_err().kind()),
        "stop" => {
            for round in 0..20 {
                let mut asking = host.person.ask("Never mind.");
                assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                // The thread begins to read sooner or later.
                std::thread::sleep(Duration::from_millis(round * 3));
                drop(asking);
                eprintln!("ready {round}");
                let mut line = String::new();
                std::io::stdin().read_line(&mut line).unwrap();
                eprintln!("<{}>", line.trim());
            }
        }
        "run" => {
            let script = what.split_once(' ').unwrap().1;
            eprintln!("{:?}", pollster::block_on(host.processes.run_with_person(shell(script))));
        }
        "browse" => {
            let url = "https://accounts.google.com/o/oauth2/v2/auth?a=b&c=%20d".parse().unwrap();
            eprintln!(
                "browser: {} {:?}",
                host.person.has_browser(),
                host.person.browse(&url).map_err(|e| e.kind())
            );
            // Until the browser has done what the test looks for.
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
        }
        other => panic!("{other}"),
    }
}

fn shell(script: &str) -> host::Command {
    host::Command {
        program: PathBuf::from("/bin/sh"),
        arguments: [OsString::from("-c"), script.into()].into(),
        variables: Variables::Inherit(vec![("A".into(), "value".into())]),
        input: None,
        timeout: Duration::from_secs(2),
        output_limit: 0,
    }
}

#[test]
fn a_person_is_asked_on_the_terminal() {
    let mut session = start(&[(DO, "ask")]);
    session.sees("Who is there? ");
    session.types("  4/the code \n");
    session.sees("<4/the code>");
    assert!(!session.ends().stdout.contains("Who"), "standard output carries data");
    let mut session = start(&[(DO, "end")]);
    session.sees("Who is there? ");
    session.types("\x04");
    session.sees("<UnexpectedEof>");
    session.ends();
}

/// Whether the terminal shows what is typed.
fn echoes() -> bool {
    let terminal = rustix::termios::tcgetattr(std::io::stdin()).unwrap();
    terminal.local_modes.contains(rustix::termios::LocalModes::ECHO)
}

#[test]
fn a_secret_is_not_seen_and_what_follows_is() {
    let mut session = start(&[(DO, "secret")]);
    session.sees("Password? ");
    session.hides();
    session.types("correct horse\n");
    // The line break is seen, and nothing else.
    session.sees_next("\r\n<correct horse>");
    session.sees("And your name? ");
    session.types("Ada\n");
    session.sees("Ada\r\n<Ada>");
    session.ends();
    let mut session = start(&[(DO, "forget")]);
    session.sees("seen");
    session.ends();
}

#[test]
fn a_signal_at_a_secret_goes_where_it_went_before() {
    let mut session = start(&[(DO, "secret")]);
    session.sees("Password? ");
    session.hides();
    session.types("half\x03");
    assert_ne!(session.ends().status, 0);
    // A program that takes signals gets them, and the terminal hides what is typed again.
    let mut session = start(&[(DO, "interrupted")]);
    session.sees("Password? ");
    session.hides();
    session.types("half\x03");
    session.types("correct horse\n");
    session.sees("<correct horse>");
    session.sees("seen");
    session.ends();
}

#[test]
fn without_a_terminal_somebody_may_watch() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(DO, "presence")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("Watching Err(UnexpectedEof)") && !stderr.contains("Who?"), "{stderr}");
    assert!(Presence::Watching < Presence::Answering);
}

#[test]
fn a_question_that_was_dropped_takes_no_line() {
    let mut session = start(&[(DO, "stop")]);
    for round in 0..20 {
        session.sees(&format!("ready {round}\r\n"));
        session.types(&format!("line {round}\n"));
        session.sees(&format!("<line {round}>"));
    }
    session.ends();
}

#[test]
fn a_program_speaks_with_the_person_itself() {
    let mut session =
        start(&[(DO, r#"run [ -t 0 ] && echo "out $A" && echo err >&2; read line; echo "<$line>"; exit 3"#)]);
    session.sees("out value");
    session.sees("err");
    session.types("the answer\n");
    session.sees("<the answer>");
    session.sees("Ok(Some(3))");
    assert!(!session.ends().stdout.contains("value"), "standard output carries data");
}

#[test]
fn ctrl_c_reaches_the_program_as_it_reaches_us() {
    let directory = tempfile::tempdir().unwrap();
    let caught = directory.path().join("caught");
    // Our end hangs the terminal up.
    let script = format!(
        "run trap '' HUP; trap 'echo caught >{0}.new; mv {0}.new {0}; exit' INT; echo ready; while :; do sleep 1; done",
        caught.display()
    );
    let mut session = start(&[(DO, &script)]);
    session.sees("ready");
    session.types("\x03");
    assert_eq!(appears(&caught), "caught\n");
    assert_ne!(session.ends().status, 0, "we had it too");
}

#[test]
fn a_program_that_speaks_too_long_is_killed() {
    let host = ee_auth_host::system();
    let run = |script: &str| pollster::block_on(host.processes.run_with_person(shell(script)));
    assert!(matches!(run("exec sleep 1000"), Err(ProcessError::Timeout(_))));
    assert!(matches!(run("kill -9 $$"), Ok(None)));
    let mut command = shell("");
    command.program = "sh".into();
    let error = pollster::block_on(host.processes.run_with_person(command)).unwrap_err();
    assert!(matches!(error, ProcessError::Start(_)), "{error}");
}

/// What is in a file that is about to be there.
fn appears(path: &Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match fs::read_to_string(path) {
            Ok(text) => return text,
            Err(error) => assert!(Instant::now() < deadline, "{}: {error}", path.display()),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A program of that name in `directory`.
fn program(directory: &Path, name: &str, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A person with a display and no browser, but for what `variables` says, who waits until `seen` is on the terminal.
fn browse(variables: &[(&str, &str)], seen: &str) -> Session {
    let mut all = vec![(DO, "browse"), ("DISPLAY", ":9"), ("WAYLAND_DISPLAY", ""), ("BROWSER", "")];
    all.extend_from_slice(variables);
    let mut session = start(&all);
    session.sees(seen);
    session
}

#[test]
fn a_browser_gets_the_address_and_none_of_our_streams() {
    let directory = tempfile::tempdir().unwrap();
    let told = directory.path().join("told");
    let script = format!(
        "echo noise; echo noise >&2; streams=$(readlink /proc/$$/fd/0 /proc/$$/fd/2; ls -l /proc/$$/fd/1)\n\
         printf '%s\\n' \"$*\" \"$streams\" >{0}.new; mv {0}.new {0}",
        told.display()
    );
    let browser = program(directory.path(), "browser", &script);
    let address = "https://accounts.google.com/o/oauth2/v2/auth?a=b&c=%20d";
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
    for (variable, arguments) in [
        (
            format!("w3m:no-such-browser:{} --new --url=%s", browser.display()),
            format!("--new --url={address}"),
        ),
        ("browser".to_owned(), address.to_owned()),
    ] {
        let _ = fs::remove_file(&told);
        let mut session = browse(&[("BROWSER", &variable), ("PATH", &path)], "browser: true Ok(())");
        let told = appears(&told);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[..3], [&*arguments, "/dev/null", "/dev/null"]);
        assert!(lines[3].ends_with(" -> /dev/null"), "{told}");
        session.types("\n");
        assert!(!session.ends().stdout.contains("noise"));
    }
}

#[test]
fn the_browser_of_the_desktop_is_used_where_none_is_named() {
    let directory = tempfile::tempdir().unwrap();
    program(directory.path(), "xdg-open", "exit 3");
    let path = directory.path().to_str().unwrap();
    let path = format!("{path}:/usr/bin:/bin");
    if !["gio", "gnome-open", "kde-open", "kde-open5", "kde-open6"]
        .iter()
        .any(|name| ["/usr/bin", "/bin"].iter().any(|bin| Path::new(bin).join(name).exists()))
    {
        let mut session = browse(&[("PATH", &path)], "browser: true Ok(())");
        session.sees("The browser could not be started (xdg-open ended with exit status: 3)");
        session.types("\n");
        session.ends();
    }
}

#[test]
fn there_is_no_browser_without_windows() {
    let directory = tempfile::tempdir().unwrap();
    let browser = program(directory.path(), "browser", "");
    let w3m = program(directory.path(), "w3m", "");
    program(directory.path(), "xdg-open", "");
    let path = format!("{}:/usr/bin:/bin", directory.path().display());
    let both = format!("{}:www-browser %s", w3m.display());
    for variables in [
        vec![("DISPLAY", ""), ("BROWSER", browser.to_str().unwrap())],
        vec![("BROWSER", &*both), ("PATH", &path)],
    ] {
        let mut session = browse(&variables, "browser: false Err(NotFound)");
        session.types("\n");
        session.ends();
    }
}
