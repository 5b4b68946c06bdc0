//! The same files through google-auth for Python and through the program lead to the same requests. Where they do not,
//! `docs/compatibility.md` says how and why, and the difference is held against here.
//!
//! google-auth is installed from PyPI into a directory of this build. Where it cannot be had, the tests say so and end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ee_auth_sandbox::{DEFAULT_SCOPES, Recorded};
use serde_json::{Value, json};

use crate::support::Machine;

/// The version whose requests were looked at.
const PACKAGES: [&str; 2] = ["google-auth==2.62.2", "requests>=2.32,<3"];

const TOKEN: &str = "https://oauth2.googleapis.com/token";
const STS: &str = "https://sts.googleapis.com";
const IAM: &str = "https://iamcredentials.googleapis.com";
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
const IAM_SCOPE: &str = "https://www.googleapis.com/auth/iam";

/// A Python that has google-auth; `None`, and a message, where there is none to be had.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let python = PYTHON.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("google-auth");
        let python = directory.join("bin/python");
        let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let is_there =
            |python: &Path| run(Command::new(python).args(["-c", "import google.auth.transport.requests"]));
        if !is_there(&python) {
            run(Command::new("python3").args(["-m", "venv"]).arg(&directory));
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES));
        }
        is_there(&python).then_some(python)
    });
    if python.is_none() {
        #[allow(clippy::print_stderr, reason = "whoever runs the tests is to know")]
        {
            eprintln!("SKIPPED: google-auth cannot be installed here (python3 -m venv, PyPI)");
        }
    }
    python.as_deref()
}

/// A request as far as it matters: the method, the path, what it carries, and how it shows who asks.
fn essence(request: &Recorded, base: &str) -> Value {
    let content = request.content().unwrap_or_else(|| panic!("{request} carries a foreign secret"));
    let kind = content.header("content-type").unwrap_or_default();
    let body = match kind.split(';').next() {
        Some("application/json") => serde_json::from_slice(content.body()).expect("JSON"),
        _ => {
            let value = |name: &str| {
                let text = content.field(name).expect("it is there");
                if name == "assertion" { assertion(text, base) } else { json!(text) }
            };
            Value::Object(request.fields.iter().map(|(name, _)| (name.clone(), value(name))).collect())
        }
    };
    let authorization = content.header("authorization").map(|header| match header.split_once(' ') {
        // Each has a token of its own.
        Some(("Bearer", _)) => "Bearer".to_owned(),
        _ => header.to_owned(),
    });
    json!({ "method": request.method, "path": request.path, "body": body, "authorization": authorization })
}

/// Header and claims of an assertion, without the time.
fn assertion(jwt: &str, base: &str) -> Value {
    let parts: Vec<_> = jwt.split('.').collect();
    let part = |text: &str| -> Value {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).expect("base64url");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let (header, mut claims) = (part(parts[0]), part(parts[1]));
    let seconds = |claim: &Value| claim.as_u64().expect("seconds");
    claims["exp"] = json!(seconds(&claims["exp"]) - seconds(&claims["iat"]));
    claims["iat"] = json!(0);
    // The program was told that the endpoint is elsewhere, and names it as the audience.
    if claims["aud"] == format!("{base}/token") {
        claims["aud"] = json!(TOKEN);
    }
    json!({ "header": header, "claims": claims })
}

/// What google-auth asks for and what the program asks for, given the same file and scopes.
fn both(machine: &Machine, file: &Value, scopes: &[&str]) -> Option<(Vec<Value>, Vec<Value>)> {
    let python = python()?;
    let google = machine.google();
    let base = google.base_url();
    let path = machine.write("adc.json", file.to_string());
    let asked = || {
        // They ask in the background where an account may be used from, which has nothing to do with the token.
        let requests = google.requests();
        let of_token = requests.iter().filter(|request| !request.path.ends_with("/allowedLocations"));
        let seen = of_token.map(|request| essence(request, &base)).collect::<Vec<_>>();
        google.clear_requests();
        seen
    };
    google.clear_requests();
    let script = machine.write("tokens.py", include_str!("tokens.py"));
    let mut theirs = Command::new(python);
    theirs.arg(script).arg(&base).arg(scopes.join(",")).arg(&path).env_clear().env("HOME", machine.home());
    let output = crate::support::run(&mut theirs).expect(0);
    assert!(output.stdout.starts_with("ya29."), "{output}");
    let theirs = asked();

    let mut ours = machine.command(["token", "--no-cache"]);
    if !scopes.is_empty() {
        ours.args(["--scopes", &scopes.join(",")]);
    }
    let output = crate::support::run(ours.env("GOOGLE_APPLICATION_CREDENTIALS", &path)).expect(0);
    assert!(output.stdout.starts_with("ya29."), "{output}");
    Some((theirs, asked()))
}

/// Nothing differs.
#[track_caller]
fn assert_same(machine: &Machine, file: &Value, scopes: &[&str]) {
    if let Some((theirs, ours)) = both(machine, file, scopes) {
        assert!(!theirs.is_empty());
        assert_eq!(theirs, ours, "theirs, then ours");
    }
}

/// A file of the loopback Google's with Google's own addresses, as real files have them.
fn real(machine: &Machine, file: &str) -> Value {
    let base = machine.google().base_url();
    let mut file: Value = serde_json::from_str(file).expect("JSON");
    for (field, google) in [
        ("token_uri", "https://oauth2.googleapis.com"),
        ("token_url", STS),
        ("token_info_url", STS),
        ("service_account_impersonation_url", IAM),
    ] {
        if let Some(address) = file.get_mut(field) {
            *address = json!(address.as_str().expect("an address").replace(&base, google));
        }
    }
    file
}

fn login(machine: &Machine) -> Value {
    real(machine, &machine.google().user().authorized_user_json())
}

fn impersonated(machine: &Machine, source: Value) -> Value {
    let robot = machine.google().service_account().email().to_owned();
    json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url":
            format!("{IAM}/v1/projects/-/serviceAccounts/{robot}:generateAccessToken"),
        "delegates": [],
        "source_credentials": source,
    })
}

#[test]
fn a_key() {
    let machine = Machine::with_google();
    let file = real(&machine, &machine.google().service_account().key_json());
    assert_same(&machine, &file, &DEFAULT_SCOPES);
}

#[test]
fn a_login() {
    let machine = Machine::with_google();
    let mut file = login(&machine);
    assert_same(&machine, &file, &[]);
    file["scopes"] = json!(DEFAULT_SCOPES);
    assert_same(&machine, &file, &[]);
    assert_same(&machine, &file, &DEFAULT_SCOPES[..1]);
    file["scopes"] = json!(DEFAULT_SCOPES.join(" "));
    assert_same(&machine, &file, &[]);
}

#[test]
fn a_login_that_stands_for_a_service_account() {
    let machine = Machine::with_google();
    assert_same(&machine, &impersonated(&machine, login(&machine)), &DEFAULT_SCOPES);
}

#[test]
fn a_key_that_stands_for_a_service_account() {
    let machine = Machine::with_google();
    let google = machine.google();
    let caller = google.add_service_account("caller");
    google.allow_impersonation(caller.email(), google.service_account().email());
    let file = impersonated(&machine, real(&machine, &caller.key_json()));
    let Some((mut theirs, ours)) = both(&machine, &file, &DEFAULT_SCOPES) else { return };
    let scope = &mut theirs[0]["body"]["assertion"]["claims"]["scope"];
    assert_eq!(scope.take(), IAM_SCOPE);
    *scope = json!(CLOUD_PLATFORM);
    assert_eq!(theirs, ours, "theirs, then ours");
}

#[test]
fn delegates() {
    let machine = Machine::with_google();
    let google = machine.google();
    let middle = google.add_service_account("middle").email().to_owned();
    google.allow_impersonation("ada@example.com", &middle);
    google.allow_impersonation(&middle, google.service_account().email());
    let mut file = impersonated(&machine, login(&machine));
    let prefixed = format!("projects/-/serviceAccounts/{middle}");
    file["delegates"] = json!([prefixed]);
    assert_same(&machine, &file, &DEFAULT_SCOPES);
    // Without their prefix they are what was meant, and google-auth sends what the API refuses.
    file["delegates"] = json!([middle]);
    let path = machine.write("adc.json", file.to_string());
    google.clear_requests();
    crate::support::run(machine.command(["token"]).env("GOOGLE_APPLICATION_CREDENTIALS", path)).expect(0);
    let sent: Vec<_> = google.requests().iter().map(|request| essence(request, &google.base_url())).collect();
    assert_eq!(sent[1]["body"]["delegates"], json!([prefixed]));
}

#[test]
fn a_workforce_login() {
    let machine = Machine::with_google();
    let file = real(&machine, &machine.google().user().external_account_authorized_user_json());
    assert_same(&machine, &file, &[]);
}

#[test]
fn a_federated_workload() {
    let machine = Machine::with_google();
    let workload = machine.google().workload();
    let token = machine.write("subject-token", workload.subject_token());
    let robot = machine.google().service_account().email().to_owned();
    for impersonate in [None, Some(robot.as_str())] {
        let file = workload.external_account_json(&json!({ "file": token }), impersonate);
        let Some((mut theirs, mut ours)) = both(&machine, &real(&machine, &file), &DEFAULT_SCOPES) else {
            return;
        };
        if impersonate.is_some() {
            // They write `null` for none here.
            assert_eq!(theirs[1]["body"]["delegates"].take(), Value::Null);
            theirs[1]["body"]["delegates"] = json!([]);
            let scope = |requests: &mut Vec<Value>| requests[0]["body"]["scope"].take();
            assert_eq!((scope(&mut theirs), scope(&mut ours)), (json!(IAM_SCOPE), json!(CLOUD_PLATFORM)));
        }
        assert_eq!(theirs, ours, "theirs, then ours");
    }
}
