//! What clients send that take every credential file for a service account's key (RFC 7523): gcp_auth, and GDAL's EEDA.
//!
//! Such a client signs an assertion with the file's `private_key`, in the name of its `client_email`, and sends it to its
//! `token_uri`. A key that is made takes a tenth of a second and more, before every command. So the key is the same for
//! everyone and no secret: its primes are published, in RFC 2409 (section 6.2) and RFC 5114 (section 2.1). A signature by it
//! says nothing and is not looked at. What is secret, and made for one run, is the name.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ee_auth_core::{ExposeSecret as _, Secret};
use serde::Deserialize;

/// PKCS #8, as every such client wants it.
const KEY: &[u8] = include_bytes!("published_primes.der");

/// What stands behind the secret in a name, so that it looks like an e-mail address. It is nobody's (RFC 2606).
const DOMAIN: &str = "@ee-auth.invalid";

/// `grant_type` of an assertion.
pub(crate) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The key for `private_key`, as PEM (RFC 7468, whose lines have 64 characters).
pub(crate) fn private_key() -> String {
    let kind = "PRIVATE KEY";
    let mut pem = format!("-----BEGIN {kind}-----\n");
    for bytes in KEY.chunks(48) {
        STANDARD.encode_string(bytes, &mut pem);
        pem.push('\n');
    }
    pem + &format!("-----END {kind}-----\n")
}

/// The name for `client_email`.
pub(crate) fn client_email(secret: &Secret) -> String {
    format!("{}{DOMAIN}", secret.expose_secret())
}

/// The secret in the name of whoever made this assertion.
pub(crate) fn secret(assertion: &Secret) -> Option<Secret> {
    #[derive(Deserialize)]
    struct Claims {
        iss: String,
    }
    // gcp_auth pads it.
    let payload = assertion.expose_secret().split('.').nth(1)?.trim_end_matches('=');
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    claims.iss.strip_suffix(DOMAIN).map(Secret::from)
}

#[cfg(test)]
mod tests {
    use rsa::RsaPrivateKey;
    use rsa::pkcs8::DecodePrivateKey as _;
    use rsa::traits::PrivateKeyParts as _;

    /// RFC 2409, section 6.2: the Second Oakley Group.
    const OAKLEY: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
                          EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
                          EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF";
    /// RFC 5114, section 2.1: the 1024-bit MODP Group.
    const MODP: &str = "B10B8F96A080E01DDE92DE5EAE5D54EC52C99FBCFB06A3C69A6A9DCA52D23B616073E28675A23D189838EF1E2EE652C0\
                        13ECB4AEA906112324975C3CD49B83BFACCBDD7D90C4BD7098488E9C219A73724EFFD6FAE5644738FAA31A4FF55BCCC0\
                        A151AF5F0DC8B4BD45BF37DF365C1A65E68CFDA76D4DA708DF1FB2BC2E4A4371";

    #[test]
    fn the_key_is_no_secret() {
        let key = RsaPrivateKey::from_pkcs8_pem(&super::private_key()).unwrap();
        key.validate().unwrap();
        let primes: Vec<_> = key.primes().iter().map(|prime| prime.to_str_radix(16).to_uppercase()).collect();
        assert_eq!(primes, [OAKLEY, MODP]);
    }
}
