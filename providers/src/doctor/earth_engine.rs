//! Whether Earth Engine answers to the token, for the project.

use ee_auth_core::{BoxFuture, Error, Outcome};

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};
use crate::earth_engine::{compute_async, sum};

pub(super) const CHECK: Check = Check {
    name: "earth_engine",
    summary: "With `--online`: whether Earth Engine computes 1 + 2 with this credential, for this project",
    rules: &[
        &NOT_REGISTERED,
        &API_DISABLED,
        &PERMISSION,
        &NO_PROJECT,
        &BILLING,
        &SCOPE,
        &TOKEN,
        &UNAVAILABLE,
        &REFUSED,
    ],
    run: Run::Ask(ask),
};

const NOT_REGISTERED: Rule = Rule {
    name: "earth_engine.not_registered",
    level: Level::Error,
    meaning: "\"Not signed up for Earth Engine or project is not registered\": the project exists, and nobody has registered it",
    fix: "register it: https://console.cloud.google.com/earth-engine/configuration?project=ID",
};
const API_DISABLED: Rule = Rule {
    name: "earth_engine.api_disabled",
    level: Level::Error,
    meaning: "SERVICE_DISABLED: the Earth Engine API is not turned on in the project",
    fix: "turn it on, and wait a few minutes: \
          https://console.cloud.google.com/apis/library/earthengine.googleapis.com?project=ID",
};
const PERMISSION: Rule = Rule {
    name: "earth_engine.permission",
    level: Level::Error,
    meaning: "USER_PROJECT_DENIED or PERMISSION_DENIED: the account may not use the project, or has no role for Earth Engine",
    fix: "let an owner of the project grant Service Usage Consumer and Earth Engine Resource Viewer, or name another project",
};
const NO_PROJECT: Rule = Rule {
    name: "earth_engine.no_project",
    level: Level::Error,
    meaning: "There is no such project, or the account cannot see it. Often the id is misspelt, or the project's name or \
              number was taken for it",
    fix: "name the id of one that exists: `ee-auth set-project ID`; yours are on https://console.cloud.google.com",
};
const BILLING: Rule = Rule {
    name: "earth_engine.billing",
    level: Level::Error,
    meaning: "BILLING_DISABLED: the project has no billing account, and what it is registered for wants one",
    fix: "link one: https://console.cloud.google.com/billing/linkedaccount?project=ID",
};
const SCOPE: Rule = Rule {
    name: "earth_engine.scope",
    level: Level::Error,
    meaning: "ACCESS_TOKEN_SCOPE_INSUFFICIENT: the token may not be used for Earth Engine",
    fix: "log in again and leave all boxes ticked: `ee-auth login --force`; or ask for `earthengine` with --scopes",
};
const TOKEN: Rule = Rule {
    name: "earth_engine.token",
    level: Level::Error,
    meaning: "Earth Engine does not accept the token at all: it has been taken back, or is no access token of Google's",
    fix: "get a new one: `ee-auth token --no-cache`; or log in again: `ee-auth login --force`",
};
const UNAVAILABLE: Rule = Rule {
    name: "earth_engine.unavailable",
    level: Level::Error,
    meaning: "Earth Engine was not reached, or is busy. The credential and the project may be right",
    fix: "try again in a minute; too many requests at once are refused too (429)",
};
const REFUSED: Rule = Rule {
    name: "earth_engine.refused",
    level: Level::Error,
    meaning: "Earth Engine refused for a reason that is not known here",
    fix: "its words say what; name another project (`ee-auth set-project ID`), or use another credential",
};

fn ask<'a>(examination: &'a Examination<'a>) -> BoxFuture<'a, Vec<Finding>> {
    Box::pin(async move {
        // Without a token or a project there is nothing to ask with, and that was said.
        let ready = |credential: &&ee_auth_core::Credential| {
            examination.online && credential.project().is_some() && credential.held_token().is_some()
        };
        let Some(credential) = examination.credential().filter(ready) else { return Vec::new() };
        let project = credential.project().map(|project| project.id.as_str()).unwrap_or_default();
        vec![match compute_async(credential, &sum(1, 2)).await {
            Ok(_) => Finding::ok(CHECK.name, format!("Earth Engine computes for {project}")),
            Err(error) => refused(&error, project),
        }]
    })
}

/// In few words what is wrong; below, what Earth Engine said.
fn refused(error: &Error, project: &str) -> Finding {
    let rule = rule(error);
    let title = match rule.name {
        "earth_engine.not_registered" => format!("the project {project} is not registered for Earth Engine"),
        "earth_engine.api_disabled" => {
            format!("the Earth Engine API is not turned on in the project {project}")
        }
        "earth_engine.permission" => {
            format!("this account may not use Earth Engine with the project {project}")
        }
        "earth_engine.no_project" => format!("there is no project {project}, or this account cannot see it"),
        "earth_engine.billing" => format!("the project {project} has no billing account"),
        "earth_engine.scope" => "the token lacks the scope that Earth Engine wants".to_owned(),
        "earth_engine.token" => "Earth Engine does not accept the token".to_owned(),
        "earth_engine.unavailable" => "Earth Engine did not answer as it should".to_owned(),
        _ => format!("Earth Engine refused a computation for the project {project}"),
    };
    let detail = format!("{}\n{}", rule.meaning, error.message());
    Finding::from_error(rule, error).title(title).detail(detail).at(project)
}

fn rule(error: &Error) -> &'static Rule {
    match (error.outcome(), error.detail().name()) {
        (Outcome::Unavailable, _) => &UNAVAILABLE,
        (_, "not_registered") => &NOT_REGISTERED,
        (_, "api_disabled") => &API_DISABLED,
        (_, "permission") => &PERMISSION,
        (_, "no_project") => &NO_PROJECT,
        (_, "billing") => &BILLING,
        (_, "scope") => &SCOPE,
        (_, "token") => &TOKEN,
        _ => &REFUSED,
    }
}
