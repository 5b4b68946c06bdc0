//! `ee-auth plugin check`

use std::path::Path;
use std::process::ExitCode;

use ee_auth::plugins::{self, Report, Verdict};
use ee_auth::{Error, Outcome, Resolver};
use serde_json::{Value, json};

use super::candidate;
use crate::arguments::PluginOptions;
use crate::output::{BAD, CAREFUL, FAINT, GOOD, Output, STRONG, styled};

pub(super) fn run(
    resolver: &Resolver,
    target: &Path,
    options: &PluginOptions,
    output: &Output,
) -> Result<ExitCode, Error> {
    let as_json = output.is_json()?;
    let is_name = target.components().count() == 1
        && target.to_str().is_some_and(|name| !name.contains(['/', '\\', '.']))
        && plugins::declared(resolver)?.iter().any(|plugin| target == Path::new(&plugin.name));
    let report = if is_name {
        plugins::check(resolver, &target.to_string_lossy())?
    } else {
        candidate(resolver, target, None, None, options)?.check(resolver)?
    };
    if as_json {
        output.json(&json!({ "conformant": report.is_conformant(), "manifest": manifest(&report), "checks": checks(&report) }))?;
    } else {
        output.data(text(&report))?;
    }
    Ok(match report.is_conformant() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(Outcome::Protocol.exit_status()),
    })
}

/// The checks, one line each, and what came of them.
pub(super) fn text(report: &Report) -> String {
    let mut lines: Vec<String> = report
        .checks
        .iter()
        .map(|check| {
            let style = match check.verdict {
                Verdict::Passed(_) => GOOD,
                Verdict::Warned(_) => CAREFUL,
                Verdict::Failed(_) => BAD,
                Verdict::Skipped(_) => FAINT,
            };
            let word = format!("{:<7}", check.verdict.word());
            format!(
                "{} {}\n        {}",
                styled(style, word),
                check.rule,
                styled(FAINT, check.verdict.words())
            )
        })
        .collect();
    lines.push(match report.is_conformant() {
        true => format!("{} {} keeps to the protocol", styled(GOOD, "✓"), report.name),
        false => format!("{} {}: fix what failed, and check again", styled(STRONG, "✗"), report.name),
    });
    lines.join("\n")
}

pub(super) fn checks(report: &Report) -> Value {
    let check = |check: &plugins::Check| json!({ "rule": check.rule, "verdict": check.verdict.word(), "detail": check.verdict.words() });
    report.checks.iter().map(check).collect()
}

pub(super) fn manifest(report: &Report) -> Value {
    report.manifest.as_ref().map_or(Value::Null, |manifest| {
        json!({
            "name": manifest.name,
            "plugin_version": manifest.plugin_version,
            "ops": manifest.ops,
            "thread_safe": manifest.thread_safe,
            "http_hosts": manifest.http_hosts,
            "description": manifest.description,
        })
    })
}
