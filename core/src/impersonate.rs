//! Whom a credential impersonates.

use std::fmt;

use crate::{Error, looks_like_credential, quoted};

/// What the IAM credentials API puts before a service account's name.
const PREFIX: &str = "projects/-/serviceAccounts/";

/// Whom the resolved credential impersonates, as `--as` says it: the e-mail of a service account, after those of its
/// delegates, separated by commas as gcloud has them; or `none`.
///
/// ```
/// use ee_auth_core::Impersonate;
/// let wanted: Impersonate = "middle@p.iam.gserviceaccount.com,robot@p.iam.gserviceaccount.com".parse().unwrap();
/// let Impersonate::Account { email, delegates } = wanted else { panic!() };
/// assert_eq!((&*email, delegates.len()), ("robot@p.iam.gserviceaccount.com", 1));
/// assert_eq!("none".parse::<Impersonate>().unwrap(), Impersonate::Nobody);
/// assert!("robot".parse::<Impersonate>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Impersonate {
    /// The credential is used as it is.
    Nobody,
    /// A service account.
    Account {
        /// Its e-mail, or its number.
        email: String,
        /// The accounts between the credential and it: each impersonates the next, the last this one.
        delegates: Vec<String>,
    },
}

impl std::str::FromStr for Impersonate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.trim().eq_ignore_ascii_case("none") {
            return Ok(Self::Nobody);
        }
        // JSON has commas: a part of it may not look like the secret that it is.
        let is_pasted = looks_like_credential(text) || text.contains(['{', '"', '\n']);
        let mut accounts = Vec::new();
        for part in text.split(',') {
            accounts.push(service_account(part).ok_or_else(|| {
                let shown = if is_pasted { "[hidden]".to_owned() } else { quoted(part.trim()) };
                Error::invalid("service_account", format!("{shown} is not a service account"))
                    .hint("expected NAME@PROJECT.iam.gserviceaccount.com, or `none` to impersonate nobody")
            })?);
        }
        let email = accounts.pop().unwrap_or_default();
        Ok(Self::Account { email, delegates: accounts })
    }
}

/// As it is written: the delegates first.
impl fmt::Display for Impersonate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("none"),
            Self::Account { email, delegates } => {
                delegates.iter().try_for_each(|delegate| write!(f, "{delegate},"))?;
                f.write_str(email)
            }
        }
    }
}

/// Returns the e-mail or number of a service account, without the IAM API's prefix; `None` for anything else. Strict, since
/// it becomes part of an address and of a command to paste.
pub fn service_account(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix(PREFIX).unwrap_or(text);
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    let is_email = text.split_once('@').is_some_and(|(name, domain)| plain(name) && plain(domain));
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    ((is_email || is_number) && text.len() <= 254).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_as_it_is_written() {
        for text in ["none", "robot@p.iam.gserviceaccount.com", "a@b.c,d@e.f,1234"] {
            assert_eq!(text.parse::<Impersonate>().unwrap().to_string(), text);
        }
        assert_eq!(" NONE ".parse::<Impersonate>().unwrap(), Impersonate::Nobody);
        let spaced: Impersonate = " projects/-/serviceAccounts/a@b.c , d@e.f ".parse().unwrap();
        assert_eq!(spaced.to_string(), "a@b.c,d@e.f");
    }

    #[test]
    fn whatever_is_no_account_is_refused_and_named() {
        for bad in
            ["", ",", "robot", "a@b.c,", ",a@b.c", "none,a@b.c", "a@b@c", "a@b.c d@e.f", "'`x`@y", "ä@b.c"]
        {
            let error = bad.parse::<Impersonate>().unwrap_err();
            assert_eq!(error.code(), "invalid.service_account", "{bad}");
        }
        for pasted in ["a@b.c,ya29.abcdefghijklmnop", "{\"client_secret\": \"abcdefghijklmnop\",\"a\":1}"] {
            let error = pasted.parse::<Impersonate>().unwrap_err();
            assert!(!error.message().contains("abcdefghijklmnop"), "{error}");
        }
    }
}
