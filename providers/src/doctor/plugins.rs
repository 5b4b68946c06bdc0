//! Plugins: providers that do not ship with ee-auth.

use ee_auth_config::ProviderConfig;
use ee_auth_core::{AttemptOutcome, BoxFuture, Error};
use ee_auth_plugin_host::{Op, PluginProvider, trust};

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};
use crate::ShowPath as _;
use crate::plugins::is_plugin;
use crate::resolver::{asked, member};

pub(super) const CHECK: Check = Check {
    name: "plugins",
    summary: "Declared plugins: the file, its owner and permissions, its pin; of those that the chain asks, what they say that they are",
    rules: &[&UNTRUSTED, &BROKEN, &NO_GET, &UNPINNED],
    run: Run::Ask(ask),
};

const UNTRUSTED: Rule = Rule {
    name: "plugins.untrusted",
    level: Level::Warning,
    meaning: "The plugin's file is not there, not the one that was pinned, or others could have written it. It is not run",
    fix: "after an update of yours: `ee-auth plugin add FILE`; `ee-auth plugin check NAME` says what else is wrong",
};
const BROKEN: Rule = Rule {
    name: "plugins.broken",
    level: Level::Warning,
    meaning: "The plugin was asked what it is, and did not answer as the protocol has it",
    fix: "`ee-auth plugin check NAME` says in words what to mend; tell its author",
};
const NO_GET: Rule = Rule {
    name: "plugins.no_get",
    level: Level::Warning,
    meaning: "The plugin's manifest does not list `get`, so it says itself that it has no tokens to give",
    fix: "`ee-auth plugin check NAME` says in words what to mend; tell its author",
};
const UNPINNED: Rule = Rule {
    name: "plugins.unpinned",
    level: Level::Note,
    meaning: "The plugin's table has no `sha256`, so whatever is at its path runs as you",
    fix: "`ee-auth plugin add FILE` writes the pin",
};

fn ask<'a>(examination: &'a Examination<'a>) -> BoxFuture<'a, Vec<Finding>> {
    Box::pin(async move {
        let Some(config) = examination.config() else { return Vec::new() };
        let plugins: Vec<_> = config.providers.values().filter(|provider| is_plugin(provider.kind)).collect();
        let mut findings = Vec::new();
        for plugin in &plugins {
            findings.extend(of_plugin(examination, plugin).await);
        }
        if findings.is_empty() {
            let names: Vec<_> = plugins.iter().map(|plugin| plugin.name.as_str()).collect();
            let title = if names.is_empty() { "none is declared".to_owned() } else { names.join(", ") };
            findings.push(Finding::ok(CHECK.name, title));
        }
        findings
    })
}

async fn of_plugin(examination: &Examination<'_>, declared: &ProviderConfig) -> Vec<Finding> {
    let name = &declared.name;
    let failed = |rule: &'static Rule, error: &Error| {
        let finding = Finding::from_error(rule, error);
        let next = error.next_step().unwrap_or(rule.fix);
        let next = if next.contains("plugin check") {
            next.replace("plugin check NAME", "plugin check")
                .replace("plugin check`", &format!("plugin check {name}`"))
        } else {
            format!("{next}; `ee-auth plugin check {name}` tells more")
        };
        finding.fix(next).at(&declared.declared_in)
    };
    let Some(config) = examination.config() else { return Vec::new() };
    let member = match member(config, declared) {
        Ok(member) => member,
        Err(error) => return vec![failed(&BROKEN, &error)],
    };
    let Some(provider) = member.provider.as_any().and_then(|any| any.downcast_ref::<PluginProvider>()) else {
        return Vec::new();
    };
    // A bare name is that of a file in a directory of its own, and not one of the working directory's.
    let Some(file) = provider.file(examination.host()) else { return Vec::new() };
    let mut findings = Vec::new();
    let pin = declared.options.string("sha256").and_then(|text| trust::Pin::parse(&text).ok());
    if let Err(error) = trust::vouch(examination.host(), &file, pin.as_ref()) {
        let error = error.of_provider(name).in_place(&file.shown());
        return vec![failed(&UNTRUSTED, &error)];
    }
    if pin.is_none() {
        let finding = Finding::of(&UNPINNED, format!("{name} is not pinned: {}", file.shown()));
        let fix = format!("`ee-auth plugin add {} --name {name}`", file.shown());
        findings.push(finding.fix(fix).at(&declared.declared_in));
    }
    // What the chain does not ask is not run by anything but a command that names it. Protocols of others know no manifest.
    let in_chain = asked(config).iter().any(|provider| provider.name == *name);
    let own_protocol =
        declared.options.string("protocol").is_none_or(|name| name == "ee-auth" || name == "events");
    let has_failed = examination
        .attempts()
        .iter()
        .any(|attempt| attempt.provider == *name && matches!(attempt.outcome, AttemptOutcome::Failed { .. }));
    if !in_chain || !own_protocol || has_failed || examination.resolver.is_offline() {
        return findings;
    }
    match provider.describe(examination.host()).await {
        Ok(manifest) if manifest.has(Op::Get) => {}
        Ok(manifest) => {
            let title = format!(
                "{name} ({}) does not list `get` in its manifest",
                ee_auth_core::redact(&manifest.name)
            );
            let fix = format!("`ee-auth plugin check {name}` says in words what to mend; tell its author");
            findings.push(Finding::of(&NO_GET, title).fix(fix).at(&declared.declared_in));
        }
        Err(error) => findings.push(failed(&BROKEN, &error)),
    }
    findings
}
