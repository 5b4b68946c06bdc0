//! Libraries in a process of their own: whatever they do there is an error of theirs and no more.
//!
//! This program is also the process apart: it is run by itself under the command's name.
#![cfg_attr(not(unix), allow(unused))]
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests look at files and clocks")]

mod support;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ee_auth_core::OptionValue;
use libtest_mimic::{Arguments, Trial};
use support::{Libraries, Table, has};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let [_, command, path, pin] = &arguments[..] {
        if command == ee_auth_dynamic::COMMAND {
            ee_auth_dynamic::serve(&ee_auth_host::system(), &PathBuf::from(path), &pin.to_string_lossy());
        }
    }
    let mut trials = Vec::new();
    // Until the last of them has ended.
    let libraries = Arc::new(Libraries::new());
    if cfg!(unix) && has("cc") {
        let library = libraries.odd(&[]);
        for (does, expected) in CASES {
            let table = Table::new(&library).isolated().does(does).timeout(deadline(does));
            trials.push(Trial::test(*does, move || same(&table.outcome(), expected)));
        }
        let kept = libraries.clone();
        trials.push(Trial::test("no_program", move || {
            let outcome = Table::new(&kept.odd(&[])).outcome();
            same(&outcome, "untrusted.plugins_host: …`plugins.host` does not say which program is ee-auth")
        }));
        let kept = libraries.clone();
        trials.push(Trial::test("environment_is_cleared", move || {
            let table = Table::new(&kept.odd(&[])).isolated().does("environment");
            // Cargo sets both for this test; one of them is named.
            let named = OptionValue::Strings(vec!["CARGO_PKG_NAME".to_owned()]);
            same(&table.with("env", named).outcome(), "token named-ee-auth-dynamic-other-unset")
        }));
        let kept = libraries.clone();
        trials.push(Trial::test("loader_is_not_told_what_to_load", move || {
            let named = OptionValue::Strings(vec!["LD_PRELOAD".to_owned()]);
            let table = Table::new(&kept.odd(&[])).isolated().with("env", named);
            same(&table.outcome(), "invalid.env: …`env` names LD_PRELOAD")
        }));
        let kept = libraries.clone();
        trials.push(Trial::test("a_deadline_is_kept", move || {
            let started = Instant::now();
            let table =
                Table::new(&kept.odd(&[])).isolated().does("spin").timeout(Duration::from_millis(300));
            same(&table.outcome(), "protocol.timeout: …did not answer within 0.3 s, and was stopped")?;
            // The process is gone, not abandoned.
            assert!(started.elapsed() < Duration::from_secs(4));
            Ok(())
        }));
        let kept = libraries.clone();
        trials.push(Trial::test("replaced_file_is_not_run", move || {
            let path = kept.path().join("replaced.so");
            std::fs::copy(kept.odd(&[]), &path).unwrap();
            let table = Table::new(&path).isolated();
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.push(0);
            std::fs::write(&path, bytes).unwrap();
            same(&table.outcome(), "untrusted.sha256: …it is not the file that was pinned…nothing was run")
        }));
        for (name, flags, expected) in EXPORTS {
            let table = Table::new(&libraries.odd(flags)).isolated();
            trials.push(Trial::test(*name, move || same(&table.outcome(), expected)));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn deadline(does: &str) -> Duration {
    if ["loop", "spin", "create_loops", "late"].contains(&does) {
        Duration::from_millis(400)
    } else {
        Duration::from_secs(20)
    }
}

/// Whether `outcome` has the parts of `expected`, which stand around `…`, in their order; the first one at its beginning.
fn same(outcome: &str, expected: &str) -> Result<(), libtest_mimic::Failed> {
    let mut rest = outcome;
    for (i, part) in expected.split('…').enumerate() {
        let at = rest.find(part).filter(|at| i > 0 || *at == 0);
        let Some(at) = at else { return Err(format!("expected: {expected}\n     got: {outcome}").into()) };
        rest = &rest[at + part.len()..];
    }
    Ok(())
}

/// What a library does, and what is said of it.
const CASES: &[(&str, &str)] = &[
    ("nothing", "token plain-token"),
    ("segfault", "protocol.crash: odd: it crashed: a signal ended its process"),
    ("abort", "protocol.crash: …it crashed"),
    ("stderr", "protocol.crash: …it crashed…it wrote: cannot find the frobnicator"),
    ("exit", "protocol.exit: …it ended its process (exit status 0) before it answered"),
    ("loop", "protocol.timeout: …it did not answer within 0.4 s, and was stopped"),
    ("spin", "protocol.timeout: …it did not answer within 0.4 s"),
    ("late", "protocol.timeout: …it did not answer within 0.4 s"),
    ("create_loops", "protocol.timeout: …it did not answer within 0.4 s"),
    ("stdout", "token the-real-one"),
    ("leak", "token after-a-leak"),
    ("silent", "protocol.silent: …it answered nothing"),
    ("fault", "protocol.silent: …it answered a `fault`, which is no answer"),
    ("two", "protocol.two_answers: …it answered more than once"),
    ("event_first", "token after-an-event"),
    ("utf8", "protocol.encoding: …its answer is not UTF-8 text"),
    ("garbage", "protocol.malformed: …its answer is not JSON"),
    ("half", "protocol.truncated: …its answer breaks off before its end"),
    ("huge", "protocol.too_large: …it wrote a message of 1048577 bytes"),
    ("null", "protocol.size: …a text that has a length and no place"),
    ("no_token", "protocol.no_token: …it reports a success and gives no `access_token`"),
    ("expired", "protocol.expired: …the token in its answer has expired already"),
    ("wrong_status", "protocol.status: …its answer is a failure, and it ended with EEA_OK"),
    ("internal", "protocol.status: …it ended with EEA_INTERNAL"),
    ("status", "protocol.status: …it ended with 99, which is no status"),
    ("not_found", "skipped not_found: odd says: nothing in here"),
    ("create_fails", "invalid.plugin: odd says: `tenant` is missing"),
    ("create_silent", "protocol.silent: …it answered nothing"),
    ("create_beyond", "protocol.memory: …wrote beyond the room"),
    ("no_call", "protocol.instance: …left `call` NULL"),
    ("no_destroy", "token plain-token"),
    ("services", "token services-work"),
    ("log", "token logged"),
    ("deadline", "token fine"),
];

/// What a library exports, and what is said of it.
const EXPORTS: &[(&str, &[&str], &str)] = &[
    ("minor_newer", &["-DMINOR=7"], "token plain-token"),
    (
        "major_newer",
        &["-DMAJOR=2"],
        "protocol.version: …its `abi_major` is 2, and that of `eea_plugin_v1` is 1",
    ),
    ("major_older", &["-DMAJOR=0"], "protocol.version: …its `abi_major` is 0"),
    (
        "symbol_newer",
        &["-DSYMBOL=eea_plugin_v2"],
        "protocol.version: …it was made for version 2 of the plugin interface",
    ),
    ("symbol_missing", &["-DSYMBOL=eea_plugin"], "protocol.symbol: …it does not export `eea_plugin_v1`"),
    (
        "magic",
        &["-DMAGIC={'E','E','A','U','T','H','P','X'}"],
        "protocol.magic: …does not begin with EEA_MAGIC",
    ),
    (
        "entry_smaller",
        &["-DENTRY_SIZE=24"],
        "protocol.size: …its `eea_entry` has 24 bytes, and version 1.0 has 48",
    ),
    ("entry_larger", &["-DLARGER"], "token plain-token"),
    ("provider_smaller", &["-DPROVIDER_SIZE=16"], "protocol.size: …its `eea_provider` has 16 bytes"),
    ("provider_larger", &["-DPROVIDER_SIZE=128"], "token plain-token"),
    ("provider_too_large", &["-DPROVIDER_SIZE=512"], "protocol.size: …its `eea_provider` has 512 bytes"),
    ("manifest_no_json", &["-DMANIFEST=\"x\""], "protocol.manifest: …its manifest is not as it must be"),
    (
        "manifest_no_ops",
        &["-DMANIFEST=\"{\\\"name\\\":\\\"x\\\"}\""],
        "protocol.manifest: …its manifest has no `ops`",
    ),
];
