//! Variables that are almost right.

use ee_auth_config::KEYS;
use ee_auth_core::nearest_name;

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};

pub(super) const CHECK: Check = Check {
    name: "variables",
    summary: "Variables whose names are almost those that mean something",
    rules: &[&MISSPELT, &UNREAD, &EMPTY, &UNKNOWN],
    run: Run::Look(look),
};

const MISSPELT: Rule = Rule {
    name: "variables.misspelt",
    level: Level::Warning,
    meaning: "Nobody reads a variable of this name, and one of nearly the same means something",
    fix: "set the variable by its right name",
};
const UNREAD: Rule = Rule {
    name: "variables.unread_credential",
    level: Level::Warning,
    meaning: "The variable is named after Earth Engine and holds a credential, and ee-auth does not read it",
    fix: "put the credential into EE_AUTH_CREDENTIALS; the names that are read: docs/variables.md",
};
const EMPTY: Rule = Rule {
    name: "variables.empty",
    level: Level::Warning,
    meaning: "The variable is set to nothing, which counts as unset: the command or secret that was to fill it gave nothing",
    fix: "`unset` it, or look at what sets it: a secret of another name, a file that is not there",
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
const FOREIGN: [&str; 13] = [
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_QUOTA_PROJECT",
    "EARTHENGINE_PROJECT",
    "EE_PROJECT_ID",
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
    let environment = &examination.host().environment;
    let names = environment.names();
    let mut findings: Vec<_> = names.iter().filter_map(|name| of_name(name, &known)).collect();
    #[cfg(feature = "environment")]
    let has_said = |findings: &[Finding], name: &str| {
        findings.iter().any(|finding| finding.origin.as_deref() == Some(name))
    };
    #[cfg(feature = "environment")]
    for unread in ee_auth_environment::unread(&examination.search()) {
        if has_said(&findings, &unread.name) {
            continue;
        }
        let rule = if unread.holds.is_some() { &UNREAD } else { &MISSPELT };
        let fix = match unread.meant {
            Some(meant) => format!("set {meant}, and `unset {}`", unread.name),
            None => rule.fix.to_owned(),
        };
        findings.push(Finding::of(rule, unread.words()).fix(fix).at(&unread.name));
    }
    // `--ci` has a finding of its own, which knows what CI systems do.
    for name in names.iter().filter(|name| !examination.ci && holds_credential(name)) {
        let value = environment.variable_os(name).unwrap_or_default();
        if value.to_str().is_some_and(|value| value.trim().is_empty()) {
            findings.push(Finding::of(&EMPTY, format!("{name} is set and empty")).at(name));
        }
    }
    findings.sort_by(|one, other| one.title.cmp(&other.title));
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK.name, "no name is almost right"));
    }
    findings
}

fn holds_credential(name: &str) -> bool {
    #[cfg(feature = "environment")]
    if ee_auth_environment::names().any(|known| known == name) {
        return true;
    }
    name == "GOOGLE_APPLICATION_CREDENTIALS"
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
    let near = nearest_name(name, known.iter().copied());
    match near {
        Some(right) => Some(
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
