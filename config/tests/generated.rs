//! What is made from the tables of keys and kinds: schema, reference, template.

mod support;

use ee_auth_config::{KEYS, PROVIDER_KEYS, reference, schema, template, validate};
use ee_auth_core::Options;
use serde_json::Value as Json;
use support::{KINDS, config, user};

/// The template with every commented-out line taken in: prose begins with `# `, settings with `#`.
fn uncommented() -> String {
    let lines = template();
    let lines = lines.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_template_sets_nothing() {
    let fake = user(&template());
    assert_eq!(config(&fake).values(), config(&ee_auth_fake::Fake::new()).values());
    assert_eq!(validate(&fake.host(), &KINDS, support::USER_FILE.as_ref(), false).unwrap(), [""; 0]);
}

#[test]
fn every_line_of_the_template_can_be_taken_in() {
    let config = config(&user(&uncommented()));
    let values = config.values();
    for key in KEYS {
        assert!(values[key.path].origin.to_string().contains("ee-auth.toml:"), "{} is not set", key.path);
    }
    assert_eq!(config.profiles.len(), 1);
    assert!(!config.providers["service_account"].options.is_empty());
}

#[test]
fn every_example_is_valid() {
    for key in KEYS {
        config(&user(&format!("{} = {}", key.path, key.example)));
        config(&user(&format!("profiles.work.{} = {}", key.path, key.example)));
    }
    for key in PROVIDER_KEYS {
        let kind = if key.path == "kind" { "" } else { "kind = \"exec\"\n" };
        let text = format!("[providers.vault]\n{kind}{} = {}", key.path, key.example);
        let config = config(&user(&text));
        assert_eq!(config.providers["vault"].options, Options::default(), "{} is no option", key.path);
    }
}

#[test]
fn the_reference_names_every_key_variable_and_option() {
    let text = reference(&KINDS);
    for key in KEYS.iter().chain(PROVIDER_KEYS) {
        assert!(text.contains(&format!("| `{}` |", key.path)), "{}", key.path);
        assert!(key.variable.is_none_or(|name| text.contains(&format!("`{name}`"))));
    }
    for kind in KINDS {
        assert!(text.contains(&format!("### `{}`", kind.name)));
        assert!(kind.options.iter().all(|option| text.contains(&format!("| `{}` |", option.name))));
    }
    let columns = |line: &str| line.matches(" | ").count();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().filter(|next| line.starts_with('|') && next.starts_with('|'));
        assert!(next.is_none_or(|next| columns(next) == columns(line)), "{line}");
    }
}

/// The part of the schema at a dotted key.
fn at<'a>(schema: &'a Json, path: &str) -> &'a Json {
    path.split('.').fold(schema, |part, name| {
        let part = &part["properties"][name];
        match part["$ref"].as_str() {
            Some(reference) => schema.pointer(&reference[1..]).expect("the reference leads somewhere"),
            None => part,
        }
    })
}

#[test]
fn the_schema_has_every_key_and_option() {
    let schema = schema(&KINDS);
    for key in KEYS {
        let part = at(&schema, key.path);
        assert_eq!(part["description"], key.summary, "{}", key.path);
        let default = &config(&ee_auth_fake::Fake::new()).values()[key.path].value;
        assert_eq!(&part["default"], default, "{}", key.path);
        let in_profile = &schema["$defs"]["profile"];
        assert!(in_profile["properties"][key.path.split('.').next().unwrap()].is_object());
    }
    for kind in KINDS {
        let table = &schema["$defs"][format!("kind.{}", kind.name)];
        assert_eq!(table["additionalProperties"], false);
        for key in PROVIDER_KEYS.iter().filter(|key| key.path != "kind") {
            let (table_name, name) = key.path.split_once('.').unwrap();
            let common = &schema["$defs"]["provider"]["properties"][table_name];
            assert_eq!(common["properties"][name]["description"], key.summary);
            assert!(table["properties"][table_name].is_object());
        }
        assert!(kind.options.iter().all(|option| table["properties"][option.name].is_object()));
        let built_in = &schema["$defs"]["providers"]["properties"][kind.name];
        assert_eq!(built_in.is_object(), !kind.declared_only);
    }
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn no_kind_has_an_option_that_every_provider_has() {
    let common: Vec<_> = PROVIDER_KEYS.iter().map(|key| key.path.split('.').next().unwrap()).collect();
    for kind in KINDS {
        assert!(kind.options.iter().all(|option| !common.contains(&option.name)));
    }
}
