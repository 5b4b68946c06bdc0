//! The JSON schema of `ee-auth.toml`, for editors: what `config schema` prints.

use ee_auth_core::Kind;
use serde_json::{Map, Value as Json, json};

use crate::keys::{DefaultValue, KEYS, Key, PROVIDER_KEYS, ValueType};

/// The JSON schema (draft 2020-12) of `ee-auth.toml` with these kinds of provider.
///
/// It is stricter than [`load`](crate::load()) in one point: a table that changes a provider which another file declares
/// has to repeat its `kind`.
pub fn schema(kinds: &[&'static Kind]) -> Json {
    let mut definitions: Map<String, Json> =
        kinds.iter().map(|kind| (format!("kind.{}", kind.name), provider(kind))).collect();
    definitions.insert("provider".to_owned(), object(table(PROVIDER_KEYS, "")));
    definitions.insert("declared".to_owned(), declared(kinds));
    definitions.insert("providers".to_owned(), providers(kinds));
    definitions.insert("profile".to_owned(), object(settings("")));
    let mut top = references("profile", settings(""));
    top.insert(
        "profiles".to_owned(),
        json!({
            "description": "Named sets of settings: `ee-auth --profile NAME`, or EE_AUTH_PROFILE=NAME.",
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$", "not": {"const": "credentials"}},
            "additionalProperties": {"$ref": "#/$defs/profile"},
        }),
    );
    let mut schema = object(top);
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        fields.insert("title".to_owned(), "ee-auth.toml".into());
        fields.insert("$defs".to_owned(), definitions.into());
    }
    schema
}

/// A table with these keys and no others.
fn object(properties: Map<String, Json>) -> Json {
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// For each of these properties, that of the same name in a definition.
fn references(definition: &str, properties: Map<String, Json>) -> Map<String, Json> {
    let reference = |name: &str| json!({"$ref": format!("#/$defs/{definition}/properties/{name}")});
    properties
        .into_iter()
        .map(|(name, _)| {
            let reference = reference(&name);
            (name, reference)
        })
        .collect()
}

/// The keys of a file or a profile that stand in the table `prefix` (with a dot; empty for the top).
fn settings(prefix: &str) -> Map<String, Json> {
    let mut properties = table(KEYS, prefix);
    if prefix.is_empty() {
        properties.insert("providers".to_owned(), json!({"$ref": "#/$defs/providers"}));
    }
    properties
}

fn table(keys: &[Key], prefix: &str) -> Map<String, Json> {
    let mut properties = Map::new();
    for key in keys {
        let Some(rest) = key.path.strip_prefix(prefix) else { continue };
        let (name, schema) = match rest.split_once('.') {
            None => (rest, leaf(key)),
            Some((name, _)) => (name, object(table(keys, &format!("{prefix}{name}.")))),
        };
        properties.entry(name).or_insert(schema);
    }
    properties
}

fn leaf(key: &Key) -> Json {
    let mut schema = value(key.value);
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("description".to_owned(), key.summary.into());
        if key.default != DefaultValue::None {
            fields.insert("default".to_owned(), key.default.to_json());
        }
    }
    schema
}

fn value(ty: ValueType) -> Json {
    match ty {
        ValueType::Bool => json!({"type": "boolean"}),
        ValueType::Port => json!({"type": "integer", "minimum": 0, "maximum": 65535}),
        ValueType::Table => json!({"type": "object"}),
        ValueType::Choice(names) => json!({"enum": names}),
        ValueType::Endpoint | ValueType::MetadataEndpoint => {
            json!({"type": "string", "format": "uri", "pattern": "^https?://"})
        }
        ValueType::Chain => json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true}),
        ValueType::Scopes => json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
        ty if ty.is_list() => json!({"type": "array", "items": {"type": "string"}}),
        _ => json!({"type": "string", "minLength": 1}),
    }
}

/// The table of a provider of this kind.
fn provider(kind: &Kind) -> Json {
    let mut properties = references("provider", table(PROVIDER_KEYS, ""));
    properties.insert("kind".to_owned(), json!({"const": kind.name}));
    for option in kind.options {
        let mut schema = value(option.value.into());
        if let Some(fields) = schema.as_object_mut() {
            fields.insert("description".to_owned(), option.summary.into());
        }
        properties.insert(option.name.to_owned(), schema);
    }
    let mut schema = object(properties);
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("description".to_owned(), kind.summary.into());
    }
    schema
}

/// The table of a provider that is not named after its kind.
fn declared(kinds: &[&'static Kind]) -> Json {
    let names: Vec<_> = kinds.iter().map(|kind| kind.name).collect();
    let of_each_kind: Vec<_> = kinds
        .iter()
        .map(|kind| {
            json!({
                "if": {"properties": {"kind": {"const": kind.name}}},
                "then": {"$ref": format!("#/$defs/kind.{}", kind.name)},
            })
        })
        .collect();
    let mut schema = json!({"type": "object", "properties": {"kind": {"enum": names}}, "required": ["kind"]});
    if let (Some(fields), false) = (schema.as_object_mut(), of_each_kind.is_empty()) {
        fields.insert("allOf".to_owned(), of_each_kind.into());
    }
    schema
}

fn providers(kinds: &[&'static Kind]) -> Json {
    let built_in: Map<_, _> = kinds
        .iter()
        .filter(|kind| !kind.declared_only)
        .map(|kind| (kind.name.to_owned(), json!({"$ref": format!("#/$defs/kind.{}", kind.name)})))
        .collect();
    json!({
        "description": "The options of built-in kinds of provider, and providers of your own.",
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$"},
        "properties": built_in,
        "additionalProperties": {"$ref": "#/$defs/declared"},
    })
}
