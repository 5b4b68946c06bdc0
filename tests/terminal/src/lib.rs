//! A terminal of its own for a program under test, and the person at it: what they see and what they type.
//!
//! The program leads a session whose terminal this is (`setsid --ctty`, of util-linux), so that Ctrl-C, job control and
//! `/dev/tty` are as at a desk. Its standard output is a pipe: data does not go to the terminal.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

/// How long anything is waited for. Only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command that has a terminal for itself once [`Session::start`] starts it. No signal is ignored by it, as from a shell's
/// foreground: tests that run in the background of a script are started with Ctrl-C's ignored.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait", "env", "--default-signal=HUP,INT,QUIT,TERM"]).arg(program);
    command
}

/// A program on a terminal, of which this holds the other end. Every method panics where the program does not do what is
/// waited for within 30 seconds, with what was on the screen.
#[derive(Debug)]
pub struct Session {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    /// Where in `seen` begins what nobody has waited for yet.
    at: usize,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// All of its standard output.
    pub stdout: String,
    /// Its exit status as a shell has it: 128 + n where signal n ended it.
    pub status: i32,
    /// All that was on the screen.
    pub screen: String,
}

impl Session {
    /// Starts what [`command()`] made.
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("its name");
        let name = name.to_str().expect("UTF-8");
        let slave = OpenOptions::new().read(true).write(true).open(name).expect("it can be opened");
        command.stdin(slave.try_clone().expect("a copy")).stdout(Stdio::piped()).stderr(slave);
        let child = command.spawn().expect("it can be run");
        // It holds the terminal's end of the program, which is to be the program's alone.
        drop(command);
        let keyboard = File::from(master);
        let mut output = keyboard.try_clone().expect("a copy");
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut chunk = [0; 1024];
            while let Ok(count @ 1..) = output.read(&mut chunk) {
                if sender.send(chunk[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keyboard, screen, seen: String::new(), at: 0 }
    }

    /// Waits until the terminal shows `text`, behind what was waited for before; answers what stands between.
    #[track_caller]
    pub fn sees(&mut self, text: &str) -> String {
        loop {
            if let Some(found) = self.seen[self.at..].find(text) {
                let between = self.seen[self.at..self.at + found].to_owned();
                self.at += found + text.len();
                return between;
            }
            self.sees_more(text);
        }
    }

    /// Waits until the terminal shows as much as `text` has, and sees that it is that.
    #[track_caller]
    pub fn sees_next(&mut self, text: &str) {
        while self.seen.len() < self.at + text.len() {
            self.sees_more(text);
        }
        assert!(
            self.seen[self.at..].starts_with(text),
            "{text:?} was waited for and this was seen:\n{}",
            self.seen
        );
        self.at += text.len();
    }

    #[track_caller]
    fn sees_more(&mut self, waiting_for: &str) {
        match self.screen.recv_timeout(PATIENCE) {
            Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
            Err(_) => panic!("{waiting_for:?} was waited for and this was seen:\n{}", self.seen),
        }
    }

    /// Waits until the terminal no longer shows what is typed.
    #[track_caller]
    pub fn hides(&self) {
        let begun = Instant::now();
        while tcgetattr(&self.keyboard).expect("a terminal").local_modes.contains(LocalModes::ECHO) {
            assert!(begun.elapsed() < PATIENCE, "what is typed is seen");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Types `text`; control characters do what they do at a keyboard.
    #[track_caller]
    pub fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("it can be typed");
    }

    /// Waits until the program has ended.
    #[track_caller]
    pub fn ends(mut self) -> Ended {
        let mut stdout = String::new();
        self.child.stdout.take().expect("a pipe").read_to_string(&mut stdout).expect("UTF-8");
        let status = self.child.wait().expect("it ends");
        let status = status.code().or(status.signal().map(|signal| 128 + signal)).expect("one of the two");
        // The terminal has nothing more once all its users are gone; a process that was left behind may be one.
        while let Ok(bytes) = self.screen.recv_timeout(Duration::from_millis(200)) {
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        Ended { stdout, status, screen: self.seen }
    }
}
