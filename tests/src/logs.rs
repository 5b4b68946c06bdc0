//! Everything that is logged, kept for whoever asks.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// How many lines there are. The first call begins to keep them, at every level.
pub fn mark() -> usize {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        log::set_logger(&Keep).expect("the tests install no other logger");
        log::set_max_level(LevelFilter::Trace);
    });
    lines().len()
}

/// The lines that were logged since a [`mark`], by any thread: an exchange has one of its own, and what runs beside
/// may not show a secret either.
pub fn since(mark: usize) -> Vec<String> {
    lines()[mark..].to_vec()
}

struct Keep;

impl Log for Keep {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("{} {}: {}", record.level(), record.target(), record.args());
        lines().push(line);
    }

    fn flush(&self) {}
}

fn lines() -> MutexGuard<'static, Vec<String>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}
