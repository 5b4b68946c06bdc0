//! Waiting for a command while signals come.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};
use signal_hook::consts::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGWINCH,
};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::{Origin, WithOrigin};
use signal_hook::low_level::siginfo::Cause;

use crate::ending::own_signals;
use crate::signals::is_ignored;

/// What is passed on to the command when it is sent to this process alone.
const PASSED_ON: [i32; 10] =
    [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH, SIGTSTP, SIGCONT];

/// Runs a command to its end: its status, and whether a Ctrl-C at the terminal was that end.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "nothing can be hidden"))]
pub(super) fn run(
    command: &mut Command,
    hidden: Option<&super::HiddenFiles>,
) -> io::Result<(ExitStatus, bool)> {
    // Before the command is there, so that nothing is lost. What is ignored here stays ignored there: a command that was
    // started with nohup, or in the background of a script, counts on it.
    let wanted = PASSED_ON.into_iter().filter(|signal| !is_ignored(*signal)).chain([SIGCHLD]);
    let mut signals = SignalsInfo::<WithOrigin>::new(wanted)?;
    // What came before that ends this process; what comes now, the command.
    own_signals();
    crate::core_dumps::restore_for(command);
    #[cfg(target_os = "linux")]
    if let Some(hidden) = hidden {
        hidden.hide_from(command);
    }
    // After that, which may take the tie away.
    #[cfg(target_os = "linux")]
    crate::signals::end_with_this_process(command, Signal::TERM);
    let child = command.spawn()?.id();
    #[cfg(target_os = "linux")]
    if let Some(hidden) = hidden {
        hidden.keep_hidden_from(child);
    }
    let child = Pid::from_raw(child as i32).ok_or(Errno::SRCH)?;
    let mut pressed = false;
    loop {
        for origin in in_order(signals.wait().collect()) {
            pressed |= is_ctrl_c(&origin);
            if origin.signal != SIGCHLD {
                pass_on(child, &origin);
            } else if let Some(status) = look(child)? {
                pressed |= signals.pending().any(|origin| is_ctrl_c(&origin));
                return Ok((status, pressed && status.signal() == Some(SIGINT)));
            }
        }
    }
}

/// Whether somebody has pressed Ctrl-C: no process has sent this.
fn is_ctrl_c(origin: &Origin) -> bool {
    origin.signal == SIGINT && matches!(origin.cause, Cause::Kernel)
}

/// Signals that came together, in the order in which they are to be dealt with. SIGCONT takes back a stop that has not
/// happened yet (POSIX, "Signal Generation and Delivery"). What has become of the command is looked at last: else a stop that
/// is over by now would stop this process, and nobody would have it go on.
fn in_order(mut signals: Vec<Origin>) -> Vec<Origin> {
    if signals.iter().any(|origin| origin.signal == SIGCONT) {
        signals.retain(|origin| origin.signal != SIGTSTP);
    }
    signals.sort_by_key(|origin| origin.signal == SIGCHLD);
    signals
}

/// Sends a signal to the command, unless it has had it: from the terminal, which sends to the whole process group, or
/// because it has sent it itself, to the group as well.
fn pass_on(child: Pid, origin: &Origin) {
    let from_terminal = matches!(origin.cause, Cause::Kernel);
    let from_child = origin.process.as_ref().is_some_and(|process| process.pid == child.as_raw_pid());
    if from_terminal || from_child {
        return;
    }
    if let Some(signal) = Signal::from_named_raw(origin.signal) {
        // The number is the child's until it has been waited for.
        let _ = kill_process(child, signal);
    }
}

/// What has become of the command: its status, if it has ended. If it has stopped, this process stops too, until both are
/// to go on: whoever started this one sees in it what becomes of the command.
fn look(child: Pid) -> io::Result<Option<ExitStatus>> {
    loop {
        match waitpid(Some(child), WaitOptions::NOHANG | WaitOptions::UNTRACED) {
            Ok(Some((_, status))) if status.stopped() => {
                kill_process(getpid(), Signal::STOP)?;
            }
            Ok(Some((_, status))) => return Ok(Some(ExitStatus::from_raw(status.as_raw()))),
            Ok(None) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
