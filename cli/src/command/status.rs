//! `ee-auth status`

use std::fmt::Write as _;

use ee_auth::time::rfc3339;
use ee_auth::{Credential, Error, Resolver, TokenInfo, token_info};
use serde_json::{Value, json};

use super::warn_of;
use crate::arguments::Status;
use crate::output::{CAREFUL, NEXT, Output, STRONG, styled};

#[inline(never)]
pub(crate) fn run(resolver: Resolver, options: &Status, output: &Output) -> Result<(), Error> {
    let json = output.is_json()?;
    let resolver = resolver.offline(options.offline);
    let resolved = resolver.look()?;
    warn_of(&resolved.config);
    let credential = resolved.credential?;
    let info = match options.online {
        true => Some(token_info(&credential).map_err(|error| error.with_attempts(&resolved.attempts))?),
        false => None,
    };
    let profile = resolved.config.profile.as_ref().map(|profile| profile.value.as_str());
    if json {
        return output.json(&status_json(&credential, info.as_ref(), profile));
    }
    output.data(text(&credential, info.as_ref(), profile))
}

fn status_json(credential: &Credential, info: Option<&TokenInfo>, profile: Option<&str>) -> Value {
    // Before the principal, which a token may tell.
    let held = credential.held_token();
    let principal = info.and_then(|info| info.email.clone()).or_else(|| credential.principal());
    let scopes = info.map_or(credential.scopes(), |info| &info.scopes);
    json!({
        "provider": credential.provider(),
        "kind": credential.kind(),
        "principal": principal,
        "impersonates": credential.impersonates().map(|impersonates| &impersonates.account),
        "project": credential.project().map(|project| &project.id),
        "scopes": scopes.iter().collect::<Vec<_>>(),
        "quota_project": credential.quota_project(),
        "universe_domain": credential.universe_domain(),
        "origin": credential.origin(),
        "token": {
            "cached": held.as_ref().is_some_and(|token| token.was_cached()),
            "expires_at": held.map(|token| rfc3339(token.expires_at())),
        },
        "profile": profile,
    })
}

fn text(credential: &Credential, info: Option<&TokenInfo>, profile: Option<&str>) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "{}  {value}", styled(STRONG, format!("{name:10}")));
    };
    row(
        "Provider",
        &match credential.kind() {
            kind if kind == credential.provider() => kind.to_owned(),
            kind => format!("{} (kind {kind})", credential.provider()),
        },
    );
    row("Credential", credential.origin());
    // Before the principal, which a token may tell.
    let held = credential.held_token();
    let principal = info.and_then(|info| info.email.clone()).or_else(|| credential.principal());
    let unknown = format!("not known {} `ee-auth status --online` asks Google", styled(NEXT, "·"));
    let silent = "not known: the token carries no e-mail".to_owned();
    row("Account", &principal.unwrap_or(if info.is_some() { silent } else { unknown }));
    if let Some(impersonates) = credential.impersonates() {
        row("Acts as", &format!("{} (from {})", impersonates.account, impersonates.named_by));
    }
    row(
        "Project",
        &match credential.project() {
            Some(project) => format!("{} (from {})", project.id, project.origin),
            None => format!(
                "{} {} `ee-auth set-project ID` stores one, EARTHENGINE_PROJECT names one",
                styled(CAREFUL, "none"),
                styled(NEXT, "fix:")
            ),
        },
    );
    if let Some(quota) = credential.quota_project() {
        row("Quota", quota);
    }
    let scopes = info.map_or(credential.scopes(), |info| &info.scopes);
    row(
        "Scopes",
        &match scopes.is_empty() {
            true => "as granted at the login".to_owned(),
            false => scopes.to_string(),
        },
    );
    if let Some(token) = held {
        row("Token", &format!("kept; it expires at {}", rfc3339(token.expires_at())));
    }
    if let Some(profile) = profile {
        row("Profile", profile);
    }
    if credential.universe_domain() != "googleapis.com" {
        row("Universe", credential.universe_domain());
    }
    for warning in credential.warnings() {
        let _ = writeln!(text, "{} {warning}", styled(CAREFUL, "warning:"));
    }
    text.trim_end().to_owned()
}
