//! Log lines on standard error.

use std::str::FromStr;

use ee_auth::{Error, Host, quoted, visible_lines};
use log::{Level, LevelFilter, Metadata, Record};

use crate::arguments::Global;
use crate::output::Output;

/// Starts logging at the level that `-v`, `-q` or `EE_AUTH_LOG` ask for; warnings where nobody asks.
pub(crate) fn start(global: &Global, host: &Host, output: &Output) -> Result<(), Error> {
    let level = match global.verbose {
        _ if global.silent => LevelFilter::Error,
        0 => level_of_variable(host)?.unwrap_or(LevelFilter::Warn),
        1 => LevelFilter::Info,
        2 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    log::set_max_level(level);
    // It can be set once, and here it is.
    let _ = log::set_boxed_logger(Box::new(Logger { output: output.clone() }));
    Ok(())
}

fn level_of_variable(host: &Host) -> Result<Option<LevelFilter>, Error> {
    let Some(text) = ee_auth::host::variable(&*host.environment, "EE_AUTH_LOG") else { return Ok(None) };
    LevelFilter::from_str(&text).map(Some).map_err(|_| {
        Error::invalid("log", format!("EE_AUTH_LOG is {}, which is no level", quoted(&text)))
            .hint("the levels are off, error, warn, info, debug and trace")
    })
}

struct Logger {
    output: Output,
}

impl log::Log for Logger {
    /// Our own crates at any level; others, whose lines may hold what was sent, not below a warning.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ee_auth") || metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = record.args().to_string();
        match record.level() {
            Level::Error => self.output.error(&visible_lines(&text)),
            Level::Warn => self.output.warn(&visible_lines(&text)),
            level => self.output.note(level.as_str(), &visible_lines(&text)),
        }
    }

    fn flush(&self) {}
}
