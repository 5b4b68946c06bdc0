//! Who could log in here, and how.

use crate::ShowPath as _;
use ee_auth_core::host::{Directory, Presence};

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};

pub(super) const CHECK: Check = Check {
    name: "login",
    summary: "Whether somebody could log in here: a terminal, a browser, a home directory, a remote session",
    rules: &[&NO_HOME, &SUDO, &NOBODY, &NO_BROWSER],
    run: Run::Look(look),
};

const NO_HOME: Rule = Rule {
    name: "login.no_home",
    level: Level::Warning,
    meaning: "No home directory is known, so no login is found and none can be stored. Services and containers often have none",
    fix: "set HOME; or hand the credential over in EE_AUTH_CREDENTIALS",
};
const SUDO: Rule = Rule {
    name: "login.sudo",
    level: Level::Warning,
    meaning: "This is root by way of sudo, with root's home directory. Your own logins are not there, and one that is made now \
              is root's",
    fix: "run it without sudo; or, if it has to be root, `sudo --preserve-env=HOME`",
};
const NOBODY: Rule = Rule {
    name: "login.nobody",
    level: Level::Note,
    meaning: "There is no credential, and no terminal to log in from",
    fix: "`ee-auth login --mode notebook --quiet` prints the page's address and the command that finishes the login; in a \
          script use a service account's key in EE_AUTH_CREDENTIALS",
};
const NO_BROWSER: Rule = Rule {
    name: "login.no_browser",
    level: Level::Note,
    meaning: "There is no browser with windows on this machine, as over SSH, in a container or in WSL, so a login that waits \
              for one would wait in vain",
    fix: "`ee-auth login --mode notebook`: open the page on any machine, and paste the code here",
};

fn look(examination: &Examination<'_>) -> Vec<Finding> {
    let host = examination.host();
    let Some(home) = host.environment.directory(Directory::Home) else {
        return vec![Finding::of(&NO_HOME, "no home directory is known")];
    };
    let mut findings = Vec::new();
    let is_root = host.environment.user_id() == Some(0);
    if let Some(user) = examination.variable("SUDO_USER").filter(|user| is_root && user != "root") {
        let is_theirs = home.file_name().is_some_and(|name| *name == *user);
        if !is_theirs {
            let title = format!("this runs as root, by {}'s sudo, at home in {}", plain(&user), home.shown());
            findings.push(Finding::of(&SUDO, title).at("SUDO_USER"));
        }
    }
    let has_credential = examination.winner().is_some();
    let has_browser = host.person.has_browser();
    if !has_credential && !examination.ci {
        match (host.person.presence(), has_browser) {
            (Presence::Absent, _) => findings.push(Finding::of(&NOBODY, "nobody can log in from here")),
            (_, false) => {
                let remote = examination.variable("SSH_CONNECTION").is_some();
                let title = match remote {
                    true => "this is a remote session (SSH), without a browser",
                    false => "there is no browser on this machine",
                };
                findings.push(Finding::of(&NO_BROWSER, title));
            }
            _ => {}
        }
    }
    if findings.is_empty() {
        let title = match (examination.ci, has_browser) {
            (true, _) => "nobody is waited for",
            (_, true) => "a browser on this machine",
            (_, false) => "a code to paste: `ee-auth login --mode notebook`",
        };
        findings.push(Finding::ok(CHECK.name, title));
    }
    findings
}

/// A user's name, as far as it is one.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).take(32).collect()
}
