//! The reference in `docs/` is what the code says. `UPDATE_DOCS=1 cargo test -p ee-auth --test documentation` writes it.
#![allow(clippy::disallowed_methods, reason = "a test reads the repository")]

use std::path::Path;

/// What stands in `docs/configuration.md` between these lines is generated.
const BEGIN: &str = "<!-- generated: the reference -->\n";
const END: &str = "<!-- end of what is generated -->";

#[test]
fn the_configuration_reference_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the reference is marked");
    let (written, after) = rest.split_once(END).expect("the end of the reference is marked");
    let expected = format!("\n{}\n\n", ee_auth::config::reference(ee_auth::kinds()).trim());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
    } else {
        assert_eq!(written, expected, "run with UPDATE_DOCS=1 to write it anew");
    }
}

#[test]
fn every_finding_of_doctor_is_documented_as_the_code_has_it() {
    const BEGIN: &str = "<!-- generated: the findings -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/doctor.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the findings is marked");
    let (written, after) = rest.split_once(END).expect("the end of the findings is marked");
    let expected = format!("\n{}\n\n", ee_auth::doctor::reference().trim());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
    } else {
        assert_eq!(written, expected, "run with UPDATE_DOCS=1 to write it anew");
    }
}

#[test]
fn every_variable_that_holds_a_credential_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/variables.md");
    let text = std::fs::read_to_string(path).unwrap();
    for name in ee_auth_environment::names() {
        assert!(text.contains(&format!("`{name}`")), "{name} is missing from docs/variables.md");
    }
}
