//! What signals do to this process, and to those that it starts.
#![allow(
    unsafe_code,
    reason = "neither std nor rustix can ask for a disposition, or do something before exec"
)]

#[cfg(target_os = "linux")]
use rustix::process::Signal;

/// Whether a signal is ignored, as whoever started this process may have arranged.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action nothing is changed, and the old one is written where there is room for it.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: it was written where the call succeeded.
    asked == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

/// Has the kernel send `signal` to a program when the thread that starts it ends, which is the end of this process where that
/// thread lives as long as it, however it ends (`prctl(2)`, `PR_SET_PDEATHSIG`).
#[cfg(target_os = "linux")]
pub(crate) fn end_with_this_process(command: &mut std::process::Command, signal: Signal) {
    use std::os::unix::process::CommandExt;

    use rustix::io::Errno;
    use rustix::process::{getpid, getppid, set_parent_process_death_signal};

    let parent = getpid();
    let tie = move || {
        set_parent_process_death_signal(Some(signal))?;
        // It may have ended already.
        if getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH.into()) }
    };
    // SAFETY: between fork and exec it makes two system calls, and neither allocates nor takes a lock.
    unsafe { command.pre_exec(tie) };
}
