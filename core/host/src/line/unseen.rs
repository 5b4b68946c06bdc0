//! A terminal that does not show what is typed, and is as it was before in every case: a signal that would end or stop this
//! process is held back until then, as `readpassphrase(3)` does it.
#![allow(unsafe_code, reason = "signals have to go where they went before, and no crate can put that back")]

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use libc::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// What a person, or who hangs up on them, sends. Nobody can wait for SIGKILL and SIGSTOP.
const SIGNALS: [i32; 5] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP];

/// The signal that came, or 0. Whoever takes it out of here sends it on.
static CAUGHT: AtomicI32 = AtomicI32::new(0);

/// Whether there is an [`Unseen`] that will look at [`CAUGHT`].
static HELD_BACK: AtomicBool = AtomicBool::new(false);

/// Held while a terminal hides what is typed: signals belong to the process, so one waits for the other.
static TURN: Mutex<()> = Mutex::new(());

/// Waits until no terminal hides what is typed.
pub(super) fn wait() {
    drop(TURN.lock().unwrap_or_else(PoisonError::into_inner));
}

/// While it lives, the terminal does not show what is typed.
pub(super) struct Unseen<'a> {
    terminal: &'a File,
    before: Termios,
    actions: Vec<(i32, libc::sigaction)>,
    _turn: MutexGuard<'static, ()>,
}

impl<'a> Unseen<'a> {
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] where it was `stopped`; whoever has stopped it and [`wait`]s sees nothing hidden after
    /// that. The system's.
    pub(super) fn begin(terminal: &'a File, stopped: &AtomicBool) -> io::Result<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        if stopped.load(Ordering::Acquire) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let before = tcgetattr(terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        HELD_BACK.store(true, Ordering::SeqCst);
        let actions = SIGNALS.into_iter().filter_map(|signal| Some((signal, hold(signal)?))).collect();
        // From here on dropping it puts everything back.
        let unseen = Self { terminal, before, actions, _turn: turn };
        tcsetattr(terminal, OptionalActions::Drain, &hidden)?;
        Ok(unseen)
    }

    /// Whether a signal waits for this to be dropped.
    pub(super) fn is_interrupted(&self) -> bool {
        CAUGHT.load(Ordering::SeqCst) != 0
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Drain, &self.before);
        for (signal, action) in &self.actions {
            // SAFETY: it is what the system said that it was.
            unsafe { libc::sigaction(*signal, action, std::ptr::null_mut()) };
        }
        HELD_BACK.store(false, Ordering::SeqCst);
        send_on();
    }
}

/// Runs on any thread, and so perhaps a moment after the last look at what it notes.
extern "C" fn note(signal: i32) {
    CAUGHT.store(signal, Ordering::SeqCst);
    if !HELD_BACK.load(Ordering::SeqCst) {
        send_on();
    }
}

/// Sends the signal that was held back where it went before. To this thread, not to the process: another thread could take it
/// when signals are held back again.
fn send_on() {
    let signal = CAUGHT.swap(0, Ordering::SeqCst);
    if signal != 0 {
        // SAFETY: it takes no memory, and may be called in a signal handler.
        unsafe { libc::raise(signal) };
    }
}

/// Notes a signal from now on; what was done with it before. `None` where it is ignored, which it stays.
fn hold(signal: i32) -> Option<libc::sigaction> {
    let mut before = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action nothing is changed, and the old one is written where there is room for it.
    if unsafe { libc::sigaction(signal, std::ptr::null(), before.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: it was written, since the call succeeded.
    let before = unsafe { before.assume_init() };
    if before.sa_sigaction == libc::SIG_IGN {
        return None;
    }
    // SAFETY: all zero is an action without flags and with an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = note as extern "C" fn(i32) as usize;
    // SAFETY: the function stores numbers and raises a signal, which may be done in a signal handler.
    (unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } == 0).then_some(before)
}
