//! `ee-auth explain`: which credential is used, and why not another.

use std::fmt::Write as _;
use std::process::ExitCode;

use ee_auth::config::Origin;
use ee_auth::{Attempt, AttemptOutcome, Error, Look, Resolved, Resolver, Saw};
use serde_json::json;

use super::warn_of;
use crate::arguments::Explain;
use crate::output::{BAD, CAREFUL, FAINT, GOOD, NEXT, Output, STRONG, attempt_json, styled, summary};

#[inline(never)]
pub(crate) fn run(resolver: Resolver, options: &Explain, output: &Output) -> Result<ExitCode, Error> {
    let json = output.is_json()?;
    let resolved = resolver.offline(options.offline).look()?;
    warn_of(&resolved.config);
    if json {
        output.json(&json!({
            "resolved": resolved.credential.as_ref().ok().map(|credential| credential.provider()),
            "project": resolved.project.as_ref().ok().and_then(Option::as_ref).map(|project| &project.id),
            "attempts": resolved.attempts.iter().map(attempt_json).collect::<Vec<_>>(),
        }))?;
    } else {
        output.data(report(&resolved))?;
    }
    // The answer was given; what `token` would have said stands on standard error only for programs.
    match &resolved.credential {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(error) if json => Err(error.clone()),
        Err(error) => Ok(ExitCode::from(error.outcome().exit_status())),
    }
}

/// The chain, provider by provider, and what it came to.
pub(crate) fn report(resolved: &Resolved) -> String {
    let mut text = String::new();
    let width = resolved.attempts.iter().map(|attempt| attempt.provider.len()).max().unwrap_or_default();
    for (i, attempt) in resolved.attempts.iter().enumerate() {
        let place = i + 1;
        let (mark, style) = match &attempt.outcome {
            AttemptOutcome::Found(_) => ("✓", GOOD),
            AttemptOutcome::Failed { .. } => ("✗", BAD),
            AttemptOutcome::Skipped(_) => ("–", FAINT),
            _ => ("·", FAINT),
        };
        let name = match attempt.outcome {
            AttemptOutcome::NotReached => {
                format!("{}", styled(FAINT, format!("{:width$}", attempt.provider)))
            }
            _ => format!("{}", styled(STRONG, format!("{:width$}", attempt.provider))),
        };
        let _ = write!(text, "{place:2} {} {name}  ", styled(style, mark));
        let indent = " ".repeat(7 + width);
        match &attempt.outcome {
            AttemptOutcome::NotReached => text += &format!("{}\n", styled(FAINT, "not reached")),
            outcome => {
                text += &summary(outcome);
                text.push('\n');
                details(&mut text, attempt, &indent, resolved.credential.is_ok());
            }
        }
    }
    text.push('\n');
    conclusion(&mut text, resolved);
    text.trim_end().to_owned()
}

/// Where one provider looked, and the fix.
fn details(text: &mut String, attempt: &Attempt, indent: &str, has_credential: bool) {
    for saw in [Saw::Set, Saw::Present, Saw::Unreadable, Saw::Missing, Saw::Empty, Saw::Unset] {
        let places: Vec<_> =
            attempt.looked_at.iter().filter(|look| look.saw() == saw).map(Look::place).collect();
        if !places.is_empty() {
            let line = format!("{}: {}", saw.word(), listed(&places));
            for part in wrapped(&line, 100usize.saturating_sub(indent.len()).max(40)) {
                let _ = writeln!(text, "{indent}{}", styled(FAINT, part));
            }
        }
    }
    let (hint, continued) = match &attempt.outcome {
        AttemptOutcome::Skipped(skip) => (skip.hint.as_deref(), false),
        AttemptOutcome::Failed { error, continued } => (error.next_step(), *continued),
        _ => (None, false),
    };
    if continued {
        let _ =
            writeln!(text, "{indent}{}", styled(CAREFUL, "the chain went on, as `on` in ee-auth.toml says"));
    }
    if let Some(hint) = hint {
        let label = if has_credential { "to use it:" } else { "fix:" };
        let _ = writeln!(text, "{indent}{} {hint}", styled(NEXT, label));
    }
}

fn conclusion(text: &mut String, resolved: &Resolved) {
    match &resolved.credential {
        Ok(credential) => {
            let _ = write!(text, "{} {}", styled(GOOD, "Uses"), styled(STRONG, credential.provider()));
            if let Some(principal) = credential.principal() {
                let _ = write!(text, " as {principal}");
            }
            text.push('\n');
            if let Some(impersonates) = credential.impersonates() {
                let _ = writeln!(
                    text,
                    "Impersonates {} (from {})",
                    styled(STRONG, &impersonates.account),
                    impersonates.named_by
                );
            }
            for warning in credential.warnings() {
                let _ = writeln!(text, "{} {warning}", styled(CAREFUL, "warning:"));
            }
        }
        // The hint of the whole chain sends people here, and those of the providers stand beside them.
        Err(error) if !resolved.attempts.is_empty() => {
            let found =
                resolved.attempts.iter().any(|attempt| matches!(attempt.outcome, AttemptOutcome::Found(_)));
            // Where a credential was found it is the project that is wrong, which is said below.
            if !found {
                let _ = writeln!(text, "{} {error}", styled(BAD, "error:"));
            }
        }
        Err(error) => problem(text, error),
    }
    match &resolved.project {
        Err(error) => problem(text, error),
        Ok(Some(project)) => {
            let _ = writeln!(text, "Project {} (from {})", styled(STRONG, &project.id), project.origin);
        }
        Ok(None) => {
            let _ = writeln!(
                text,
                "{} {} set EARTHENGINE_PROJECT, or `project = \"…\"` in ee-auth.toml",
                styled(CAREFUL, "No project."),
                styled(NEXT, "fix:")
            );
        }
    }
    if let Some(profile) = &resolved.config.profile {
        let _ = writeln!(text, "Profile {} (from {})", profile.value, profile.origin);
    }
    let _ = match &resolved.config.chain.origin {
        Origin::Default => writeln!(text, "{}", styled(FAINT, "The chain is the default one.")),
        origin => writeln!(text, "{}", styled(FAINT, format_args!("The chain is from {origin}."))),
    };
}

/// An error with its fix.
fn problem(text: &mut String, error: &Error) {
    let _ = writeln!(text, "{} {error}", styled(BAD, "error:"));
    if let Some(hint) = error.next_step() {
        let _ = writeln!(text, "{} {hint}", styled(NEXT, "fix:"));
    }
}

/// The first places by name, and how many more there are.
fn listed(places: &[String]) -> String {
    const SHOWN: usize = 4;
    match places.len().saturating_sub(SHOWN) {
        // "and 1 more" is as long as the name.
        0 | 1 => places.join(", "),
        more => format!("{} and {more} more", places.get(..SHOWN).unwrap_or(places).join(", ")),
    }
}

/// `line` in pieces of at most `width` characters, broken after a space where there is one.
pub(super) fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for word in line.split(' ') {
        if !piece.is_empty() && piece.chars().count() + 1 + word.chars().count() > width {
            pieces.push(std::mem::replace(&mut piece, format!("  {word}")));
        } else {
            if !piece.is_empty() {
                piece.push(' ');
            }
            piece.push_str(word);
        }
    }
    pieces.push(piece);
    pieces
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn long_lines_break_between_words() {
        assert_eq!(wrapped("unset: AA, BB, CC", 10), ["unset: AA,", "  BB, CC"]);
        assert_eq!(wrapped("one", 2), ["one"]);
    }
}
