//! Signals that end a process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::list;
use crate::signals::is_ignored;

/// What a person, a supervisor or a terminal that goes away sends. SIGQUIT is for whoever wants to see what the process leaves.
const ENDING: [i32; 3] = [SIGHUP, SIGINT, SIGTERM];

/// Listens from now on; whether a signal has come, which is known as soon as it comes. What is ignored stays so: a program
/// that was started with nohup counts on it.
pub(super) fn listen() -> io::Result<Arc<AtomicBool>> {
    let wanted: Vec<_> = ENDING.into_iter().filter(|signal| !is_ignored(*signal)).collect();
    let came = Arc::new(AtomicBool::new(false));
    for signal in &wanted {
        flag::register(*signal, came.clone())?;
    }
    let mut signals = Signals::new(wanted)?;
    let wait = move || {
        for signal in signals.forever() {
            // Held to the end of the process: whoever is about to make or undo something waits for that.
            let mut list = list();
            if list.owned {
                continue;
            }
            list.undo_all();
            // The signal ends this process, and whoever waits for it sees that.
            let _ = emulate_default_handler(signal);
        }
    };
    thread::Builder::new().name("ee-auth signals".to_owned()).spawn(wait)?;
    Ok(came)
}
