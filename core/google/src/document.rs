//! A credential's JSON, read with suspicion.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use ee_auth_core::{Error, Secret, nearest_name, redact};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::identify;
use crate::json_fault;
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
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it is no JSON object, is nested deeper than 128, or
    /// gives a key twice (which of them counts differs between programs). Line breaks that a shell or a form has put into
    /// strings are taken for what they were before. What a member holds is looked at when it is asked for.
    pub fn parse(text: &str, place: &str) -> Result<Self, Error> {
        let value = parse_strictly(text, place).or_else(|error| match mended(text) {
            // What is wrong with the original is what a person can look at.
            Some(mended) => parse_strictly(&mended, place).map_err(|_| error),
            None => Err(error),
        })?;
        let Value::Object(object) = value else {
            let looks_like = looks_like(text).map(|identity| format!(": it looks like {}", identity.what));
            return Err(Error::invalid(
                "json",
                format!(
                    "{place} holds JSON, but not a credential's object{}",
                    looks_like.unwrap_or_default()
                ),
            )
            .hint("a credential file begins with `{`; download or copy it again"));
        };
        Ok(Self {
            place: place.to_owned(),
            path: None,
            fields: object.into_iter().collect(),
            warnings: Vec::new(),
        })
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
        let same = |name: &str, own: &Value, other: &Value| match (own, other) {
            (Value::String(a), Value::String(b)) if name == "private_key" => a == b || same_pem(a, b),
            (a, b) => a == b,
        };
        self.fields.len() == other.fields.len()
            && self
                .fields
                .iter()
                .all(|(name, own)| other.fields.get(name).is_some_and(|other| same(name, own, other)))
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
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it is something other than text, or holds a control
    /// character, the line breaks of a private key aside.
    pub fn text(&self, field: &str) -> Result<Option<String>, Error> {
        if !self.has(field) {
            return Ok(None);
        }
        match self.value_str(field).map(str::trim) {
            Some(text) if field != "private_key" && text.contains(char::is_control) => {
                Err(self.control_character(field))
            }
            Some(text) => Ok(Some(text.to_owned())),
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
                let texts = texts.ok_or_else(|| self.wrong(field, "must be an array of strings"))?;
                if texts.iter().any(|text| text.trim().contains(char::is_control)) {
                    return Err(self.control_character(field));
                }
                Ok(Some(texts))
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
                Ok(Some(Self { place, path: self.path.clone(), fields, warnings: Vec::new() }))
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
        let number = match self.fields.get(field) {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
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
    pub fn require(&self, fields: &[&'static str], hint: &str) -> Result<(), Error> {
        if let Some(damaged) =
            fields.iter().find(|field| self.text(field).is_err_and(|error| error.detail() == CONTROL))
        {
            return Err(self.control_character(damaged));
        }
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
        let error = Error::invalid("missing_field", format!("{}: {list} missing", self.place));
        let Some((name, right)) = self.near_miss(fields) else { return Err(error.hint(hint)) };
        Err(error.hint(format!("it has `{}`: Google writes `{right}`", redact(name))))
    }

    /// What it is, where that is known and is no credential.
    pub(crate) fn identity(&self) -> Option<identify::Identity> {
        identify::of_members(&self.fields)
    }

    fn value_str(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str)
    }

    pub(crate) fn wrong(&self, field: &str, what: &str) -> Error {
        Error::invalid("wrong_type", format!("{}: `{field}` {what}", self.place))
            .hint("the file has been changed by hand or by a program; download it again")
    }

    fn control_character(&self, field: &str) -> Error {
        Error::invalid(CONTROL, format!("{}: `{field}` holds a control character or line break", self.place))
            .hint("the value was damaged when it was copied; download the file again")
    }

    /// The member in which an object stands, as JSON or as text, that has one of `fields`.
    pub(crate) fn wrapper(&self, fields: &[&str]) -> Option<&str> {
        let has_one = |object: &Value| fields.iter().any(|field| object.get(field).is_some());
        let wraps = |value: &Value| match value {
            Value::Object(_) => has_one(value),
            Value::String(text) => serde_json::from_str(text).is_ok_and(|object| has_one(&object)),
            _ => false,
        };
        self.fields.iter().find(|(_, value)| wraps(value)).map(|(name, _)| name.as_str())
    }

    /// The member that is almost called one of `fields`.
    pub(crate) fn near_miss(&self, fields: &[&'static str]) -> Option<(&str, &'static str)> {
        let missing: Vec<_> = fields.iter().copied().filter(|field| !self.has(field)).collect();
        // One that is right is not another that is wrong: `client_id` beside a missing `client_secret`.
        let names = self.names().filter(|name| !fields.contains(name));
        let mut near = names.filter_map(|name| Some((name, nearest_name(name, missing.iter().copied())?)));
        near.next()
            .and_then(|(name, near)| Some((name, missing.into_iter().find(|missing| *missing == near)?)))
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
        if let Some(identity) = looks_like(text) {
            let help = identity.help.map(|help| format!("{help}; or ")).unwrap_or_default();
            return Error::invalid(
                "json",
                format!("{at}: this is not JSON: it looks like {}", identity.what),
            )
            .hint(format!("{help}download or copy it again"));
        }
        let fault = json_fault::at(text, error.line(), error.column(), &words);
        let at = format!("{place}, line {}, column {}", fault.line, fault.column);
        Error::invalid("json", format!("{at}: this is not JSON: {}", fault.what)).hint(fault.help)
    })
}

/// What a text is that is not meant to be JSON, where that is known.
fn looks_like(text: &str) -> Option<identify::Identity> {
    if text.starts_with('{') { None } else { identify::identify(text.as_bytes()) }
}

/// The code for a control character or line break in a value that is used.
const CONTROL: &str = "control_character";

/// JSON whose strings hold line breaks and tabs, as a shell or a form leaves them, with these escaped; and without the two
/// characters `\\n` between members, where a program has escaped all line breaks of a file alike. `None` where there is
/// nothing of the kind.
fn mended(text: &str) -> Option<Zeroizing<String>> {
    let escapable = text.chars().filter(|c| matches!(c, '\n' | '\r' | '\t')).count();
    let mut mended = Zeroizing::new(String::with_capacity(text.len() + escapable));
    let (mut in_string, mut escaped) = (false, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' if in_string => mended.push_str("\\n"),
            '\t' if in_string => mended.push_str("\\t"),
            '\r' if in_string => {}
            '\\' if !in_string && matches!(rest.peek(), Some('n' | 'r' | 't')) => {
                rest.next();
                mended.push(' ');
                continue;
            }
            _ => mended.push(c),
        }
        in_string ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    (*mended != text).then_some(mended)
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
        Document::parse(text, "the test").expect_err("it should be refused").code().to_string()
    }

    #[test]
    fn what_is_no_credential_is_refused_by_name() {
        for (text, expected) in [
            ("{\"a\":", "invalid.truncated"),
            ("{\"a\":\"b", "invalid.truncated"),
            ("[]", "invalid.json"),
            ("hello", "invalid.json"),
            ("[1, 2]", "invalid.json"),
            ("null", "invalid.json"),
            ("{} {}", "invalid.json"),
            ("{\"a\":1,\"a\":2}", "invalid.duplicate_key"),
            ("{\"b\":{\"a\":1,\"a\":2}}", "invalid.duplicate_key"),
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
    fn a_control_character_counts_where_the_member_is_used() {
        let document = Document::parse(
            r#"{"a": "x\r\ny", "b": "x\u0000y", "c": "z", "private_key": "x\ny"}"#,
            "key.json",
        );
        let document = document.unwrap();
        for field in ["a", "b"] {
            assert_eq!(document.text(field).unwrap_err().code(), "invalid.control_character");
        }
        assert_eq!(document.text("c").unwrap().as_deref(), Some("z"));
        assert_eq!(document.text("private_key").unwrap().as_deref(), Some("x\ny"));
    }

    #[test]
    fn line_breaks_that_a_shell_made_are_taken_back() {
        for text in [
            "{\"a\": \"x\ny\", \"b\": 1}",
            "{\"a\": \"x\r\ny\", \"b\": 1}",
            "{\\n  \"a\": \"x\\ny\",\\r\\n  \"b\": 1\\n}",
        ] {
            let document = Document::parse(text, "key.json").expect(text);
            assert_eq!(document.fields["a"], Value::from("x\ny"), "{text}");
        }
    }

    #[test]
    fn a_member_that_is_almost_right_is_named() {
        for name in ["clientEmail", "client-email", "client_emial", "Client_Email", "clientemail"] {
            let document = Document::parse(&format!("{{\"{name}\": \"x\"}}"), "key.json").unwrap();
            let error = document.require(&["client_email", "private_key"], "again").unwrap_err();
            assert!(
                error.next_step().unwrap().contains(&format!("`{name}`: Google writes `client_email`")),
                "{error:?}"
            );
        }
        let document = Document::parse(r#"{"client_id": "x"}"#, "key.json").unwrap();
        assert_eq!(
            document.require(&["client_id", "client_secret"], "again").unwrap_err().next_step(),
            Some("again")
        );
    }

    #[test]
    fn a_parse_error_shows_nothing_of_the_text() {
        let error = Document::parse("{\"private_key\": hunter2}", "key.json").unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
