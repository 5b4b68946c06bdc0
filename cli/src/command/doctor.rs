//! `ee-auth doctor`: what is wrong with the whole set-up, what it means, and how to mend it.

use std::fmt::Write as _;
use std::process::ExitCode;

use anstyle::Style;
use ee_auth::ShowPath as _;
use ee_auth::doctor::{Diagnosis, Doctor, Finding, Level};
use ee_auth::host::variable;
use ee_auth::{Error, Resolver, visible};
use serde_json::{Value, json};

use super::explain::wrapped;
use crate::arguments::Doctor as Options;
use crate::output::{BAD, CAREFUL, FAINT, GOOD, NEXT, Output, STRONG, styled};

/// What is shown though it is as it should be: who asks, for which project, and whether it works.
const ESSENTIAL: [&str; 4] = ["chain", "project", "token", "earth_engine"];

/// How long the lines are in which something is explained: as in `explain`, less what stands before them.
const WIDTH: usize = 96;

/// How the findings are shown.
struct View {
    /// Those that are as they should be, too.
    verbose: bool,
    /// For the log of a CI job: words in place of signs and colours.
    plain: bool,
    /// As commands to GitHub's runner, which shows them with the run.
    annotations: bool,
}

#[inline(never)]
pub(crate) fn run(
    resolver: Resolver,
    options: &Options,
    verbose: bool,
    output: &Output,
) -> Result<ExitCode, Error> {
    let as_json = output.is_json()?;
    let on_github = variable(&*resolver.host().environment, "GITHUB_ACTIONS").is_some_and(|on| on == "true");
    let view = View { verbose, plain: options.ci, annotations: options.ci && on_github };
    for left in ee_auth_serve::give_back_left(resolver.host()) {
        log::warn!(
            "moved what a command had created in {} to your home directory: its `ee-auth exec` was killed",
            left.shown()
        );
    }
    let resolver = resolver.offline(options.offline);
    let diagnosis = Doctor::new(resolver).online(options.online).ci(options.ci).run();
    let error = diagnosis.error();
    let status = error.as_ref().map_or(0, |error| error.outcome().exit_status());
    if as_json {
        if view.annotations {
            diagnosis.findings.iter().filter_map(annotation).for_each(|line| output.tell(line));
        }
        output.json(&diagnosis_json(&diagnosis, status))?;
    } else {
        output.data(view.text(&diagnosis, options))?;
    }
    // As with `explain`: the answer was given, and programs have the error beside it.
    match error.filter(|_| as_json) {
        Some(error) => Err(error),
        None => Ok(ExitCode::from(status)),
    }
}

fn diagnosis_json(diagnosis: &Diagnosis, status: u8) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "check": finding.check,
            "level": finding.level.name(),
            "title": finding.title,
            "detail": finding.detail,
            "fix": finding.fix,
            "origin": finding.origin,
        })
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "exit_status": status,
        "findings": diagnosis.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

impl View {
    fn text(&self, diagnosis: &Diagnosis, options: &Options) -> String {
        let mut text = String::new();
        let shown = |finding: &&Finding| {
            self.verbose || finding.level > Level::Ok || ESSENTIAL.contains(&finding.check)
        };
        for finding in diagnosis.findings.iter().filter(shown) {
            match annotation(finding).filter(|_| self.annotations) {
                Some(line) => text += &format!("{line}\n"),
                None => self.finding(&mut text, finding),
            }
        }
        let folded = diagnosis.findings.len() - diagnosis.findings.iter().filter(shown).count();
        text.push('\n');
        text += &self.conclusion(diagnosis, folded, options);
        text
    }

    fn finding(&self, text: &mut String, finding: &Finding) {
        let (sign, style) = match finding.level {
            Level::Ok => ("✓", GOOD),
            Level::Note => ("·", FAINT),
            Level::Warning => ("!", CAREFUL),
            Level::Error => ("✗", BAD),
        };
        let sign = if self.plain { format!("{}:", finding.level.name()) } else { sign.to_owned() };
        let mark = styled(self.style(style), sign);
        let title = one_line(&finding.title);
        // Writing to a string does not fail.
        if finding.level == Level::Ok {
            let _ = writeln!(text, "{mark} {}: {title}", finding.check);
            return;
        }
        let name = styled(self.style(FAINT), format!("[{}]", finding.check));
        let _ = writeln!(text, "{mark} {} {name}", styled(self.style(STRONG), title));
        for line in finding.detail.iter().flat_map(|detail| detail.lines()) {
            // A line of a file is left as it is: something is underlined in it.
            let line = visible(line);
            let parts = if line.starts_with(' ') { vec![line.into_owned()] } else { wrapped(&line, WIDTH) };
            for part in parts {
                let _ = writeln!(text, "    {part}");
            }
        }
        for (i, step) in finding.fix.iter().flat_map(|fix| steps(fix)).enumerate() {
            let label = if i == 0 { "fix:" } else { "    " };
            let _ = writeln!(text, "    {} {}", styled(self.style(NEXT), label), one_line(&step));
        }
    }

    fn conclusion(&self, diagnosis: &Diagnosis, folded: usize, options: &Options) -> String {
        let counted = |level, word: &str| match diagnosis.count(level) {
            0 => None,
            1 => Some(format!("1 {word}")),
            n => Some(format!("{n} {word}s")),
        };
        let problems = [(Level::Error, "error"), (Level::Warning, "warning"), (Level::Note, "note")];
        let counts: Vec<_> = problems.into_iter().filter_map(|(level, word)| counted(level, word)).collect();
        let (style, words) = match (diagnosis.count(Level::Error), diagnosis.count(Level::Warning)) {
            (0, 0) if counts.is_empty() => (GOOD, "Nothing is wrong.".to_owned()),
            (0, 0) => (GOOD, format!("Nothing is wrong ({}).", counts.join(", "))),
            (0, _) => (CAREFUL, format!("{}.", counts.join(", "))),
            (1, _) => (BAD, format!("{}.", counts.join(", "))),
            _ => (
                BAD,
                format!("{}. Begin with the first error: others may follow from it.", counts.join(", ")),
            ),
        };
        let mut text = format!("{}", styled(self.style(style), words));
        if folded > 0 {
            text += &format!(" {folded} other checks found nothing: -v lists them.");
        }
        if diagnosis.error().is_none() && !options.online && !options.offline {
            text += "\nWhether Google and Earth Engine agree: `ee-auth doctor --online`";
        }
        text
    }

    fn style(&self, style: Style) -> Style {
        if self.plain { Style::new() } else { style }
    }
}

/// A finding as a command to GitHub's runner, by which it stands in the run's summary: "Workflow commands for GitHub
/// Actions". `None` for one that is as it should be.
fn annotation(finding: &Finding) -> Option<String> {
    let command = match finding.level {
        Level::Ok => return None,
        Level::Note => "notice",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let detail = finding.detail.iter().map(|detail| format!("\n{detail}"));
    let fix = finding.fix.iter().map(|fix| format!("\nfix: {fix}"));
    let message: String = std::iter::once(finding.title.clone()).chain(detail).chain(fix).collect();
    let escaped = message.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    // Names of rules have nothing in them that would have to be escaped.
    Some(
        format!("::{command} title=ee-auth doctor: {}::{}", finding.check, visible(&escaped))
            .replacen(": ", "%3A ", 1),
    )
}

/// What there is to do, one thing on each line. A command is left whole, so that it can be copied.
fn steps(fix: &str) -> Vec<String> {
    let mut steps = vec![String::new()];
    let mut in_command = false;
    let mut rest = fix.chars().peekable();
    while let Some(c) = rest.next() {
        in_command ^= c == '`';
        if c == ';' && !in_command && rest.peek() == Some(&' ') {
            rest.next();
            steps.push(String::new());
        } else if let Some(step) = steps.last_mut() {
            step.push(c);
        }
    }
    steps
}

/// What was written over several lines, on one.
fn one_line(text: &str) -> String {
    visible(&text.replace('\n', " ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::steps;

    #[test]
    fn what_there_is_to_do_breaks_between_commands_and_not_in_them() {
        assert_eq!(steps("log in: `a; b`; or set X"), ["log in: `a; b`", "or set X"]);
        assert_eq!(steps("one"), ["one"]);
    }
}
