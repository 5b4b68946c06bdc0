//! A token, and what Google says of it.

use ee_auth_core::{BoxFuture, Credential, Outcome, Scopes};

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};
use crate::token_info_async;

pub(super) const CHECK: Check = Check {
    name: "token",
    summary: "With `--online`: whether the credential is good for a token, whose it is, and what it may do",
    rules: &[&REFUSED, &UNAVAILABLE, &FAILED, &SCOPES, &UNKNOWN],
    run: Run::Ask(ask),
};

const REFUSED: Rule = Rule {
    name: "token.refused",
    level: Level::Error,
    meaning: "Google looked at the credential and said no. `invalid_grant` of a login: it was revoked, or has not been used \
              for half a year. `invalid_grant` of a key: it was deleted, or this machine's clock is wrong",
    fix: "log in again: `ee-auth login --force`; or make a new key: https://console.cloud.google.com/iam-admin/serviceaccounts",
};
const UNAVAILABLE: Rule = Rule {
    name: "token.unavailable",
    level: Level::Error,
    meaning: "The token endpoint was not reached, or did not answer as it should. The credential may be good",
    fix: "try again in a minute; see `network`, `proxy` and `trust_store`",
};
const FAILED: Rule = Rule {
    name: "token.failed",
    level: Level::Error,
    meaning: "The credential was found, and no token could be had with it for another reason than Google's",
    fix: "do what the message says; `ee-auth token -vv` shows each step",
};
const SCOPES: Rule = Rule {
    name: "token.scopes",
    level: Level::Warning,
    meaning: "Earth Engine takes tokens with the scope `earthengine` or `cloud-platform`, and this one has neither",
    fix: "log in again and leave all boxes ticked: `ee-auth login --force`; for a service account, set `scopes` in \
          ee-auth.toml",
};
const UNKNOWN: Rule = Rule {
    name: "token.unknown",
    level: Level::Note,
    meaning: "Google's tokeninfo does not say whose the token is. It is so with federated tokens; whether Earth Engine takes \
              it is what counts",
    fix: "nothing, if the check `earth_engine` found nothing wrong",
};

fn ask<'a>(examination: &'a Examination<'a>) -> BoxFuture<'a, Vec<Finding>> {
    Box::pin(async move {
        match examination.credential() {
            Some(credential) if examination.online => of_credential(credential).await,
            _ => Vec::new(),
        }
    })
}

async fn of_credential(credential: &Credential) -> Vec<Finding> {
    if let Err(error) = credential.token_async().await {
        let rule = match error.outcome() {
            Outcome::Rejected => &REFUSED,
            Outcome::Unavailable => &UNAVAILABLE,
            _ => &FAILED,
        };
        let title = match error.outcome() {
            Outcome::Rejected => format!("Google does not accept the credential ({})", error.code()),
            Outcome::Unavailable => format!("no token could be had ({})", error.code()),
            _ => format!("the credential is good for no token ({})", error.code()),
        };
        let finding = Finding::from_error(rule, &error).title(title);
        return vec![finding.detail(error.message()).at(credential.origin())];
    }
    let info = token_info_async(credential).await;
    let left = credential.token_async().await.ok().map(|token| {
        let now = credential.exchange().host.clock.now();
        token.expires_at().duration_since(now).unwrap_or_default().as_secs() / 60
    });
    let left = left.map(|minutes| format!(", valid for {minutes} minutes")).unwrap_or_default();
    match info {
        Ok(info) => {
            let who = info.email.or_else(|| credential.principal());
            let who = who.unwrap_or_else(|| "an account whose e-mail it does not tell".to_owned());
            let title = format!("a token of {who}{left}, with {}", info.scopes);
            let mut findings = vec![Finding::ok(CHECK.name, title)];
            if !opens_earth_engine(&info.scopes) {
                findings.push(Finding::of(&SCOPES, format!("the token has only {}", info.scopes)));
            }
            findings
        }
        Err(error) => {
            let who = credential.principal().map(|who| format!(" of {who}")).unwrap_or_default();
            vec![
                Finding::ok(CHECK.name, format!("a token{who}{left}")),
                Finding::of(&UNKNOWN, error.message()),
            ]
        }
    }
}

/// Whether Earth Engine's API takes a token with these scopes.
pub(super) fn opens_earth_engine(scopes: &Scopes) -> bool {
    const ANY: [&str; 4] =
        ["earthengine", "earthengine.readonly", "cloud-platform", "cloud-platform.read-only"];
    scopes.short_names().any(|name| ANY.contains(&name))
}
