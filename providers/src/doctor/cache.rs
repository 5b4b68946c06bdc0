//! Where tokens are kept between processes.

use crate::ShowPath as _;
use std::path::Path;

use ee_auth_cache::directory;
use ee_auth_config::CacheStore;
use ee_auth_core::host::{FileKind, FileStatus, Host};
use ee_auth_core::{BoxFuture, TokenKey};

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};

pub(super) const CHECK: Check = Check {
    name: "cache",
    summary: "Where tokens are kept between processes: whether they can be, and who else can write there. With `--online`: \
              whether locks work",
    rules: &[&NO_PLACE, &NOT_WRITABLE, &SHARED, &NO_LOCKS, &OFF],
    run: Run::Ask(ask),
};

const NO_PLACE: Rule = Rule {
    name: "cache.no_place",
    level: Level::Warning,
    meaning: "No cache directory is known, so no token is kept and every process gets its own",
    fix: "set HOME or XDG_CACHE_HOME; or EE_AUTH_CACHE=memory, if this is as it should be",
};
const NOT_WRITABLE: Rule = Rule {
    name: "cache.not_writable",
    level: Level::Warning,
    meaning: "Tokens cannot be kept, so every process gets its own. Many at once may be refused (429)",
    fix: "make the directory writable; or set XDG_CACHE_HOME to one that is, or EE_AUTH_CACHE=memory",
};
const SHARED: Rule = Rule {
    name: "cache.shared",
    level: Level::Warning,
    meaning: "Others can put files there. Those that are not yours are passed over, and yours can be taken away",
    fix: "`chmod go-w DIRECTORY`; if it is another user's, set XDG_CACHE_HOME",
};
const NO_LOCKS: Rule = Rule {
    name: "cache.no_locks",
    level: Level::Warning,
    meaning: "The file system of the cache has no locks, as some network file systems, so processes that start together all get \
              a token of their own",
    fix: "set XDG_RUNTIME_DIR or XDG_CACHE_HOME to a directory on a local disk",
};
const OFF: Rule = Rule {
    name: "cache.off",
    level: Level::Note,
    meaning: "Somebody has chosen that no token is kept between processes, so every process gets its own",
    fix: "nothing, if that is as it should be; else leave out `store` under `[cache]`, and EE_AUTH_CACHE",
};

fn ask<'a>(examination: &'a Examination<'a>) -> BoxFuture<'a, Vec<Finding>> {
    Box::pin(async move {
        let Some(config) = examination.config() else { return Vec::new() };
        let store = &config.cache_store;
        match store.value {
            CacheStore::Disk => {}
            CacheStore::Memory | CacheStore::None => {
                let title = format!("no token is kept: `{}`, from {}", store.value.name(), store.origin);
                return vec![Finding::of(&OFF, title).at(&store.origin)];
            }
            other => return vec![Finding::ok(CHECK.name, format!("kept in the {}", other.name()))],
        }
        let host = examination.host();
        let Some(directory) = directory(host) else {
            return vec![Finding::of(&NO_PLACE, "no cache directory is known")];
        };
        let mut findings = of_directory(host, &directory);
        if examination.online && findings.is_empty() && !has_locks(examination).await {
            let title = format!("no lock can be had for {}", directory.shown());
            findings.push(Finding::of(&NO_LOCKS, title).at(directory.shown()));
        }
        if findings.is_empty() {
            findings.push(Finding::ok(CHECK.name, format!("kept in {}", directory.shown())));
        }
        findings
    })
}

/// Whether processes can take turns, as they do for a token.
async fn has_locks(examination: &Examination<'_>) -> bool {
    let store = examination.config().and_then(|config| examination.resolver.store(config).ok().flatten());
    match store {
        Some(store) => store.turn(&TokenKey::new("doctor")).await.is_some(),
        None => true,
    }
}

/// Of the directory, or of the nearest one above it in which it would be made. Permission bits are looked at; nothing is
/// written.
fn of_directory(host: &Host, directory: &Path) -> Vec<Finding> {
    let there = directory.ancestors().find_map(|path| Some((path, host.files.status(path).ok()?)));
    let Some((path, status)) = there else { return Vec::new() };
    let place = path.shown();
    let mut findings = Vec::new();
    if status.kind != FileKind::Directory {
        findings.push(Finding::of(&NOT_WRITABLE, format!("{place} is no directory")));
    } else if !may_write(host, &status) {
        findings.push(Finding::of(&NOT_WRITABLE, format!("{place} cannot be written")).fix(format!(
            "`chmod u+w {place}`; or set XDG_CACHE_HOME to a directory of your own, or EE_AUTH_CACHE=memory"
        )));
    } else if path == directory && status.mode.is_some_and(|mode| mode & 0o022 != 0) {
        findings.push(
            Finding::of(&SHARED, format!("{place} can be written by other users"))
                .fix(format!("`chmod go-w {place}`")),
        );
    }
    findings.into_iter().map(|finding| finding.at(&place)).collect()
}

/// Whether the user may write there, as far as permission bits tell. Of groups nothing is known, so these are believed.
fn may_write(host: &Host, status: &FileStatus) -> bool {
    let user = host.environment.user_id();
    match (status.mode, status.owner, user) {
        (_, _, Some(0)) => true,
        (Some(mode), Some(owner), Some(user)) if owner == user => mode & 0o200 != 0,
        (Some(mode), Some(_), Some(_)) => mode & 0o022 != 0,
        _ => true,
    }
}
