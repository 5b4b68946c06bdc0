//! The system calls of an operation that touch files of the user's, and what may go wrong at each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use crate::operations::Stage;
use crate::support::{PROGRAM, run};

/// A system call of a run: the `nth` of its name that its thread makes.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    call: String,
    nth: usize,
    /// Whether every thread that makes so many calls of this name makes this one on a file.
    is_of_files: bool,
}

/// Something that goes wrong at a system call.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    point: Point,
    /// `None`: the process is killed.
    error: Option<&'static str>,
    /// Whether every later call of this name fails as well.
    lasting: bool,
}

/// The errors that may come of a system call on a file.
fn errors_of(call: &str) -> &'static [&'static str] {
    match call {
        "open" | "openat" => &["EIO", "EINTR", "ENOSPC", "EROFS", "EMFILE"],
        "mkdir" | "mkdirat" | "rename" | "renameat" | "renameat2" | "link" | "linkat" => {
            &["ENOSPC", "EIO", "EROFS", "EINTR"]
        }
        "write" | "pwrite64" | "writev" | "ftruncate" => &["ENOSPC", "EIO", "EINTR", "EDQUOT"],
        "fsync" | "fdatasync" => &["EIO", "EINTR", "ENOSPC"],
        "unlink" | "unlinkat" | "rmdir" | "chmod" | "fchmod" | "fchmodat" => &["EIO", "EROFS", "EINTR"],
        "flock" => &["EINTR", "ENOLCK", "EIO"],
        "read" | "pread64" | "getdents64" | "fstat" | "statx" | "newfstatat" | "readlink" | "lseek" => {
            &["EIO", "EINTR"]
        }
        _ => &[],
    }
}

/// The calls that fail for good where a disk is full or has broken.
const LASTING: [&str; 7] = ["write", "fsync", "rename", "renameat2", "mkdir", "flock", "openat"];

impl Fault {
    pub(crate) fn kill(point: &Point) -> Self {
        Self { point: point.clone(), error: None, lasting: false }
    }

    pub(crate) fn errors(point: &Point) -> Vec<Self> {
        let mut faults = Vec::new();
        // strace counts for each thread by itself: what wakes another thread cannot fail.
        if !point.is_of_files {
            return faults;
        }
        for error in errors_of(&point.call) {
            let fault = Self { point: point.clone(), error: Some(error), lasting: false };
            if LASTING.contains(&point.call.as_str()) && *error != "EINTR" && *error != "EMFILE" {
                faults.push(Self { lasting: true, ..fault.clone() });
            }
            faults.push(fault);
        }
        faults
    }

    /// The option of `strace`.
    pub(crate) fn inject(&self) -> String {
        let Point { call, nth, .. } = &self.point;
        let what = self.error.map_or("signal=KILL".to_owned(), |error| format!("error={error}"));
        format!("inject={call}:{what}:when={nth}{}", if self.lasting { "+" } else { "" })
    }

    pub(crate) fn kills(&self) -> bool {
        self.error.is_none()
    }

    /// Whether the call that fails is one by which something would be removed.
    pub(crate) fn is_in_unlink(&self) -> bool {
        self.point.call.starts_with("unlink")
    }
}

/// The points of an operation: each system call that names something in its directories, by a path or a descriptor.
pub(crate) fn of(stage: &Stage) -> Vec<Point> {
    stage.set();
    let log = stage.machine.temporary().with_file_name("strace.log");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-qq", "-s", "200", "-e", "trace=file,desc,execve", "-o"]).arg(&log);
    strace.arg(PROGRAM).args(stage.arguments());
    run(stage.like(&mut strace)).expect(0);
    let text = String::from_utf8_lossy(&fs::read(&log).expect("strace wrote it")).into_owned();
    let places = stage.places();
    // What it starts is not the program: a plugin that is killed has failed, which is another matter.
    let started: BTreeSet<&str> = text
        .lines()
        .filter(|line| line.contains(" execve(") && !line.contains(PROGRAM))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut elsewhere = BTreeSet::new();
    let mut points: BTreeMap<(String, usize), Point> = BTreeMap::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
        if started.contains(thread) || !call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            continue;
        }
        let nth = counts.entry((thread, call)).or_default();
        *nth += 1;
        if places.iter().any(|place| arguments.contains(place.as_str())) {
            let point = Point { call: call.to_owned(), nth: *nth, is_of_files: true };
            points.insert((point.call.clone(), point.nth), point);
        } else {
            elsewhere.insert((call.to_owned(), *nth));
        }
    }
    for point in &elsewhere {
        if let Some(point) = points.get_mut(point) {
            point.is_of_files = false;
        }
    }
    points.into_values().collect()
}
