//! What is left of an `ee-auth exec` or `serve` that has ended.

use crate::ShowPath as _;
use std::time::Duration;

use ee_auth_core::host::{Directory, FileKind, HttpErrorKind, Method, Request, is_unfinished};
use ee_auth_core::{BoxFuture, Host, is_loopback};
use url::Url;

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};

pub(super) const CHECK: Check = Check {
    name: "leftovers",
    summary: "Variables that lead to an `ee-auth exec` or `ee-auth serve` that has ended, and what it left behind",
    rules: &[&DEAD_SERVER, &GONE_FILE, &STAND_IN, &UNFINISHED],
    run: Run::Ask(ask),
};

const DEAD_SERVER: Rule = Rule {
    name: "leftovers.dead_server",
    level: Level::Warning,
    meaning: "Variables of an `ee-auth serve` or `exec` are set, and nobody listens there any more: Google's clients wait for \
              it, and give up",
    fix: "`unset` them, or start `ee-auth serve` again and take over its variables",
};
const GONE_FILE: Rule = Rule {
    name: "leftovers.gone_file",
    level: Level::Warning,
    meaning: "The variable names a credential file that is not there any more. `ee-auth exec` takes its file away when the \
              command ends",
    fix: "`unset` it",
};
const STAND_IN: Rule = Rule {
    name: "leftovers.stand_in",
    level: Level::Warning,
    meaning: "An `ee-auth exec` that could not use a mount namespace was killed before it could move what the command had \
              created to your home directory. `ee-auth exec` and `ee-auth doctor` do so once no process uses the directory \
              any more; this one is older than a day",
    fix: "end the processes that still use it, or move your files out of it and remove it",
};

const UNFINISHED: Rule = Rule {
    name: "leftovers.unfinished",
    level: Level::Warning,
    meaning: "An ee-auth process was killed while it wrote a file. What it had written so far may hold a refresh token or an \
              access token",
    fix: "`rm FILE`; the next ee-auth command that writes in that directory removes it as well, `ee-auth logout` for example",
};

/// The variables that `exec` and `serve` set with an address, the first of which clients ask.
const ADDRESSES: [&str; 4] =
    ["GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT", "GCE_METADATA_URL"];
/// Those that go with them.
const WITH_ADDRESS: [&str; 5] = [
    "METADATA_SERVER_DETECTION",
    "CPL_MACHINE_IS_GCE",
    "CPL_GCE_CREDENTIALS_URL",
    "GO2A_AUD",
    "GOA2_AUTH_URL_TOKEN",
];
const FILES: [&str; 2] = ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"];
/// How the directories begin that stand in for a home directory.
const STAND_IN_PREFIX: &str = ".ee-auth-home-";

fn ask<'a>(examination: &'a Examination<'a>) -> BoxFuture<'a, Vec<Finding>> {
    Box::pin(async move {
        let mut findings = Vec::new();
        let mut asked: Vec<Url> = Vec::new();
        for name in ADDRESSES {
            let address =
                examination.variable(name).and_then(|host| Url::parse(&format!("http://{host}/")).ok());
            let Some(url) = address.filter(|url| url.host().as_ref().is_some_and(is_loopback)) else {
                continue;
            };
            // Nobody is asked with --offline, and this machine only once.
            if examination.resolver.is_offline() || asked.contains(&url) {
                continue;
            }
            asked.push(url.clone());
            if !answers(examination, url.clone()).await {
                findings.push(dead_server(examination, name, &url));
            }
        }
        findings.extend(FILES.iter().filter_map(|name| gone_file(examination, name)));
        findings.extend(stand_ins(examination));
        findings.extend(unfinished(examination.host()));
        if findings.is_empty() {
            findings.push(Finding::ok(CHECK.name, "nothing of a run that has ended"));
        }
        findings
    })
}

/// Whether somebody listens there. Whatever they say is an answer.
async fn answers(examination: &Examination<'_>, url: Url) -> bool {
    let mut request = Request::new(Method::Get, url).with_header("metadata-flavor", "Google");
    request.direct = true;
    request.connect_timeout = Duration::from_secs(1);
    request.timeout = Duration::from_secs(2);
    let answer = examination.host().http.send(request).await;
    !matches!(answer, Err(error) if matches!(error.kind, HttpErrorKind::Connect | HttpErrorKind::Timeout))
}

fn dead_server(examination: &Examination<'_>, name: &str, url: &Url) -> Finding {
    let set = ADDRESSES.iter().chain(&WITH_ADDRESS).chain(&FILES[1..]).copied();
    let set: Vec<_> = set.filter(|name| examination.variable(name).is_some()).collect();
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    Finding::of(&DEAD_SERVER, format!("{name} names {authority}, where nobody listens"))
        .fix(format!(
            "`unset {}`; or start `ee-auth serve` again, and take over its variables",
            set.join(" ")
        ))
        .at(name)
}

fn gone_file(examination: &Examination<'_>, name: &str) -> Option<Finding> {
    let path = examination.path_variable(name)?;
    let error = examination.host().files.status(&path).err()?;
    // The chain has said so of this variable, with the same thing to do.
    let said = examination
        .attempts()
        .iter()
        .any(|attempt| attempt.kind.name == "application_default" && is_failure(&attempt.outcome));
    let is_ours = path.file_name().is_some_and(|file| file.to_string_lossy().starts_with("ee-auth-"));
    if error.kind() != std::io::ErrorKind::NotFound || (said && !is_ours && name == FILES[0]) {
        return None;
    }
    let what =
        if is_ours { "a file of an `ee-auth exec` that has ended" } else { "a file that is not there" };
    let title = format!("{name} names {what}: {}", path.shown());
    Some(Finding::of(&GONE_FILE, title).fix(format!("`unset {name}`")).at(name))
}

fn is_failure(outcome: &ee_auth_core::AttemptOutcome) -> bool {
    matches!(outcome, ee_auth_core::AttemptOutcome::Failed { .. })
}

/// Files that killed writers left in a directory in which files are written whole.
fn unfinished(host: &Host) -> Vec<Finding> {
    let mut directories: Vec<_> = [Directory::State, Directory::Cache, Directory::Config]
        .into_iter()
        .filter_map(|directory| Some(host.environment.directory(directory)?.join("ee-auth")))
        .collect();
    directories.extend(
        host.environment.directory(Directory::State).map(|state| state.join("ee-auth").join("plugins")),
    );
    // Logins: without a profile, and of each profile, whether it has a login or only a piece of one.
    if let Some(logins) =
        ee_auth_persistent::credentials_file(host, None).and_then(|path| Some(path.parent()?.to_owned()))
    {
        let names = host.files.list(&logins).unwrap_or_default();
        directories.extend(
            names.iter().map(|name| logins.join(name)).filter(|path| {
                host.files.status(path).is_ok_and(|status| status.kind == FileKind::Directory)
            }),
        );
        directories.push(logins);
    }
    let left = directories.iter().flat_map(|directory| host.files.abandoned(directory, &is_unfinished));
    left.map(|path| {
        let place = path.shown();
        Finding::of(&UNFINISHED, format!("{place} was left by an ee-auth process that was killed"))
            .fix(format!("`rm {place}`; the next ee-auth command that writes there removes it as well"))
            .at(place)
    })
    .collect()
}

fn stand_ins(examination: &Examination<'_>) -> Vec<Finding> {
    let host = examination.host();
    let Some(home) = host.environment.directory(Directory::Home) else { return Vec::new() };
    // Inside of one, it is in use.
    if home.file_name().is_some_and(|name| name.to_string_lossy().starts_with(STAND_IN_PREFIX)) {
        return Vec::new();
    }
    let names = host.files.list(&home).unwrap_or_default();
    let stale = names.iter().filter(|name| name.to_string_lossy().starts_with(STAND_IN_PREFIX));
    // One that another run is using now is young.
    let day = Duration::from_secs(24 * 3600);
    let now = host.clock.now();
    let old = |path: &std::path::Path| {
        let modified = host.files.status(path).ok().and_then(|status| status.modified);
        modified.is_some_and(|at| now.duration_since(at).is_ok_and(|age| age > day))
    };
    let stale = stale.map(|name| home.join(name)).filter(|path| old(path));
    stale
        .map(|path| {
            let place = path.shown();
            Finding::of(&STAND_IN, format!("{place} replaced your home directory for a command, and is left"))
                .fix(format!(
                    "look for files of yours: `find {place} -type f`; move them, then `rm -r {place}`, which removes links, \
                     not what they lead to"
                ))
                .at(place)
        })
        .collect()
}
