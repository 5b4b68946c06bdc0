//! What a file is, told from its first bytes, so that a person reads "built for ARM64" and not "wrong ELF class".

/// What a file is that should be a shared library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binary {
    /// `Linux`, `macOS`, `Windows`: the system whose format it has.
    format: &'static str,
    /// The machines that it was built for; more than one in a universal file of macOS.
    machines: Vec<String>,
}

impl Binary {
    /// What begins with these bytes; `None` where it is no program or library of any system.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        elf(bytes).or_else(|| mach_o(bytes)).or_else(|| pe(bytes))
    }

    /// Why this program cannot load it; `None` where it seems that it can.
    pub(crate) fn mismatch(&self) -> Option<String> {
        let (format, machine) = (own_format(), own_machine());
        if self.format == format && self.machines.iter().any(|built| built == machine) {
            return None;
        }
        let machines = self.machines.join(" and ");
        Some(format!(
            "it was built for {} on {machines}, and this program runs on {format} on {machine}",
            self.format
        ))
    }
}

/// Why a file that begins with these bytes is no library that this program can load, for a person; `None` where it seems to be one,
/// or is no program or library of any system.
pub fn foreign_binary(bytes: &[u8]) -> Option<String> {
    if is_cut(bytes) {
        return Some("it breaks off before its end".to_owned());
    }
    Binary::of(bytes)?.mismatch()
}

fn own_format() -> &'static str {
    if cfg!(windows) {
        "Windows"
    } else if cfg!(target_vendor = "apple") {
        "macOS"
    } else {
        "Linux"
    }
}

fn own_machine() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x86-64",
        "aarch64" => "ARM64",
        "arm" => "ARM",
        "riscv64" => "RISC-V 64",
        other => other,
    }
}

/// The ELF header of the System V ABI: class and byte order at 4 and 5, `e_machine` at 18.
fn elf(bytes: &[u8]) -> Option<Binary> {
    if !bytes.starts_with(b"\x7fELF") {
        return None;
    }
    let (class, order) = (bytes.get(4)?, bytes.get(5)?);
    let machine: [u8; 2] = bytes.get(18..20)?.try_into().ok()?;
    let machine = if *order == 2 { u16::from_be_bytes(machine) } else { u16::from_le_bytes(machine) };
    let name = match (machine, class) {
        (62, 2) => "x86-64".to_owned(),
        (62, _) => "x32".to_owned(),
        (3, _) => "x86".to_owned(),
        (183, _) => "ARM64".to_owned(),
        (40, _) => "ARM".to_owned(),
        (243, 2) => "RISC-V 64".to_owned(),
        (22, 2) => "s390x".to_owned(),
        (21, 2) => "powerpc64".to_owned(),
        _ => format!("machine {machine}"),
    };
    Some(Binary { format: "Linux", machines: vec![name] })
}

/// Whether a 64-bit ELF file ends before what its program headers name: reading there, once it is loaded, ends the process.
/// Files of other formats are taken as whole.
pub(crate) fn is_cut(bytes: &[u8]) -> bool {
    const LITTLE_64: &[u8] = b"\x7fELF\x02\x01";
    const LOAD: &[u8] = &[1, 0, 0, 0];
    let number = |at: usize, size: usize| -> Option<usize> {
        let mut number = [0; 8];
        number.get_mut(..size)?.copy_from_slice(bytes.get(at..at.checked_add(size)?)?);
        usize::try_from(u64::from_le_bytes(number)).ok()
    };
    let fits = || {
        let (table, each, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        for i in 0..count {
            let header = table.checked_add(i * each)?;
            if bytes.get(header..header.checked_add(4)?)? == LOAD {
                let end =
                    number(header.checked_add(8)?, 8)?.checked_add(number(header.checked_add(32)?, 8)?)?;
                bytes.get(..end)?;
            }
        }
        Some(())
    };
    bytes.starts_with(LITTLE_64) && fits().is_none()
}

/// The header of `mach-o/loader.h`, or that of a universal file (`mach-o/fat.h`).
fn mach_o(bytes: &[u8]) -> Option<Binary> {
    let little = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let big = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let name = |cpu: u32| match cpu {
        0x0100_0007 => "x86-64".to_owned(),
        0x0100_000c => "ARM64".to_owned(),
        7 => "x86".to_owned(),
        other => format!("machine {other}"),
    };
    let machines = match big(0)? {
        // A class file of Java begins alike, with a version over 40 in the place of the count.
        0xcafe_babe if big(4)? < 20 => {
            (0..big(4)? as usize).map(|i| big(8 + i * 20).map(name)).collect::<Option<_>>()?
        }
        0xcffa_edfe | 0xcefa_edfe => vec![name(little(4)?)],
        _ => return None,
    };
    Some(Binary { format: "macOS", machines })
}

/// The PE header, whose place is at 0x3c, with the machine in its first field.
fn pe(bytes: &[u8]) -> Option<Binary> {
    if !bytes.starts_with(b"MZ") {
        return None;
    }
    let at = u32::from_le_bytes(bytes.get(0x3c..0x40)?.try_into().ok()?) as usize;
    let header = bytes.get(at..at.checked_add(6)?)?.strip_prefix(b"PE\0\0")?;
    let name = match u16::from_le_bytes(header.try_into().ok()?) {
        0x8664 => "x86-64".to_owned(),
        0xaa64 => "ARM64".to_owned(),
        0x014c => "x86".to_owned(),
        other => format!("machine {other}"),
    };
    Some(Binary { format: "Windows", machines: vec![name] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf_of(class: u8, machine: u16) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, 1]);
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes
    }

    #[test]
    fn headers_tell_systems_and_machines() {
        let named = |bytes: &[u8]| {
            let binary = Binary::of(bytes)?;
            Some(format!("{} {}", binary.format, binary.machines.join("+")))
        };
        assert_eq!(named(&elf_of(2, 62)).unwrap(), "Linux x86-64");
        assert_eq!(named(&elf_of(2, 183)).unwrap(), "Linux ARM64");
        assert_eq!(named(&elf_of(1, 3)).unwrap(), "Linux x86");
        assert_eq!(named(&[0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1]).unwrap(), "macOS ARM64");
        let mut pe = vec![0; 0x80];
        pe[..2].copy_from_slice(b"MZ");
        pe[0x3c] = 0x40;
        pe[0x40..0x46].copy_from_slice(b"PE\0\0\x64\x86");
        assert_eq!(named(&pe).unwrap(), "Windows x86-64");
        let mut fat = vec![0; 48];
        fat[..8].copy_from_slice(&[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 2]);
        fat[8..12].copy_from_slice(&0x0100_0007_u32.to_be_bytes());
        fat[28..32].copy_from_slice(&0x0100_000c_u32.to_be_bytes());
        assert_eq!(named(&fat).unwrap(), "macOS x86-64+ARM64");
        for other in
            [&b""[..], b"#!/bin/sh\n", b"\x7fELF", b"MZ", b"!<arch>\n", b"\xca\xfe\xba\xbe\0\0\0\x41"]
        {
            assert_eq!(named(other), None);
        }
        fat.truncate(20);
        assert_eq!(named(&fat), None);
    }

    #[test]
    fn a_file_that_ends_too_soon_is_cut() {
        let mut bytes = elf_of(2, 62);
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = 1;
        let mut header = vec![0; 56];
        header[0] = 1;
        header[32] = 200;
        assert!(is_cut(&bytes));
        bytes.extend(header);
        assert!(is_cut(&bytes));
        bytes.resize(200, 0);
        assert!(!is_cut(&bytes) && is_cut(&bytes[..199]));
        bytes[32..40].fill(0xff);
        assert!(is_cut(&bytes));
        assert!(!is_cut(b"MZ"));
    }

    #[test]
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    fn a_mismatch_says_both_sides() {
        assert_eq!(Binary::of(&elf_of(2, 62)).unwrap().mismatch(), None);
        assert_eq!(
            Binary::of(&elf_of(2, 183)).unwrap().mismatch().unwrap(),
            "it was built for Linux on ARM64, and this program runs on Linux on x86-64"
        );
    }
}
