//! What goes wrong in CI jobs.

use ee_auth_core::AttemptOutcome;
use ee_auth_core::host::MAX_CREDENTIAL_FILE;
use serde_json::Value;

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};

pub(super) const CHECK: Check = Check {
    name: "ci",
    summary: "With `--ci`: secrets that did not arrive, or in another shape than they were stored; ID tokens that the job may \
              not ask for",
    rules: &[&FORK, &EMPTY, &ID_TOKEN, &GITHUB_ID_TOKEN, &WRAPPED],
    run: Run::Look(look),
};

const FORK: Rule = Rule {
    name: "ci.fork",
    level: Level::Note,
    meaning: "This job runs for a pull request of a fork. Such jobs get no secrets and no ID token, whatever the workflow says",
    fix: "skip what needs Earth Engine where `ee-auth token` ends with status 4, or run it against `ee-auth sandbox -- CMD`: \
          docs/clients.md, \"Pull requests of forks\"",
};
const EMPTY: Rule = Rule {
    name: "ci.empty",
    level: Level::Warning,
    meaning: "The variable is set to nothing: there is no secret of that name in this repository or environment, or this job \
              may not have it",
    fix: "compare the name with the repository's secrets; a secret of an environment needs `environment: NAME` in the job; \
          a protected variable of GitLab's is there in protected branches alone",
};
const ID_TOKEN: Rule = Rule {
    name: "ci.id_token",
    level: Level::Warning,
    meaning: "A provider of the chain would exchange the job's ID token, and the job has none",
    fix: "GitHub: `permissions: {contents: read, id-token: write}`; GitLab: `id_tokens`",
};
const GITHUB_ID_TOKEN: Rule = Rule {
    name: "ci.github_id_token",
    level: Level::Note,
    meaning: "The job has no credential, and may not ask GitHub for an ID token, by which it could do without a secret",
    fix: "`permissions: {contents: read, id-token: write}` in the job, and workload identity federation: docs/clients.md; or a \
          secret in EE_AUTH_CREDENTIALS",
};
const WRAPPED: Rule = Rule {
    name: "ci.wrapped",
    level: Level::Note,
    meaning: "The secret was stored with quotes, line breaks or a byte order mark around it. ee-auth takes them off; other \
              programs do not",
    fix: "store it again: `gh secret set NAME < key.json`",
};

fn look(examination: &Examination<'_>) -> Vec<Finding> {
    if !examination.ci {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if is_fork(examination) {
        findings.push(Finding::of(&FORK, "this is a pull request of a fork"));
    }
    for name in names() {
        let Some(value) = examination.host().environment.variable_os(name) else { continue };
        let Some(value) = value.to_str() else { continue };
        let trimmed = value.trim();
        if trimmed.is_empty() {
            findings.push(Finding::of(&EMPTY, format!("{name} is set, and empty")).at(name));
        } else if let Some(what) = wrapping(value) {
            findings.push(Finding::of(&WRAPPED, format!("{name} {what}")).at(name));
        }
    }
    for attempt in examination.attempts().iter().filter(|attempt| attempt.kind.name == "external_account") {
        let AttemptOutcome::Skipped(skip) = &attempt.outcome else { continue };
        let finding = Finding::of(&ID_TOKEN, format!("{}: {}", attempt.provider, skip.message));
        let finding = finding.at(&attempt.provider);
        findings.push(match &skip.hint {
            Some(hint) => finding.fix(hint.clone()),
            None => finding,
        });
    }
    let is_github = examination.variable("GITHUB_ACTIONS").is_some();
    let may_ask = examination.variable("ACTIONS_ID_TOKEN_REQUEST_URL").is_some();
    let has_said =
        findings.iter().any(|finding| finding.check == ID_TOKEN.name || finding.check == FORK.name);
    if is_github && !may_ask && examination.winner().is_none() && !has_said {
        findings.push(Finding::of(&GITHUB_ID_TOKEN, "the job may not ask for an ID token"));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK.name, "secrets have arrived as they should"));
    }
    findings
}

/// The variables that may hold a credential.
fn names() -> Vec<&'static str> {
    let names = std::iter::once("GOOGLE_APPLICATION_CREDENTIALS");
    #[cfg(feature = "environment")]
    let names = names.chain(ee_auth_environment::names());
    names.collect()
}

/// What stands around a value that would be one without.
fn wrapping(value: &str) -> Option<&'static str> {
    let text = value.trim();
    let quoted = |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    if text.starts_with('\u{feff}') {
        Some("begins with a byte order mark")
    } else if quoted('"') || quoted('\'') {
        Some("has quotes around its value")
    // A key's JSON ends with a line break in its file, and so in many a secret. Elsewhere it is part of the value.
    } else if text != value && !text.starts_with('{') && !text.starts_with("-----BEGIN") {
        Some("has white space or a line break around its value")
    } else {
        None
    }
}

/// Whether the job runs for somebody else's repository, as GitHub's event file and GitLab's variables say.
fn is_fork(examination: &Examination<'_>) -> bool {
    let variable = |name: &str| examination.variable(name);
    if let (Some(source), Some(own)) =
        (variable("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH"), variable("CI_MERGE_REQUEST_PROJECT_PATH"))
    {
        return source != own;
    }
    let is_pull_request = variable("GITHUB_EVENT_NAME").is_some_and(|name| name == "pull_request");
    let Some(path) = examination.path_variable("GITHUB_EVENT_PATH").filter(|_| is_pull_request) else {
        return false;
    };
    let Ok(read) = examination.host().files.read(&path, MAX_CREDENTIAL_FILE) else { return false };
    let event: Value = serde_json::from_slice(&read.bytes).unwrap_or_default();
    let head = event.pointer("/pull_request/head/repo").unwrap_or(&Value::Null);
    match (head.get("full_name").and_then(Value::as_str), variable("GITHUB_REPOSITORY")) {
        (Some(head), Some(own)) => head != own,
        // A fork that was deleted since.
        _ => head.is_null() && event.get("pull_request").is_some_and(Value::is_object),
    }
}
