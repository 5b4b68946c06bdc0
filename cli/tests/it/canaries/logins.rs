//! Logins: what is pasted, what a verifier is, and what is granted.

use std::process::Command;
use std::sync::Mutex;
use std::thread;

use super::LEVELS;
use super::secrets::{Secrets, formed};
use crate::login::{Begun, Waiting};
use crate::support::{Machine, run_with_input};

/// Faults of the services that a login asks, and the status with which it ends.
const FAULTS: [(&str, i32); 15] = [
    ("", 0),
    ("token=invalid_grant", 5),
    ("token=bad-client-secret", 5),
    ("token=deleted_client", 5),
    ("token=no-refresh-token", 5),
    ("token=html", 6),
    ("token=newline-token", 6),
    ("token=redirect:https://evil.example/", 6),
    ("token=reset", 6),
    ("client_auth=html", 6),
    ("client_auth=not-json", 6),
    ("client_auth=redirect:https://evil.example/", 6),
    ("client_auth=403", 5),
    ("tokeninfo=html", 0),
    ("earthengine=403", 0),
];

/// What else is pasted, in the place of the code; `CODE` stands for it.
const PASTED: [(&str, i32); 6] = [
    ("{\"code\": \"CODE\"}", 3),
    ("http://localhost:8085/?code=CODE&code=CODE", 3),
    ("http://localhost:8085/?error=CODE", 5),
    ("http://localhost:8085/?state=CODE", 3),
    ("https://accounts.google.com/?client_id=CODE", 3),
    ("the code is \u{e9} CODE", 3),
];

/// A login with its code pasted: a fault, what is pasted, the status.
type Case = (&'static str, &'static str, i32);

fn at_level(mut command: Command, level: &[&str]) -> Command {
    for word in level {
        match word.split_once('=') {
            Some((name, value)) => command.env(name, value),
            None => command.arg(word),
        };
    }
    command
}

/// What is shown that should not be, if anything is.
fn seen(machine: &Machine, secrets: &mut Secrets, shown: &str) -> Option<String> {
    let stored = std::fs::read_to_string(machine.home().join(".config/earthengine/credentials"));
    if let Some(stored) = stored.ok().and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok()) {
        for name in ["refresh_token", "client_secret"] {
            let _ = stored[name].as_str().map(|secret| secrets.add(secret.trim_start_matches("GOCSPX-")));
        }
    }
    machine.google().requests().iter().for_each(|request| secrets.add_request(request));
    secrets.first_in(shown).or_else(|| formed(shown)).map(str::to_owned)
}

fn check_pasted((fault, pasted, status): Case, level: &[&str]) -> Option<String> {
    let machine = Machine::with_google();
    let begun = Begun::new(&machine, &["--mode", "notebook"]);
    let code = begun.code();
    let mut secrets = Secrets::default();
    secrets.add(code.strip_prefix("4/0A").expect("codes have the form of Google's"));
    begun.verifier.split(':').for_each(|part| secrets.add(part));
    if !fault.is_empty() {
        machine.google().fail(fault.parse().expect("a fault"));
    }
    let command = machine.command(["login", "--code-verifier", &begun.verifier, "--authorization-code", "-"]);
    let output = run_with_input(&mut at_level(command, level), pasted.replace("CODE", &code).as_bytes());
    let shown = format!("{}\n{}", output.stdout, output.stderr);
    let what = format!("{fault} {pasted}");
    match seen(&machine, &mut secrets, &shown) {
        Some(seen) => Some(format!("{what}: a secret is shown: …{seen}…\n{output}")),
        None => (output.status != status).then(|| format!("{what}: {status} is wanted\n{output}")),
    }
}

fn check_with_browser(fault: &str, status: i32, level: &[&str]) -> Option<String> {
    let machine = Machine::with_google();
    if !fault.is_empty() {
        machine.google().fail(fault.parse().expect("a fault"));
    }
    // At `-q` too the address is shown: without it nobody could log in.
    let waiting = Waiting::start(at_level(machine.command(["login", "--mode", "localhost:0"]), level));
    let page = waiting.open();
    let (ended, stdout, stderr) = waiting.end();
    let shown = format!("{stdout}\n{stderr}\n{}", page.body);
    match seen(&machine, &mut Secrets::default(), &shown) {
        Some(seen) => Some(format!("{fault}: a secret is shown: …{seen}…\n{shown}")),
        None => (ended != status).then(|| format!("{fault}: {status} is wanted, not {ended}\n{shown}")),
    }
}

#[test]
fn no_login_shows_a_secret() {
    let faults = FAULTS.into_iter().map(|(fault, status)| (fault, "CODE", status));
    let cases = faults.chain(PASTED.into_iter().map(|(pasted, status)| ("", pasted, status)));
    let pasted = cases.flat_map(|case| LEVELS.map(|level| (case, level, false)));
    let with_browser = FAULTS.into_iter().filter(|(fault, _)| !fault.starts_with("client_auth"));
    let with_browser =
        with_browser.flat_map(|(fault, status)| LEVELS.map(|level| ((fault, "", status), level, true)));
    let cases = Mutex::new(pasted.chain(with_browser));
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let next = cases.lock().expect("no run has failed").next();
                    let Some((case, level, browser)) = next else { break };
                    let found = if browser {
                        check_with_browser(case.0, case.2, level)
                    } else {
                        check_pasted(case, level)
                    };
                    wrong.lock().expect("no run has failed").extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no run has failed");
    assert!(wrong.is_empty(), "{} runs\n{}", wrong.len(), wrong.join("\n\n"));
}
