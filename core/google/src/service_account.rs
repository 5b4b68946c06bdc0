//! A service account's key: it signs assertions that are exchanged for tokens (RFC 7523, section 2.1; AIP-4112).

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ee_auth_core::host::Body;
use ee_auth_core::retry::Repeat;
use ee_auth_core::{
    BoxFuture, Error, Exchange, ExposeSecret, Found, IdToken, Scopes, Secret, Token, TokenKey, TokenSource,
    redact,
};
use ring::digest::{Digest, SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::Document;
use crate::token_endpoint::{self, Asker};

/// The grant type of RFC 7523, section 2.1.
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How long an assertion is valid: Google's longest.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(3600);

const DECRYPT: &str = "`openssl pkey -in KEY -out key.pem` takes the passphrase off; or make a new key of type JSON: \
                       https://console.cloud.google.com/iam-admin/serviceaccounts";
const NEW_KEY: &str = "make a new key of type JSON and use it unchanged: \
                       https://console.cloud.google.com/iam-admin/serviceaccounts";

/// Everything that an assertion needs.
pub struct Key {
    /// The account's e-mail: the issuer of the assertion.
    pub email: String,
    /// The key's id, by which Google finds its other half; `None` for a key without its JSON.
    pub key_id: Option<String>,
    /// The token endpoint that the key's file names.
    pub token_uri: Option<String>,
    /// The number by which a Workspace administrator grants domain-wide delegation; `None` for a key without its JSON.
    pub client_id: Option<String>,
    /// Where the key is, for a person.
    pub place: String,
    pair: RsaKeyPair,
    /// The SHA-256 of the private key: what only who has the key can know.
    digest: Digest,
}

impl Key {
    /// A key from its PEM, for the account `email`.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where `pem` holds no RSA key of at least 2048 bits.
    pub fn from_pem(email: &str, pem: &Secret, place: &str) -> Result<Self, Error> {
        if !is_email(email) {
            return Err(Error::invalid(
                "email",
                format!("{place}: \"{}\" is not a service account's e-mail", redact(email)),
            )
            .hint("it looks like NAME@PROJECT.iam.gserviceaccount.com"));
        }
        let (pair, digest) = key_pair(pem, place)?;
        Ok(Self {
            email: email.to_owned(),
            key_id: None,
            token_uri: None,
            client_id: None,
            place: place.to_owned(),
            pair,
            digest,
        })
    }

    /// A key from the JSON that the Cloud console gives.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where fields are missing, all of which are named, or the
    /// private key is damaged.
    pub fn from_document(document: &Document) -> Result<Self, Error> {
        document.require(&["client_email", "private_key"], NEW_KEY)?;
        let email = document.text("client_email")?.unwrap_or_default();
        let pem = document.secret("private_key")?.unwrap_or_else(|| Secret::from(""));
        let key = Self::from_pem(&email, &pem, document.place())?;
        // A member that only explains: one that is damaged is no reason to refuse the key.
        let client_id = document.text("client_id").ok().flatten();
        let client_id = client_id.filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
        Ok(Self {
            key_id: document.text("private_key_id")?,
            token_uri: document.text("token_uri")?,
            client_id,
            ..key
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("email", &self.email)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// A key as something that was found: its tokens are asked with `scopes`, for `subject` where one is given
/// (domain-wide delegation).
///
/// # Errors
/// [`Outcome::Untrusted`](ee_auth_core::Outcome::Untrusted) where the file names a token endpoint that is not
/// Google's.
pub fn found(
    key: Key,
    scopes: Scopes,
    subject: Option<String>,
    settings: &ee_auth_core::Settings,
) -> Result<Found, Error> {
    let endpoint = settings
        .endpoints
        .token_for(key.token_uri.as_deref(), &settings.trusted_hosts)
        .map_err(|error| error.in_place(&key.place))?;
    let origin = match &subject {
        None => format!("service account key in {}", key.place),
        Some(subject) => format!("service account key in {}, for {subject}", key.place),
    };
    let principal = subject.clone().unwrap_or_else(|| key.email.clone());
    let mut found = Found::new(ServiceAccount { key, endpoint, scopes: scopes.clone(), subject }, origin);
    found.principal = Some(principal);
    found.scopes = scopes;
    Ok(found)
}

#[derive(Debug)]
struct ServiceAccount {
    key: Key,
    endpoint: url::Url,
    scopes: Scopes,
    subject: Option<String>,
}

impl ServiceAccount {
    fn asker<'a>(&'a self, scopes: &'a str) -> Asker<'a> {
        Asker::ServiceAccount {
            client_id: self.key.client_id.as_deref(),
            scopes,
            email: &self.key.email,
            subject: self.subject.as_deref(),
            place: &self.key.place,
        }
    }

    /// The JWT of RFC 7523, section 3, in JWS compact serialization (RFC 7515, section 7.1), signed with RS256: with
    /// `asked`, Google's claim for what is asked for.
    fn assertion(&self, now: SystemTime, asked: (&str, &str)) -> Result<Zeroizing<String>, Error> {
        let issued_at = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(key_id) = &self.key.key_id {
            add(&mut header, "kid", key_id);
        }
        let mut claims = json!({
            "iss": self.key.email,
            asked.0: asked.1,
            "aud": self.endpoint.as_str(),
            "iat": issued_at,
            "exp": issued_at + ASSERTION_LIFETIME.as_secs(),
        });
        if let Some(subject) = &self.subject {
            add(&mut claims, "sub", subject);
        }
        let mut jwt = Zeroizing::new(format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        ));
        let mut signature = vec![0; self.key.pair.public().modulus_len()];
        self.key.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), jwt.as_bytes(), &mut signature).map_err(
            |_| Error::internal("signing the assertion failed: the system gives no random numbers"),
        )?;
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut jwt);
        Ok(jwt)
    }
}

impl TokenSource for ServiceAccount {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let scope = self.scopes.to_parameter();
            let assertion = self.assertion(exchange.host.clock.now(), ("scope", &scope))?;
            let form = Body::form([("grant_type", GRANT_TYPE), ("assertion", &assertion)]);
            let granted =
                token_endpoint::post(exchange, &self.endpoint, form, Repeat::Safe, &self.asker(&scope))
                    .await?;
            Ok(granted.token)
        })
    }

    fn id_token<'a>(
        &'a self,
        exchange: &'a Exchange,
        audience: &'a str,
    ) -> BoxFuture<'a, Result<IdToken, Error>> {
        Box::pin(async move {
            if let Some(subject) = &self.subject {
                let email = &self.key.email;
                return Err(Error::invalid(
                    "id_token",
                    format!(
                        "{email} stands for {subject}, and Google gives ID tokens only of accounts themselves"
                    ),
                )
                .hint(format!("leave `subject` out for an ID token of {email}")));
            }
            let assertion = self.assertion(exchange.host.clock.now(), ("target_audience", audience))?;
            let form = Body::form([("grant_type", GRANT_TYPE), ("assertion", &assertion)]);
            token_endpoint::post_for_id_token(exchange, &self.endpoint, form, audience, &self.asker("openid"))
                .await
        })
    }

    fn service_account(&self) -> Option<&str> {
        // With a subject the tokens are of somebody else.
        self.subject.is_none().then_some(self.key.email.as_str())
    }

    fn key(&self) -> Option<TokenKey> {
        let mut key = TokenKey::new("service_account");
        key.add("email", &self.key.email)
            .add("key", self.key.digest)
            .add("key_id", self.key.key_id.as_deref().unwrap_or_default())
            .add("subject", self.subject.as_deref().unwrap_or_default())
            .add("scope", self.scopes.to_parameter())
            .add("endpoint", self.endpoint.as_str());
        Some(key)
    }
}

/// The RSA key in `pem`, PKCS #8 or PKCS #1, however the line breaks were mangled on the way; and the digest of it.
fn key_pair(pem: &Secret, place: &str) -> Result<(RsaKeyPair, Digest), Error> {
    let bad = |what: &str, help: &str| {
        Err(Error::invalid("private_key", format!("{place}: the private key {what}")).hint(help))
    };
    let block = match private_key(pem.expose_secret()) {
        Ok(block) => block,
        Err(what) => return bad(what, NEW_KEY),
    };
    let pair = match block.label {
        "ENCRYPTED PRIVATE KEY" => {
            return bad("is encrypted with a passphrase; Google's keys are not", DECRYPT);
        }
        "RSA PRIVATE KEY" if block.is_encrypted() => {
            return bad("is encrypted with a passphrase; Google's keys are not", DECRYPT);
        }
        "EC PRIVATE KEY" => return bad("is an EC key; a service account's is an RSA key", NEW_KEY),
        "OPENSSH PRIVATE KEY" => return bad("is an SSH key, not one of Google's", NEW_KEY),
        "PRIVATE KEY" | "RSA PRIVATE KEY" => match PrivateKeyDer::from_pem_slice(block.mended().as_bytes()) {
            Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => {
                return bad("is damaged: what stands between its BEGIN and END lines is no key", NEW_KEY);
            }
        },
        _ => return bad("is not an RSA key", NEW_KEY),
    };
    match pair {
        Ok(pair) => Ok((pair, digest(&SHA256, block.mended().as_bytes()))),
        Err(reason) if reason.to_string() == "TooSmall" => bad("has fewer than 2048 bits", NEW_KEY),
        Err(reason) if reason.to_string() == "WrongAlgorithm" => {
            bad("is of another kind; a service account's is an RSA key", NEW_KEY)
        }
        Err(_) => bad("is damaged, or is not an RSA key", NEW_KEY),
    }
}

/// Makes sure that `pem` holds a key that can sign, before anything else is asked of it.
///
/// # Errors
/// As [`Key::from_pem`].
pub fn check_pem(pem: &Secret, place: &str) -> Result<(), Error> {
    key_pair(pem, place).map(drop)
}

/// Whether `text` may be an account's e-mail. Deliberately wide: the point is to catch a key or a token in the
/// place of one before it is shown.
pub fn is_email(text: &str) -> bool {
    text.len() <= 320
        && text.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty())
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"(),:;<>[\\]{}".contains(&b))
}

/// Whether both hold the same private key in PEM, however its line breaks are written.
pub fn same_pem(a: &str, b: &str) -> bool {
    match (private_key(a), private_key(b)) {
        (Ok(a), Ok(b)) => *a.mended() == *b.mended(),
        _ => false,
    }
}

/// Whether `text` is a private key in PEM: perhaps with certificates and other text around it, as `openssl pkcs12` writes
/// it, but not a piece of JSON.
pub fn is_pem(text: &str) -> bool {
    let mut parts = text.split(BEGIN);
    let is_bare = parts.next().is_some_and(|before| !before.contains(['{', '"']));
    is_bare
        && parts.any(|begun| {
            let label = begun.split("-----").next().unwrap_or_default();
            label.ends_with("PRIVATE KEY") && label != "OPENSSH PRIVATE KEY"
        })
}

/// Adds a field to an object.
fn add(object: &mut Value, name: &str, value: &str) {
    if let Value::Object(fields) = object {
        fields.insert(name.to_owned(), value.into());
    }
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

/// A block of PEM.
#[derive(Clone, Copy)]
struct Block<'a> {
    label: &'a str,
    body: &'a str,
}

impl Block<'_> {
    /// Whether the headers of a traditional key say so (RFC 1421, section 4.6).
    fn is_encrypted(&self) -> bool {
        self.body.contains("ENCRYPTED")
    }

    /// The block with its line breaks put right: `\n` written as two characters, breaks turned into spaces and carriage
    /// returns are what forms and shells make of them.
    fn mended(&self) -> Zeroizing<String> {
        let Self { label, body } = self;
        // It never grows beyond this, so it never moves and leaves no copy behind.
        let length = BEGIN.len() + END.len() + 2 * (label.len() + 6) + body.len() + 1;
        let mut mended = Zeroizing::new(String::with_capacity(length));
        mended.extend([BEGIN, label, "-----\n"]);
        for line in body.split("\\r").flat_map(|part| part.split("\\n")) {
            mended.extend(line.split(|c: char| c.is_whitespace() || c == '\\'));
        }
        mended.extend(["\n", END, label, "-----\n"]);
        mended
    }
}

/// The one private key in a text, or what is wrong. What is outside the blocks does not count (RFC 7468, section 2), nor do
/// certificates.
fn private_key(text: &str) -> Result<Block<'_>, &'static str> {
    let mut found: Option<Block<'_>> = None;
    let mut saw_another = false;
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once(BEGIN) {
        let Some((label, after)) = begun.split_once("-----") else { break };
        rest = after;
        if label.len() > 64 || label.contains(char::is_control) {
            continue;
        }
        let Some((body, _)) = after.split_once(&format!("{END}{label}-----")) else {
            if label.ends_with("PRIVATE KEY") {
                return Err(
                    "is no PEM: it was cut off, and has no -----END …----- line that matches its -----BEGIN …-----",
                );
            }
            continue;
        };
        let block = Block { label, body };
        rest = after.strip_prefix(body).unwrap_or_default();
        if !label.ends_with("PRIVATE KEY") {
            saw_another = true;
            continue;
        }
        match &found {
            Some(first) if *first.mended() != *block.mended() => {
                return Err("is not the only one: several different ones are there. Keep the account's");
            }
            _ => found = Some(block),
        }
    }
    found.ok_or(match saw_another {
        true => "is missing: there is a certificate or public key, and no private key",
        false => "is no PEM: it has no -----BEGIN …----- and -----END …----- lines that match",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_are_mended() {
        let expected = "-----BEGIN PRIVATE KEY-----\nAAAABBBB\n-----END PRIVATE KEY-----\n";
        for mangled in [
            "-----BEGIN PRIVATE KEY-----\nAAAA\nBBBB\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\\nAAAA\\nBBBB\\n-----END PRIVATE KEY-----\\n",
            "-----BEGIN PRIVATE KEY-----\\\\nAAAA\\\\nBBBB\\\\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY----- AAAA BBBB -----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\r\nAAAA\r\nBBBB\r\n-----END PRIVATE KEY-----\r\n",
        ] {
            assert_eq!(private_key(mangled).ok().unwrap().mended().as_str(), expected, "{mangled}");
        }
        for broken in ["", "AAAA", "-----BEGIN PRIVATE KEY-----\nAAAA", "-----BEGIN A-----\n-----END B-----"]
        {
            assert!(private_key(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn what_is_outside_the_key_does_not_count() {
        let key = "-----BEGIN PRIVATE KEY-----\nAAAABBBB\n-----END PRIVATE KEY-----\n";
        let certificate = "-----BEGIN CERTIFICATE-----\nCCCC\n-----END CERTIFICATE-----\n";
        let bag = "Bag Attributes\n    friendlyName: privatekey\nKey Attributes: <No Attributes>\n";
        for text in [
            format!("{bag}{key}"),
            format!("{certificate}{key}"),
            format!("{key}{certificate}"),
            format!("{bag}{certificate}{bag}{key}trailing text\n"),
            format!("{key}{key}"),
            format!("{bag}{key}").replace('\n', "\r\n"),
            format!("{bag}{key}").replace('\n', " "),
        ] {
            assert!(is_pem(&text), "{text}");
            assert_eq!(private_key(&text).ok().unwrap().mended().as_str(), key, "{text}");
        }
        let other = key.replace("AAAA", "DDDD");
        assert!(private_key(&format!("{key}{other}")).is_err_and(|what| what.contains("several")));
        assert!(private_key(certificate).is_err_and(|what| what.contains("certificate")));
        assert!(private_key(&key[..40]).is_err_and(|what| what.contains("cut off")));
        for text in [certificate, "{\"private_key\": \"-----BEGIN PRIVATE KEY-----\"}", "hello"] {
            assert!(!is_pem(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_email_is_told() {
        assert!(is_email("robot@my-project.iam.gserviceaccount.com"));
        for text in
            ["", "robot", "@", "a@", "{\"client_email\":\"a@b\"}", "a@b c", "a@b\n", "é@b", &"a@".repeat(200)]
        {
            assert!(!is_email(text), "{text}");
        }
    }

    #[test]
    fn a_bad_key_is_refused_without_being_shown() {
        for pem in [
            "",
            "hunter2",
            "-----BEGIN PRIVATE KEY-----\nhunter2!\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\naHVudGVyMg==\n-----END ENCRYPTED PRIVATE KEY-----",
            "-----BEGIN PUBLIC KEY-----\naHVudGVyMg==\n-----END PUBLIC KEY-----",
        ] {
            let error = Key::from_pem("robot@example.com", &Secret::from(pem), "key.pem").unwrap_err();
            assert_eq!(error.code(), "invalid.private_key");
            assert!(!error.message().contains("hunter2") && !error.message().contains("aHVud"));
        }
    }
}
