//! Variables that are almost right.

use ee_auth_config::KEYS;

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};

pub(super) const CHECK: Check = Check {
    name: "variables",
    summary: "Variables whose names are almost those that mean something",
    rules: &[&MISSPELT, &UNKNOWN],
    run: Run::Look(look),
};

const MISSPELT: Rule = Rule {
    name: "variables.misspelt",
    level: Level::Warning,
    meaning: "Nobody reads a variable of this name, and one of nearly the same means something",
    fix: "set the variable by its right name",
};
const UNKNOWN: Rule = Rule {
    name: "variables.unknown",
    level: Level::Warning,
    meaning: "The names that begin with EE_AUTH_ are ee-auth's own, and this is none of them: it has no effect",
    fix: "`unset` it; the names that there are: docs/variables.md",
};

/// Beside those that set a key of ee-auth.toml.
const OWN: [&str; 5] =
    ["EE_AUTH_CONFIG", "EE_AUTH_PROFILE", "EE_AUTH_NO_INPUT", "EE_AUTH_LOG", "EE_AUTH_CREDENTIALS"];

/// What `ee-auth sandbox` tells the command that it runs.
const SANDBOX: &str = "EE_AUTH_SANDBOX_";

/// Other programs' variables that matter here.
const FOREIGN: [&str; 12] = [
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_QUOTA_PROJECT",
    "EARTHENGINE_PROJECT",
    "CLOUDSDK_CONFIG",
    "CLOUDSDK_CORE_ACCOUNT",
    "CLOUDSDK_CORE_PROJECT",
    "CLOUDSDK_ACTIVE_CONFIG_NAME",
    "GCE_METADATA_HOST",
    "GCE_METADATA_IP",
    "GCE_METADATA_ROOT",
    "SSL_CERT_FILE",
];

fn look(examination: &Examination<'_>) -> Vec<Finding> {
    let known = known();
    let names = examination.host().environment.names();
    let mut findings: Vec<_> = names.iter().filter_map(|name| of_name(name, &known)).collect();
    findings.sort_by(|one, other| one.title.cmp(&other.title));
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK.name, "no name is almost right"));
    }
    findings
}

fn known() -> Vec<&'static str> {
    let mut known: Vec<_> = KEYS.iter().filter_map(|key| key.variable).collect();
    known.extend(OWN.iter().chain(&FOREIGN));
    #[cfg(feature = "environment")]
    known.extend(ee_auth_environment::names());
    known
}

fn of_name(name: &str, known: &[&str]) -> Option<Finding> {
    if known.contains(&name) || name.starts_with(SANDBOX) || name.len() > 64 {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let near = known
        .iter()
        .map(|known| (strsim::osa_distance(&upper, known), known))
        // Short names are near to too many others.
        .filter(|(distance, known)| *distance * 6 <= known.len())
        .min_by_key(|(distance, _)| *distance);
    match near {
        Some((_, right)) => Some(
            Finding::of(&MISSPELT, format!("{name} is set, and nobody reads it: {right} is meant, perhaps"))
                .fix(format!("set {right}, and `unset {name}`"))
                .at(name),
        ),
        None if upper.starts_with("EE_AUTH_") => Some(
            Finding::of(&UNKNOWN, format!("{name} is set, and ee-auth has no such variable"))
                .fix(format!("`unset {name}`; the names that there are: docs/variables.md"))
                .at(name),
        ),
        None => None,
    }
}
