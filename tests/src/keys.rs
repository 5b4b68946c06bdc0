//! Throw-away keys, made when first needed, once a process.

use std::sync::OnceLock;

use rsa::RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use rsa::rand_core::OsRng;

/// An RSA key.
pub struct Key {
    /// PKCS #8 in PEM, as it stands in a key file of Google's.
    pub pem: String,
    /// PKCS #1 in PEM, as `openssl genrsa -traditional` writes it.
    pub pkcs1_pem: String,
    /// The public key in PKCS #1 DER, the form that ring verifies with.
    pub public: Vec<u8>,
}

/// A key of 2048 bits, the size that Google gives to service accounts.
pub fn rsa() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::make(2048))
}

/// A key of 1024 bits, which is too short to sign with.
pub fn weak() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::make(1024))
}

impl Key {
    fn make(bits: usize) -> Self {
        let private = RsaPrivateKey::new(&mut OsRng, bits).expect("the size is valid");
        let pem = private.to_pkcs8_pem(LineEnding::LF).expect("a new key can be encoded");
        let pkcs1_pem = private.to_pkcs1_pem(LineEnding::LF).expect("a new key can be encoded");
        let public = private.to_public_key().to_pkcs1_der().expect("a new key can be encoded");
        Self { pem: pem.to_string(), pkcs1_pem: pkcs1_pem.to_string(), public: public.as_bytes().to_vec() }
    }
}
