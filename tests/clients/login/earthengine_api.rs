//! The package, and a machine on which it runs.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use ee_auth_sandbox::{User, visit};
use serde_json::Value;

use crate::support::{Machine, Output, run, run_with_input};

/// What `driver.py` was written for.
const PACKAGE: &str = "earthengine-api==1.7.50";

/// The Python that has the package; why there is none.
static PYTHON: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGE);
    let python = directory.join("bin/python3");
    // Written last, so that it stands for all of it.
    let ready = directory.join("ready");
    if ready.is_file() {
        return Ok(python);
    }
    let steps = [
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory).output(),
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE])
            .output(),
    ];
    for step in steps {
        let output = step.map_err(|error| format!("python3: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr)
                .lines()
                .last()
                .unwrap_or_default()
                .to_owned());
        }
    }
    std::fs::write(ready, "").map_err(|error| error.to_string())?;
    Ok(python)
});

/// A machine with a Google and earthengine-api; `None` where that cannot be had.
pub(crate) fn machine() -> Option<Machine> {
    match &*PYTHON {
        Ok(_) => Some(Machine::with_google()),
        Err(why) => {
            // Past the harness, which shows no words of a test that passes.
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("SKIPPED: {PACKAGE} cannot be had here: {why}\n").as_bytes(),
            );
            None
        }
    }
}

/// The driver with these arguments on a machine.
pub(crate) fn driver(machine: &Machine, arguments: &[&str]) -> Command {
    let python = PYTHON.as_ref().expect("`machine` has looked");
    let mut command = machine.command([""; 0]);
    let variables: Vec<_> =
        command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    let directory = command.get_current_dir().expect("it has one").to_owned();
    command = Command::new(python);
    command.env_clear().envs(variables).current_dir(directory).stdin(Stdio::null());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients/login/driver.py");
    command.arg(script).arg(machine.google().base_url()).args(arguments);
    command
}

/// Runs `earthengine` with these arguments.
#[track_caller]
pub(crate) fn earthengine(machine: &Machine, arguments: &[&str]) -> Output {
    run(&mut driver(machine, &[&["earthengine"], arguments].concat()))
}

/// What a script has from the stored login. The sum shows that Earth Engine takes its token.
#[track_caller]
pub(crate) fn used_by_a_script(machine: &Machine) -> Value {
    let used = run(&mut driver(machine, &["use"])).expect(0).json();
    assert_eq!(used["sum"], 3, "{used}");
    used
}

/// What `ee-auth` says of the stored login, and of a token that it gets with it.
#[track_caller]
pub(crate) fn used_by_us(machine: &Machine) -> Value {
    let token = machine.run(["token", "--no-cache"]).expect(0);
    assert!(token.stdout.starts_with("ya29."), "{token}");
    let status = machine.run(["status", "--format", "json"]).expect(0).json();
    assert_eq!(status["provider"], "persistent", "{status}");
    status
}

/// Starts a login and opens the address that it prints on one of its streams.
pub(crate) fn start_and_open(machine: &Machine, mut command: Command) -> (Child, String) {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).env("PYTHONUNBUFFERED", "1");
    let mut child = command.spawn().expect("it can be run");
    let streams: [Box<dyn Read + Send>; 2] =
        [Box::new(child.stdout.take().expect("a pipe")), Box::new(child.stderr.take().expect("a pipe"))];
    let (sender, address) = std::sync::mpsc::channel();
    for stream in streams {
        let sender = sender.clone();
        // To the end, so that nobody writes into a pipe that is full or closed.
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let _ = address_in(&line).map(|address| sender.send(address));
            }
        });
    }
    drop(sender);
    let address = address.recv_timeout(std::time::Duration::from_secs(60)).expect("it prints an address");
    let page = visit(&here(machine, &address)).expect("the page opens");
    let code = page.authorization_code().unwrap_or_default().to_owned();
    (child, code)
}

fn address_in(line: &str) -> Option<String> {
    line.trim().starts_with("http").then(|| line.trim().to_owned())
}

/// The address under which the loopback Google has this page of Google's.
pub(crate) fn here(machine: &Machine, address: &str) -> String {
    ["https://accounts.google.com", "https://code.earthengine.google.com"]
        .into_iter()
        .find_map(|google| address.strip_prefix(google))
        .map_or_else(|| address.to_owned(), |rest| format!("{}{rest}", machine.google().base_url()))
}

/// The code that the page at this address shows.
#[track_caller]
pub(crate) fn code_at(machine: &Machine, address: &str) -> String {
    let page = visit(&here(machine, address)).expect("the page opens");
    page.authorization_code().unwrap_or_else(|| panic!("{}", page.body)).to_owned()
}

/// Ends a login of ours with a code on standard input.
#[track_caller]
pub(crate) fn finish(machine: &Machine, verifier: &str, code: &str) -> Output {
    let arguments = ["login", "--code-verifier", verifier, "--authorization-code", "-"];
    run_with_input(&mut machine.command(arguments), code.as_bytes())
}

/// A machine with a gcloud of which every login is this user's.
pub(crate) fn with_gcloud(machine: Machine, user: &User) -> Machine {
    use std::os::unix::fs::PermissionsExt;
    let login = machine.write("gclouds-login.json", user.authorized_user_json());
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$HOME/gclouds-arguments\"\nmkdir -p \"$HOME/.config/gcloud\"\n\
         cp {} \"$HOME/.config/gcloud/application_default_credentials.json\"\n",
        login.display()
    );
    let program = machine.write("programs/gcloud", script);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("its mode can be set");
    machine
}

/// The same command with that gcloud before all others.
pub(crate) fn finding_gcloud(machine: &Machine, mut command: Command) -> Command {
    let mut path = vec![machine.home().join("programs")];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    command.env("PATH", std::env::join_paths(path).expect("paths"));
    command
}
