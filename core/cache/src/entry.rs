//! What stands in a file.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use ee_auth_core::time::later;
use ee_auth_core::{Scopes, Token, TokenKey};
use ring::{digest, hmac};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The version of the format. It stands in the name as well: a program of another version neither reads nor replaces
/// what this one writes.
pub(crate) const VERSION: u32 = 1;

/// The most bytes that a file may have. A token of Google's has 200 to 2000.
pub(crate) const MAX_BYTES: u64 = 64 << 10;

/// The last second of the year 9999: later times have no RFC 3339 form.
const LAST_SECOND: u64 = 253_402_300_799;

/// By how much a clock may be put back while it is adjusted, with nobody having set it; and, where machines cannot be told
/// apart, by how much another's may be ahead.
const SKEW: Duration = Duration::from_secs(60);

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    version: u32,
    access_token: &'a str,
    obtained_at: u64,
    expires_at: u64,
    #[serde(borrow)]
    scopes: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    principal: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    project: Option<Cow<'a, str>>,
    /// Over all of the above, as it is written without this.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    seal: Option<Cow<'a, str>>,
}

impl Entry<'_> {
    fn to_json(&self) -> Option<Zeroizing<Vec<u8>>> {
        // Room enough, so that nothing of it stays in memory that was given back.
        let scopes = self.scopes.iter().flatten().map(|scope| scope.len() + 8).sum::<usize>();
        let mut json = Zeroizing::new(Vec::with_capacity(self.access_token.len() + scopes + 1024));
        serde_json::to_writer(&mut *json, self).ok()?;
        Some(json)
    }
}

/// The SHA-256 of a key, in lower-case hexadecimal digits.
pub(crate) fn digest(key: &TokenKey) -> String {
    hex(digest::digest(&digest::SHA256, key.bytes()).as_ref())
}

/// The content of the file that keeps `token`. `None` where it is too large to be read again.
pub(crate) fn write(key: &TokenKey, token: &Token) -> Option<Zeroizing<Vec<u8>>> {
    let mut entry = Entry {
        version: VERSION,
        access_token: token.secret(),
        obtained_at: seconds(token.obtained_at()),
        expires_at: seconds(token.expires_at()),
        scopes: token.scopes().map(|scopes| scopes.iter().map(Cow::Borrowed).collect()),
        principal: token.principal().map(Cow::Borrowed),
        project: token.project().map(Cow::Borrowed),
        seal: None,
    };
    let sealed = hmac::sign(&sealing_key(key), &entry.to_json()?);
    entry.seal = Some(hex(sealed.as_ref()).into());
    entry.to_json().filter(|json| json.len() as u64 <= MAX_BYTES)
}

/// The token that [`write()`] put into a file under the same key.
///
/// # Errors
/// What is wrong with the file, for a person.
pub(crate) fn read(key: &TokenKey, json: &[u8], now: SystemTime) -> Result<Token, &'static str> {
    let mut entry: Entry<'_> = serde_json::from_slice(json).map_err(|_| "it is damaged")?;
    if entry.version != VERSION {
        return Err("it is of another version of ee-auth");
    }
    let seal = entry.seal.take().and_then(|seal| from_hex(&seal)).ok_or("it is damaged")?;
    let sealed = entry.to_json().ok_or("it is damaged")?;
    hmac::verify(&sealing_key(key), &sealed, &seal).map_err(|_| "it is damaged")?;
    let obtained_at = time(entry.obtained_at).ok_or("it is of no time that there is")?;
    let expires_at = time(entry.expires_at).ok_or("it is of no time that there is")?;
    if obtained_at > later(now, SKEW) {
        // It may have expired long ago, for all that this clock knows.
        return Err("its token was got in the future: the clock has been set back since");
    }
    let scopes = match &entry.scopes {
        Some(names) => Some(Scopes::new(names).map_err(|_| "it is damaged")?),
        None => None,
    };
    Ok(Token::new(entry.access_token, obtained_at, expires_at)
        .with_scopes(scopes)
        .with_principal(entry.principal.map(Cow::into_owned))
        .with_project(entry.project.map(Cow::into_owned)))
}

/// When the token in a file expires, for whoever has not the key under which it was sealed.
pub(crate) fn expires_at(json: &[u8]) -> Option<SystemTime> {
    time(serde_json::from_slice::<Entry<'_>>(json).ok()?.expires_at)
}

fn sealing_key(key: &TokenKey) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.bytes())
}

/// Whole seconds since the epoch, rounded down: a token is taken to expire a little early, never late.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn time(seconds: u64) -> Option<SystemTime> {
    if seconds > LAST_SECOND {
        return None;
    }
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<_>> =
        text.bytes().map(|byte| (byte as char).to_digit(16).map(|digit| digit as u8)).collect();
    let byte = |pair: &[u8]| match *pair {
        [high, low] => Some(high << 4 | low),
        _ => None,
    };
    digits?.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_go_there_and_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(from_hex(&hex(&bytes)), Some(bytes));
        assert_eq!(hex(&[0, 0x1f, 0xa0]), "001fa0");
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("0g"), None);
    }

    #[test]
    fn the_digest_is_the_sha_256() {
        // echo -n | sha256sum, of what a key without fields is made of.
        let key = TokenKey::new("");
        assert_eq!(key.bytes().len(), 8 + 3 + 8);
        assert_eq!(digest(&key).len(), 64);
        assert_ne!(digest(&key), digest(&TokenKey::new("x")));
    }
}
