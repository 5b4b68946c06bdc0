//! How the program is linked, on Linux with glibc: so that it starts soon. `docs/performance.md` has what each is worth.
#![allow(clippy::disallowed_methods, reason = "a build script asks Cargo, the compiler and the system")]
#![allow(clippy::print_stdout, reason = "that is how it speaks to Cargo")]

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=layout");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let is_native = env::var_os("HOST") == env::var_os("TARGET");
    if !is_native || !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return Ok(());
    }
    link_unwinder();
    // The functions have been recorded there.
    if is("CARGO_CFG_TARGET_ARCH", "x86_64") && is("PROFILE", "release") && knows_scripts() {
        lay_out()?;
    }
    Ok(())
}

/// What unwinds the stack becomes part of the program, where the compiler has it as an archive.
///
/// It is else a shared library of its own, libgcc_s, and looking for that, mapping and binding it is a tenth of what
/// `ee-auth token` takes with a token that is kept.
fn link_unwinder() {
    // Without the archive the compiler says its bare name.
    let path = answer("cc", &["-print-file-name=libgcc_eh.a"]);
    if path.is_some_and(|path| Path::new(path.trim()).is_absolute()) {
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}

/// Whether the linker is GNU ld or LLD: another that somebody has chosen may know neither linker scripts nor what is in ours.
fn knows_scripts() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let is_chosen = env::var_os("RUSTC_LINKER").is_some() || flags.contains("link");
    let version = answer("cc", &["-Wl,--version"]).unwrap_or_default();
    !is_chosen && ["GNU ld", "LLD", "Debian LLD", "Ubuntu LLD"].iter().any(|name| version.starts_with(name))
}

/// What a start needs lies side by side in the file.
///
/// # Errors
/// The list of functions cannot be read or written.
fn lay_out() -> io::Result<()> {
    let layout = Path::new(env!("CARGO_MANIFEST_DIR")).join("layout");
    let made = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    // A function that LLVM has more than one of has a number at the end of its name.
    let functions = fs::read_to_string(layout.join("functions.txt"))?;
    let sections = functions.lines().map(|name| format!("*(.text*.{name} .text*.{name}.[0-9]*)\n"));
    fs::write(made.join("functions.ld"), sections.collect::<String>())?;

    let argument = |argument: &str| println!("cargo::rustc-link-arg-bin=ee-auth={argument}");
    argument(&format!("-L{}", made.display()));
    argument("-T");
    argument(&layout.join("program.ld").display().to_string());
    if glibc().is_some_and(|version| version >= (2, 36)) {
        // What the dynamic loader has to relocate, in a tenth of the room. Before 2.36 it does not know that form.
        argument("-Wl,-z,pack-relative-relocs");
    }
    Ok(())
}

/// The version of the system's C library, which is the oldest that the program will run with.
fn glibc() -> Option<(u32, u32)> {
    let version = answer("getconf", &["GNU_LIBC_VERSION"])?;
    let (major, minor) = version.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// What a program prints.
fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    String::from_utf8(Command::new(program).args(arguments).output().ok()?.stdout).ok()
}
