//! A plugin's table in an ee-auth.toml, whose comments and order stay as they are.

use ee_auth::plugins::{Candidate, OptionValue};
use ee_auth::{Error, kinds};
use serde_json::Value as Json;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value, value};

/// The file with the candidate's table, and what was added to it, for a person.
pub(super) fn with(before: &str, candidate: &Candidate, chain: bool) -> Result<(String, String), Error> {
    let mut document: DocumentMut = before.parse().map_err(|_| {
        Error::invalid("toml", "it is not TOML, so nothing can be added to it")
            .hint("`ee-auth config validate` shows where")
    })?;
    let providers = document
        .entry("providers")
        .or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        })
        .as_table_like_mut()
        .ok_or_else(|| {
            Error::invalid("wrong_type", "`providers` is no table").hint("write `[providers.NAME]`")
        })?;
    let declared = providers.get(&candidate.name).and_then(|table| table.get("kind")).and_then(Item::as_str);
    let is_kind = kinds().iter().any(|kind| kind.name == candidate.name);
    if is_kind || declared.is_some_and(|kind| kind != candidate.kind.name) {
        return Err(Error::invalid(
            "name",
            format!("the name {} belongs to another provider", candidate.name),
        )
        .hint("give this one another: --name NAME"));
    }
    let table = providers
        .entry(&candidate.name)
        .or_insert_with(|| Item::Table(Table::new()))
        .as_table_like_mut()
        .ok_or_else(|| {
            Error::invalid("wrong_type", "the provider's entry is no table").hint("write `[providers.NAME]`")
        })?;
    let mut added = format!("[providers.{}]\n", candidate.name);
    let mut put = |key: &str, new: Value| {
        added += &format!("{key} = {}\n", new.to_string().trim());
        table.insert(key, value(new));
    };
    put("kind", Value::from(candidate.kind.name));
    // In the order in which the kind has them, which is that of the documentation.
    for option in candidate.kind.options {
        let of_name = |(name, _): &(&str, &OptionValue)| *name == option.name;
        let set = candidate.options.iter().find(of_name);
        // What the table says already stays as it is written there.
        if let Some((_, set)) = set.filter(|set| candidate.before.iter().find(of_name) != Some(*set)) {
            if let Some(new) = toml(set) {
                put(option.name, new);
            }
        }
    }
    // What an earlier file needed, and this one does not.
    for key in ["in_place"] {
        if candidate.options.bool(key).is_none() {
            table.remove(key);
        }
    }
    if chain {
        added = format!("{}\n{added}", put_first(&mut document, &candidate.name)?);
    }
    Ok((document.to_string(), added))
}

/// The provider's name first in `chain`, before those that are there or the default ones.
fn put_first(document: &mut DocumentMut, name: &str) -> Result<String, Error> {
    let default = || {
        let there = |name: &&&str| kinds().iter().any(|kind| kind.name == **name);
        Value::from(ee_auth::config::DEFAULT_CHAIN.iter().filter(there).copied().collect::<Array>())
    };
    let chain =
        document.entry("chain").or_insert_with(|| value(default())).as_array_mut().ok_or_else(|| {
            Error::invalid("wrong_type", "`chain` is no array").hint("write `chain = [\"NAME\"]`")
        })?;
    chain.retain(|item| item.as_str() != Some(name));
    let mut first = Value::from(name);
    if let Some(second) = chain.get_mut(0) {
        // On a line of its own, where the others are.
        let space = second.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned();
        second.decor_mut().set_prefix(if space.is_empty() { " " } else { &space });
        first.decor_mut().set_prefix(space);
    }
    chain.insert_formatted(0, first);
    Ok(format!("chain = {}\n", chain.to_string().trim()))
}

fn toml(set: &OptionValue) -> Option<Value> {
    Some(match set {
        OptionValue::String(text) => Value::from(text.as_str()),
        OptionValue::Path(path) => Value::from(path.to_str()?),
        OptionValue::Strings(texts) => Value::from(texts.iter().map(String::as_str).collect::<Array>()),
        OptionValue::Bool(switch) => Value::from(*switch),
        OptionValue::Table(table) => Value::InlineTable(inline(table)),
        _ => return None,
    })
}

fn inline(table: &serde_json::Map<String, Json>) -> InlineTable {
    table.iter().filter_map(|(key, json)| Some((key.as_str(), of_json(json)?))).collect()
}

/// A JSON value in TOML, which has no null.
fn of_json(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(switch) => Value::from(*switch),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::from(integer),
            None => Value::from(number.as_f64()?),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(values) => Value::Array(values.iter().filter_map(of_json).collect()),
        Json::Object(table) => Value::InlineTable(inline(table)),
    })
}
