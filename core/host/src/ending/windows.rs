//! Events of the console that end a process.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ee_auth_core::host::Tasks;
use futures_util::future::select;
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};

use super::list;
use crate::tasks::PrivateThread;

/// How a process ends that somebody ended with Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Listens from now on; whether an event has come.
pub(super) fn listen() -> io::Result<Arc<AtomicBool>> {
    let came = Arc::new(AtomicBool::new(false));
    let note = came.clone();
    PrivateThread.spawn(Box::pin(async {
        let (Ok(mut interrupt), Ok(mut pause), Ok(mut close)) = (ctrl_c(), ctrl_break(), ctrl_close()) else {
            return;
        };
        loop {
            select(pin!(interrupt.recv()), pin!(select(pin!(pause.recv()), pin!(close.recv())))).await;
            note.store(true, Ordering::Release);
            let mut list = list();
            if !list.owned {
                list.undo_all();
                #[allow(clippy::exit, reason = "what the event would have done if nobody had listened")]
                std::process::exit(INTERRUPTED);
            }
        }
    }));
    Ok(came)
}
