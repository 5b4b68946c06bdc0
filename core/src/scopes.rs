//! OAuth scopes, in the short and the long spelling.

use std::fmt;

use crate::{Error, quoted};

const PREFIX: &str = "https://www.googleapis.com/auth/";

/// A set of OAuth 2.0 scopes (RFC 6749, section 3.3), in the order in which they were given, each once.
///
/// A short name means `https://www.googleapis.com/auth/<name>`; both spellings are accepted everywhere and mean the
/// same.
///
/// ```
/// use ee_auth_core::Scopes;
/// let scopes: Scopes = "earthengine, cloud-platform".parse().unwrap();
/// assert_eq!(
///     scopes.to_parameter(),
///     "https://www.googleapis.com/auth/earthengine https://www.googleapis.com/auth/cloud-platform"
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(Vec<String>);

/// The member of a file of `exec` or `serve` in which the scopes of its tokens stand, where they are known.
pub const LENT_SCOPES: &str = "ee_auth_scopes";

impl Scopes {
    /// What a service account, an impersonation, a federation and a new login ask for unless told otherwise: the
    /// scopes of `ee.Authenticate()`.
    pub fn earth_engine() -> Self {
        Self::known(&["earthengine", "cloud-platform", "drive", "devstorage.full_control"])
    }

    /// The read-only variants of [`Scopes::earth_engine`].
    pub fn earth_engine_read_only() -> Self {
        Self::known(&[
            "earthengine.readonly",
            "cloud-platform.read-only",
            "drive.readonly",
            "devstorage.read_only",
        ])
    }

    /// `cloud-platform` alone: what the IAM credentials API wants of a credential that is to stand for another.
    pub fn cloud_platform() -> Self {
        Self::known(&["cloud-platform"])
    }

    fn known(names: &[&str]) -> Self {
        Self(names.iter().map(|name| format!("{PREFIX}{name}")).collect())
    }

    /// Scopes from names in either spelling.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](crate::Outcome::Invalid) for a name that is empty or holds a character that RFC 6749
    /// does not allow in a scope.
    pub fn new<I>(names: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut scopes = Self::default();
        for name in names {
            scopes.push(name.as_ref())?;
        }
        Ok(scopes)
    }

    fn push(&mut self, name: &str) -> Result<(), Error> {
        let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(Error::invalid("scope", format!("{} is not an OAuth scope", quoted(name))).hint(
                "scopes are names like `earthengine` or addresses like \
                 `https://www.googleapis.com/auth/earthengine`, separated by commas",
            ));
        }
        let long = if is_short(name) { format!("{PREFIX}{name}") } else { name.to_owned() };
        if !self.0.contains(&long) {
            self.0.push(long);
        }
        Ok(())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes in their long spelling.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The scopes in their short spelling where they have one: for people.
    pub fn short_names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|scope| scope.strip_prefix(PREFIX).filter(|name| is_short(name)).unwrap_or(scope))
    }

    /// The value of a `scope` parameter: long spellings separated by spaces.
    pub fn to_parameter(&self) -> String {
        self.0.join(" ")
    }

    /// Whether each of these is also in `other`.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.missing_in(other).is_empty()
    }

    /// Those of these that are not in `other`.
    #[must_use]
    pub fn missing_in(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|scope| other.equal_of(scope).is_none()).cloned().collect())
    }

    /// The intersection: those of these that were also `granted`, spelled as they were granted.
    #[must_use]
    pub fn granted_by(&self, granted: &Self) -> Self {
        Self(self.0.iter().filter_map(|scope| granted.equal_of(scope)).cloned().collect())
    }

    /// Those of these that are more than was `asked` for. `openid` is not, where `email` or `profile` was: Google grants
    /// it with them.
    #[must_use]
    pub fn beyond(&self, asked: &Self) -> Self {
        let asked_who = ["email", "profile"].iter().any(|scope| asked.equal_of(scope).is_some());
        let mut beyond = self.missing_in(asked);
        beyond.0.retain(|scope| !(asked_who && scope == "openid"));
        beyond
    }

    /// The scope in this set that means the same as `scope`.
    fn equal_of(&self, scope: &str) -> Option<&String> {
        self.0.iter().find(|other| as_granted(other) == as_granted(scope))
    }
}

/// How Google writes a scope when it grants it: these two have an address, too.
fn as_granted(scope: &str) -> &str {
    match scope {
        "email" => "https://www.googleapis.com/auth/userinfo.email",
        "profile" => "https://www.googleapis.com/auth/userinfo.profile",
        other => other,
    }
}

/// Whether a name stands for an address of Google's. `openid`, `email` and `profile` are scopes as they stand (OpenID
/// Connect Core, section 5.4).
fn is_short(name: &str) -> bool {
    !name.is_empty() && !name.contains(':') && !matches!(name, "openid" | "email" | "profile")
}

impl std::str::FromStr for Scopes {
    type Err = Error;

    /// Names separated by commas, spaces or both.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::new(text.split([',', ' ', '\t', '\n', '\r']).filter(|name| !name.is_empty()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.short_names().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_mean_the_same() {
        let short: Scopes = "earthengine".parse().unwrap();
        let long: Scopes = "https://www.googleapis.com/auth/earthengine".parse().unwrap();
        assert_eq!(short, long);
        assert_eq!(short.to_string(), "earthengine");
    }

    #[test]
    fn repeated_scopes_count_once() {
        let scopes: Scopes = "drive drive,https://www.googleapis.com/auth/drive".parse().unwrap();
        assert_eq!(scopes.iter().count(), 1);
    }

    #[test]
    fn openid_scopes_are_not_google_addresses() {
        let scopes: Scopes = "openid email".parse().unwrap();
        assert_eq!(scopes.to_parameter(), "openid email");
    }

    #[test]
    fn google_grants_email_by_another_name() {
        let asked: Scopes = "earthengine openid email profile drive".parse().unwrap();
        let granted: Scopes = "openid userinfo.profile earthengine userinfo.email".parse().unwrap();
        assert_eq!(asked.missing_in(&granted).to_string(), "drive");
        assert!(!asked.is_subset_of(&granted) && granted.is_subset_of(&asked));
    }

    #[test]
    fn the_intersection_is_spelled_as_it_was_granted() {
        let granted: Scopes = "openid userinfo.email earthengine drive".parse().unwrap();
        let asked: Scopes = "email cloud-platform earthengine".parse().unwrap();
        assert_eq!(
            asked.granted_by(&granted).to_parameter(),
            "https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/earthengine"
        );
        let read_only: Scopes = "earthengine.readonly".parse().unwrap();
        assert!(read_only.granted_by(&granted).is_empty(), "Google does not narrow `earthengine` to it");
    }

    #[test]
    fn openid_comes_with_an_email_and_nothing_else_does() {
        let beyond = |given: &str, asked: &str| {
            given.parse::<Scopes>().unwrap().beyond(&asked.parse().unwrap()).to_string()
        };
        assert_eq!(beyond("openid userinfo.email earthengine", "earthengine email"), "");
        assert_eq!(beyond("openid userinfo.profile", "profile"), "");
        assert_eq!(beyond("openid userinfo.email", "openid"), "userinfo.email");
        assert_eq!(beyond("openid earthengine", "earthengine"), "openid");
        assert_eq!(beyond("earthengine drive", "earthengine"), "drive");
        assert_eq!(beyond("earthengine", "earthengine.readonly"), "earthengine");
    }

    #[test]
    fn characters_outside_the_rfc_are_refused() {
        for bad in ["a\"b", "a\\b", "é", "a\u{0}b"] {
            assert!(Scopes::new([bad]).is_err(), "{bad:?}");
        }
        assert!(Scopes::new([""]).is_err());
    }
}
