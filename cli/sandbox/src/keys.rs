//! Throw-away RSA keys, made when first needed and shared by everything in the process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ring::rsa::KeyPair;
use ring::signature::KeyPair as _;
use rsa::RsaPrivateKey;
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use rsa::rand_core::OsRng;

/// The number of the key that signs ID tokens. Those of service accounts follow.
pub(crate) const GOOGLE: usize = 0;

/// An RSA key of 2048 bits, the size that Google gives to service accounts.
pub(crate) struct Key {
    /// PKCS #8 in PEM, as it stands in a key file.
    pub(crate) pem: String,
    pub(crate) pair: KeyPair,
}

/// The key of this number. Making one takes some tenths of a second, and happens once in a process: the sandboxes of
/// one process share their keys, though not the identifiers under which each knows them.
pub(crate) fn key(number: usize) -> Arc<Key> {
    static KEYS: Mutex<BTreeMap<usize, Arc<Key>>> = Mutex::new(BTreeMap::new());
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    keys.entry(number).or_insert_with(|| Arc::new(Key::make())).clone()
}

impl Key {
    fn make() -> Self {
        let private = RsaPrivateKey::new(&mut OsRng, 2048).expect("2048 bits is a valid size");
        let der = private.to_pkcs8_der().expect("a new key can be encoded");
        let pem = der.to_pem("PRIVATE KEY", LineEnding::LF).expect("the label is valid");
        let pair = KeyPair::from_pkcs8(der.as_bytes()).expect("ring reads what rsa writes");
        Self { pem: pem.to_string(), pair }
    }

    /// The public key as PKCS #1 DER, the form that ring verifies with.
    pub(crate) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_never_printed() {
        let (first, again) = (key(1), key(1));
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(format!("{first:?}"), "Key([hidden])");
        assert!(first.pem.starts_with("-----BEGIN PRIVATE"));
    }
}
