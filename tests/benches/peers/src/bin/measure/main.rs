//! Measures `ee-auth`, its peers and the floors, and prints tables: see `tests/benches/run`, which builds what this runs.
//!
//! `measure (warm | tasks | processes | program)...`

mod endpoint;
mod party;
mod print;
mod program;
mod programs;
mod tasks;
mod warm;
mod work;

use std::error::Error;
use std::path::PathBuf;

type Failure = Box<dyn Error + Send + Sync>;

/// Where the programs are that are measured.
struct Programs {
    directory: PathBuf,
    ee_auth: PathBuf,
}

impl Programs {
    fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

fn main() -> Result<(), Failure> {
    let directory = std::env::current_exe()?.parent().ok_or("the program is in no directory")?.to_owned();
    // Another one may be measured in its place.
    let ee_auth = std::env::var_os("EE_AUTH").map_or_else(|| directory.join("ee-auth"), PathBuf::from);
    let work = directory.join("measured");
    let programs = Programs { directory, ee_auth };
    for part in std::env::args().skip(1) {
        match &*part {
            "warm" => warm::measure(&work)?,
            "tasks" => tasks::measure(&work)?,
            "processes" => programs::measure_crowds(&programs, &work)?,
            "program" => programs::measure(&programs, &work, 200)?,
            _ => return Err(format!("there is no part {part}: warm, tasks, processes or program").into()),
        }
    }
    Ok(())
}
