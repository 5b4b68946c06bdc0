//! Whole processes: from the start of one to its end.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::print;

/// A program and how it is called.
#[derive(Clone, Default)]
pub(crate) struct Program {
    name: String,
    path: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(String, OsString)>,
    /// The status with which it ends.
    status: i32,
}

impl Program {
    /// The program at `path`, in an empty environment.
    pub(crate) fn new(name: &str, path: PathBuf) -> Self {
        Self { name: name.to_owned(), path, ..Self::default() }
    }

    pub(crate) fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn variables(mut self, variables: impl IntoIterator<Item = (String, OsString)>) -> Self {
        self.variables.extend(variables);
        self
    }

    pub(crate) fn ends_with(mut self, status: i32) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What starts it. It has no standard input.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).env_clear().envs(self.variables.clone()).stdin(Stdio::null());
        command
    }

    /// Runs it once, to see that it prints what it should.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let output = self.command().output().map_err(|error| format!("{}: {error}", self.path.display()))?;
        if output.status.code() == Some(self.status) && !output.stdout.is_empty() {
            return Ok(());
        }
        Err(format!("{} fails: {}", self.name, String::from_utf8_lossy(&output.stderr)).into())
    }

    /// How long one run of it takes.
    fn time(&self) -> Result<Duration, Failure> {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let status = command.spawn()?.wait()?;
        let time = start.elapsed();
        if status.code() == Some(self.status) { Ok(time) } else { Err(format!("{} fails", self.name).into()) }
    }

    /// The most memory that it has, in bytes, as the small program at `peak` sees it.
    fn peak(&self, peak: &Path) -> Result<u64, Failure> {
        let mut arguments = vec![self.path.clone().into_os_string()];
        arguments.extend(self.arguments.clone());
        let output = Self { path: peak.to_owned(), arguments, ..self.clone() }.command().output()?;
        Ok(String::from_utf8(output.stdout)?.parse()?)
    }
}

/// Runs the programs in turns, so that what the machine does meanwhile befalls them all, and prints what came of it. The
/// first is the floor.
pub(crate) fn compare(title: &str, programs: &[Program], rounds: usize, peak: &Path) -> Result<(), Failure> {
    for program in programs {
        program.check()?;
    }
    let mut times = vec![Vec::new(); programs.len()];
    for _ in 0..rounds {
        for (program, times) in programs.iter().zip(&mut times) {
            times.push(program.time()?);
        }
    }
    let columns =
        ["what", "median", "10 %", "minimum", "times the first: median", "10 %", "minimum", "peak memory"];
    print::table(title, &columns);
    for times in &mut times {
        times.sort_unstable();
    }
    let ranks = [rounds / 2, rounds / 10, 0];
    for (program, runs) in programs.iter().zip(&times) {
        let ratio = |at: usize| runs[at].as_secs_f64() / times[0][at].as_secs_f64();
        let peak = (0..5).map(|_| program.peak(peak)).collect::<Result<Vec<_>, _>>()?;
        let mut cells = vec![program.name.clone()];
        cells.extend(ranks.map(|at| print::milliseconds(runs[at])));
        cells.extend(ranks.map(|at| format!("{:.2}", ratio(at))));
        cells.push(format!(
            "{:.1} MiB",
            peak.into_iter().max().unwrap_or_default() as f64 / f64::from(1 << 20)
        ));
        print::row(&cells);
    }
    Ok(())
}
