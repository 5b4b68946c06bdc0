//! Whole-process times of the program: what a shell waits for.
//!
//! `cargo bench -p ee-auth-cli --bench program` builds the program with the release profile and runs this. The floor is
//! a process that does nothing, so that what the system charges for a start can be taken off.
#![allow(clippy::disallowed_methods, reason = "a bench starts processes")]
#![allow(missing_docs, reason = "criterion's macros")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use ee_auth_sandbox::{Options, Sandbox};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ee-auth");

/// The program on a machine with nothing of its user's but a home directory.
fn program(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().env("HOME", home).current_dir(home);
    command
}

/// Runs a command to its end; it has to succeed with `status`.
fn run(command: &mut Command, status: i32) {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
}

fn processes(criterion: &mut Criterion) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let google = Sandbox::start(Options::default()).expect("the sandbox starts");
    // Not in the working directory, where it would be a project's file.
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let key = elsewhere.path().join("key.json");
    let config = elsewhere.path().join("ee-auth.toml");
    std::fs::write(&key, google.service_account().key_json()).expect("the key is written");
    std::fs::write(&config, google.config_toml()).expect("the configuration is written");

    let mut group = criterion.benchmark_group("process");
    group.sample_size(100).measurement_time(Duration::from_secs(5));
    group.bench_function("floor: /bin/true", |bencher| bencher.iter(|| run(&mut Command::new("true"), 0)));
    group.bench_function("--version", |bencher| {
        bencher.iter(|| run(&mut program(home.path(), &["--version"]), 0))
    });
    group.bench_function("explain, nothing configured", |bencher| {
        bencher.iter(|| run(&mut program(home.path(), &["explain"]), 4));
    });
    group.bench_function("token, service account, one exchange over loopback http", |bencher| {
        bencher.iter(|| {
            let mut command = program(home.path(), &["token", "--no-cache"]);
            run(command.env("EE_AUTH_CONFIG", &config).env("EE_AUTH_CREDENTIALS", &key), 0);
        });
    });
    group.finish();
}

criterion_group!(benches, processes);
criterion_main!(benches);
