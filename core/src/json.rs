//! Reading JSON that somebody else wrote.

use serde::de::{DeserializeOwned, Error as _};

/// Reads a value from the JSON object in `bytes`. serde alone takes an array for a struct, member by member.
///
/// ```
/// use ee_auth_core::json::object;
/// #[derive(serde::Deserialize)]
/// struct Answer { email: String }
/// assert_eq!(object::<Answer>(br#"{"email": "ada@example.com"}"#).unwrap().email, "ada@example.com");
/// assert!(object::<Answer>(br#"["ada@example.com"]"#).is_err());
/// ```
///
/// # Errors
/// Where `bytes` are not JSON, not an object, or not this one.
pub fn object<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    match bytes.trim_ascii_start().starts_with(b"{") {
        true => serde_json::from_slice(bytes),
        false => Err(serde_json::Error::custom("not a JSON object")),
    }
}
