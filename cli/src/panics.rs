//! What a person sees of a bug.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{self, PanicHookInfo};
use std::thread;

/// Has a panic reported in words for a person, without a value that the program had: that may be a secret.
pub(crate) fn report() {
    panic::set_hook(Box::new(|panic| {
        // There is nowhere left to say that this failed.
        let _ = std::io::stderr().write_all(message(panic, &Backtrace::capture()).as_bytes());
    }));
}

fn message(panic: &PanicHookInfo<'_>, backtrace: &Backtrace) -> String {
    let mut text = "error: ee-auth has a bug, and stopped what it was doing".to_owned();
    if let Some(place) = panic.location() {
        let _ = write!(text, ": {place}");
    }
    if let Some(name) = thread::current().name().filter(|name| *name != "main") {
        let _ = write!(text, ", thread {name}");
    }
    // Only a text without values is there at compile time; what was put together here may hold anything.
    if let Some(words) = panic.payload().downcast_ref::<&'static str>() {
        let _ = write!(text, "\n  {words}");
    }
    let _ = write!(
        text,
        "\nhelp: report this with the lines above, the command that you ran, and what `ee-auth --version` says; with \
         RUST_BACKTRACE=1 in the environment it prints where it was. Neither shows a secret\n"
    );
    if backtrace.status() == BacktraceStatus::Captured {
        let _ = writeln!(text, "{backtrace}");
    }
    text
}
