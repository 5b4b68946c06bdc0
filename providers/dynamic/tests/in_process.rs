//! Libraries in this process.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests look at files and clocks")]

mod support;

use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ee_auth_core::Provider;
use support::{Libraries, Table, has};

/// A library of its own: what it remembers is its own too.
fn library(libraries: &Libraries, name: &str, more: &[&str]) -> Table {
    let mut flags = vec![format!("-DTEST_{name}")];
    flags.extend(more.iter().map(ToString::to_string));
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    // A name that differs is not enough: libraries are known by their bytes.
    let unique = format!("-DTHREAD_SAFE=\"false, \\\"test\\\": \\\"{name}\\\"\"");
    let flags = if more.is_empty() { [flags, vec![unique.as_str()]].concat() } else { flags };
    Table::new(&libraries.odd(&flags)).in_process()
}

#[track_caller]
fn same(outcome: &str, code: &str, words: &str) {
    assert!(outcome.starts_with(code) && outcome.contains(words), "{outcome}");
}

macro_rules! need_a_compiler {
    () => {
        if !has("cc") {
            return;
        }
    };
}

#[test]
fn answers_are_taken_and_checked() {
    need_a_compiler!();
    let libraries = Libraries::new();
    let table = library(&libraries, "answers", &[]);
    for (does, code, words) in [
        ("nothing", "token plain-token", ""),
        ("deadline", "token fine", ""),
        ("leak", "token after-a-leak", ""),
        ("silent", "protocol.silent", "it answered nothing"),
        ("two", "protocol.two_answers", "more than once"),
        ("event_first", "token after-an-event", ""),
        ("utf8", "protocol.encoding", "not UTF-8"),
        ("garbage", "protocol.malformed", "not JSON"),
        ("half", "protocol.truncated", "breaks off"),
        ("huge", "protocol.too_large", "1048577 bytes"),
        ("null", "protocol.size", "no place"),
        ("no_token", "protocol.no_token", "gives no `access_token`"),
        ("expired", "protocol.expired", "expired already"),
        ("wrong_status", "protocol.status", "EEA_OK in place of EEA_FAILED"),
        ("internal", "protocol.status", "EEA_INTERNAL"),
        ("status", "protocol.status", "99"),
        ("not_found", "skipped not_found", "odd says: nothing in here"),
        ("create_fails", "invalid.plugin", "odd says: `tenant` is missing"),
        ("create_silent", "protocol.silent", "answered nothing"),
        ("create_beyond", "protocol.memory", "beyond the room"),
        ("no_call", "protocol.instance", "`call` NULL"),
        ("no_destroy", "token plain-token", ""),
        ("services", "token services-work", ""),
        ("log", "token logged", ""),
    ] {
        same(&table.clone().does(does).outcome(), code, words);
    }
}

#[test]
fn an_instance_is_made_once_and_destroyed_once() {
    need_a_compiler!();
    let libraries = Libraries::new();
    let table = library(&libraries, "instances", &[]).does("counts");
    let first = table.provider();
    assert_eq!(table.ask(&first), "token made-1-destroyed-0");
    assert_eq!(table.ask(&first), "token made-1-destroyed-0");
    let second = table.provider();
    assert_eq!(table.ask(&second), "token made-2-destroyed-0");
    drop(first);
    assert_eq!(table.ask(&second), "token made-2-destroyed-1");
}

#[test]
fn a_call_past_its_deadline_is_abandoned_and_its_instance_with_it() {
    need_a_compiler!();
    let libraries = Libraries::new();
    let table = library(&libraries, "deadlines", &[]);
    let late = table.clone().does("late").timeout(Duration::from_millis(200));
    let started = Instant::now();
    let provider = late.provider();
    same(&late.ask(&provider), "protocol.timeout", "did not answer within 0.2 s, and was stopped");
    assert!(started.elapsed() < Duration::from_secs(3));
    drop(provider);
    // The plugin goes on writing, to nobody. It is over when it has said so; nothing of it was taken or destroyed.
    let counts = table.clone().does("counts");
    let provider = counts.provider();
    assert_eq!(counts.ask(&provider), "token made-2-destroyed-0");
    assert_eq!(counts.ask(&provider), "token made-2-destroyed-0");
}

#[test]
fn a_library_that_hangs_again_and_again_is_given_up() {
    need_a_compiler!();
    let libraries = Libraries::new();
    let table = library(&libraries, "hanging", &[]).does("loop").timeout(Duration::from_millis(50));
    let provider = table.provider();
    for _ in 0..4 {
        same(&table.ask(&provider), "protocol.timeout", "did not answer within");
    }
    same(&table.ask(&provider), "protocol.timeout", "it is not asked again in this process");
    let create = library(&libraries, "creating", &[]).does("create_loops").timeout(Duration::from_millis(50));
    let provider = create.provider();
    same(&create.ask(&provider), "protocol.timeout", "did not answer within");
    same(&create.ask(&provider), "protocol.timeout", "it is not asked again in this process");
}

#[test]
fn a_sink_that_is_used_after_its_call_takes_nothing() {
    need_a_compiler!();
    let libraries = Libraries::new();
    let table = library(&libraries, "sinks", &[]);
    assert_eq!(table.clone().does("after").outcome(), "token in-time");
    assert_eq!(table.does("again").outcome(), "token again");
}

fn at_once(table: &Table) -> Vec<String> {
    let provider: Arc<dyn Provider> = table.provider();
    let ask = |_| {
        let (table, provider) = (table.clone(), provider.clone());
        thread::spawn(move || table.ask(&provider))
    };
    let threads: Vec<_> = (0..4).map(ask).collect();
    threads.into_iter().map(|thread| thread.join().expect("it asks")).collect()
}

#[test]
fn calls_take_turns_unless_the_plugin_is_thread_safe() {
    need_a_compiler!();
    let libraries = Libraries::new();
    let turns = library(&libraries, "turns", &[]).does("turns");
    assert_eq!(at_once(&turns), vec!["token at-once-one"; 4]);
    let together = library(&libraries, "together", &["-DTHREAD_SAFE=\"true\""]).does("turns");
    let outcomes = at_once(&together);
    assert!(outcomes.contains(&"token at-once-many".to_owned()), "{outcomes:?}");
}

#[test]
fn versions_that_differ_go_on_or_are_refused() {
    need_a_compiler!();
    let libraries = Libraries::new();
    for (flags, code) in [
        (&["-DMINOR=7"][..], "token plain-token"),
        (&["-DLARGER"], "token plain-token"),
        (&["-DPROVIDER_SIZE=128"], "token plain-token"),
        (&["-DMAJOR=2"], "protocol.version"),
        (&["-DSYMBOL=eea_plugin_v2"], "protocol.version"),
        (&["-DSYMBOL=other"], "protocol.symbol"),
        (&["-DMAGIC={1,2,3,4,5,6,7,8}"], "protocol.magic"),
        (&["-DENTRY_SIZE=24"], "protocol.size"),
        (&["-DPROVIDER_SIZE=0"], "protocol.size"),
        (&["-DPROVIDER_SIZE=257"], "protocol.size"),
        (&["-DMANIFEST=\"\""], "protocol.manifest"),
    ] {
        same(&Table::new(&libraries.odd(flags)).in_process().outcome(), code, "");
    }
}

#[test]
fn files_that_are_no_libraries_for_this_machine_are_said_to_be_so() {
    need_a_compiler!();
    let libraries = Libraries::new();
    let put = |name: &str, bytes: &[u8]| {
        let path = libraries.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Table::new(&path).in_process().outcome()
    };
    let good = std::fs::read(libraries.odd(&[])).unwrap();
    let mut foreign = good.clone();
    let other: u16 = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    foreign[18..20].copy_from_slice(&other.to_le_bytes());
    if cfg!(target_os = "linux") {
        same(&put("foreign.so", &foreign), "invalid.architecture", "it was built for Linux on");
    }
    let mut windows = vec![0; 0x80];
    windows[..2].copy_from_slice(b"MZ");
    windows[0x3c] = 0x40;
    windows[0x40..0x46].copy_from_slice(b"PE\0\0\x64\x86");
    same(&put("foreign.dll", &windows), "invalid.architecture", "built for Windows on x86-64");
    same(&put("text.so", b"#!/bin/sh\n"), "invalid.library", "not a shared library");
    same(&put("empty.so", b""), "invalid.library", "not a shared library");
    same(&put("cut.so", &good[..good.len() / 3]), "invalid.library", "breaks off");
    let source = libraries.path().join("needs.c");
    std::fs::write(&source, "extern void not_there(void); void f(void) { not_there(); }").unwrap();
    let needs = libraries.path().join("needs.so");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&needs, &source]).status();
    // Elsewhere the linker says it already.
    if cfg!(target_os = "linux") && built.is_ok_and(|status| status.success()) {
        same(
            &Table::new(&needs).in_process().outcome(),
            "invalid.link",
            "load it: needs.so: undefined symbol",
        );
    }
    let nothing = libraries.path().join("nothing.so");
    same(&Table::new(&nothing).in_process().outcome(), "invalid.no_such_file", "");
}

#[test]
fn a_table_that_cannot_be_right_is_refused() {
    use ee_auth_core::{OptionValue, Options};
    let build = |set: &[(&str, &str)]| {
        let mut options = Options::default();
        for (name, value) in set {
            let value = if *name == "path" {
                OptionValue::Path(value.into())
            } else {
                OptionValue::String((*value).to_owned())
            };
            options.set(*name, value);
        }
        (ee_auth_dynamic::KIND.build)("odd", &options).map(|_| ()).unwrap_err().code()
    };
    let pin = "0".repeat(64);
    assert_eq!(build(&[]), "invalid.missing_option");
    assert_eq!(build(&[("path", "/x.so")]), "invalid.missing_option");
    assert_eq!(build(&[("path", "/x.so"), ("sha256", "abc")]), "invalid.sha256");
    assert_eq!(build(&[("path", "/x.so"), ("sha256", &pin), ("isolation", "none")]), "invalid.isolation");
}
