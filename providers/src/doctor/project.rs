//! The Google Cloud project: the commonest thing to be missing.

use ee_auth_core::resolve_project;

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};
use crate::ShowPath as _;
use crate::project::candidates;

pub(super) const CHECK: Check = Check {
    name: "project",
    summary: "Which project is used, who named it, and whether others would use another",
    rules: &[&MISSING, &UNUSABLE, &OF_CLIENT, &EARTHENGINE_API, &OTHERS, &QUOTA],
    run: Run::Look(look),
};

/// What `ee.Initialize()` says, too.
const MISSING: Rule = Rule {
    name: "project.missing",
    level: Level::Warning,
    meaning: "Earth Engine wants to know which Google Cloud project a request belongs to. Where the script does not name it, \
              earthengine-api ends with \"no project found\". An error with `--online`, since Earth Engine cannot be asked",
    fix: "store it beside the login: `ee-auth set-project ID`; or set EARTHENGINE_PROJECT. Your projects: \
          https://console.cloud.google.com/earth-engine",
};
const UNUSABLE: Rule = Rule {
    name: "project.unusable",
    level: Level::Error,
    meaning: "What was named is no project of yours: a display name, or the project of Google's own sign-in client",
    fix: "name the id of a project that is registered for Earth Engine: https://console.cloud.google.com/earth-engine",
};
const OF_CLIENT: Rule = Rule {
    name: "project.of_client",
    level: Level::Note,
    meaning: "Nobody named a project, so the one that the login's OAuth client belongs to is used, as earthengine-api does",
    fix: "`ee-auth set-project ID`, if it should be another",
};
const EARTHENGINE_API: Rule = Rule {
    name: "project.earthengine_api",
    level: Level::Warning,
    meaning: "`ee.Initialize()` without a project takes the one that is stored beside the login, under `ee-auth exec` too, \
              and does not look at ee-auth.toml or EARTHENGINE_PROJECT",
    fix: "`ee-auth set-project ID` with the right one, or `ee-auth unset-project`",
};
const OTHERS: Rule = Rule {
    name: "project.others",
    level: Level::Note,
    meaning: "Several places name a project, and not the same. The first in the order of the documentation is used",
    fix: "unset what is out of date; the order: docs/chain.md, \"Which project\"",
};
const QUOTA: Rule = Rule {
    name: "project.quota",
    level: Level::Note,
    meaning: "The credential says itself which project is to be charged, and another one was named for it. Programs that do \
              not know ee-auth charge the credential's",
    fix: "`gcloud auth application-default set-quota-project ID`, if it should be the same",
};

const WHY: &str = "Earth Engine wants to know which Google Cloud project a request belongs to. Where the script does not name \
                   it, earthengine-api ends with \"no project found\"";

fn look(examination: &Examination<'_>) -> Vec<Finding> {
    let Ok(resolved) = &examination.resolved else { return Vec::new() };
    let project = match &resolved.project {
        Ok(Some(project)) => project,
        // One thing after the other: a login may bring a project along.
        Ok(None) if examination.winner().is_none() => return Vec::new(),
        Ok(None) => {
            let finding = Finding::of(&MISSING, "no project is named").detail(WHY);
            return vec![if examination.online { finding.level(Level::Error) } else { finding }];
        }
        Err(error) => return vec![Finding::from_error(&UNUSABLE, error)],
    };
    let id = project.id.as_str();
    let mut findings =
        vec![Finding::ok(CHECK.name, format!("{id}, from {}", project.origin)).at(&project.origin)];
    if project.origin.contains("client_id") {
        findings.push(Finding::of(&OF_CLIENT, format!("the project {id} was not named by anybody")));
    }
    let stored = ee_auth_persistent::stored_project(&examination.search_without_profile());
    let stored_at = stored.as_ref().map(|(_, path)| path.shown());
    if let Some((stored, _)) = stored.filter(|(stored, _)| stored != id) {
        let place = stored_at.clone().unwrap_or_default();
        findings.push(
            Finding::of(
                &EARTHENGINE_API,
                format!("earthengine-api by itself will use {stored}, and ee-auth {id}"),
            )
            .fix(format!("`ee-auth set-project {id}`, or `ee-auth unset-project`"))
            .at(place),
        );
    }
    let named = candidates(&resolved.config, &examination.search(), None);
    let others: Vec<_> = named
        .into_iter()
        .filter(|candidate| candidate.named_by_person && Some(&candidate.origin) != stored_at.as_ref())
        // What cannot be a project is not repeated: it may be anything.
        .filter_map(|candidate| resolve_project([candidate]).ok()?)
        .filter(|other| other.id != id)
        .map(|other| format!("{} names {}", other.origin, other.id))
        .collect();
    if !others.is_empty() {
        findings.push(Finding::of(&OTHERS, others.join("; ")));
    }
    let quota = examination.credential().and_then(ee_auth_core::Credential::quota_project);
    if let Some(quota) = quota.filter(|quota| *quota != id && stored_at.is_none()) {
        let title = format!("the credential is charged to {quota} by itself, and {id} was named");
        findings.push(Finding::of(&QUOTA, title));
    }
    findings
}
