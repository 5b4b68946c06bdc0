//! The pages that a browser is answered: `page.html`, with what happened in it.

use std::fmt::Write;

use ee_auth_core::host::Page;
use ee_auth_core::{Error, Grant};

use crate::heard::Stray;

const TEMPLATE: &str = include_str!("page.html");

/// How a page looks.
#[derive(Clone, Copy)]
enum Tone {
    Good,
    Note,
    Bad,
}

impl Tone {
    /// The class in the template, and the shape in its circle: a tick, an exclamation mark, a cross.
    fn style(self) -> (&'static str, &'static str) {
        match self {
            Self::Good => ("good", "M15 24.5l6.5 6.5L34 18"),
            Self::Note => ("note", "M24 14v12M24 33.5v.01"),
            Self::Bad => ("bad", "M17 17l14 14M31 17L17 31"),
        }
    }
}

/// The login is done.
pub(crate) fn logged_in(grant: &Grant) -> Page {
    let mut text = match &grant.principal {
        Some(principal) => paragraph(&format!("ee-auth can now use Google Earth Engine as {principal}.")),
        None => paragraph("ee-auth can now use Google Earth Engine for you."),
    };
    text += &paragraph("You can close this tab and go back to your terminal or notebook.");
    for warning in &grant.warnings {
        text += &next(warning);
    }
    page(200, if grant.warnings.is_empty() { Tone::Good } else { Tone::Note }, "You are logged in", &text)
}

/// The person, or Google, said no.
pub(crate) fn refused(error: &Error) -> Page {
    if error.detail() == "access_denied" {
        let why = "You, or a policy of your organisation, did not allow what ee-auth asked for.";
        return page(200, Tone::Bad, "Access was not given", &explained(why, error));
    }
    page(200, Tone::Bad, "Google refused the login", &explained(error.message(), error))
}

/// Access was given, and the code could not be exchanged.
pub(crate) fn failed(error: &Error) -> Page {
    page(200, Tone::Bad, "The login could not be finished", &explained(error.message(), error))
}

/// It is not the login's answer, and the login goes on waiting.
pub(crate) fn stray(stray: Stray) -> Page {
    const NEWEST: &str = "Use the address that was shown last. That login goes on waiting.";
    match stray {
        Stray::Elsewhere => page(
            404,
            Tone::Note,
            "There is nothing here",
            &paragraph(
                "A login is waiting for its answer on this computer. It needs nothing from this address.",
            ),
        ),
        Stray::NoAnswer => page(
            400,
            Tone::Note,
            "The login is still waiting",
            &(paragraph("Google's answer is not in this address.")
                + &next("Finish signing in at Google, in the tab where that page is open.")),
        ),
        Stray::OtherLogin => page(
            400,
            Tone::Note,
            "This page belongs to another login",
            &(paragraph(
                "It answers a login that has ended, or one that somebody else began. Nothing was done with it.",
            ) + &next(NEWEST)),
        ),
        Stray::OtherUser => page(
            403,
            Tone::Bad,
            "This browser runs as another user",
            &(paragraph(
                "The login was started by one user of this computer, and this page was opened by another. Nothing was done with it, \
                 and the login goes on waiting.",
            ) + &next(
                "If you are both, paste the address of this page at the login's prompt in the terminal.",
            )),
        ),
        Stray::Ambiguous => page(
            400,
            Tone::Bad,
            "This address says something twice",
            &(paragraph("Google's answers do not. Nothing was done with it.") + &next(NEWEST)),
        ),
    }
}

fn explained(why: &str, error: &Error) -> String {
    let mut text = paragraph(&sentence(why));
    if let Some(hint) = error.next_step() {
        text += &next(&format!("What to do: {}", sentence(hint)));
    }
    text + &paragraph("Nothing was changed on this computer. You can close this tab.")
}

/// The same text with a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?', '`']) || ends_with_address(text) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// A full stop behind an address would be copied with it.
fn ends_with_address(text: &str) -> bool {
    text.rsplit(' ').next().is_some_and(|word| word.contains("://"))
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escaped(text))
}

fn next(text: &str) -> String {
    format!("<p class=\"next\">{}</p>\n", escaped(text))
}

/// Text that means itself in HTML, between tags and in quotes.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c if c.is_control() => html.push(' '),
            c => html.push(c),
        }
    }
    html
}

/// `text` is HTML. It is put in last, since it may hold what looks like a place in the template.
fn page(status: u16, tone: Tone, title: &str, text: &str) -> Page {
    let (class, icon) = tone.style();
    let mut html = String::with_capacity(TEMPLATE.len() + text.len());
    let mut rest = TEMPLATE;
    while let Some((before, (name, after))) =
        rest.split_once("{{").and_then(|(before, rest)| Some((before, rest.split_once("}}")?)))
    {
        let value = match name {
            "title" => &escaped(title),
            "tone" => class,
            "icon" => icon,
            _ => text,
        };
        let _ = write!(html, "{before}{value}");
        rest = after;
    }
    html.push_str(rest);
    Page { status, html }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_said_is_text_and_nothing_else() {
        let error =
            Error::rejected("x", "<script>alert(1)</script> & \"quoted\" 'words' {{title}}\u{1b}[31m")
                .hint("see <a href=\"javascript:x\">there</a>");
        for page in [refused(&error), failed(&error)] {
            assert!(!page.html.contains("<script") && !page.html.contains("<a "), "{}", page.html);
            assert!(page.html.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quoted&quot; &#39;words&#39; {{title}}\\u{1b}[31m"));
        }
    }

    #[test]
    fn a_page_needs_nothing_and_has_what_a_reader_needs() {
        for stray in
            [Stray::Elsewhere, Stray::NoAnswer, Stray::OtherLogin, Stray::OtherUser, Stray::Ambiguous]
        {
            let page = super::stray(stray);
            assert!(page.status >= 400);
            for part in
                ["<html lang=\"en\">", "<meta charset=\"utf-8\">", "<title>", "<h1>", "name=\"viewport\""]
            {
                assert_eq!(page.html.matches(part).count(), 1, "{part}");
            }
            for part in ["<script", "src=", "http", "@import", "url(", "{{", "}}"] {
                assert!(!page.html.contains(part), "{part}");
            }
        }
    }

    #[test]
    fn a_sentence_begins_and_ends_as_one() {
        assert_eq!(sentence("log in again"), "Log in again.");
        assert_eq!(sentence("see: https://example.com/a"), "See: https://example.com/a");
        assert_eq!(sentence("It is over."), "It is over.");
        assert_eq!(sentence(""), ".");
    }
}
