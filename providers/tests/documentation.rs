//! The reference in `docs/` is what the code says. `UPDATE_DOCS=1 cargo test -p ee-auth --test documentation` writes it.
#![allow(clippy::disallowed_methods, reason = "a test reads the repository")]

use std::path::Path;

use ee_auth_environment::Usually;

/// What stands between a page's `begin` and this line is generated.
const END: &str = "<!-- end of what is generated -->";

/// Holds what stands behind `<!-- generated: WHAT -->` in a page against the code.
fn is_generated(page: &str, what: &str, expected: &str) {
    let begin = format!("<!-- generated: {what} -->\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let text = std::fs::read_to_string(&path).expect("the page is there");
    let (before, rest) = text.split_once(&begin).expect("the beginning of what is generated is marked");
    let (written, after) = rest.split_once(END).expect("the end of what is generated is marked");
    let expected = format!("\n{}\n\n", expected.trim());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{begin}{expected}{END}{after}"))
            .expect("the page can be written");
    } else {
        assert_eq!(written, expected, "run with UPDATE_DOCS=1 to write it anew");
    }
}

#[test]
fn the_configuration_reference_is_what_the_code_says() {
    is_generated("configuration.md", "the reference", &ee_auth::config::reference(ee_auth::kinds()));
}

#[test]
fn every_finding_of_doctor_is_documented_as_the_code_has_it() {
    is_generated("doctor.md", "the findings", &ee_auth::doctor::reference());
}

#[test]
fn every_variable_that_holds_a_credential_is_documented_as_the_code_has_it() {
    let rows = ee_auth_environment::VARIABLES.iter().map(|variable| {
        let usually = match variable.usually {
            Usually::EmailOfKeyIn(key) => format!("a service account's e-mail, with its key in `{key}`"),
            Usually::KeyOf(email) => format!("the key of the account in `{email}`"),
            _ => "a credential".to_owned(),
        };
        format!("| `{}` | {usually} |\n", variable.name)
    });
    let last = [
        "the path of a file that holds one of these, relative to the working directory, or with `~/`",
        "base64 of any of these",
    ];
    let forms = ee_auth_environment::FORMS.iter().map(|form| form.what).chain(last);
    let forms = forms.enumerate().map(|(at, what)| format!("{}. {what}\n", at + 1));
    let text = format!(
        "| variable | usually holds |\n| --- | --- |\n{}\nEach of them takes any of these shapes. White space around the value, a byte \
         order mark and one pair of quotes do not count; then the first that fits is taken:\n\n{}",
        rows.collect::<String>(),
        forms.collect::<String>()
    );
    is_generated("variables.md", "the variables", &text);
}
