//! Every way in which a token endpoint fails, and what the program makes of it.

use std::sync::Mutex;
use std::thread;

use crate::support::Machine;

/// Exit status by fault; the OAuth errors, of which the list says no more, are refusals. `None` for those that take
/// longer than a test may.
fn expected(fault: &str) -> Option<i32> {
    match fault {
        "hang" => None,
        "delay" | "drip" | "no-refresh-token" | "text-expiry" | "float-expiry" | "wrong-state" => Some(0),
        "408"
        | "429"
        | "500"
        | "502"
        | "503"
        | "504"
        | "server_error"
        | "temporarily_unavailable"
        | "rate_limit_exceeded" => Some(6),
        "reset" | "close" | "truncated" | "redirect" | "html" | "empty" | "not-json" | "body"
        | "error-body" | "nested" | "big" | "gzip-bomb" => Some(6),
        "no-token" | "empty-token" | "number-token" | "newline-token" | "wrong-token-type" => Some(6),
        "no-expiry" | "zero-expiry" | "negative-expiry" | "huge-expiry" => Some(6),
        _ => Some(5),
    }
}

/// What only the answer's body can have brought in.
const BODY: [&str; 9] =
    ["ya29.", "access_token", "expires_in\"", "Sign in to Wi-Fi", "<", "X-Injected", "[[[", "12345", "{"];

#[test]
fn each_has_its_status_and_is_told_in_a_line_with_what_to_do() {
    let faults: Vec<_> = ee_auth_sandbox::faults().map(|(name, _)| name).collect();
    let cases = faults.iter().flat_map(|fault| [(*fault, true), (*fault, false)]);
    let cases = Mutex::new(cases.filter_map(|(fault, robot)| Some((fault, robot, expected(fault)?))));
    thread::scope(|scope| {
        // Most of the time they pause between two attempts.
        for _ in 0..24 {
            scope.spawn(|| {
                loop {
                    let case = cases.lock().expect("no test has failed").next();
                    let Some((fault, robot, status)) = case else { break };
                    check(fault, robot, status);
                }
            });
        }
    });
}

fn check(fault: &str, robot: bool, status: i32) {
    let machine = Machine::with_google();
    let machine = if robot { machine.with_key() } else { machine.with_login() };
    let rule = match fault {
        "delay" => "token=delay:0.2".to_owned(),
        "drip" => "token=drip:0.001".to_owned(),
        fault => format!("token={fault}"),
    };
    machine.google().fail(rule.parse().expect("a fault"));
    let output = machine.run(["token"]).expect(status);
    let attempts = machine.google().requests().len();
    if status == 0 {
        assert!(output.stdout.starts_with("ya29.") && output.stderr.is_empty(), "{rule}: {output}");
        assert_eq!(attempts, 1, "{rule}");
        return;
    }
    assert_eq!(output.stdout, "", "{rule}: {output}");
    let lines: Vec<_> = output.stderr.lines().collect();
    let [error, help] = lines[..] else { panic!("{rule}: two lines are wanted\n{output}") };
    assert!(error.starts_with("error: ") && help.starts_with("help: "), "{rule}: {output}");
    for part in BODY {
        assert!(!output.stderr.contains(part), "{rule}: {part}\n{output}");
    }
    // What may pass is tried four times in all, everything else once.
    let passes =
        matches!(fault, "408" | "429" | "500" | "502" | "503" | "504" | "reset" | "close" | "truncated")
            || matches!(fault, "server_error" | "temporarily_unavailable" | "rate_limit_exceeded");
    assert_eq!(attempts, if passes { 4 } else { 1 }, "{rule}: {output}");
}

#[test]
fn a_passing_failure_is_not_noticed() {
    for rule in ["token=503x1", "token=resetx1", "token=429x1:0"] {
        let machine = Machine::with_google().with_key();
        machine.google().fail(rule.parse().expect("a fault"));
        let output = machine.run(["token"]).expect(0);
        assert_eq!(output.stderr, "", "{rule}: {output}");
        assert_eq!(machine.google().requests().len(), 2, "{rule}");
    }
}

/// The metadata server's failures of finding, as well.
#[test]
fn the_metadata_server_fails_in_its_own_ways() {
    for (rule, status) in [
        ("metadata=404", 4),
        ("metadata=403", 5),
        ("metadata=html", 6),
        ("metadata=not-json", 6),
        ("metadata=redirect", 6),
        ("metadata=nested", 6),
        ("metadata=big", 6),
    ] {
        let machine = Machine::with_google();
        let host = machine.google().address().to_string();
        machine.google().fail(rule.parse().expect("a fault"));
        let output = machine.with("GCE_METADATA_HOST", host).run(["token"]).expect(status);
        assert_eq!(output.stdout, "", "{rule}: {output}");
        assert!(!output.stderr.contains('<') && output.stderr.contains("\nhelp: "), "{rule}: {output}");
    }
}
