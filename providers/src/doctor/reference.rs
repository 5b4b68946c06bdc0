//! The part of the documentation that is made from the rules.

use std::fmt::Write;

use super::checks;

/// Every check with all that it can find, in Markdown.
pub fn reference() -> String {
    let mut text = String::new();
    for check in checks() {
        // Writing to a string does not fail.
        let _ = write!(text, "### {}\n\n{}.\n", check.name, check.summary);
        if !check.rules.is_empty() {
            text += "\n| finding | level | what it means | what to do |\n| --- | --- | --- | --- |\n";
        }
        for rule in check.rules {
            let cell = |words: &str| words.replace('|', "\\|");
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                rule.name,
                rule.level.name(),
                cell(rule.meaning),
                cell(rule.fix)
            );
        }
        text.push('\n');
    }
    text
}
