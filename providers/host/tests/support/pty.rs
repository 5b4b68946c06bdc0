//! A terminal of its own for this test binary's `child`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

/// A process that has a terminal for itself, of which this holds the other end.
pub(crate) struct Session {
    pub(crate) child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
}

impl Session {
    /// Runs the test `child` of this binary with these variables. Its standard output is a pipe.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let child = Command::new("setsid")
            .args(["--ctty", "--wait"])
            // Tests that are run in the background of a script are started with Ctrl-C's ignored.
            .args(["env", "--default-signal=INT,QUIT"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .envs(variables.iter().copied())
            .stdin(Stdio::from(slave.try_clone().unwrap()))
            .stdout(Stdio::piped())
            .stderr(Stdio::from(slave))
            .spawn()
            .unwrap();
        let keyboard = File::from(master);
        let mut output = keyboard.try_clone().unwrap();
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut chunk = [0; 1024];
            while let Ok(count @ 1..) = output.read(&mut chunk) {
                if sender.send(chunk[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keyboard, screen, seen: String::new() }
    }

    /// Waits until the terminal shows `text`, behind what was waited for before.
    pub(crate) fn sees(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            match self.screen.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{text:?} was waited for and {:?} was seen", self.seen)
                }
            }
        }
    }

    /// Waits until the terminal shows as much as `text` has, and sees that it is that.
    pub(crate) fn sees_next(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.seen.len() < text.len() {
            let bytes = self.screen.recv_timeout(deadline.saturating_duration_since(Instant::now())).unwrap();
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        assert!(self.seen.starts_with(text), "{:?}", self.seen);
        self.seen.drain(..text.len());
    }

    /// Waits until the terminal no longer shows what is typed.
    pub(crate) fn hides(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while tcgetattr(&self.keyboard).unwrap().local_modes.contains(LocalModes::ECHO) {
            assert!(Instant::now() < deadline, "what is typed is seen");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// All of its standard output, and its exit status, when it has ended.
    pub(crate) fn ends(mut self) -> (String, Option<i32>) {
        let mut output = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        (output, self.child.wait().unwrap().code())
    }
}
