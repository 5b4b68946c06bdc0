//! Bytes as a file that can be loaded and not be changed.

use std::path::PathBuf;

/// A file in memory with these bytes, sealed: nobody can change it, this process included (`memfd_create(2)`,
/// `F_ADD_SEALS`). The path names it for as long as the process lives. `None` where the system has no such files.
#[cfg(target_os = "linux")]
pub(crate) fn sealed(name: &str, bytes: &[u8]) -> Option<PathBuf> {
    use std::io::Write;
    use std::os::fd::{AsRawFd, IntoRawFd};

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = std::fs::File::from(memfd_create(name, flags).ok()?);
    file.write_all(bytes).ok()?;
    fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE).ok()?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    if !path.try_exists().is_ok_and(|there| there) {
        return None;
    }
    // The number must stay this file's: the loader knows libraries by it, and a debugger finds them there.
    let _ = file.into_raw_fd();
    Some(path)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn sealed(_name: &str, _bytes: &[u8]) -> Option<PathBuf> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test of the system's files")]
    fn a_sealed_file_can_be_read_and_not_be_written() {
        let path = sealed("test", b"bytes").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"bytes");
        let written = std::fs::OpenOptions::new().write(true).open(&path).and_then(|mut file| {
            use std::io::Write;
            file.write_all(b"other")
        });
        assert!(written.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"bytes");
    }
}
