//! Every row of docs/threat-model.md names a test or a scenario that shows it, and each of them exists.
#![allow(clippy::disallowed_methods, reason = "reads the repository that it tests")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const COLUMN: &str = "shown by";

/// The rows of a page's tables, each with its line number, by their cells.
fn rows(page: &str) -> Vec<(usize, Vec<&str>)> {
    let lines = page.lines().enumerate().filter(|(_, line)| line.starts_with('|'));
    lines.map(|(at, line)| (at + 1, line.trim_matches('|').split('|').map(str::trim).collect())).collect()
}

/// The names in backticks of a cell.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The Rust sources below `directory`, but for what was built.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type()?.is_dir() {
            if name != "target" && !name.to_string_lossy().starts_with('.') {
                sources(&path, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// Whether `source` has a test called `name`: a function, or a trial of a test program without libtest.
fn has_test(source: &str, name: &str) -> bool {
    if source.contains(&format!("Trial::test(\"{name}\"")) {
        return true;
    }
    source.match_indices(&format!("fn {name}()")).any(|(at, _)| {
        let before = source[..at].rsplit("\n\n").next().unwrap_or_default();
        before.contains("test]") || before.contains("test(")
    })
}

#[test]
fn every_row_of_the_threat_model_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let mut files = Vec::new();
    sources(root, &mut files).unwrap();
    let code: Vec<_> = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut faults = Vec::new();
    let mut seen = 0;
    for (line, cells) in rows(&page) {
        let last = *cells.last().unwrap();
        if last == COLUMN || last.chars().all(|c| c == '-') {
            continue;
        }
        if names(last).next().is_none() {
            faults.push(format!("line {line} names no test: {}", cells[0]));
        }
        for name in names(last) {
            seen += 1;
            let is_scenario = root.join("tests/scenarios").join(name).is_dir();
            let is_script = name.contains('/') && root.join(name).is_file();
            if !is_scenario && !is_script && !code.iter().any(|source| has_test(source, name)) {
                faults.push(format!("line {line}: there is no test called {name}"));
            }
        }
    }
    assert!(seen > 0, "the page has no table with tests");
    assert!(faults.is_empty(), "docs/threat-model.md:\n{}", faults.join("\n"));
}
