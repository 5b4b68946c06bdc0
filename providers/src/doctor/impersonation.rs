//! Whom commands impersonate, and what says so.

use ee_auth_core::Impersonate;

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};

pub(super) const CHECK: Check = Check {
    name: "impersonation",
    summary: "Which service account the credential impersonates, and which flag, variable or line says so",
    rules: &[&ON],
    run: Run::Look(look),
};

const ON: Rule = Rule {
    name: "impersonation.on",
    level: Level::Note,
    meaning: "The credential impersonates a service account, as `--as`, EE_AUTH_AS, `impersonate` in ee-auth.toml, \
              CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT or GOOGLE_IMPERSONATE_SERVICE_ACCOUNT says",
    fix: "nothing, if that is intended; `--as none`, or EE_AUTH_AS=none, uses the credential itself",
};

fn look(examination: &Examination<'_>) -> Vec<Finding> {
    let Some(named) = examination.config().and_then(|config| config.impersonate.as_ref()) else {
        return Vec::new();
    };
    let Impersonate::Account { email, delegates } = &named.value else { return Vec::new() };
    let by_way_of = match &delegates[..] {
        [] => String::new(),
        delegates => format!(" by way of {}", delegates.join(", ")),
    };
    let origin = named.origin.to_string();
    vec![Finding::of(&ON, format!("impersonates {email}{by_way_of}, which {origin} names")).at(&origin)]
}
