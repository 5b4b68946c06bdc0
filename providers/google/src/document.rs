//! A credential's JSON, read with suspicion.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use ee_auth_core::{Error, Secret, redact};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::service_account::same_pem;

/// The object in a credential's JSON, and where it came from.
///
/// `Debug` shows the keys and no value.
pub struct Document {
    place: String,
    path: Option<PathBuf>,
    fields: BTreeMap<String, Value>,
    /// What a person should know though it can be used.
    pub warnings: Vec<String>,
}

impl Document {
    /// The document in `text`, which came from `place`: a path, or words for a person.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it is no JSON object, is nested deeper than 128,
    /// gives a key twice (which of them counts differs between programs), or has a control character in a value other
    /// than a private key.
    pub fn parse(text: &str, place: &str) -> Result<Self, Error> {
        let Value::Object(object) = parse_strictly(text, place)? else {
            return Err(Error::invalid("json", format!("{place} holds JSON, but not a credential's object"))
                .hint("a credential file begins with `{`; download or copy it again"));
        };
        let document = Self {
            place: place.to_owned(),
            path: None,
            fields: object.into_iter().collect(),
            warnings: Vec::new(),
        };
        document.refuse_control_characters()?;
        Ok(document)
    }

    /// The same document, which was read from the file at `path`.
    #[must_use]
    pub fn in_file(mut self, path: Option<&Path>) -> Self {
        self.path = path.map(Path::to_owned);
        self
    }

    /// The file it was read from, where it was one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether both say the same, wherever they came from and however the line breaks of their private key are written.
    pub fn same_as(&self, other: &Self) -> bool {
        let same = |name: &str, other: &Value| match (&self.fields[name], other) {
            (Value::String(a), Value::String(b)) if name == "private_key" => a == b || same_pem(a, b),
            (a, b) => a == b,
        };
        self.fields.len() == other.fields.len()
            && self.fields.keys().all(|name| other.fields.get(name).is_some_and(|other| same(name, other)))
    }

    /// Where it came from, for a person.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The value of `type`, where it has one.
    pub fn credential_type(&self) -> Option<&str> {
        self.fields.get("type").and_then(Value::as_str)
    }

    /// Whether there is a value that is neither null nor an empty string.
    pub fn has(&self, field: &str) -> bool {
        !matches!(self.fields.get(field), None | Some(Value::Null)) && self.value_str(field) != Some("")
    }

    /// The text of a field; `None` where it is missing, null or empty.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it is something other than text.
    pub fn text(&self, field: &str) -> Result<Option<String>, Error> {
        if !self.has(field) {
            return Ok(None);
        }
        match self.value_str(field) {
            Some(text) => Ok(Some(text.trim().to_owned())),
            None => Err(self.wrong(field, "must be a string")),
        }
    }

    /// The text of a field that is a secret.
    ///
    /// # Errors
    /// As [`Document::text`].
    pub fn secret(&self, field: &str) -> Result<Option<Secret>, Error> {
        self.text(field).map(|text| text.map(Secret::from))
    }

    /// The texts of a field that is an array.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it is something else.
    pub fn texts(&self, field: &str) -> Result<Option<Vec<String>>, Error> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => {
                let texts: Option<Vec<_>> =
                    items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                texts.map(Some).ok_or_else(|| self.wrong(field, "must be an array of strings"))
            }
            Some(_) => Err(self.wrong(field, "must be an array of strings")),
        }
    }

    /// The object that a field holds, as a document of its own; `None` where it is missing or null.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it is something else.
    pub fn object(&self, field: &str) -> Result<Option<Self>, Error> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => {
                let fields = object.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
                let place = format!("{}, `{field}`", self.place);
                let inner = Self { place, path: self.path.clone(), fields, warnings: Vec::new() };
                inner.refuse_control_characters()?;
                Ok(Some(inner))
            }
            Some(_) => Err(self.wrong(field, "must be an object")),
        }
    }

    /// The object that a field is, as a document of its own; `None` where it is missing or null.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it is something else, or holds a control character.
    pub fn section(&self, field: &str) -> Result<Option<Self>, Error> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => {
                let section = Self {
                    place: format!("{}, `{field}`", self.place),
                    path: self.path.clone(),
                    fields: object.clone().into_iter().collect(),
                    warnings: Vec::new(),
                };
                section.refuse_control_characters()?;
                Ok(Some(section))
            }
            Some(_) => Err(self.wrong(field, "must be an object")),
        }
    }

    /// A field that is a whole number, or one written as text; `None` where it is missing or null.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it is something else.
    pub fn number(&self, field: &str) -> Result<Option<u64>, Error> {
        if !self.has(field) {
            return Ok(None);
        }
        let number = match &self.fields[field] {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.wrong(field, "must be a whole number"))
    }

    /// A field that is `true` or `false`; `false` where it is missing or null.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it is something else.
    pub fn switch(&self, field: &str) -> Result<bool, Error> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(self.wrong(field, "must be true or false")),
        }
    }

    /// The names of the fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// An error that names all of `fields` that are missing, if any is.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid), code `missing_field`.
    pub fn require(&self, fields: &[&str], hint: &str) -> Result<(), Error> {
        let missing: Vec<_> =
            fields.iter().filter(|field| !self.has(field)).map(|field| format!("`{field}`")).collect();
        let (last, others) = match missing.split_last() {
            None => return Ok(()),
            Some(parts) => parts,
        };
        let list = if others.is_empty() {
            format!("{last} is")
        } else {
            format!("{} and {last} are", others.join(", "))
        };
        Err(Error::invalid("missing_field", format!("{}: {list} missing", self.place)).hint(hint))
    }

    fn value_str(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str)
    }

    pub(crate) fn wrong(&self, field: &str, what: &str) -> Error {
        Error::invalid("wrong_type", format!("{}: `{field}` {what}", self.place))
            .hint("the file has been changed by hand or by a program; download it again")
    }

    fn refuse_control_characters(&self) -> Result<(), Error> {
        let bad =
            |value: &Value| value.as_str().is_some_and(|text| text.trim().chars().any(char::is_control));
        match self.fields.iter().find(|(name, value)| *name != "private_key" && bad(value)) {
            None => Ok(()),
            Some((name, _)) => Err(Error::invalid(
                "control_character",
                format!("{}: `{}` holds a control character or line break", self.place, redact(name)),
            )
            .hint("a value was damaged when it was copied; download the file again")),
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("place", &self.place)
            .field("keys", &self.fields.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

fn parse_strictly(text: &str, place: &str) -> Result<Value, Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    value.map_err(|error| {
        // The parser's own words repeat nothing of the text, except the key that stands twice.
        let at = format!("{place}, line {}, column {}", error.line(), error.column());
        let words = error.to_string();
        if error.is_eof() {
            return Error::invalid("truncated", format!("{at}: the JSON ends too early"))
                .hint("the file was cut off when it was copied; download it again");
        }
        if let Some(key) = words.strip_prefix(TWICE).and_then(|rest| rest.split('`').nth(1)) {
            return Error::invalid("duplicate_key", format!("{at}: `{key}` is given twice"))
                .hint("keep the one that is right; programs differ in which of them counts");
        }
        if words.starts_with("recursion limit") {
            return Error::invalid("json", format!("{at}: the JSON is nested too deeply for a credential"))
                .hint("this is no credential file; download it again");
        }
        Error::invalid("json", format!("{at}: this is not JSON"))
            .hint("a credential file begins with `{` and ends with `}`; download or copy it again")
    })
}

const TWICE: &str = "given twice: ";

/// JSON in which no object gives a key twice.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("{TWICE}`{}`", redact(&key))));
            }
            let value = entries.next_value_seed(Strict)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Document::parse(text, "the test").expect_err("it should be refused").code()
    }

    #[test]
    fn what_is_no_credential_is_refused_by_name() {
        for (text, expected) in [
            ("{\"a\":", "invalid.truncated"),
            ("{\"a\":\"b", "invalid.truncated"),
            ("[]", "invalid.json"),
            ("hello", "invalid.json"),
            ("{} {}", "invalid.json"),
            ("{\"a\":1,\"a\":2}", "invalid.duplicate_key"),
            ("{\"b\":{\"a\":1,\"a\":2}}", "invalid.duplicate_key"),
            ("{\"a\":\"x\\r\\ny\"}", "invalid.control_character"),
            ("{\"a\":\"x\\u0000y\"}", "invalid.control_character"),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
        assert_eq!(code(&"[".repeat(100_000)), "invalid.json");
        assert_eq!(code(&format!("{{\"a\":{}", "[".repeat(100_000))), "invalid.json");
    }

    #[test]
    fn all_missing_fields_are_named_at_once() {
        let document = Document::parse("{\"a\":\"\",\"d\":\"x\"}", "key.json").unwrap();
        let error = document.require(&["a", "b", "c", "d"], "again").unwrap_err();
        assert_eq!(error.message(), "key.json: `a`, `b` and `c` are missing");
        assert!(document.require(&["d"], "again").is_ok());
    }

    #[test]
    fn a_parse_error_shows_nothing_of_the_text() {
        let error = Document::parse("{\"private_key\": hunter2}", "key.json").unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
