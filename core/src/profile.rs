//! Names of profiles.

use std::fmt;

use crate::{Error, quoted};

/// The name of a profile: a named set of settings with its own stored credential.
///
/// It begins with a letter or a digit and goes on with letters, digits, `_`, `.` or `-`, 64 characters at the most, so that
/// no pasted secret is one; it is not `credentials`,
/// since `~/.config/earthengine/<name>/` is its directory.
///
/// ```
/// use ee_auth_core::ProfileName;
/// assert!("work".parse::<ProfileName>().is_ok());
/// assert!("../work".parse::<ProfileName>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProfileName(String);

impl ProfileName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ProfileName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let mut bytes = name.bytes();
        let starts_well = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
        if starts_well
            && name.len() <= 64
            && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
            && name != "credentials"
        {
            return Ok(Self(name.to_owned()));
        }
        Err(Error::invalid("profile_name", format!("{} cannot be the name of a profile", quoted(name))).hint(
            "a profile's name begins with a letter or digit and goes on with letters, digits, `_`, `.` or `-`; \
             it has 64 characters at the most, and `credentials` is taken",
        ))
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_the_directory_are_refused() {
        for bad in ["", ".", "..", "a/b", "a\\b", "-x", "credentials", "a b", "é", "a\u{0}"] {
            assert!(bad.parse::<ProfileName>().is_err(), "{bad:?}");
        }
        for good in ["a", "9", "work", "me@".trim_end_matches('@'), "a.b-c_d"] {
            assert!(good.parse::<ProfileName>().is_ok(), "{good:?}");
        }
    }
}
