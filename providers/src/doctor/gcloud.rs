//! gcloud: whether it is there for those who need it.

use crate::ShowPath as _;
use std::path::Path;

use ee_auth_core::host::variable;
use ee_auth_google::cloud_sdk;

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};

pub(super) const CHECK: Check = Check {
    name: "gcloud",
    summary: "Whether gcloud is installed where something needs it, and which version. It is not run",
    rules: &[&NOT_ON_PATH, &NOT_THERE],
    run: Run::Look(look),
};

const NOT_ON_PATH: Rule = Rule {
    name: "gcloud.not_on_path",
    level: Level::Warning,
    meaning: "Somebody has logged in with gcloud, and gcloud is not found: \"gcloud command not found\". It alone can use the \
              login of `gcloud auth login`",
    fix: "put its directory on the PATH: `. ~/google-cloud-sdk/path.bash.inc`; or log in without it: `ee-auth login --mode \
          notebook`",
};
const NOT_THERE: Rule = Rule {
    name: "gcloud.not_there",
    level: Level::Note,
    meaning: "gcloud is not installed. `ee.Authenticate(auth_mode=\"gcloud\")` ends with \"gcloud command not found\"; \
              nothing else needs it",
    fix: "nothing: `ee-auth login` works without; or install it: https://cloud.google.com/sdk/docs/install",
};

fn look(examination: &Examination<'_>) -> Vec<Finding> {
    let host = examination.host();
    if let Some(program) = host.processes.find("gcloud") {
        let version = version(examination, &program).map(|version| format!("{version}, "));
        let title = format!("{}in {}", version.unwrap_or_default(), program.shown());
        return vec![Finding::ok(CHECK.name, title)];
    }
    let directory = cloud_sdk::directory(&examination.search()).ok().flatten();
    let has_logins = directory.as_ref().is_some_and(|directory| {
        ["credentials.db", "access_tokens.db"]
            .iter()
            .any(|name| host.files.status(&directory.join(name)).is_ok())
    });
    if has_logins {
        let place = directory.unwrap_or_default();
        let title = format!("gcloud has logins in {}, and is not on the PATH", place.shown());
        return vec![Finding::of(&NOT_ON_PATH, title).at(place.shown())];
    }
    // Worth a word only where somebody looks for a way to log in.
    if examination.credential().is_none() && variable(&*host.environment, "CI").is_none() {
        return vec![Finding::of(&NOT_THERE, "gcloud is not installed")];
    }
    vec![Finding::ok(CHECK.name, "not installed, and nothing here needs it")]
}

/// The version that the Cloud SDK keeps in a file beside its `bin`, as its own archive has it; other packages need not.
fn version(examination: &Examination<'_>, program: &Path) -> Option<String> {
    let files = &examination.host().files;
    let program = files.canonical(program).ok()?;
    let read = files.read(&program.parent()?.parent()?.join("VERSION"), 64).ok()?;
    let text = std::str::from_utf8(&read.bytes).ok()?.trim().to_owned();
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.').then_some(text)
}
