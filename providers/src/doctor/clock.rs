//! The time of day: assertions that were signed at another are `invalid_grant`.

use crate::ShowPath as _;
use std::time::{Duration, SystemTime};

use ee_auth_core::time::later;

use super::credential_files;
use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};

pub(super) const CHECK: Check = Check {
    name: "clock",
    summary: "This machine's clock: beside the times of credential files, and with `--online` beside Google's",
    rules: &[&WRONG, &BEHIND_FILES],
    run: Run::Look(look),
};

const WRONG: Rule = Rule {
    name: "clock.wrong",
    level: Level::Warning,
    meaning: "The clock is more than five minutes off Google's: what a service account's key signs is `invalid_grant`, and \
              tokens seem to live longer or shorter than they do",
    fix: "set it right: `timedatectl set-ntp true` on most Linux systems; in WSL `wsl --shutdown`; a virtual machine may \
          have slept",
};
const BEHIND_FILES: Rule = Rule {
    name: "clock.behind_files",
    level: Level::Warning,
    meaning: "A credential file was written in the future, so either this machine's clock is behind, or the file came from \
              one whose clock is ahead",
    fix: "compare `date -u` with the time elsewhere; `ee-auth doctor --online` compares it with Google's",
};

/// What Google tolerates in an assertion.
const TOLERATED: Duration = Duration::from_secs(300);

fn look(examination: &Examination<'_>) -> Vec<Finding> {
    if let Some(Ok(answer)) = &examination.answer {
        return answer.date.map(|date| compared(date, answer.at)).into_iter().collect();
    }
    let now = examination.host().clock.now();
    let files = credential_files::present(examination);
    let future = files.iter().find(|file| file.status.modified.is_some_and(|at| at > later(now, TOLERATED)));
    match future {
        Some(file) => {
            let place = file.path.shown();
            vec![Finding::of(&BEHIND_FILES, format!("{place} was written in the future")).at(place)]
        }
        None => vec![Finding::ok(CHECK.name, "no sign that it is wrong")],
    }
}

fn compared(google: SystemTime, here: SystemTime) -> Finding {
    let (off, direction) = match here.duration_since(google) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let shown = match off.as_secs() {
        seconds if seconds < 120 => format!("{seconds} seconds"),
        seconds if seconds < 7000 => format!("{} minutes", (seconds + 30) / 60),
        seconds => format!("{} hours", (seconds + 1800) / 3600),
    };
    if off > TOLERATED {
        Finding::of(&WRONG, format!("this machine's clock is {shown} {direction} Google's"))
    } else {
        Finding::ok(CHECK.name, "it agrees with Google's")
    }
}
