//! A person at a terminal: what is typed, and Ctrl-C.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use ee_auth_sandbox::visit;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::{content, stored};
use crate::support::{Machine, PROGRAM};

/// The program on a terminal of its own, of which this holds the other end. Its standard output is a pipe.
struct Session {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    at: usize,
}

impl Session {
    fn start(machine: &Machine, arguments: &[&str]) -> Self {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("its name");
        let name = name.to_str().expect("UTF-8");
        let slave = OpenOptions::new().read(true).write(true).open(name).expect("it can be opened");
        let here = machine.command([""; 0]);
        let mut command = Command::new("setsid");
        crate::support::as_from_a_shell(&mut command);
        command
            .args(["--ctty", "--wait", PROGRAM])
            .args(arguments)
            .env_clear()
            .current_dir(machine.working());
        command.envs(here.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::from(slave.try_clone().expect("a copy"))).stdout(Stdio::piped());
        let child = command.stderr(Stdio::from(slave)).spawn().expect("it can be run");
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
    fn sees(&mut self, text: &str) -> String {
        loop {
            if let Some(found) = self.seen[self.at..].find(text) {
                let between = self.seen[self.at..self.at + found].to_owned();
                self.at += found + text.len();
                return between;
            }
            match self.screen.recv_timeout(Duration::from_secs(30)) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{text:?} was waited for and this was seen:\n{}", self.seen),
            }
        }
    }

    /// The address that is shown.
    #[track_caller]
    fn address(&mut self) -> String {
        self.sees("http://");
        let rest = self.sees("\r\n");
        format!("http://{rest}")
    }

    fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("it can be typed");
    }

    /// All of its standard output, its exit status, and all that was on the screen.
    fn ends(mut self) -> (String, Option<i32>, String) {
        let mut output = String::new();
        self.child.stdout.take().expect("a pipe").read_to_string(&mut output).expect("UTF-8");
        let status = self.child.wait().expect("it ends");
        // As a shell has it.
        let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
        let status = status.code().or(signal);
        while let Ok(bytes) = self.screen.recv_timeout(Duration::from_millis(200)) {
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        (output, status, self.seen)
    }
}

const QUESTION: &str = "Paste the code that the page shows at the end (Ctrl-C stops):";

#[test]
fn a_code_is_pasted() {
    let machine = Machine::with_google();
    let mut session = Session::start(&machine, &["login", "--mode", "notebook"]);
    let address = session.address();
    session.sees(QUESTION);
    // Nothing but Enter first, and what is no code: it is explained, and asked for again.
    session.types("\n");
    session.sees("nothing was pasted");
    session.sees(QUESTION);
    let code = visit(&address).expect("the page opens").authorization_code().expect("a code").to_owned();
    session.types(&format!("  {code} \n"));
    let (output, status, screen) = session.ends();
    assert_eq!(status, Some(0), "{screen}");
    assert!(output.starts_with("Logged in"), "{output}");
    assert!(content(&machine)["refresh_token"].is_string());
}

#[test]
fn whoever_pastes_nothing_useful_is_not_asked_for_ever() {
    let machine = Machine::with_google();
    let mut session = Session::start(&machine, &["login", "--mode", "notebook"]);
    for _ in 0..3 {
        session.sees(QUESTION);
        session.types("{}\n");
    }
    let (output, status, screen) = session.ends();
    assert_eq!((output.as_str(), status), ("", Some(3)), "{screen}");
    // Ctrl-D
    let mut session = Session::start(&machine, &["login", "--mode", "notebook"]);
    session.sees(QUESTION);
    session.types("\u{4}");
    let (_, status, screen) = session.ends();
    assert_eq!(status, Some(4), "{screen}");
    assert!(!stored(&machine).exists());
}

#[test]
fn ctrl_c_stops_every_wait() {
    let machine = Machine::with_google();
    machine
        .write("work/notebook.toml", format!("chain = [\"notebook\"]\n{}", machine.google().config_toml()));
    for (arguments, waits) in [
        (&["login", "--mode", "notebook"][..], QUESTION),
        (&["login", "--mode", "localhost:0"], "Ctrl-C stops"),
        (&["token", "--config", "notebook.toml"], QUESTION),
    ] {
        let mut session = Session::start(&machine, arguments);
        session.sees(waits);
        session.types("\u{3}");
        let (output, status, screen) = session.ends();
        assert_eq!((output.as_str(), status), ("", Some(130)), "{arguments:?}\n{screen}");
    }
    assert!(!stored(&machine).exists());
}

/// The browser is on another machine: its last address is pasted.
#[test]
fn the_address_that_a_browser_ended_at_is_pasted() {
    let machine = Machine::with_google();
    let mut session = Session::start(&machine, &["login", "--mode", "localhost:0"]);
    let address = session.address();
    session.sees("paste");
    session.types("http://localhost:1/?state=another&code=4/0Ax\n");
    session.sees("another login");
    session.sees("paste");
    // The redirect leads to whoever waits here, so it is asked for its address alone.
    let ended_at = super::codes::redirect_of(&address);
    session.types(&format!("{ended_at}\n"));
    let (output, status, screen) = session.ends();
    assert_eq!(status, Some(0), "{screen}");
    assert!(output.starts_with("Logged in"), "{output}");
}

/// The second pass: the whole chain has nothing, and there is somebody to ask.
#[test]
fn token_logs_in_where_there_is_a_person() {
    let machine = Machine::with_google();
    // Without gcloud, which may be where the tests run.
    machine.configure("chain = [\"environment\", \"persistent\", \"notebook\", \"localhost\"]");
    let mut session = Session::start(&machine, &["token"]);
    session.sees("No provider of the chain has a credential. Logging in with notebook");
    let address = session.address();
    session.sees(QUESTION);
    let code = visit(&address).expect("the page opens").authorization_code().expect("a code").to_owned();
    session.types(&format!("{code}\n"));
    let (output, status, screen) = session.ends();
    assert_eq!(status, Some(0), "{screen}");
    assert!(output.starts_with("ya29.") && output.lines().count() == 1, "data alone is on standard output");
    machine.run(["token"]).expect(0);
    // Other commands ask nobody.
    let none = Machine::with_google();
    let session = Session::start(&none, &["status"]);
    assert_eq!(session.ends().1, Some(4));
}
