//! `serve`: the same for other processes.
#![allow(clippy::print_stderr, reason = "a test may say that it was skipped")]

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Machine, there_is};

const TOKEN: &str = "computeMetadata/v1/instance/service-accounts/default/token";
const EMAIL: &str = "computeMetadata/v1/instance/service-accounts/default/email";

struct Serving {
    child: Child,
    output: BufReader<ChildStdout>,
    variables: Vec<(String, String)>,
}

impl Serving {
    /// Starts it, and reads what it prints until everything is said.
    fn new(machine: &Machine, arguments: &[&str]) -> Self {
        let mut command = machine.command(["serve", "--format", "json"].iter().chain(arguments));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it can be run");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        let json: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let variables = json["variables"].as_object().cloned().unwrap_or_default();
        let text = |value: serde_json::Value| value.as_str().expect("a text").to_owned();
        let variables = variables.into_iter().map(|(name, value)| (name, text(value))).collect();
        Self { child, output, variables }
    }

    fn variable(&self, name: &str) -> &str {
        let found = self.variables.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("{name} is not set: {:?}", self.variables)).1
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Its status, once it has ended with nothing more to say.
    fn end(mut self, signal: Signal) -> Option<i32> {
        self.send(signal);
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("an end");
        assert_eq!(rest, "");
        self.child.wait().expect("it ends").code()
    }
}

fn curl(arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["-q", "--silent", "--noproxy", "*", "-H", "Metadata-Flavor: Google"]).args(arguments);
    String::from_utf8(command.output().expect("there is curl").stdout).expect("UTF-8")
}

#[test]
fn it_serves_until_it_is_told_to_stop() {
    if !there_is("curl") {
        eprintln!("SKIPPED: there is no curl");
        return;
    }
    for (signal, status) in [(Signal::TERM, 0), (Signal::INT, 130)] {
        let machine = Machine::with_google().with_key();
        let serving = Serving::new(&machine, &["--listen", "127.0.0.1:0"]);
        let address = serving.variable("GCE_METADATA_HOST").to_owned();
        assert!(curl(&[&format!("http://{address}/{TOKEN}")]).contains("ya29."));
        let file = serving.variable("GOOGLE_APPLICATION_CREDENTIALS").to_owned();
        let mode = std::fs::metadata(&file).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(serving.end(signal), Some(status));
        assert!(!std::path::Path::new(&file).exists());
        assert_eq!(curl(&[&format!("http://{address}/{TOKEN}")]), "");
    }
}

/// Also where profiles stand beside it: what is read as a whole is not theirs.
#[test]
fn what_it_prints_can_be_sourced() {
    let machine = Machine::with_google().with_key();
    machine.configure("[profiles.work]\nproject = \"work-project\"\n");
    let mut command = machine.command(["serve", "--profiles", "work"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it can be run");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut text = String::new();
    while !text.contains("\n#export no_proxy=") {
        assert_ne!(output.read_line(&mut text).expect("a line"), 0, "there is more to come\n{text}");
    }
    let sourced = |text: &str| {
        let script = format!("{text}\nprintf %s \"$GCE_METADATA_HOST $EARTHENGINE_PROJECT\"");
        let shown = Command::new("sh").args(["-c", &script]).env_clear().output().expect("there is sh");
        String::from_utf8(shown.stdout).expect("UTF-8")
    };
    let shown = sourced(&text);
    assert!(shown.starts_with("127.0.0.1:") && shown.ends_with(" ee-auth-sandbox"), "{shown}");
    let shown = sourced(&text.replace("\n#export", "\nexport"));
    assert!(shown.ends_with("/profiles/work work-project"), "{shown}");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// Once its credential file is there it takes signals, also before it has said where it listens.
#[test]
fn ended_at_once_it_leaves_no_file() {
    let machine = Machine::with_google().with_key();
    let runtime = machine.working().join("run");
    std::fs::create_dir(&runtime).expect("a directory");
    std::fs::set_permissions(&runtime, PermissionsExt::from_mode(0o700)).expect("its owner's");
    let files = || std::fs::read_dir(runtime.join("ee-auth")).into_iter().flatten().flatten();
    let credential = || files().find(|file| file.path().extension().is_some_and(|ending| ending == "json"));
    let mut command = machine.command(["serve"]);
    let mut child = command.env("XDG_RUNTIME_DIR", &runtime).stdout(Stdio::null()).spawn().expect("it runs");
    while credential().is_none() {
        assert_eq!(child.try_wait().expect("a child"), None, "it serves");
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert!(credential().is_none());
}

#[test]
fn profiles_have_paths_of_their_own_and_are_read_again() {
    if !there_is("curl") {
        eprintln!("SKIPPED: there is no curl");
        return;
    }
    let machine = Machine::with_google().with_key();
    let user = machine.google().user();
    machine.write(".config/earthengine/work/credentials", user.earthengine_file_json());
    machine.configure("project = \"first-project\"\n[profiles.work]\nproject = \"ee-auth-sandbox\"\n");
    let serving = Serving::new(&machine, &["--profiles", "work"]);
    let address = serving.variable("GCE_METADATA_HOST").to_owned();
    let get = |path: &str| curl(&[&format!("http://{address}{path}")]);
    assert!(get(&format!("/{EMAIL}")).ends_with(".invalid"));
    assert!(!get(&format!("/profiles/work/{EMAIL}")).ends_with(".invalid"));
    assert!(get(&format!("/profiles/work/{TOKEN}")).contains("ya29."));
    let project = "/computeMetadata/v1/project/project-id";
    assert_eq!(get(project), "first-project");
    assert_eq!(get(&format!("/profiles/work{project}")), "ee-auth-sandbox");

    machine.configure("project = \"other-project\"\n[profiles.work]\n");
    serving.send(Signal::HUP);
    let start = std::time::Instant::now();
    while get(project) != "other-project" {
        assert!(start.elapsed().as_secs() < 30, "it reads the configuration again");
    }
    let file = std::fs::read(serving.variable("GOOGLE_APPLICATION_CREDENTIALS")).expect("the file");
    let file: serde_json::Value = serde_json::from_slice(&file).expect("JSON");
    assert_eq!(file["quota_project_id"], "other-project", "earthengine-api takes it from there");
    // What is wrong is not taken over.
    machine.configure("projct = 1\n");
    serving.send(Signal::HUP);
    assert!(get(&format!("/{TOKEN}")).contains("ya29."));
    assert_eq!(serving.end(Signal::TERM), Some(0));
}

/// It is not another account that is served under the name.
#[test]
fn a_profile_that_is_not_there_is_an_error() {
    let machine = Machine::with_google().with_key();
    let none = machine.run(["serve", "--profiles", "nosuch", "--format", "json"]).expect(3);
    assert_eq!((none.error()["code"].as_str(), none.stdout.as_str()), (Some("invalid.profile"), ""));
    machine.write(".config/earthengine/home/credentials", machine.google().user().earthengine_file_json());
    machine.configure("[profiles.work]\nchain = [\"persistent\"]\n");
    let other = machine.run(["serve", "--profiles", "home,nosuch"]).expect(3);
    assert!(other.stderr.contains("profile `nosuch` does not exist"), "{other}");
    assert!(other.stderr.contains("existing profiles: home, work"), "{other}");
    // One that has a table alone is there. What is wrong with it is said of it.
    let table = machine.run(["serve", "--profiles", "work"]).expect(4);
    assert!(table.stderr.contains("profile work: "), "{table}");
}

/// `ssh -R`, `socat`, a published port of a container: to the kernel, whoever is behind it is this user.
#[test]
fn behind_a_relay_nobody_gets_a_token_without_the_secret_of_the_file() {
    if !there_is("curl") {
        eprintln!("SKIPPED: there is no curl");
        return;
    }
    let machine = Machine::with_google().with_key();
    let serving = Serving::new(&machine, &["--via", "file"]);
    assert!(serving.variables.iter().all(|(name, _)| !name.starts_with("GCE_METADATA")));
    let file = std::fs::read_to_string(serving.variable("GOOGLE_APPLICATION_CREDENTIALS")).expect("a file");
    let file: serde_json::Value = serde_json::from_str(&file).expect("JSON");
    let url = file["token_url"].as_str().expect("a text").to_owned();
    let (authority, path) = url.strip_prefix("http://").and_then(|url| url.split_once('/')).expect("a URL");
    let relay = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = relay.local_addr().expect("its address");
    let to = authority.to_owned();
    std::thread::spawn(move || {
        for from in relay.incoming().flatten() {
            let Ok(to) = std::net::TcpStream::connect(&to) else { continue };
            for (mut from, mut to) in [(from.try_clone(), to.try_clone()), (Ok(to), Ok(from))]
                .into_iter()
                .filter_map(|(from, to)| Some((from.ok()?, to.ok()?)))
            {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    // It knows everything but the secret, the endpoint's name included.
    let host = format!("Host: {authority}");
    let ask = |path: &str, form: &str| {
        let url = format!("http://{address}/{path}");
        let mut arguments = vec!["-H", &host, "-w", "\n%{http_code}", &url];
        if !form.is_empty() {
            arguments.extend(["-d", form]);
        }
        curl(&arguments)
    };
    let form =
        |secret: &str| format!("grant_type=refresh_token&refresh_token={secret}&client_id=c&client_secret=s");
    for refused in [ask(TOKEN, ""), ask(EMAIL, ""), ask(path, &form("guessed")), ask(path, &form(""))] {
        assert!(!refused.contains("ya29.") && !refused.ends_with("200"), "{refused}");
    }
    let allowed = ask(path, &form(file["refresh_token"].as_str().expect("a secret")));
    assert!(allowed.contains("ya29.") && allowed.ends_with("200"), "{allowed}");
    serving.end(Signal::TERM);
}

#[test]
fn what_others_can_reach_is_refused() {
    let machine = Machine::with_google().with_key();
    for arguments in [
        &["--listen", "0.0.0.0:0"][..],
        &["--listen", "[::]:0"],
        &["--listen", "0.0.0.0:0", "--allow-remote"],
        &["--listen", "nonsense"],
        &["--tls-cert", "x"],
    ] {
        let output = machine.run(["serve"].iter().chain(arguments)).expect(2);
        assert_eq!(output.stdout, "", "{output}");
    }
    let refused = machine.run(["serve", "--listen", "0.0.0.0:0"]).expect(2);
    assert!(refused.stderr.contains("--allow-remote"), "{refused}");
    Machine::new().run(["serve"]).expect(4);
}

#[test]
fn a_unix_socket() {
    if !there_is("curl") {
        eprintln!("SKIPPED: there is no curl");
        return;
    }
    let machine = Machine::with_google().with_key();
    let path = machine.home().join("ee.sock");
    let socket = path.to_str().expect("UTF-8");
    let serving = Serving::new(&machine, &["--listen", socket]);
    assert!(curl(&["--unix-socket", socket, &format!("http://localhost/{TOKEN}")]).contains("ya29."));
    assert_eq!(serving.end(Signal::TERM), Some(0));
    assert!(!path.exists());
}

/// A service manager that passes a socket on and waits to be told.
#[cfg(target_os = "linux")]
#[test]
fn a_service_manager_is_followed() {
    use std::os::unix::net::UnixDatagram;
    let machine = Machine::with_google().with_key();
    let notify = machine.home().join("notify.sock");
    let told = UnixDatagram::bind(&notify).expect("a socket");
    told.set_read_timeout(Some(std::time::Duration::from_secs(30))).expect("a timeout");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    // sh puts the socket where it is to be: LISTEN_PID is the process's own number.
    let script = format!("LISTEN_PID=$$ LISTEN_FDS=1 exec {} serve 3<&0 </dev/null", crate::support::PROGRAM);
    let mut command = Command::new("sh");
    command.args(["-c", &script]).env_clear().env("NOTIFY_SOCKET", &notify);
    let program = machine.command(["serve"]);
    command
        .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(machine.working());
    command.stdin(std::os::fd::OwnedFd::from(listener)).stdout(Stdio::null());
    let mut child = command.spawn().expect("there is sh");
    let heard = || {
        let mut message = [0; 256];
        let length = told.recv(&mut message).expect("a message");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    assert_eq!(heard().trim(), "READY=1");
    if there_is("curl") {
        assert!(curl(&[&format!("http://{address}/{TOKEN}")]).contains("ya29."));
    }
    kill_process(Pid::from_child(&child), Signal::HUP).expect("it runs");
    assert!(heard().contains("RELOADING=1"));
    assert_eq!(heard().trim(), "READY=1");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert_eq!(heard().trim(), "STOPPING=1");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
