//! The floor of a token that is kept: a program that reads one file and prints it.
//!
//! `floor_read FILE`

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    let path = std::env::args_os().nth(1).ok_or(io::ErrorKind::InvalidInput)?;
    let token = std::fs::read(path)?;
    io::stdout().write_all(&token)
}
