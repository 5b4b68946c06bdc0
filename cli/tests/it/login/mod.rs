//! `ee-auth login`, `set-project` and `unset-project`.

mod codes;
mod interrupted;
mod outcomes;
#[cfg(target_os = "linux")]
mod terminal;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use ee_auth_sandbox::{Consent, DEFAULT_SCOPES, Page, visit};
use serde_json::{Value, json};

use crate::support::{Machine, Output, PROGRAM, assert_shape, run, run_with_input};

const LOGIN: &[(&str, &str)] = &[
    ("mode", "string"),
    ("kept", "bool"),
    ("place", "string"),
    ("principal", "string?"),
    ("project", "string?"),
    ("scopes", "[string]"),
    ("usable", "bool"),
    ("problem", "object?"),
    ("warnings", "[string]"),
];

/// A login that was begun, to be finished in another process.
pub(crate) struct Begun {
    pub(crate) address: String,
    pub(crate) verifier: String,
}

impl Begun {
    /// Begins one, with these arguments too.
    #[track_caller]
    pub(crate) fn new(machine: &Machine, arguments: &[&str]) -> Self {
        let all = [&["login", "--quiet", "--force", "--format", "json"], arguments].concat();
        let output = machine.run(&all).expect(0);
        assert_eq!(output.stderr, "", "{output}");
        let begun = output.json();
        let shape =
            [("mode", "string"), ("address", "string"), ("code_verifier", "string"), ("command", "[string]")];
        assert_shape(&begun, &shape);
        let text = |name: &str| begun[name].as_str().expect("text").to_owned();
        Self { address: text("address"), verifier: text("code_verifier") }
    }

    /// The code that the page shows.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let page = visit(&self.address).expect("the page opens");
        page.authorization_code().unwrap_or_else(|| panic!("{}", page.body)).to_owned()
    }

    /// Finishes it with something on standard input.
    fn finish(&self, machine: &Machine, pasted: &str, arguments: &[&str]) -> Output {
        let finish =
            ["login", "--format", "json", "--code-verifier", &self.verifier, "--authorization-code", "-"];
        run_with_input(&mut machine.command(finish.iter().chain(arguments)), pasted.as_bytes())
    }
}

/// A whole login through Earth Engine's page, as JSON.
#[track_caller]
pub(crate) fn log_in(machine: &Machine, arguments: &[&str]) -> Value {
    let begun = Begun::new(machine, &[&["--mode", "notebook"], arguments].concat());
    let output = begun.finish(machine, &begun.code(), arguments).expect(0);
    let login = output.json();
    assert_shape(&login, LOGIN);
    login
}

/// A login with a browser: it waits until somebody has opened its address.
pub(crate) struct Waiting {
    child: Child,
    address: String,
    rest: std::thread::JoinHandle<String>,
}

impl Waiting {
    #[track_caller]
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be run");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        let mut seen = String::new();
        let address = lines.by_ref().find_map(|line| {
            seen += &format!("{line}\n");
            line.trim().starts_with("http").then(|| line.trim().to_owned())
        });
        let address = address.unwrap_or_else(|| panic!("no address was shown\n{seen}"));
        let rest = std::thread::spawn(move || seen + &lines.collect::<Vec<_>>().join("\n"));
        Self { child, address, rest }
    }

    #[track_caller]
    pub(crate) fn open(&self) -> Page {
        visit(&self.address).expect("the page opens")
    }

    /// Its status, standard output and standard error.
    pub(crate) fn end(mut self) -> (i32, String, String) {
        let mut stdout = String::new();
        let out = self.child.stdout.take().expect("a pipe").read_to_string(&mut stdout);
        out.expect("UTF-8");
        let status = self.child.wait().expect("it ends");
        let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
        (status.code().or(signal).expect("a status or a signal"), stdout, self.rest.join().expect("UTF-8"))
    }
}

fn stored(machine: &Machine) -> PathBuf {
    machine.home().join(".config/earthengine/credentials")
}

#[track_caller]
fn content(machine: &Machine) -> Value {
    let text = fs::read_to_string(stored(machine)).expect("a login is stored");
    serde_json::from_str(&text).expect("it is whole")
}

/// What is printed for a person works as it stands, in another process.
#[test]
fn the_command_that_is_printed_finishes_the_login() {
    let machine = Machine::with_google();
    let begun = machine.run(["login", "--mode", "notebook", "--quiet", "--profile", "work"]).expect(0);
    assert_eq!(begun.stderr, "", "{begun}");
    assert!(!machine.home().join(".config/earthengine").exists(), "nothing is stored");
    let line = |start: &str| {
        let mut lines = begun.stdout.lines().map(str::trim);
        lines.find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{begun}")).to_owned()
    };
    let page = visit(&line("http")).expect("the page opens");
    let code = page.authorization_code().expect("a code");
    let mut shell = machine.command([""; 0]);
    let variables: Vec<_> =
        shell.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    shell = Command::new("sh");
    shell.arg("-c").arg(line("ee-auth ").replacen("ee-auth", PROGRAM, 1)).env_clear().envs(variables);
    let output = run_with_input(&mut shell, format!("{code}\n").as_bytes()).expect(0);
    assert!(output.stdout.starts_with("Logged in\n"), "{output}");
    assert!(machine.home().join(".config/earthengine/work/credentials").is_file());
    assert!(!stored(&machine).exists(), "the account without a profile is another");
}

#[test]
fn what_is_stored_is_what_earthengine_api_stores() {
    let machine = Machine::with_google();
    let login = log_in(&machine, &[]);
    assert_eq!((&login["mode"], &login["kept"]), (&json!("notebook"), &json!(false)));
    assert_eq!((&login["usable"], &login["problem"]), (&json!(true), &Value::Null));
    assert_eq!(login["project"], machine.google().project_number());
    assert_eq!(login["scopes"], json!(DEFAULT_SCOPES));
    assert_eq!(login["warnings"], json!([]));
    assert_eq!(login["place"], stored(&machine).display().to_string());

    let stored_text = content(&machine);
    let mut keys: Vec<_> = stored_text.as_object().expect("an object").keys().collect();
    keys.sort();
    assert_eq!(keys, ["client_id", "client_secret", "project", "refresh_token", "scopes"]);
    let mode = |path: PathBuf| fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
    assert_eq!(mode(stored(&machine)), 0o600);
    assert_eq!(mode(machine.home().join(".config/earthengine")), 0o700);
    machine.run(["token"]).expect(0);
}

#[test]
fn data_is_on_standard_output_and_all_else_is_not() {
    let machine = Machine::with_google();
    for noise in [&[][..], &["-q"], &["-v"], &["-vvv"]] {
        let begun = Begun::new(&machine, &["--mode", "notebook"]);
        let output = begun.finish(&machine, &begun.code(), noise).expect(0);
        assert_eq!(output.stdout.lines().count(), 1, "{output}");
        assert_shape(&output.json(), LOGIN);
        if noise.is_empty() || noise == ["-q"] {
            assert_eq!(output.stderr, "", "{output}");
        }
    }
    let text = machine.run(["login"]).expect(0);
    assert!(text.stdout.starts_with("Kept: ") && text.stderr.is_empty(), "{text}");
    for row in ["Account", "Credential", "Scopes", "Project", "Earth Engine"] {
        assert!(text.stdout.lines().any(|line| line.starts_with(row)), "{row}\n{text}");
    }
}

#[test]
fn a_login_that_works_and_has_the_scopes_is_kept() {
    let machine = Machine::with_google();
    log_in(&machine, &[]);
    let first = content(&machine);
    let kept = machine.run(["login", "--format", "json"]).expect(0).json();
    assert_shape(&kept, LOGIN);
    assert_eq!((&kept["kept"], &kept["mode"]), (&json!(true), &json!("persistent")));
    let fewer = ["login", "--mode", "notebook", "--scopes", "earthengine", "--format", "json"];
    assert_eq!(machine.run(fewer).expect(0).json()["kept"], true);
    assert_eq!(content(&machine), first);

    // Each of these is another login; nobody is there to make it.
    let more = machine.run(["login", "--mode", "notebook", "--scopes", "earthengine,email"]).expect(4);
    assert!(more.stderr.contains("not all that is asked for"), "{more}");
    machine.run(["login", "--mode", "notebook", "--force"]).expect(4);
    machine.google().revoke(first["refresh_token"].as_str().expect("text"));
    let ended = machine.run(["login", "--mode", "notebook"]).expect(4);
    assert!(ended.stderr.contains("does not work any more"), "{ended}");
    assert_eq!(content(&machine), first, "the old one stays until there is a better one");
    log_in(&machine, &[]);
    assert_ne!(content(&machine)["refresh_token"], first["refresh_token"]);
}

/// Whether the login works is not known then, so that nothing is asked of anybody.
#[test]
fn while_google_cannot_be_reached_nothing_is_replaced() {
    let machine = Machine::with_google();
    log_in(&machine, &[]);
    let first = content(&machine);
    machine.google().clear_requests();
    machine.google().fail("token=html".parse().expect("a fault"));
    let output = machine.run(["login", "--format", "json"]).expect(6);
    assert_eq!(output.error()["code"], "unavailable.malformed", "{output}");
    assert_eq!(content(&machine), first);
    let asked = machine.google().requests().len();
    assert_eq!(asked, 1, "once is enough to know");
}

#[test]
fn a_damaged_file_is_replaced_by_a_login_and_nothing_else() {
    let machine = Machine::with_google();
    machine.write(".config/earthengine/credentials", "{\"refresh_token\": ");
    let refused = machine.run(["set-project", "my-project", "--format", "json"]).expect(3);
    assert_eq!(refused.error()["code"], "invalid.json");
    machine.run(["logout", "--revoke"]).expect(3);
    log_in(&machine, &[]);
    assert!(content(&machine)["refresh_token"].is_string());
}

#[test]
fn a_project_is_stored_beside_the_login_and_stays() {
    let machine = Machine::with_google();
    let project = machine.google().project_id();
    let output = machine.run(["set-project", &project, "--format", "json"]).expect(0);
    let shape = [("file", "string"), ("project", "string?"), ("used", "string?")];
    assert_shape(&output.json(), &shape);
    assert_eq!(content(&machine), json!({ "project": project }));
    for wrong in ["764086051850", "517222506229", "My Project", ""] {
        let output = machine.run(["set-project", wrong, "--format", "json"]).expect(3);
        assert_eq!(output.error()["code"], "invalid.project", "{output}");
    }
    let waiting = Waiting::start(machine.command(["login", "--mode", "localhost:0"]));
    waiting.open();
    let (status, stdout, stderr) = waiting.end();
    assert_eq!(status, 0, "{stdout}\n{stderr}");
    assert!(stdout.contains(&project), "{stdout}");
    assert_eq!(content(&machine)["project"], project, "a login without one keeps it");

    let other = run(machine.command(["set-project", "another"]).env("EARTHENGINE_PROJECT", &project));
    assert!(other.expect(0).stderr.contains("EARTHENGINE_PROJECT"), "it would not be used");
    machine.run(["unset-project"]).expect(0);
    let after = content(&machine);
    assert!(after.get("project").is_none() && after["refresh_token"].is_string(), "{after}");
    let none = Machine::new();
    none.run(["unset-project"]).expect(0);
    assert!(!stored(&none).exists(), "what is not there need not be made");
}

#[test]
fn read_only_is_asked_for_kept_and_shown() {
    let machine = Machine::with_google();
    let login = log_in(&machine, &["--read-only"]);
    let read_only =
        ["earthengine.readonly", "cloud-platform.read-only", "drive.readonly", "devstorage.read_only"];
    let long = read_only.map(|name| format!("https://www.googleapis.com/auth/{name}"));
    assert_eq!(login["scopes"], json!(long));
    let status = machine.run(["status"]).expect(0);
    assert!(status.stdout.contains(&read_only.join(", ")), "{status}");
    // A choice that was made on the page alone.
    machine.google().set_consent(Consent::GrantOnly(vec![long[0].clone()]));
    let login = log_in(&machine, &[]);
    assert_eq!((&login["scopes"], &login["warnings"]), (&json!([long[0]]), &json!([])));
    assert_eq!(content(&machine)["scopes"], json!([long[0]]));
}

#[test]
fn a_command_line_that_makes_no_sense() {
    let machine = Machine::with_google();
    for arguments in [
        &["login", "--mode", "netbook"][..],
        &["login", "--mode", "localhost:99999"],
        &["login", "--mode", "localhost:"],
        &["login", "--mode", "service_account"],
        &["login", "--authorization-code", "x"],
        &["login", "--code-verifier", "x"],
        &["login", "--read-only", "--scopes", "drive"],
        &["login", "--quiet", "--authorization-code", "x", "--code-verifier", "y"],
        &["set-project"],
    ] {
        let output = machine.run(arguments).expect(2);
        assert_eq!(output.stdout, "", "{output}");
    }
}
