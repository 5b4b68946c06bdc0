//! The codes that ship with ee-auth are variants of `Detail`, so that a caller can match on each.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "reads the repository that it tests")]

use std::fs;
use std::path::{Path, PathBuf};

use ee_auth_core::{Code, Detail};
use serde_json::Value;

/// What a literal that names a detail stands behind.
const CALLS: [&str; 4] = ["Error::invalid(", "Error::rejected(", "Error::unavailable(", "Error::untrusted("];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files below `directory` with this extension that are in a directory `within`.
fn files(directory: &Path, extension: &str, within: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if !["target", "node_modules"].contains(&&*name.to_string_lossy())
                && !name.to_string_lossy().starts_with('.')
            {
                files(&path, extension, within, found);
            }
        } else if path.extension().is_some_and(|own| own == extension)
            && path.components().any(|part| part.as_os_str() == within)
        {
            found.push(path);
        }
    }
}

/// The literals that are the first argument of one of [`CALLS`].
fn literals(source: &str) -> Vec<&str> {
    let rests = CALLS.iter().flat_map(|call| source.split(call).skip(1));
    rests.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next()).collect()
}

fn is_named(name: &str) -> bool {
    name.is_empty() || name.starts_with("plugin.") || Detail::ALL.iter().any(|detail| detail.name() == name)
}

#[test]
fn every_detail_in_the_source_has_a_variant() {
    let mut sources = Vec::new();
    for member in ["cli", "config", "core", "providers"] {
        files(&root().join(member), "rs", "src", &mut sources);
    }
    let mut count = 0;
    let mut unnamed = Vec::new();
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        // Providers that do not ship are made up in tests.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for name in literals(text) {
            count += 1;
            if !is_named(name) {
                unnamed.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(count > 100, "{count} literals were found");
    assert!(unnamed.is_empty(), "{}", unnamed.join("\n"));
}

#[test]
fn every_code_that_a_scenario_expects_has_a_variant() {
    let mut cases = Vec::new();
    files(&root().join("tests/scenarios"), "json", "scenarios", &mut cases);
    let mut count = 0;
    for path in cases.into_iter().filter(|path| path.ends_with("case.json")) {
        let case: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let Some(code) = case["expect"]["code"].as_str() else { continue };
        count += 1;
        let code: Code = code.parse().unwrap();
        let name = code.detail().map_or("", Detail::name);
        assert!(is_named(name), "{}: {code}", path.display());
    }
    assert!(count > 100, "{count} codes were found");
}

#[test]
fn a_literal_is_found_on_the_next_line_too() {
    assert_eq!(literals("Error::invalid(\n    \"x\", y) Error::rejected(z, \"w\")"), ["x"]);
}
