//! What the process apart does to itself.
#![allow(unsafe_code, reason = "the process is ended without the library's last words; see `end`")]

use std::fs::File;
use std::io;

/// Takes standard input and output away from everybody else in this process: there is nothing to read any more, and what is
/// written to standard output goes to standard error.
#[cfg(unix)]
pub(crate) fn take_streams() -> io::Result<(File, File)> {
    use rustix::fs::{Mode, OFlags};
    use rustix::io::fcntl_dupfd_cloexec;

    let input = fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let output = fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    let nothing = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok((input.into(), output.into()))
}

/// As on Unix, as far as the standard handles go. A C library that was loaded before has its own numbers for them.
#[cfg(windows)]
pub(crate) fn take_streams() -> io::Result<(File, File)> {
    use std::os::windows::io::AsHandle;
    let input = io::stdin().as_handle().try_clone_to_owned()?;
    let output = io::stdout().as_handle().try_clone_to_owned()?;
    Ok((input.into(), output.into()))
}

/// Ends the process at once: no function that the library registered for the end of the process runs, nor does a destructor.
pub(crate) fn end(status: i32) -> ! {
    #[cfg(unix)]
    // SAFETY: it has no preconditions; nothing of this process is needed any longer, and what was written is written.
    unsafe {
        libc::_exit(status)
    }
    #[cfg(not(unix))]
    #[allow(clippy::exit, reason = "this process runs a library, and has no more to do")]
    {
        std::process::exit(status)
    }
}
