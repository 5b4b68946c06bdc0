//! Runs every directory in `scenarios/` as a test of its own: `cargo test -p ee-auth-tests --test scenarios NAME`.
#![allow(clippy::disallowed_methods, reason = "a directory is a case")]

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use ee_auth_tests::scenario;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut directories: Vec<_> = fs::read_dir(root)
        .expect("the scenarios are beside the tests")
        .map(|entry| entry.expect("a directory can be read").path())
        .filter(|path| path.is_dir())
        .collect();
    directories.sort();
    let trials = directories.into_iter().map(|directory| {
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Trial::test(name, move || Ok(scenario::run(&directory)?))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
