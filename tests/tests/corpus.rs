//! What the fuzzer begins with, as ordinary tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ee_auth_plugin_host::{Answer, Manifest, Op};
use ee_auth_tests::fuzz;

/// The files of a target's corpus, by name.
#[allow(clippy::disallowed_methods, reason = "the corpus is in files")]
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files: Vec<_> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("it can be read"))
        })
        .collect();
    assert!(files.iter().any(|(name, _)| name.starts_with("good")), "{target}: nothing is accepted");
    assert!(files.iter().any(|(name, _)| name.starts_with("bad")), "{target}: nothing is refused");
    files
}

/// Runs a target on its corpus; what is accepted must be what its name says.
fn run(target: &str, feed: fn(&[u8]), accepts: fn(&[u8]) -> bool) {
    for (name, bytes) in corpus(target) {
        feed(&bytes);
        if name.starts_with("good") || name.starts_with("bad") {
            assert_eq!(accepts(&bytes), name.starts_with("good"), "{target}/{name}");
        }
    }
}

#[test]
fn plugin_answers() {
    run("plugin_answer", fuzz::plugin_answer, |bytes| {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Answer::parse(Op::Get, bytes, now).is_ok()
    });
}

#[test]
fn plugin_manifests() {
    run("plugin_manifest", fuzz::plugin_manifest, |bytes| Manifest::parse(bytes).is_ok());
}
