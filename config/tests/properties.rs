//! What holds for any file.

mod support;

use ee_auth_config::{Flags, KEYS, Key, Origin, ValueType};
use ee_auth_core::Outcome;
use ee_auth_fake::Fake;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use support::{PROJECT_FILE, SYSTEM_FILE, USER_FILE, flagged, user};

/// Pieces of which files are made, right and wrong ones.
fn toml_like() -> impl Strategy<Value = String> {
    let word = select(vec![
        "project",
        "scopes",
        "chain",
        "providers",
        "profiles",
        "vault",
        "gcloud",
        "kind",
        "exec",
        "timeout",
        "on",
        "expect",
        "unavailable",
        "config",
        "endpoints",
        "token",
        "security",
        "token_hosts",
        "cache",
        "store",
        "work",
        "source",
    ]);
    let punctuation = select(vec![
        " = ",
        "\n",
        "[",
        "]",
        "{",
        "}",
        ",",
        ".",
        "\"",
        "'",
        "#",
        "\\u0000",
        "\"\"\"",
        "\u{feff}",
        "\r\n",
        "é",
        "\t",
        "[[",
        "]]",
        "1",
        "true",
        "inf",
        "\"10s\"",
        "\"https://x\"",
        "~/",
        "[\"gcloud\"]",
        "\0",
    ]);
    vec(prop_oneof![word, punctuation], 0..60).prop_map(|pieces| pieces.concat())
}

/// A key at the top or in one of the tables, and another file that may set it.
fn layers() -> impl Strategy<Value = Vec<(usize, bool)>> {
    vec((any::<Index>(), any::<bool>()), 0..12)
        .prop_map(|keys| keys.into_iter().map(|(index, user)| (index.index(KEYS.len()), user)).collect())
}

/// A file that sets these keys in this order, one a line.
fn file(keys: &[&Key]) -> String {
    keys.iter().map(|key| format!("{} = {}\n", key.path, key.example)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_brings_it_down(text in prop_oneof![toml_like(), any::<String>()], trusted in any::<bool>()) {
        let fake = if trusted { user(&text) } else { Fake::new().with_file(PROJECT_FILE, text) };
        if let Err(error) = flagged(&fake, &Flags::default()) {
            prop_assert!(matches!(error.outcome(), Outcome::Invalid | Outcome::Untrusted));
            prop_assert!(error.message().contains("ee-auth.toml:"), "{}", error);
        }
    }

    #[test]
    fn no_bytes_bring_it_down(bytes in vec(any::<u8>(), 0..200)) {
        let _ = flagged(&Fake::new().with_file(USER_FILE, bytes), &Flags::default());
    }

    #[test]
    fn a_project_file_changes_nothing_but_what_it_may(text in toml_like()) {
        let fake = Fake::new().with_file(PROJECT_FILE, text);
        let before = flagged(&Fake::new(), &Flags::default()).unwrap().values();
        if let Ok(config) = flagged(&fake, &Flags::default()) {
            for (key, value) in config.values() {
                let may = KEYS.iter().any(|known| known.path == key && known.in_project_file);
                prop_assert!(may || before.get(&key) == Some(&value), "{} was set", key);
            }
        }
    }

    #[test]
    fn every_value_keeps_the_line_that_set_it(layers in layers()) {
        let of = |user: bool| {
            let mut keys: Vec<&Key> = Vec::new();
            for (at, _) in layers.iter().filter(|(_, is_user)| *is_user == user) {
                if !keys.iter().any(|known| known.path == KEYS[*at].path) {
                    keys.push(&KEYS[*at]);
                }
            }
            keys
        };
        let (system, own) = (of(false), of(true));
        let fake = Fake::new().with_file(SYSTEM_FILE, file(&system)).with_file(USER_FILE, file(&own));
        let values = flagged(&fake, &Flags::default()).unwrap().values();
        for key in KEYS {
            let line = |keys: &[&Key]| keys.iter().position(|known| known.path == key.path).map(|at| at + 1);
            let expected = match (line(&system), line(&own)) {
                (_, Some(line)) => Origin::file(USER_FILE, line),
                (Some(line), None) => Origin::file(SYSTEM_FILE, line),
                (None, None) => Origin::Default,
            };
            prop_assert_eq!(&values[key.path].origin, &expected);
            if expected == Origin::Default {
                continue;
            }
            // Written out and read again, the value is the same.
            let shown = values[key.path].value.to_string();
            let again = user(&format!("{} = {shown}", key.path));
            let again = flagged(&again, &Flags::default()).unwrap().values();
            prop_assert_eq!(&again[key.path].value, &values[key.path].value);
            prop_assert!(key.value != ValueType::Bool || shown == key.example);
        }
    }

    #[test]
    fn unknown_keys_are_found_on_their_line(
        name in "[a-z_]{1,12}",
        above in 0..20_usize,
        table in select(vec!["", "cache", "security", "profiles.work", "providers.gcloud", "providers.gcloud.expect"]),
    ) {
        let known = ["project", "scopes", "chain", "providers", "profiles", "login", "cache", "plugins", "endpoints", "security",
            "store", "token_hosts", "universe_domain", "allow_executables", "kind", "expect", "on", "principal"];
        prop_assume!(!known.contains(&name.as_str()));
        let header = if table.is_empty() { String::new() } else { format!("[{table}]") };
        let text = format!("{}{header}\n{name} = 1\n", "# comment\n".repeat(above));
        let error = flagged(&user(&text), &Flags::default()).expect_err("an unknown key");
        let line = above + 2;
        prop_assert!(error.message().starts_with(&format!("{USER_FILE}:{line}:1: unknown key `{name}`")), "{}", error);
        let shown = format!("{line} | {name} = ");
        prop_assert!(error.rendered().unwrap().contains(&shown));
    }
}
