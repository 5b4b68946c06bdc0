//! Links what unwinds the stack into the program, where the C library is glibc and the compiler has it as an archive.
//!
//! It is else a shared library of its own, libgcc_s, and looking for that, mapping and binding it is a tenth of what
//! `ee-auth token` takes with a token that is kept.
#![allow(clippy::disallowed_methods, reason = "a build script asks Cargo and the compiler")]
#![allow(clippy::print_stdout, reason = "that is how it speaks to Cargo")]

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let is_native = env::var_os("HOST") == env::var_os("TARGET");
    if !is_native || !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    // Without the archive the compiler says its bare name.
    let asked = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    let path = asked.ok().and_then(|answer| String::from_utf8(answer.stdout).ok()).map(PathBuf::from);
    if path.is_some_and(|path| path.is_absolute()) {
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}
