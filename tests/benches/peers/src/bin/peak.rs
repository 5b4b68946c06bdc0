//! Runs a program and prints the most memory that it had, in bytes. A child is charged with what its parent had when it
//! was started, so the parent is as small as can be.
//!
//! `peak PROGRAM [ARGUMENTS]`

use std::error::Error;
use std::io::Write as _;
use std::process::{Command, Stdio};

use wait4::Wait4 as _;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1);
    let program = words.next().ok_or("which program?")?;
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(write!(std::io::stdout(), "{}", child.wait4()?.rusage.maxrss)?)
}
