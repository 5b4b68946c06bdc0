//! Telling machines apart that share a home directory.

use std::path::Path;

use ee_auth_core::host::Host;

/// The kernel's name for the time since it was started: no two machines have the same, and all containers of one machine
/// do. Only Linux has it.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The name of the file of `digest` on this machine: `DIGEST.BOOT.ENDING`; where a machine has no name, `DIGEST.ENDING`.
pub(crate) fn file_name(host: &Host, digest: &str, ending: &str) -> String {
    let boot = host.files.read(Path::new(BOOT_ID), 64).ok();
    let boot = boot.as_ref().and_then(|read| std::str::from_utf8(&read.bytes).ok()).map(str::trim);
    match boot.filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')) {
        Some(boot) => format!("{digest}.{boot}.{ending}"),
        None => format!("{digest}.{ending}"),
    }
}
