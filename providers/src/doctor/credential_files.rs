//! The files that hold credentials, used or not.

use crate::ShowPath as _;
use std::path::{Path, PathBuf};

use ee_auth_core::host::{FileKind, FileStatus};
use ee_auth_core::{Scopes, looks_like_credential, redact};
use ee_auth_google::{Content, Document, cloud_sdk};

use super::examination::Examination;
use super::token::opens_earth_engine;
use super::{Check, Finding, Level, Rule, Run};

pub(super) const CHECK: Check = Check {
    name: "credential_files",
    summary: "Files that hold credentials, used or not: who can read them, what is in them, what is missing",
    rules: &[
        &READABLE,
        &OWNER,
        &DIRECTORY,
        &LINK,
        &DAMAGED,
        &SCOPES,
        &FEWER_SCOPES,
        &OLD_FORMAT,
        &NO_QUOTA_PROJECT,
        &UNKNOWN_KEYS,
    ],
    run: Run::Look(look),
};

const READABLE: Rule = Rule {
    name: "credential_files.readable",
    level: Level::Warning,
    meaning: "Whoever reads this file can act as its account until it is revoked",
    fix: "`chmod 600 FILE`",
};
const OWNER: Rule = Rule {
    name: "credential_files.owner",
    level: Level::Warning,
    meaning: "Another user owns the file, and can change it or take it away; often a command was once run with sudo",
    fix: "`sudo chown $(id -un) FILE`",
};
const DIRECTORY: Rule = Rule {
    name: "credential_files.directory",
    level: Level::Warning,
    meaning: "Others can put another file in the place of this one, and with it another identity",
    fix: "`chmod go-w DIRECTORY`",
};
const LINK: Rule = Rule {
    name: "credential_files.link",
    level: Level::Note,
    meaning: "The stored login is a symbolic link. The next login replaces the link, and leaves what it leads to",
    fix: "nothing, if that is as it should be; to share a login, link the directory, or use EE_AUTH_CREDENTIALS",
};
const DAMAGED: Rule = Rule {
    name: "credential_files.damaged",
    level: Level::Warning,
    meaning: "The file cannot be read as a credential. Programs that look there end in an error",
    fix: "log in again, or download the file again; or remove it",
};
const SCOPES: Rule = Rule {
    name: "credential_files.scopes",
    level: Level::Warning,
    meaning: "The login was not granted `earthengine` or `cloud-platform`, and Earth Engine takes no token without",
    fix: "log in again and leave all boxes ticked: `ee-auth login --force`",
};
const FEWER_SCOPES: Rule = Rule {
    name: "credential_files.fewer_scopes",
    level: Level::Note,
    meaning: "The login may do less than ee.Authenticate() asks for: without `drive` nothing can be exported to Drive, without \
              `devstorage` nothing to Cloud Storage",
    fix: "`ee-auth login --force`, if it should be able to; gcloud's own client cannot have Drive: use `--mode localhost`",
};
const OLD_FORMAT: Rule = Rule {
    name: "credential_files.old_format",
    level: Level::Note,
    meaning: "An old earthengine-api wrote this login: it does not say which scopes it has, and so nobody can tell before Google \
              does",
    fix: "`ee-auth login --force`, if anything is refused",
};
const NO_QUOTA_PROJECT: Rule = Rule {
    name: "credential_files.no_quota_project",
    level: Level::Note,
    meaning: "gcloud's application-default credentials name no project. Programs that do not know ee-auth ask Earth Engine in \
              the name of gcloud's own, and hear SERVICE_DISABLED for project 764086051850",
    fix: "`gcloud auth application-default set-quota-project ID`",
};
const UNKNOWN_KEYS: Rule = Rule {
    name: "credential_files.unknown_keys",
    level: Level::Note,
    meaning: "The stored login has keys that neither earthengine-api nor ee-auth knows. They are kept, and mean nothing",
    fix: "nothing; if one is misspelt, correct it",
};

/// What earthengine-api and we write; `type` is accepted too.
const KEYS: [&str; 7] =
    ["refresh_token", "client_id", "client_secret", "scopes", "project", "redirect_uri", "type"];

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A login that `ee.Authenticate()` or `ee-auth login` stored.
    Login,
    /// gcloud's application-default credentials.
    Gcloud,
    /// One that a variable or ee-auth.toml names.
    Named,
}

/// A file that is there.
pub(super) struct CredentialFile {
    pub(super) path: PathBuf,
    pub(super) status: FileStatus,
    role: Role,
}

/// The credential files of this machine that are known, each once.
pub(super) fn present(examination: &Examination<'_>) -> Vec<CredentialFile> {
    let host = examination.host();
    let settings = examination.settings();
    let mut places: Vec<(PathBuf, Role)> = Vec::new();
    for profile in [settings.profile.as_ref(), None] {
        places.extend(ee_auth_persistent::credentials_file(host, profile).map(|path| (path, Role::Login)));
    }
    let gcloud = cloud_sdk::application_default_file(&examination.search()).ok().flatten();
    places.extend(gcloud.map(|path| (path, Role::Gcloud)));
    let variables = std::iter::once("GOOGLE_APPLICATION_CREDENTIALS");
    #[cfg(feature = "environment")]
    let variables = variables.chain(ee_auth_environment::names());
    let named = variables.filter_map(|name| examination.path_variable(name));
    let configured = examination.config().into_iter().flat_map(|config| config.providers.values());
    let configured = configured.filter_map(|provider| provider.options.path("key_file"));
    places.extend(named.chain(configured).map(|path| (path, Role::Named)));
    let mut files: Vec<CredentialFile> = Vec::new();
    for (path, role) in places {
        let is_secret = path.iter().any(|part| looks_like_credential(&part.to_string_lossy()));
        let too_long = path.as_os_str().len() > 4096;
        if is_secret || too_long || files.iter().any(|file| file.path == path) {
            continue;
        }
        if let Ok(status) = host.files.status(&path) {
            files.push(CredentialFile { path, status, role });
        }
    }
    files
}

fn look(examination: &Examination<'_>) -> Vec<Finding> {
    let files = present(examination);
    let mut findings: Vec<_> = files.iter().flat_map(|file| of_file(examination, file)).collect();
    if findings.is_empty() {
        let title = match files.as_slice() {
            [] => "none is there".to_owned(),
            files => files.iter().map(|file| file.path.shown()).collect::<Vec<_>>().join(", "),
        };
        findings.push(Finding::ok(CHECK.name, title));
    }
    findings
}

fn of_file(examination: &Examination<'_>, file: &CredentialFile) -> Vec<Finding> {
    let host = examination.host();
    let place = file.path.shown();
    let mut findings = Vec::new();
    if file.status.kind == FileKind::Regular && file.status.readable_by_others() {
        findings.push(
            Finding::of(&READABLE, format!("{place} can be read by other users of this machine"))
                .fix(format!("`chmod 600 {place}`")),
        );
    }
    let user = host.environment.user_id();
    let others = |owner: Option<u32>| owner.is_some_and(|owner| owner != 0 && Some(owner) != user);
    if others(file.status.owner) {
        findings.push(
            Finding::of(&OWNER, format!("{place} belongs to another user"))
                .fix(format!("`sudo chown $(id -un) {place}`")),
        );
    }
    if let Some(directory) = file.path.parent() {
        let status = host.files.status(directory).ok();
        let mode = status.as_ref().and_then(|status| status.mode).unwrap_or_default();
        // In a directory like /tmp nobody can replace another's file.
        if mode & 0o022 != 0 && mode & 0o1000 == 0 && file.role != Role::Named {
            let directory = directory.shown();
            findings.push(
                Finding::of(&DIRECTORY, format!("{directory} can be written by other users"))
                    .fix(format!("`chmod go-w {directory}`")),
            );
        }
    }
    if file.role == Role::Login && matches!(host.files.link(&file.path), Ok(Some(_))) {
        findings.push(Finding::of(&LINK, format!("{place} is a symbolic link")));
    }
    match document(examination, &file.path) {
        Ok(Some(document)) => findings.extend(of_content(file, &place, &document)),
        Ok(None) => {}
        Err(error) => findings.push(Finding::from_error(&DAMAGED, &error)),
    }
    findings.into_iter().map(|finding| finding.at(&place)).collect()
}

/// The JSON in a file; `None` for a PEM, and for what a variable names that is something else.
fn document(examination: &Examination<'_>, path: &Path) -> Result<Option<Document>, ee_auth_core::Error> {
    let Some(content) = Content::read_if_present(&examination.search(), path)? else { return Ok(None) };
    if content.text()?.starts_with("-----BEGIN") {
        return Ok(None);
    }
    content.document().map(Some)
}

fn of_content(file: &CredentialFile, place: &str, document: &Document) -> Vec<Finding> {
    let mut findings = Vec::new();
    let text = |field: &str| document.text(field).ok().flatten();
    if file.role == Role::Gcloud
        && document.credential_type() == Some("authorized_user")
        && text("quota_project_id").is_none()
    {
        findings.push(Finding::of(&NO_QUOTA_PROJECT, format!("{place} names no project to charge")));
    }
    if file.role != Role::Login || !document.has("refresh_token") {
        return findings;
    }
    match document.texts("scopes").ok().flatten().and_then(|names| Scopes::new(names).ok()) {
        None => findings.push(Finding::of(&OLD_FORMAT, format!("{place} does not say which scopes it has"))),
        Some(scopes) if !opens_earth_engine(&scopes) => {
            findings.push(Finding::of(
                &SCOPES,
                format!("{place} lacks `earthengine`: it has {}", redact(&scopes.to_string())),
            ));
        }
        Some(scopes) => {
            let missing = Scopes::earth_engine().missing_in(&scopes);
            let read_only = Scopes::earth_engine_read_only().is_subset_of(&scopes);
            if !missing.is_empty() && !read_only {
                findings.push(Finding::of(&FEWER_SCOPES, format!("{place} lacks {missing}")));
            }
        }
    }
    let unknown: Vec<_> = document
        .names()
        .filter(|name| !KEYS.contains(name))
        .map(|name| format!("`{}`", redact(name)))
        .collect();
    if !unknown.is_empty() {
        findings.push(Finding::of(&UNKNOWN_KEYS, format!("{place} has {}", unknown.join(", "))));
    }
    findings
}
