//! Machines to run the program on, and what a run came to.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ee_auth_sandbox::{Options, Sandbox};
use serde_json::Value;
use tempfile::TempDir;

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ee-auth");

/// How long a run may take: much longer than any does.
const DEADLINE: Duration = Duration::from_secs(60);

/// A home directory, variables, and perhaps a Google to talk to.
pub(crate) struct Machine {
    variables: BTreeMap<String, OsString>,
    google: Option<Sandbox>,
    root: PathBuf,
    /// What runs the program, if not this process.
    wrapper: &'static [&'static str],
    _root: TempDir,
}

/// Runs a program, whose process this becomes, where the kernel refuses user namespaces as it does where the administrator has
/// set the limit to 0, and mount namespaces for lack of a capability.
const WITHOUT_NAMESPACES: &str =
    r#"echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set -sys_admin "$0" "$@""#;

/// A temporary directory whose name is a number: random letters have, now and then, the form of a token's beginning, `eyJ`,
/// which tests look for in what is printed.
fn directory() -> TempDir {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let name = format!("ee-auth-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let made = tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir();
        // One may be left of a process that was killed and had the same number.
        if !made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
            return made.expect("a temporary directory");
        }
    }
}

impl Machine {
    /// A machine on which nothing is configured. Its variables are `PATH`, `HOME`, `TMPDIR`, where another test's program would
    /// tidy up what is left of this one's, and `NO_GCE_CHECK`, without which the tests would come out differently on a
    /// machine of Google's.
    pub(crate) fn new() -> Self {
        let directory = directory();
        let root = directory.path().canonicalize().expect("its path");
        fs::create_dir_all(root.join("home/work")).expect("a home");
        fs::create_dir(root.join("temporary")).expect("a directory");
        let machine = Self { variables: BTreeMap::new(), google: None, root, wrapper: &[], _root: directory };
        let (home, temporary) = (machine.home(), machine.temporary());
        machine.with("HOME", home).with("TMPDIR", temporary).with("NO_GCE_CHECK", "true")
    }

    /// A machine with a Google of its own, which its user's `ee-auth.toml` names.
    pub(crate) fn with_google() -> Self {
        let google = Sandbox::start(Options::default()).expect("the sandbox starts");
        let machine = Self { google: Some(google), ..Self::new() };
        machine.configure("");
        machine
    }

    /// The same machine with a variable.
    pub(crate) fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// The same machine on which no user may have a mount namespace. Where that cannot be arranged, none may have one anyway.
    pub(crate) fn without_namespaces(self) -> Self {
        self.wrapped(&["unshare", "--user", "--map-root-user", "sh", "-c", WITHOUT_NAMESPACES])
    }

    /// The same machine with a user who may not mount anything, as root may.
    pub(crate) fn without_rights(self) -> Self {
        self.wrapped(&["setpriv", "--bounding-set", "-sys_admin"])
    }

    /// The same machine on which a program is run by another, if that works here.
    fn wrapped(self, wrapper: &'static [&'static str]) -> Self {
        let mut probe = Command::new(wrapper[0]);
        let works = probe.args(&wrapper[1..]).arg("true").stderr(Stdio::null()).status();
        Self { wrapper: if works.is_ok_and(|status| status.success()) { wrapper } else { &[] }, ..self }
    }

    /// The same machine with a service account's key in `EE_AUTH_CREDENTIALS`.
    pub(crate) fn with_key(self) -> Self {
        let key = self.google().service_account().key_json();
        self.with("EE_AUTH_CREDENTIALS", key)
    }

    /// The same machine on which Ada has logged in with `ee.Authenticate()`.
    pub(crate) fn with_login(self) -> Self {
        let content = self.google().user().earthengine_file_json();
        self.write(".config/earthengine/credentials", content);
        self
    }

    pub(crate) fn google(&self) -> &Sandbox {
        self.google.as_ref().expect("this machine has a Google")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Where programs put what they need for a moment.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.root.join("temporary")
    }

    /// The directory in which programs run, below the home directory.
    pub(crate) fn working(&self) -> PathBuf {
        self.home().join("work")
    }

    /// Where the user's `ee-auth.toml` is.
    pub(crate) fn user_file(&self) -> PathBuf {
        let config = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".config" };
        self.home().join(config).join("ee-auth/ee-auth.toml")
    }

    /// Writes the user's `ee-auth.toml`: this text, and the tables that put this machine's Google in its place, if it
    /// has one.
    pub(crate) fn configure(&self, text: &str) -> PathBuf {
        let google = self.google.as_ref().map(Sandbox::config_toml).unwrap_or_default();
        self.write(self.user_file(), format!("{text}\n{google}"))
    }

    /// Writes a file, whose path may be relative to the home directory, which nobody else can read.
    pub(crate) fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home().join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("it can be made");
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(content.as_ref())).expect("the file can be written");
        path
    }

    /// The program with these arguments, ready to run here.
    pub(crate) fn command<I>(&self, arguments: I) -> Command
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut line = self.wrapper.iter().copied().chain([PROGRAM]);
        let mut command = Command::new(line.next().unwrap_or(PROGRAM));
        command.args(line);
        command.args(arguments).env_clear().envs(&self.variables).current_dir(self.working());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.stdin(Stdio::null());
        as_from_a_shell(&mut command);
        command
    }

    /// Runs the program.
    pub(crate) fn run<I>(&self, arguments: I) -> Output
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        run(&mut self.command(arguments))
    }
}

/// Lets a command begin as a shell begins one in the foreground: with no signal ignored. Tests that are run with nohup, or in
/// the background of a script, are started with some ignored, and what they start would inherit that.
#[allow(unsafe_code, reason = "there is no other way to say what a child begins with")]
fn as_from_a_shell(command: &mut Command) {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        let usual = || {
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
                // SAFETY: between fork and exec `signal` may be called (POSIX), and it touches no memory.
                unsafe { libc::signal(signal, libc::SIG_DFL) };
            }
            Ok(())
        };
        // SAFETY: as above; nothing is allocated and no lock is taken.
        unsafe { command.pre_exec(usual) };
    }
    #[cfg(not(unix))]
    let _ = command;
}

/// Runs a command to its end. Whatever happens, it may not panic.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Output {
    run_with_input(command, b"")
}

/// Runs a command to its end with something on its standard input.
#[track_caller]
pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be run");
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input).expect("it reads its input");
    }
    let stdout = collect(child.stdout.take().expect("a pipe"));
    let stderr = collect(child.stderr.take().expect("a pipe"));
    let text =
        |bytes: Result<Vec<u8>, _>| bytes.map(|bytes| String::from_utf8(bytes).expect("it prints UTF-8"));
    let (Ok(stdout), Ok(stderr)) = (text(stdout.recv_timeout(DEADLINE)), text(stderr.recv_timeout(DEADLINE)))
    else {
        let _ = child.kill();
        panic!("{command:?} did not end");
    };
    let status = child.wait().expect("it has ended");
    let status = status.code().or_else(|| Some(128 + status.signal()?)).expect("a status or a signal");
    let output = Output { command: format!("{command:?}"), status, stdout, stderr };
    let panicked = ["panicked at", "ee-auth has a bug"].iter().any(|mark| output.stderr.contains(mark));
    assert!(!panicked && status != 101, "{output}");
    output
}

fn collect(mut from: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

/// What a run came to.
pub(crate) struct Output {
    command: String,
    /// As a shell has it: 128 + n for a signal.
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// The same, if this is the status.
    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// The JSON on standard output, which holds nothing else.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }

    /// The error in the last line of standard error.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let last = self.stderr.lines().last().unwrap_or_default();
        let line: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}\n{self}"));
        line["error"].clone()
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, status, stdout, stderr } = self;
        write!(f, "{command}\nstatus {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Makes a file one that everybody can read.
pub(crate) fn share(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("its mode can be set");
}

/// Whether there is a program of this name here.
pub(crate) fn there_is(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Whether `strace` is here and may trace what it starts, which some containers forbid.
pub(crate) fn can_trace() -> bool {
    there_is("strace") && run(Command::new("strace").args(["-qq", "-o", "/dev/null", "true"])).status == 0
}

/// Checks that a JSON object has exactly these keys, each of its type: `string`, `number`, `bool`, `object`,
/// `[string]`, `[object]`; with `?` what may be null.
#[track_caller]
pub(crate) fn assert_shape(value: &Value, shape: &[(&str, &str)]) {
    let object = value.as_object().unwrap_or_else(|| panic!("an object is wanted: {value}"));
    let mut keys: Vec<_> = object.keys().map(String::as_str).collect();
    keys.sort_unstable();
    let mut wanted: Vec<_> = shape.iter().map(|(key, _)| *key).collect();
    wanted.sort_unstable();
    assert_eq!(keys, wanted, "{value:#}");
    for (key, wanted) in shape {
        let value = &object[*key];
        let (wanted, nullable) = match wanted.strip_suffix('?') {
            Some(wanted) => (wanted, true),
            None => (*wanted, false),
        };
        let fits = match wanted {
            "string" => value.is_string(),
            "number" => value.is_u64(),
            "bool" => value.is_boolean(),
            "object" => value.is_object(),
            "[string]" => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
            "[object]" => value.as_array().is_some_and(|items| items.iter().all(Value::is_object)),
            other => panic!("{other} is no type"),
        };
        assert!(fits || (nullable && value.is_null()), "`{key}` must be {wanted}: {value}");
    }
}

/// Whether a text is a time as RFC 3339 writes it, in UTC and whole seconds.
pub(crate) fn is_timestamp(value: &Value) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:ddZ";
    value.as_str().is_some_and(|text| {
        text.len() == pattern.len()
            && text
                .chars()
                .zip(pattern.chars())
                .all(|(c, p)| if p == 'd' { c.is_ascii_digit() } else { c == p })
    })
}
