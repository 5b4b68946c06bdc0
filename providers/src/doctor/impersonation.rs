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
    let Some(config) = examination.config() else { return Vec::new() };
    let named = config.impersonate.as_ref();
    let Some((named, Impersonate::Account { email, delegates })) = named.map(|named| (named, &named.value))
    else {
        return vec![Finding::ok(CHECK.name, "no service account is impersonated")];
    };
    let by_way_of = match &delegates[..] {
        [] => String::new(),
        delegates => format!(" by way of {}", delegates.join(", ")),
    };
    let origin = named.origin.to_string();
    vec![Finding::of(&ON, format!("impersonates {email}{by_way_of}, which {origin} names")).at(&origin)]
}
