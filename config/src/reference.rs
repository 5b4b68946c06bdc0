//! The reference of all keys for the documentation, and the file that `config init` writes.

use std::fmt::Write;

use ee_auth_core::Kind;

use crate::keys::{DefaultValue, KEYS, MapJoin, PROVIDER_KEYS, ValueType};
use crate::load::{CONFIG_VARIABLE, PROFILE_VARIABLE};

/// Every key, every variable that sets one, and the options of these kinds of provider, as Markdown tables.
pub fn reference(kinds: &[&'static Kind]) -> String {
    let mut text = String::from("### Keys\n\nEach may also stand in `[profiles.NAME]`.\n\n");
    row(&mut text, &["Key", "Value", "Default", "Also set by", "In a project file", "Meaning"]);
    row(&mut text, &["---"; 6]);
    for key in KEYS {
        let also: Vec<_> =
            key.flag.into_iter().chain(key.variable).chain(key.fallbacks.iter().copied()).collect();
        row(
            &mut text,
            &[
                &format!("`{}`", key.path),
                &value(key.value),
                &default(key.default),
                &also.map_join(|name| format!("`{name}`")),
                if key.in_project_file { "yes" } else { "" },
                key.summary,
            ],
        );
    }
    text.push_str("\n### Files and profiles\n\n");
    row(&mut text, &["Variable", "Flag", "Meaning"]);
    row(&mut text, &["---"; 3]);
    row(
        &mut text,
        &[&format!("`{CONFIG_VARIABLE}`"), "`--config`", "The file in the place of the user's own."],
    );
    row(&mut text, &[&format!("`{PROFILE_VARIABLE}`"), "`--profile`", "The profile."]);
    text.push_str("\n### Every provider\n\nKeys of `[providers.NAME]`, beside the options of its kind.\n\n");
    row(&mut text, &["Key", "Value", "Default", "Meaning"]);
    row(&mut text, &["---"; 4]);
    for key in PROVIDER_KEYS {
        row(&mut text, &[&format!("`{}`", key.path), &value(key.value), &default(key.default), key.summary]);
    }
    for kind in kinds {
        let declared = if kind.declared_only {
            " It has to be declared: `[providers.NAME]` with its `kind`."
        } else {
            ""
        };
        let _ = write!(text, "\n### `{}`\n\n{}.{declared}\n", kind.name, sentence(kind.summary));
        if kind.options.is_empty() {
            text.push_str("\nIt has no options.\n");
            continue;
        }
        text.push('\n');
        row(&mut text, &["Option", "Value", "Meaning"]);
        row(&mut text, &["---"; 3]);
        for option in kind.options {
            row(
                &mut text,
                &[
                    &format!("`{}`", option.name),
                    &value(option.value.into()),
                    &format!("{}.", sentence(option.summary)),
                ],
            );
        }
    }
    text
}

/// The file that `config init` writes: every key with its meaning, all of them commented out.
///
/// ```
/// assert!(ee_auth_config::template().contains("\n#project = \"my-ee-project\"\n"));
/// ```
pub fn template() -> String {
    let mut text = String::from(
        "# Settings of ee-auth. Every line is commented out: take away the `#` of those that you want to set.\n\
         # `ee-auth config validate` checks this file, `ee-auth config show --origin` says where each value comes \
         from.\n",
    );
    let mut table = "";
    for key in KEYS {
        if key.table() != table {
            if table.is_empty() {
                text.push_str(PROVIDERS);
            }
            table = key.table();
            let _ = write!(text, "\n#[{table}]\n");
        }
        if table.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "# {}\n#{} = {}", key.summary, key.last_name(), key.example);
    }
    text.push_str(PROFILES);
    text
}

/// Tables stand below the keys at the top.
const PROVIDERS: &str = r#"
# The options of a built-in provider. Any other name declares a provider of your own, and says its `kind`.
#[providers.service_account]
#key_file = "~/keys/ee.json"
"#;

const PROFILES: &str = r#"
# `ee-auth --profile work`, or EE_AUTH_PROFILE=work. A profile may set every key of this file.
#[profiles.work]
#project = "work-project"
#chain = ["persistent"]
"#;

fn row(text: &mut String, cells: &[&str]) {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn value(ty: ValueType) -> String {
    match ty {
        ValueType::Choice(names) => names.map_join(|name| format!("`\"{name}\"`")),
        ValueType::Path => "a path".to_owned(),
        ValueType::Impersonate => "e-mails in one string, or `\"none\"`".to_owned(),
        ValueType::Duration => "a duration like `\"10s\"` or `\"5m\"`".to_owned(),
        ValueType::Endpoint | ValueType::MetadataEndpoint => {
            "an address like `\"https://host/path\"`".to_owned()
        }
        ty => ty.described().into_owned(),
    }
}

fn default(default: DefaultValue) -> String {
    match default {
        DefaultValue::None => String::new(),
        DefaultValue::Text(text) => format!("`\"{text}\"`"),
        DefaultValue::List(items) => format!("`[{}]`", items.map_join(|item| format!("\"{item}\""))),
        DefaultValue::Bool(value) => format!("`{value}`"),
    }
}

/// With a capital at the beginning and no full stop at the end.
fn sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
