//! `ee-auth.toml` in all its layers.

use crate::ShowPath as _;
use ee_auth_config::{Config, LayerState, Origin};
use ee_auth_core::Outcome;

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};

pub(super) const CHECK: Check = Check {
    name: "configuration",
    summary: "The layers of ee-auth.toml: which files there are, whether they are valid, who can read and write them",
    rules: &[&INVALID, &PROFILE, &UNTRUSTED, &PROJECT_FILE, &FOREIGN, &LINK, &UNUSED, &WRITABLE, &SECRET],
    run: Run::Look(look),
};

const INVALID: Rule = Rule {
    name: "configuration.invalid",
    level: Level::Error,
    meaning: "A file, a variable or a flag of ee-auth's says something that cannot be. Nothing is done before it is mended",
    fix: "correct what is named; `ee-auth config validate` checks again",
};
const PROFILE: Rule = Rule {
    name: "configuration.profile",
    level: Level::Error,
    meaning: "The chosen profile has neither a table in ee-auth.toml nor anything stored under its name. No other identity is \
              used instead",
    fix: "correct the name; `ee-auth --profile NAME login` creates a profile, `ee-auth profile use --none` stops using one",
};
const UNTRUSTED: Rule = Rule {
    name: "configuration.untrusted",
    level: Level::Error,
    meaning: "A project's ee-auth.toml sets more than whoever wrote the repository may set for you",
    fix: "read it; if you agree with it, run `ee-auth trust`",
};
const PROJECT_FILE: Rule = Rule {
    name: "configuration.project_file",
    level: Level::Note,
    meaning: "A project's file that you have not vouched for takes part: it may set `project`, `scopes` and `chain`",
    fix: "nothing, if that is as it should be; `ee-auth config show --origin` shows what it sets",
};
const FOREIGN: Rule = Rule {
    name: "configuration.foreign",
    level: Level::Warning,
    meaning: "A project's ee-auth.toml belongs to another user, and so was not read",
    fix: "copy the directory to one of your own, if its settings are wanted",
};
const LINK: Rule = Rule {
    name: "configuration.link",
    level: Level::Warning,
    meaning: "A project's ee-auth.toml is a symbolic link, and so was not read: it would lend the trust in the file that it \
              leads to, to a directory that others wrote",
    fix: "replace it with a copy, or name the file itself: `--config FILE`",
};
const UNUSED: Rule = Rule {
    name: "configuration.unused",
    level: Level::Warning,
    meaning: "A provider that no chain names is never asked",
    fix: "add its name to `chain`, or remove its table",
};
const WRITABLE: Rule = Rule {
    name: "configuration.writable",
    level: Level::Warning,
    meaning: "Whoever can write this file chooses which plugins run as you, and where your secrets are sent",
    fix: "`chmod go-w FILE`",
};
const SECRET: Rule = Rule {
    name: "configuration.secret",
    level: Level::Warning,
    meaning: "The file holds what looks like a secret, and other users of this machine can read it",
    fix: "`chmod 600 FILE`, or hand the secret to the plugin in a variable: `env = [\"NAME\"]`",
};

fn look(examination: &Examination<'_>) -> Vec<Finding> {
    match &examination.resolved {
        Ok(resolved) => of_valid(examination, &resolved.config),
        Err(error) => {
            let rule = match (error.outcome(), error.detail().name()) {
                (Outcome::Untrusted, _) => &UNTRUSTED,
                (_, "profile") => &PROFILE,
                _ => &INVALID,
            };
            let finding = Finding::from_error(rule, error);
            // With the line underlined.
            vec![match error.rendered() {
                Some(rendered) => finding.detail(rendered.trim_end()),
                None => finding,
            }]
        }
    }
}

fn of_valid(examination: &Examination<'_>, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut read = Vec::new();
    for layer in &config.layers {
        let place = layer.path.shown();
        match layer.state {
            LayerState::Absent => continue,
            LayerState::Foreign => {
                findings.push(Finding::of(&FOREIGN, format!("{place} was not read")).at(&place));
                continue;
            }
            LayerState::Link => {
                findings.push(Finding::of(&LINK, format!("{place} is a link, and was not read")).at(&place));
                continue;
            }
            LayerState::Untrusted => {
                findings.push(Finding::of(&PROJECT_FILE, format!("{place} takes part")).at(&place));
            }
            _ => {}
        }
        let mode = examination.host().files.status(&layer.path).ok().and_then(|status| status.mode);
        if mode.is_some_and(|mode| mode & 0o022 != 0) {
            findings.push(
                Finding::of(&WRITABLE, format!("{place} can be written by other users"))
                    .fix(format!("`chmod go-w {place}`"))
                    .at(&place),
            );
        }
        if mode.is_some_and(|mode| mode & 0o044 != 0) && holds_secret(config, &layer.path) {
            findings.push(
                Finding::of(&SECRET, format!("{place} holds a secret that other users can read"))
                    .fix(format!(
                        "`chmod 600 {place}`, or hand the secret to the plugin in a variable: `env = [\"NAME\"]`"
                    ))
                    .at(&place),
            );
        }
        read.push(place);
    }
    let of_passed_by = |warning: &str| {
        let passed_by = |state| matches!(state, LayerState::Foreign | LayerState::Link);
        config
            .layers
            .iter()
            .filter(|layer| passed_by(layer.state))
            .any(|layer| warning.starts_with(&*layer.path.to_string_lossy()))
    };
    for warning in config.warnings.iter().filter(|warning| !of_passed_by(warning)) {
        findings.push(Finding::of(&UNUSED, warning.clone()));
    }
    if findings.iter().all(|finding| finding.level < Level::Warning) {
        let title = match read.as_slice() {
            [] => "there is no ee-auth.toml, and none is needed".to_owned(),
            files => files.join(", "),
        };
        findings.insert(0, Finding::ok(CHECK.name, title));
    }
    findings
}

/// Whether something in the file is not shown even to whoever asks for the whole configuration.
fn holds_secret(config: &Config, file: &std::path::Path) -> bool {
    config.values().values().any(|value| {
        matches!(&value.origin, Origin::File { path, .. } if **path == *file)
            && value.value.to_string().contains("[hidden]")
    })
}
