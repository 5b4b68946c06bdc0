//! Core dumps: this process has secrets in its memory, and what it starts has not.

#[cfg(unix)]
use std::process::Command;
#[cfg(unix)]
use std::sync::OnceLock;

#[cfg(unix)]
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit that this process began with, where it is another by now.
#[cfg(unix)]
static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// From now on this process leaves no core dump, however it ends. What is started through a [`Host`](ee_auth_core::Host) or by
/// [`run_attached`](crate::run_attached) has the limit that this process began with.
///
/// For the `main` of a program; a library must not change what belongs to the whole process. It costs a system call or two. On
/// Windows it does nothing: there, only an administrator has dumps written (the registry key `LocalDumps`).
pub fn disable_core_dumps() {
    #[cfg(unix)]
    {
        let before = getrlimit(Resource::Core);
        let least = match before.maximum {
            Some(0) => 0,
            _ => u64::from(goes_to_a_program()),
        };
        let lowered = Rlimit { current: Some(least), maximum: before.maximum };
        if before.current != lowered.current && setrlimit(Resource::Core, lowered).is_ok() {
            let _ = BEFORE.set(before);
        }
    }
}

/// Whether the system hands core dumps to a program. Linux calls it whatever the limit is, unless that is 1, by which it tells
/// that it would dump such a program itself (`do_coredump` in fs/coredump.c).
#[cfg(target_os = "linux")]
fn goes_to_a_program() -> bool {
    use rustix::fs::{CWD, Mode, OFlags, openat};

    let mut first = [0];
    let pattern =
        openat(CWD, "/proc/sys/kernel/core_pattern", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    pattern.and_then(|file| rustix::io::read(&file, &mut first)).is_ok() && first == *b"|"
}

#[cfg(all(unix, not(target_os = "linux")))]
fn goes_to_a_program() -> bool {
    false
}

/// Gives a program the limit that this process began with.
#[cfg(unix)]
#[allow(unsafe_code, reason = "std has no other way to set a limit of a program that it starts")]
pub(crate) fn restore_for(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    if let Some(before) = BEFORE.get().copied() {
        let restore = move || Ok(setrlimit(Resource::Core, before)?);
        // SAFETY: between fork and exec it makes one system call, and neither allocates nor takes a lock.
        unsafe { command.pre_exec(restore) };
    }
}
