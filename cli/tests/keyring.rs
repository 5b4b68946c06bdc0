//! `store = "keyring"` against a real Secret Service: GNOME Keyring, on a D-Bus of its own.
#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "the tests start processes, and panic where something is not as it should be"
)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ee_auth_sandbox::{Options, Sandbox, Service, visit};
use serde_json::Value;
use tempfile::TempDir;

/// What has to be installed: Debian's packages `dbus` and `gnome-keyring`.
const PROGRAMS: [&str; 2] = ["dbus-daemon", "gnome-keyring-daemon"];

/// A session with a keyring, in which the program runs, and a Google.
struct Session {
    google: Sandbox,
    home: TempDir,
    bus: Child,
    keyring: Option<Child>,
    address: String,
}

impl Session {
    /// A session whose keyring is unlocked. `None`, and a word, where the programs are not installed.
    fn start() -> Option<Self> {
        let missing: Vec<_> = PROGRAMS.iter().filter(|program| !there_is(program)).collect();
        if !missing.is_empty() {
            eprintln!("SKIPPED: not installed here: {missing:?}");
            return None;
        }
        let home = TempDir::with_prefix("ee-auth-keyring-").unwrap();
        let runtime = home.path().join("runtime");
        std::fs::create_dir(&runtime).unwrap();
        // Its own configuration: the system's would start other keyrings when asked for one.
        let config = home.path().join("bus.conf");
        let policy = "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/>";
        let text = format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><policy context=\"default\">{policy}</policy></busconfig>",
            runtime.join("bus").display()
        );
        std::fs::write(&config, text).unwrap();
        let mut bus = Command::new("dbus-daemon")
            .arg("--nofork")
            .arg("--print-address=1")
            .arg(format!("--config-file={}", config.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let google = Sandbox::start(Options::default()).unwrap();
        std::fs::write(
            home.path().join("ee-auth.toml"),
            google.config_toml() + "\n[cache]\nstore = \"keyring\"\n",
        )
        .unwrap();
        let mut session = Self { google, home, bus, keyring: None, address: address.trim().to_owned() };
        session.start_keyring(true);
        Some(session)
    }

    /// Starts the keyring, which makes its collection anew if it is unlocked and has none.
    fn start_keyring(&mut self, unlocked: bool) {
        let mut command = self.within("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]);
        if unlocked {
            command.arg("--unlock");
        }
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut keyring = spawned.unwrap();
        // What it is unlocked with ends with the pipe.
        keyring.stdin.take().unwrap().write_all(b"a password").unwrap();
        self.keyring = Some(keyring);
        let start = Instant::now();
        while !self.has_keyring() {
            assert!(start.elapsed() < Duration::from_secs(20), "the keyring appears on the bus");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn has_keyring(&self) -> bool {
        let mut ask = self.within("dbus-send");
        ask.args([
            "--session",
            "--print-reply",
            "--dest=org.freedesktop.DBus",
            "/",
            "org.freedesktop.DBus.NameHasOwner",
        ]);
        let answer = ask.arg("string:org.freedesktop.secrets").output().unwrap();
        String::from_utf8_lossy(&answer.stdout).contains("boolean true")
    }

    fn end_keyring(&mut self) {
        let mut keyring = self.keyring.take().unwrap();
        keyring.kill().unwrap();
        keyring.wait().unwrap();
    }

    /// A program in this session.
    fn within(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.home.path())
            .env("XDG_RUNTIME_DIR", self.home.path().join("runtime"))
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .current_dir(self.home.path());
        command
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.within(env!("CARGO_BIN_EXE_ee-auth"));
        command
            .args(arguments)
            .env("EE_AUTH_CONFIG", self.home.path().join("ee-auth.toml"))
            .env("NO_GCE_CHECK", "true");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], status: i32) -> Run {
        Run::of(&self.command(arguments).output().unwrap(), status)
    }

    /// A whole login through Earth Engine's page.
    #[track_caller]
    fn log_in(&self, arguments: &[&str]) -> Value {
        let begin =
            [&["login", "--mode", "notebook", "--quiet", "--force", "--format", "json"], arguments].concat();
        let begun = self.run(&begin, 0).json();
        let page = visit(begun["address"].as_str().unwrap()).unwrap();
        let verifier = begun["code_verifier"].as_str().unwrap();
        let finish = ["login", "--format", "json", "--code-verifier", verifier, "--authorization-code", "-"];
        let mut child =
            self.command(&[&finish[..], arguments].concat()).stdin(Stdio::piped()).spawn().unwrap();
        let code = page.authorization_code().unwrap();
        child.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
        Run::of(&child.wait_with_output().unwrap(), 0).json()
    }

    fn exchanges(&self) -> usize {
        self.google.requests().iter().filter(|request| request.service == Service::Token).count()
    }

    /// Every secret that was sent or answered up to now, as far as a client knows them.
    fn secrets(&self) -> Vec<String> {
        let requests = self.google.requests();
        let contents = requests.iter().filter_map(|request| request.content());
        let fields = contents.flat_map(|content| {
            ["refresh_token", "client_secret", "code", "code_verifier"]
                .map(|name| content.field(name).map(str::to_owned))
        });
        fields.flatten().collect()
    }

    /// The files in which something that looks like a secret can be read.
    fn files_with_secrets(&self) -> Vec<PathBuf> {
        let secrets = self.secrets();
        let mut found = Vec::new();
        let mut directories = vec![self.home.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else if path.is_file() && holds_secret(&std::fs::read(&path).unwrap(), &secrets) {
                    found.push(path);
                }
            }
        }
        found
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for child in self.keyring.iter_mut().chain([&mut self.bus]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn there_is(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Whether a secret stands there, or anything in the form of one of Google's.
fn holds_secret(bytes: &[u8], secrets: &[String]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains("1//") || text.contains("ya29.") || secrets.iter().any(|secret| text.contains(secret))
}

struct Run {
    stdout: String,
    stderr: String,
}

impl Run {
    #[track_caller]
    fn of(output: &Output, status: i32) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let run = Self { stdout: text(&output.stdout), stderr: text(&output.stderr) };
        assert_eq!(output.status.code(), Some(status), "{}\n{}", run.stdout, run.stderr);
        assert!(!run.stderr.contains("panicked at"), "{}", run.stderr);
        run
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }

    #[track_caller]
    fn error(&self) -> Value {
        let last = self.stderr.lines().last().unwrap_or_default();
        serde_json::from_str::<Value>(last).unwrap_or_else(|error| panic!("{error}\n{}", self.stderr))["error"].take()
    }
}

#[test]
fn a_login_and_its_tokens_are_in_the_keyring_alone() {
    let Some(session) = Session::start() else { return };
    let login = session.log_in(&["--project", "my-project"]);
    assert_eq!(login["place"], "Secret Service entry ee-auth/credentials");
    assert!(login["warnings"].to_string().contains("ee-auth exec"), "{login}");

    let first = session.run(&["token", "--format", "json"], 0).json();
    let exchanges = session.exchanges();
    let second = session.run(&["token", "--format", "json"], 0).json();
    // The login has asked whether it works, and its token was not kept.
    assert_eq!((&first["cached"], &second["cached"]), (&false.into(), &true.into()));
    assert_eq!((&second["access_token"], session.exchanges()), (&first["access_token"], exchanges));
    assert_eq!(second["project"], "my-project");
    let status = session.run(&["status", "--format", "json"], 0).json();
    assert!(
        status["origin"].as_str().unwrap().contains("Secret Service entry ee-auth/credentials"),
        "{status}"
    );
    let explained = session.run(&["explain", "--format", "json"], 0).json();
    let looked =
        explained["attempts"].as_array().unwrap().iter().find(|attempt| attempt["provider"] == "persistent");
    assert!(
        looked.unwrap()["looked_at"].to_string().contains("Secret Service entry ee-auth/credentials"),
        "{explained}"
    );

    // The file has the project, for earthengine-api and for us.
    let file = session.home.path().join(".config/earthengine/credentials");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), r#"{"project":"my-project"}"#);
    assert_eq!(session.files_with_secrets(), Vec::<PathBuf>::new());

    // Another account, and the list of both.
    session.log_in(&["--profile", "work"]);
    let profiles = session.run(&["profile", "list", "--format", "json"], 0).json();
    let logged_in: Vec<_> =
        profiles.as_array().unwrap().iter().map(|profile| &profile["logged_in"]).collect();
    assert_eq!(logged_in, [&Value::Bool(true); 2], "{profiles}");
    assert_eq!(profiles[1]["keyring"], "Secret Service entry ee-auth/work");

    assert_eq!(session.run(&["cache", "clear"], 0).stdout, "1 token removed\n");
    session.run(&["token"], 0);
    let out = session.run(&["logout", "--format", "json"], 0).json();
    assert_eq!((&out["removed"], &out["project"]), (&login["place"], &"my-project".into()));
    assert!(!file.exists());
    session.run(&["token"], 4);
    assert_eq!(
        session.run(&["cache", "clear"], 0).stdout,
        "0 tokens removed\n",
        "logout takes the token along"
    );
    session.run(&["token", "--profile", "work"], 0);
    session.run(&["profile", "remove", "work"], 0);
    session.run(&["token", "--profile", "work"], 3);
}

#[test]
fn fifty_processes_make_one_exchange() {
    let Some(session) = Session::start() else { return };
    session.log_in(&[]);
    session.google.clear_requests();
    session.google.fail("token=delay:0.5".parse().unwrap());
    let children: Vec<Child> = (0..50).map(|_| session.command(&["token"]).spawn().unwrap()).collect();
    let runs: Vec<_> =
        children.into_iter().map(|child| Run::of(&child.wait_with_output().unwrap(), 0)).collect();
    assert!(
        runs.iter().all(|run| run.stdout == runs[0].stdout && run.stderr.is_empty()),
        "{}",
        runs[0].stderr
    );
    assert_eq!(session.exchanges(), 1);
}

/// What was there before anybody chose the keyring.
#[test]
fn a_login_in_a_file_is_used_and_moved_by_the_next_login() {
    let Some(session) = Session::start() else { return };
    let file = session.home.path().join(".config/earthengine/credentials");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, session.google.user().earthengine_file_json()).unwrap();
    session.run(&["token"], 0);
    assert!(!session.files_with_secrets().is_empty());
    let kept = session.run(&["login", "--format", "json"], 0).json();
    assert_eq!(
        (&kept["kept"], &kept["place"]),
        (&true.into(), &"Secret Service entry ee-auth/credentials".into())
    );
    assert!(
        kept["warnings"].to_string().contains(".config/earthengine/credentials is there no longer"),
        "{kept}"
    );
    assert_eq!(session.files_with_secrets(), Vec::<PathBuf>::new());
    session.run(&["token"], 0);
}

#[test]
fn without_a_keyring_nothing_falls_back_to_a_file() {
    let Some(mut session) = Session::start() else { return };
    session.log_in(&[]);
    let key = session.google.service_account().key_json();

    // It was locked, as after a reboot on a machine on which nobody sits: there is nobody to ask for the password.
    session.end_keyring();
    session.start_keyring(false);
    failures(&session, "unavailable.keyring_locked", &key);
    // There is a session, and no keyring in it.
    session.end_keyring();
    failures(&session, "unavailable.keyring_absent", &key);
    // There is no session.
    session.bus.kill().unwrap();
    session.bus.wait().unwrap();
    failures(&session, "unavailable.keyring_absent", &key);
    assert_eq!(session.files_with_secrets(), Vec::<PathBuf>::new());
}

#[track_caller]
fn failures(session: &Session, code: &str, key: &str) {
    for command in
        [&["token"][..], &["status"], &["explain"], &["logout"], &["profile", "list"], &["cache", "clear"]]
    {
        let run = session.run(&[command, &["--format", "json", "--no-input"]].concat(), 6);
        let error = run.error();
        assert_eq!(error["code"], code, "{command:?}: {error}");
        assert!(error["hint"].as_str().unwrap().contains("EE_AUTH_CACHE=disk"), "{error}");
    }
    let begun =
        session.run(&["login", "--mode", "notebook", "--quiet", "--force", "--format", "json"], 0).json();
    let verifier = begun["code_verifier"].as_str().unwrap();
    let finish =
        ["login", "--format", "json", "--code-verifier", verifier, "--authorization-code", "never-sent"];
    let asked = session.google.requests().len();
    assert_eq!(session.run(&finish, 6).error()["code"], code, "a code is not used up");
    assert_eq!(session.google.requests().len(), asked);

    // A credential that comes from elsewhere needs no keyring.
    let output = session.command(&["token"]).env("EE_AUTH_CREDENTIALS", key).output().unwrap();
    let run = Run::of(&output, 0);
    assert!(run.stderr.contains("warning") && run.stderr.contains("the token is not kept"), "{}", run.stderr);
    assert!(
        !Path::new(&session.home.path().join(".cache/ee-auth")).exists() || kept_files(session).is_empty()
    );
}

/// The names of tokens in files.
fn kept_files(session: &Session) -> Vec<String> {
    let entries = std::fs::read_dir(session.home.path().join(".cache/ee-auth")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".json")).collect()
}

/// Neither we nor the crates below us log what goes to the keyring.
#[test]
fn no_secret_is_shown_at_any_level() {
    let Some(mut session) = Session::start() else { return };
    session.log_in(&[]);
    let mut seen = Vec::new();
    for locked in [false, true] {
        if locked {
            session.end_keyring();
            session.start_keyring(false);
        }
        for command in [
            &["token"][..],
            &["status"],
            &["explain"],
            &["login"],
            &["profile", "list"],
            &["cache", "clear"],
            &["logout"],
        ] {
            let mut command = session.command(command);
            let output = command.env("EE_AUTH_LOG", "trace").arg("--no-input").output().unwrap();
            let mut shown = output.stderr.clone();
            if command.get_args().next().unwrap() != "token" {
                shown.extend(&output.stdout);
            }
            if holds_secret(&shown, &session.secrets()) {
                seen.push(String::from_utf8_lossy(&shown).into_owned());
            }
        }
    }
    assert!(seen.is_empty(), "{}", seen.join("\n\n"));
}
