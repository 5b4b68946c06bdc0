//! What the chain comes to: what `explain` shows, cut down to what matters.

use ee_auth_core::host::Presence;
use ee_auth_core::{AttemptOutcome, Error, Outcome};

use super::credential_files;
use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};
use crate::Resolved;

pub(super) const CHECK: Check = Check {
    name: "chain",
    summary: "Which provider of the chain has a credential, as `ee-auth explain` shows at length",
    rules: &[&NONE, &FAILED, &PASSED_OVER, &NOT_PROBED, &ATTENTION],
    run: Run::Look(look),
};

const NONE: Rule = Rule {
    name: "chain.none",
    level: Level::Error,
    meaning: "Every provider was asked, and none has a credential: nobody has logged in, and no variable or file names one",
    fix: "log in: `ee-auth login`; where nobody can, put a service account's key into EE_AUTH_CREDENTIALS",
};
const FAILED: Rule = Rule {
    name: "chain.failed",
    level: Level::Error,
    meaning: "This provider's credential is there and wrong. No other is asked, so that nobody works under an identity by accident",
    fix: "mend it or take it away; `ee-auth explain` shows where it was found",
};
const PASSED_OVER: Rule = Rule {
    name: "chain.passed_over",
    level: Level::Warning,
    meaning: "A provider failed and the chain went on, as `on` in its table says",
    fix: "mend the provider, or leave it out of `chain`",
};
const NOT_PROBED: Rule = Rule {
    name: "chain.not_probed",
    level: Level::Note,
    meaning: "Asking this provider takes a program or the network, and `--offline` allows neither",
    fix: "run `ee-auth doctor` without --offline",
};
const ATTENTION: Rule = Rule {
    name: "chain.attention",
    level: Level::Warning,
    meaning: "The credential can be used, and there is something about it that you should know",
    fix: "do what it says",
};

fn look(examination: &Examination<'_>) -> Vec<Finding> {
    let Ok(resolved) = &examination.resolved else { return Vec::new() };
    let mut findings = match (examination.winner(), &resolved.credential) {
        (Some(winner), credential) => {
            let AttemptOutcome::Found(origin) = &winner.outcome else { return Vec::new() };
            let who = credential.as_ref().ok().and_then(ee_auth_core::Credential::principal);
            let who = who.map(|who| format!(" as {who}")).unwrap_or_default();
            vec![Finding::ok(CHECK.name, format!("{}{who}: {origin}", winner.provider)).at(origin)]
        }
        (None, Err(error)) if matches!(error.outcome(), Outcome::NotFound | Outcome::InteractionRequired) => {
            vec![none(examination, resolved, error)]
        }
        (None, Err(error)) => vec![failed(error)],
        (None, Ok(_)) => Vec::new(),
    };
    for attempt in &resolved.attempts {
        match &attempt.outcome {
            AttemptOutcome::Failed { error, continued: true } => {
                findings.push(Finding::from_error(&PASSED_OVER, error).at(&attempt.provider));
            }
            AttemptOutcome::NotProbed(reason) => {
                let title = format!("{} was not asked: {reason}", attempt.provider);
                findings.push(Finding::of(&NOT_PROBED, title).at(&attempt.provider));
            }
            _ => {}
        }
    }
    let warnings = examination.credential().map(ee_auth_core::Credential::warnings).unwrap_or_default();
    // What is wrong with a file is said by the check of files.
    let files = credential_files::present(examination);
    let of_file =
        |warning: &&String| files.iter().any(|file| warning.starts_with(&*file.path.to_string_lossy()));
    let own = warnings.iter().filter(|warning| !of_file(warning));
    findings.extend(own.map(|warning| Finding::of(&ATTENTION, warning.clone())));
    findings
}

fn failed(error: &Error) -> Finding {
    let finding = Finding::from_error(&FAILED, error);
    match error.provider() {
        Some(provider) => finding.at(provider),
        None => finding,
    }
}

fn none(examination: &Examination<'_>, resolved: &Resolved, error: &Error) -> Finding {
    let finding = Finding::from_error(&NONE, error);
    let reasons = resolved.attempts.iter().filter_map(|attempt| match &attempt.outcome {
        // What only a program can pass, or only a person can do, is no place where a credential might have been.
        AttemptOutcome::Skipped(_) if attempt.kind.interactive || attempt.kind.name == "explicit" => None,
        AttemptOutcome::Skipped(skip) => Some(format!("{}: {}", attempt.provider, skip.message)),
        _ => None,
    });
    let reasons = reasons.collect::<Vec<_>>().join("\n");
    let finding = if reasons.is_empty() { finding } else { finding.detail(reasons) };
    let in_chain = |kind: &str| resolved.attempts.iter().any(|attempt| attempt.kind.name == kind);
    let person = examination.host().person.presence();
    if examination.ci && in_chain("environment") {
        return finding.fix(
            "put the key of a service account into a secret of this CI system, and the secret into the variable \
             EE_AUTH_CREDENTIALS of the job",
        );
    }
    match (in_chain("persistent"), in_chain("environment")) {
        (true, _) if person > Presence::Absent => finding.fix(if in_chain("environment") {
            "log in: `ee-auth login`; or put a service account's key, or its path, into EE_AUTH_CREDENTIALS"
        } else {
            "log in: `ee-auth login`"
        }),
        (true, true) => finding.fix(
            "log in from a terminal: `ee-auth login`; or put a service account's key, or its path, into EE_AUTH_CREDENTIALS",
        ),
        _ => finding,
    }
}
