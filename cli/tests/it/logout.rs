//! `ee-auth logout`

use serde_json::{Value, json};

use crate::support::{Machine, assert_shape};

const LOGOUT: &[(&str, &str)] = &[("removed", "string?"), ("revoked", "bool?"), ("project", "string?")];

fn is_logged_in(machine: &Machine) -> bool {
    machine.home().join(".config/earthengine/credentials").exists()
}

#[test]
fn the_login_is_removed_and_the_path_said() {
    let machine = Machine::with_google().with_login();
    let output = machine.run(["logout"]).expect(0);
    assert_eq!(
        output.stdout.trim_end(),
        machine.home().join(".config/earthengine/credentials").display().to_string()
    );
    assert!(output.stderr.contains("Logged out"), "{output}");
    assert!(
        output.stderr.contains("ee-auth set-project ee-auth-sandbox"),
        "the project went with it\n{output}"
    );
    assert!(!is_logged_in(&machine));
    machine.run(["token"]).expect(4);
    assert_eq!(machine.google().requests().len(), 0, "Google is told where that is asked for");

    let again = machine.run(["logout"]).expect(0);
    assert_eq!((again.stdout.as_str(), again.stderr.as_str()), ("", "nobody was logged in\n"));
    let json = machine.run(["logout", "--format", "json"]).expect(0).json();
    assert_shape(&json, LOGOUT);
    assert_eq!(json, json!({ "removed": null, "revoked": null, "project": null }));
}

#[test]
fn revoke_takes_it_back_everywhere() {
    let machine = Machine::with_google();
    let user = machine.google().user();
    let write = || machine.write(".config/earthengine/credentials", user.earthengine_file_json());
    write();
    let json = machine.run(["logout", "--revoke", "--format", "json"]).expect(0).json();
    assert_shape(&json, LOGOUT);
    assert_eq!(json["revoked"], true);
    // A copy of it is good for nothing, and that it is revoked already is no failure.
    write();
    machine.run(["token", "--no-cache"]).expect(5);
    let again = machine.run(["logout", "--revoke", "--format", "json"]).expect(0).json();
    assert_eq!(again["revoked"], false);
    assert!(!is_logged_in(&machine));
}

#[test]
fn what_could_not_be_revoked_is_kept() {
    let machine = Machine::with_google().with_login();
    for (rule, status) in [
        ("revoke=503", 6),
        ("revoke=html", 0),
        ("revoke=body", 0),
        ("revoke=403", 6),
        ("revoke=error-body", 6),
    ] {
        let machine = Machine::with_google().with_login();
        machine.google().fail(rule.parse().expect("a fault"));
        let output = machine.run(["logout", "--revoke"]).expect(status);
        assert_eq!(is_logged_in(&machine), status != 0, "{rule}: {output}");
        if status != 0 {
            assert!(output.stderr.contains("nothing was removed"), "{output}");
        }
    }
    // What cannot be read cannot be revoked; it can be removed.
    machine.write(".config/earthengine/credentials", "{\"refresh_token\": ");
    let output = machine.run(["logout", "--revoke"]).expect(3);
    assert!(output.stderr.contains("nothing revoked"), "{output}");
    assert!(is_logged_in(&machine));
    machine.run(["logout"]).expect(0);
    assert!(!is_logged_in(&machine));
}

/// The owner of the lock may be about to store what it read, which must not be a login that Google has ended.
#[cfg(target_os = "linux")]
#[test]
fn nothing_is_revoked_while_another_process_holds_the_lock() {
    let machine = Machine::with_google().with_login();
    let path = machine.write(".config/earthengine/.credentials.lock", "");
    let lock = std::fs::File::open(path).expect("it was just made");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("nobody has it");
    let output = machine.run(["logout", "--revoke"]).expect(6);
    assert!(output.stderr.contains("timed out waiting for the lock"), "{output}");
    assert_eq!(machine.google().requests().len(), 0, "Google was told");
    assert!(is_logged_in(&machine));
    drop(lock);
    machine.run(["token", "--no-cache"]).expect(0);
    machine.run(["logout", "--revoke"]).expect(0);
    assert!(!is_logged_in(&machine));
}

#[test]
fn accounts_are_apart() {
    let machine = Machine::with_google().with_login();
    let other = machine.google().user().earthengine_file_json();
    let work = machine.write(".config/earthengine/work/credentials", other);
    machine.run(["logout", "--profile", "work"]).expect(0);
    assert!(!work.exists() && is_logged_in(&machine));
    // What is used from now on, for those who believe that nothing is left.
    let machine = machine.with_key();
    let output = machine.run(["logout"]).expect(0);
    assert!(output.stderr.contains("now uses environment"), "{output}");
    let after: Value = machine.run(["status", "--format", "json"]).expect(0).json();
    assert_eq!(after["provider"], "environment");
}
