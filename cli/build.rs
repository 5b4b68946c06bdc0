//! How the program is linked, on Linux with glibc: so that it starts soon. `docs/performance.md` has what each is worth.
#![allow(clippy::disallowed_methods, reason = "a build script asks Cargo, the compiler and the system")]
#![allow(clippy::print_stdout, reason = "that is how it speaks to Cargo")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the parts of the program lie, but for its functions; and those, in their order. `layout/record` makes the list.
const LAYOUT: &str = include_str!("layout/program.ld");
const FUNCTIONS: &str = include_str!("layout/functions.txt");
/// Set to anything, it leaves the layout to the linker, as `layout/record` needs it.
const NO_LAYOUT: &str = "EE_AUTH_NO_LAYOUT";

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={NO_LAYOUT}");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let is_native = env::var_os("HOST") == env::var_os("TARGET");
    if !is_native || !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return Ok(());
    }
    link_unwinder();
    // The list was recorded on x86_64.
    let is_wanted = is("PROFILE", "release") && env::var_os(NO_LAYOUT).is_none();
    if is_wanted && is("CARGO_CFG_TARGET_ARCH", "x86_64") && knows_scripts() {
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
///
/// The C compiler's linker is asked. rustc brings an LLD of its own in its place where it prefers that.
fn knows_scripts() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let is_chosen = env::var_os("RUSTC_LINKER").is_some() || flags.contains("link");
    let version = answer("cc", &["-Wl,--version"]).unwrap_or_default();
    !is_chosen && ["GNU ld", "LLD", "Debian LLD", "Ubuntu LLD"].iter().any(|name| version.starts_with(name))
}

/// What a start needs lies side by side in the file.
///
/// # Errors
/// The linker script cannot be written.
fn lay_out() -> Result<(), String> {
    // A function that LLVM has more than one of has a number at the end of its name.
    let sections = FUNCTIONS.lines().map(|name| format!("*(.text*.{name} .text*.{name}.[0-9]*)\n"));
    let script = LAYOUT.replace("INCLUDE functions.txt", &sections.collect::<String>());
    let path = PathBuf::from(env::var_os("OUT_DIR").ok_or("Cargo says no OUT_DIR")?).join("program.ld");
    fs::write(&path, script).map_err(|error| format!("{}: {error}", path.display()))?;

    let link_with = |argument: &str| println!("cargo::rustc-link-arg-bin=ee-auth={argument}");
    link_with("-T");
    link_with(&path.display().to_string());
    if glibc().is_some_and(|version| version >= (2, 36)) {
        // What the dynamic loader has to relocate, in a tenth of the room. The program then needs glibc 2.36: release builds
        // are made on the oldest system that they are for.
        link_with("-Wl,-z,pack-relative-relocs");
    }
    Ok(())
}

/// The version of the C library here.
fn glibc() -> Option<(u32, u32)> {
    let version = answer("getconf", &["GNU_LIBC_VERSION"])?;
    let (major, minor) = version.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// What a program prints.
fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    String::from_utf8(Command::new(program).args(arguments).output().ok()?.stdout).ok()
}
