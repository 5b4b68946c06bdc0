//! `ee_auth::doctor` on machines in memory: one case for each finding, and what holds for all of them.
#![allow(clippy::unwrap_used, reason = "a test")]

mod cases;
mod machines;

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use ee_auth::Resolver;
use ee_auth::doctor::{Diagnosis, Doctor, Finding, Level, checks};
use ee_auth::host::Directory;
use ee_auth_fake::Fake;

use cases::{Case, cases};
use machines::{google, logged_in, login, scopes};

fn diagnose(case: &Case) -> Diagnosis {
    let resolver = Resolver::new(case.machine.host()).offline(case.offline);
    Doctor::new(resolver).online(case.online).ci(case.ci).run()
}

fn found<'a>(diagnosis: &'a Diagnosis, rule: &str) -> Option<&'a Finding> {
    diagnosis.findings.iter().find(|finding| finding.check == rule)
}

#[test]
fn every_finding_comes_up_and_says_what_to_do() {
    let mut wrong = Vec::new();
    for case in cases() {
        let diagnosis = diagnose(&case);
        match found(&diagnosis, case.rule) {
            None => {
                let all: Vec<_> =
                    diagnosis.findings.iter().map(|f| format!("{}: {}", f.check, f.title)).collect();
                wrong.push(format!("{} does not come up:\n  {}", case.rule, all.join("\n  ")));
            }
            Some(finding) => {
                let fix = finding.fix.as_deref().unwrap_or_default();
                if !fix.contains(case.fix) {
                    wrong.push(format!("{}: the fix is {fix:?}, and `{}` is not in it", case.rule, case.fix));
                }
                if finding.title.is_empty() || finding.title.contains('\n') || finding.detail.is_none() {
                    wrong.push(format!("{}: {finding:?}", case.rule));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_clock_makes_finding_reading_or_examining_a_credential_panic() {
    use ee_auth_core::time::{earlier, later};

    let seconds = [0, 1, 3600, 253_402_300_799, 253_402_300_800, i64::MAX as u64 - 1, i64::MAX as u64];
    let seconds = seconds.map(Duration::from_secs);
    for now in seconds.iter().flat_map(|by| [later(UNIX_EPOCH, *by), earlier(UNIX_EPOCH, *by)]) {
        let machine = google(logged_in().with_time(now));
        // An error is an answer, too, where no expiry can be reckoned.
        let _ = Resolver::new(machine.host()).resolve().map(|credential| credential.token().map(|_| ()));
        let diagnosis = Doctor::new(Resolver::new(machine.host())).online(true).run();
        assert!(!diagnosis.findings.is_empty(), "{now:?}");
    }
}

#[test]
fn every_rule_has_a_case() {
    let known: BTreeSet<_> = checks().iter().flat_map(|check| check.rules).map(|rule| rule.name).collect();
    let tried: BTreeSet<_> = cases().iter().map(|case| case.rule).collect();
    assert_eq!(known, tried);
}

#[test]
fn rules_belong_to_their_check_and_are_complete() {
    for check in checks() {
        assert!(!check.summary.is_empty() && !check.summary.ends_with('.'), "{}", check.name);
        for rule in check.rules {
            let (name, what) = rule.name.split_once('.').unwrap();
            assert!(name == check.name && !what.is_empty(), "{}", rule.name);
            for words in [rule.meaning, rule.fix] {
                assert!(
                    !words.is_empty() && !words.ends_with('.') && !words.contains("  "),
                    "{}: {words}",
                    rule.name
                );
            }
            assert_ne!(rule.level, Level::Ok, "{}", rule.name);
        }
    }
}

/// With it, an exchange may keep its token; without it, there is nothing to be written.
#[test]
fn nothing_is_changed() {
    for case in cases() {
        diagnose(&case);
        let changes = case.machine.changes();
        assert!(case.online || changes.is_empty(), "{}: {changes:?}", case.rule);
        assert!(case.machine.locks().is_empty(), "{}", case.rule);
    }
}

#[test]
fn nobody_is_asked_unless_that_is_wanted() {
    for case in cases() {
        diagnose(&case);
        let requests = case.machine.requests();
        let asked = requests.iter().filter(|request| request.url.host_str() != Some("127.0.0.1"));
        assert!(case.online || asked.count() == 0, "{}: {requests:?}", case.rule);
        assert!(!case.offline || requests.is_empty(), "{}: {requests:?}", case.rule);
        assert!(case.machine.asked().is_empty(), "{}", case.rule);
    }
}

#[test]
fn a_machine_on_which_all_is_well_has_nothing_to_be_told_of() {
    let all = login(&scopes());
    for online in [false, true] {
        let machine = google(Fake::new()).with_person([""; 0]).with_browser();
        let machine = machine.with_file(machines::LOGIN, all.clone());
        let diagnosis = Doctor::new(Resolver::new(machine.host())).online(online).run();
        let told: Vec<_> = diagnosis.findings.iter().filter(|f| f.level != Level::Ok).collect();
        assert!(told.is_empty(), "{told:#?}");
        let silent = if online { &["ci"][..] } else { &["ci", "network", "token", "earth_engine"] };
        for check in checks() {
            let says_something = found(&diagnosis, check.name).is_some();
            assert_eq!(
                says_something,
                !silent.contains(&check.name) || check.name == "ci" && says_something,
                "{}",
                check.name
            );
        }
    }
}

#[test]
fn the_first_error_is_what_the_program_ends_with() {
    let outcome = |machine: &Fake| {
        let diagnosis = Doctor::new(Resolver::new(machine.host())).run();
        diagnosis.error().map(|error| error.outcome().exit_status())
    };
    let token = |machine: &Fake| {
        Resolver::new(machine.host()).resolve().err().map(|error| error.outcome().exit_status())
    };
    for case in cases().iter().filter(|case| !case.online && !case.offline && !case.ci) {
        assert_eq!(outcome(&case.machine), token(&case.machine), "{}", case.rule);
    }
}

#[test]
fn what_two_checks_come_upon_is_said_once() {
    for case in cases() {
        let diagnosis = diagnose(&case);
        let told: Vec<_> = diagnosis.findings.iter().filter(|finding| finding.level != Level::Ok).collect();
        let titles: BTreeSet<_> = told.iter().map(|finding| &finding.title).collect();
        assert_eq!(titles.len(), told.len(), "{}: {told:#?}", case.rule);
    }
}

#[test]
fn a_home_is_not_needed() {
    let machine = Fake::new();
    for which in [Directory::Home, Directory::Config, Directory::Cache, Directory::Data, Directory::State] {
        machine.unset_directory(which);
    }
    let diagnosis = Doctor::new(Resolver::new(machine.host())).online(true).ci(true).run();
    assert!(found(&diagnosis, "login.no_home").is_some(), "{diagnosis:#?}");
}
