use std::io::{self, ErrorKind};

/// What to do where the system refuses because it, or this process, has run out of something: descriptors, threads, memory.
/// `None` for every other error.
///
/// ```
/// use ee_auth_core::host::shortage;
/// let error = std::io::Error::from(std::io::ErrorKind::OutOfMemory);
/// assert!(shortage(&error).is_some_and(|help| help.contains("ulimit -v")));
/// assert_eq!(shortage(&std::io::Error::from(std::io::ErrorKind::NotFound)), None);
/// ```
pub fn shortage(error: &io::Error) -> Option<&'static str> {
    // The same on every Unix; std has no kind for them.
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    match (error.raw_os_error().or_else(|| named(error)), error.kind()) {
        (Some(EMFILE), _) if cfg!(unix) => {
            Some("this process may not open more files: raise the limit with `ulimit -n 256`, or close some")
        }
        (Some(ENFILE), _) if cfg!(unix) => {
            Some("the machine cannot open more files: end programs that have many open")
        }
        (_, ErrorKind::OutOfMemory) => {
            Some("there is not enough memory: raise the limit (`ulimit -v`), or end other programs")
        }
        // What a call that waits for nothing says only where it makes a thread or a process.
        (_, ErrorKind::WouldBlock) => {
            Some("there can be no more threads or processes: raise the limit (`ulimit -u`), or end some")
        }
        _ => None,
    }
}

/// The number of an error to which somebody has added a path, as `tempfile` does, and which is in its text alone by then.
fn named(error: &io::Error) -> Option<i32> {
    let text = error.get_ref()?.to_string();
    let (_, number) = text.split_once("(os error ")?;
    number.split_once(')')?.0.parse().ok()
}
