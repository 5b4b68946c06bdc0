//! One line from the terminal.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ee_auth_core::Secret;
use zeroize::Zeroizing;

use crate::tasks;

#[cfg(unix)]
mod unseen;

/// Longer than any line that a terminal hands over, in bytes, so that it never grows and leaves a copy behind.
const LONGEST: usize = 1 << 16;

/// Whether the terminal shows what is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    On,
    /// The line break that ends the line is shown all the same.
    #[cfg_attr(windows, allow(dead_code, reason = "it is not known there how"))]
    Off,
}

/// The next line that is typed, without white space around it. Dropping the future stops the reading: what is typed
/// afterwards is somebody else's, and is shown. On Windows the line that is typed next is lost, since its terminals cannot
/// be asked whether there is one.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] where the terminal has ended; the system's.
pub(crate) async fn from_terminal(echo: Echo) -> io::Result<Secret> {
    let guard = Guard(Arc::new(AtomicBool::new(false)), echo);
    let stopped = guard.0.clone();
    tasks::run_blocking(move || read_line(|buffer| system::read(buffer, &stopped, echo))).await?
}

/// Says to the thread that reads that nobody waits for it any more, and waits until the terminal is as it was.
struct Guard(Arc<AtomicBool>, #[cfg_attr(windows, allow(dead_code, reason = "see `Echo`"))] Echo);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
        #[cfg(unix)]
        if self.1 == Echo::Off {
            unseen::wait();
        }
    }
}

/// Reads with `read`, which answers 0 at the end, up to the end of a line.
fn read_line(mut read: impl FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<Secret> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut chunk = Zeroizing::new([0; 4096]);
    loop {
        let count = read(&mut *chunk)?;
        if count == 0 && line.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "there was no answer"));
        }
        // A terminal hands over a line at a time: there is nothing behind its end.
        let read = chunk.get(..count).unwrap_or_default();
        line.extend_from_slice(read);
        if count == 0 || read.contains(&b'\n') {
            break;
        }
        if line.len() + chunk.len() > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long"));
        }
    }
    let line = std::str::from_utf8(&line)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the answer is not UTF-8"))?;
    Ok(Secret::from(line.lines().next().unwrap_or_default().trim()))
}

#[cfg(unix)]
mod system {
    use std::fs::File;
    use std::io::{self, Read};
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;

    use super::Echo;
    use super::unseen::Unseen;

    /// How long the thread may not notice that it was stopped. It takes no line in that time.
    const ROUND: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

    /// The terminal itself and not standard input, of which a buffer may hold lines for somebody else.
    fn terminal() -> io::Result<File> {
        // Apple's poll does not know /dev/tty, but the terminal by its own name.
        #[cfg(target_vendor = "apple")]
        if let Ok(name) = rustix::termios::ttyname(io::stdin(), Vec::new()) {
            return File::open(std::path::Path::new(&*name.to_string_lossy()));
        }
        File::open("/dev/tty")
    }

    pub(super) fn read(buffer: &mut [u8], stopped: &AtomicBool, echo: Echo) -> io::Result<usize> {
        let terminal = terminal()?;
        loop {
            // Given up for each signal, which may stop or end the process, and taken again after it.
            let unseen = (echo == Echo::Off).then(|| Unseen::begin(&terminal, stopped)).transpose()?;
            while !unseen.as_ref().is_some_and(Unseen::is_interrupted) {
                let ready = !stopped.load(Ordering::Acquire)
                    && match poll(&mut [PollFd::new(&terminal, PollFlags::IN)], Some(&ROUND)) {
                        Ok(count) => count > 0,
                        Err(Errno::INTR) => false,
                        Err(error) => return Err(error.into()),
                    };
                if stopped.load(Ordering::Acquire) {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                if ready {
                    return (&terminal).read(buffer);
                }
            }
        }
    }
}

#[cfg(windows)]
mod system {
    use std::fs::File;
    use std::io::{self, Read};
    use std::sync::atomic::AtomicBool;

    use super::Echo;

    pub(super) fn read(buffer: &mut [u8], _stopped: &AtomicBool, _echo: Echo) -> io::Result<usize> {
        File::open("CONIN$")?.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use ee_auth_core::ExposeSecret;

    use super::*;

    fn line(mut bytes: impl Read) -> io::Result<String> {
        read_line(|buffer| bytes.read(buffer)).map(|line| line.expose_secret().to_owned())
    }

    #[test]
    fn an_answer_is_one_line_without_white_space() {
        assert_eq!(line(&b" 4/code \r\n"[..]).unwrap(), "4/code");
        assert_eq!(line(&b"4/code\nmore"[..]).unwrap(), "4/code");
        assert_eq!(line(&b"no end"[..]).unwrap(), "no end");
        assert_eq!(line(&b"\n"[..]).unwrap(), "");
        assert_eq!(line((&b"in "[..]).chain(&b"two\n"[..])).unwrap(), "in two");
        assert_eq!(line(&b""[..]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(line(io::repeat(b'x')).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(line(&b"\xff\n"[..]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
