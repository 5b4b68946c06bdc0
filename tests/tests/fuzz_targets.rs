//! The fuzzer's targets as ordinary tests: what is in their corpora, and what is made of it by chance.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "the corpora are in files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ee_auth_tests::fuzz::{TARGETS, Target};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// How many inputs are made for each target: this is to end within a minute, and the fuzzer finds more.
const MADE: u32 = 64;
const MOST_FILES: usize = 50;
const MOST_BYTES: u64 = 100 << 10;

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// The names in a directory, without the ends of the files' names.
fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = directory("corpus").join(target.name);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// One of the seeds, cut, joined with another, and with some bytes replaced.
fn made(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let seed = proptest::sample::select(seeds);
    let bytes = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4);
    (seed.clone(), seed, any::<proptest::sample::Index>(), 0..4_u8, bytes).prop_map(
        |(one, two, at, how, bytes)| {
            let at = at.index(one.len() + 1);
            let mut made = match how {
                0 => one[..at].to_vec(),
                1 => [&one[..at], &two[..]].concat(),
                2 => [&one[..at], &two[..], &one[at..]].concat(),
                _ => one,
            };
            for (at, byte) in bytes {
                if !made.is_empty() {
                    let at = at.index(made.len());
                    made[at] = byte;
                }
            }
            made
        },
    )
}

#[test]
fn every_target_has_a_program_and_a_small_corpus() {
    let listed: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names(&directory("fuzz_targets")), listed);
    assert_eq!(names(&directory("corpus")), listed);
    let manifest = fs::read_to_string(directory("Cargo.toml")).unwrap();
    let page = fs::read_to_string(directory("README.md")).unwrap();
    for target in TARGETS {
        let name = target.name;
        assert!(manifest.contains(&format!("name = \"{name}\"")), "Cargo.toml: no program {name}");
        assert!(page.contains(&format!("| `{name}` |")), "README.md: no row for {name}");
        let files = corpus(target);
        let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!((10..=MOST_FILES).contains(&files.len()), "{name}: {} files", files.len());
        assert!(bytes as u64 <= MOST_BYTES, "{name}: {bytes} bytes");
    }
}

#[test]
fn every_corpus_replays() {
    let mut faults = Vec::new();
    for target in TARGETS {
        for (path, bytes) in corpus(target) {
            if std::panic::catch_unwind(|| (target.feed)(&bytes)).is_err() {
                faults.push(path.display().to_string());
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_made_of_a_corpus_by_chance_is_taken_by_every_target() {
    for target in TARGETS {
        let seeds = corpus(target).into_iter().map(|(_, bytes)| bytes).collect();
        let mut runner =
            TestRunner::new(Config { cases: MADE, failure_persistence: None, ..Config::default() });
        let fed = runner.run(&made(seeds), |bytes| {
            (target.feed)(&bytes);
            Ok(())
        });
        if let Err(error) = fed {
            panic!("{}: {error}", target.name);
        }
    }
}
