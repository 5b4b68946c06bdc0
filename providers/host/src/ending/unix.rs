//! Signals that end a process.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::list;
use crate::signals::is_ignored;

/// What a person, a supervisor or a terminal that goes away sends. SIGQUIT asks for an image of the process as it is.
const ENDING: [i32; 3] = [SIGHUP, SIGINT, SIGTERM];

/// Listens from now on. What is ignored stays so: a program that was started with nohup counts on it.
pub(super) fn listen() -> io::Result<()> {
    let mut signals = Signals::new(ENDING.into_iter().filter(|signal| !is_ignored(*signal)))?;
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
    thread::Builder::new().name("ee-auth signals".to_owned()).spawn(wait).map(drop)
}
