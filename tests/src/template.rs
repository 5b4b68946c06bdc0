//! Names in double braces, which stand for what is made at run time.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use crate::keys;
use crate::leak::Secrets;

/// The service account of the key that is made.
pub const ROBOT: &str = "robot@my-project.iam.gserviceaccount.com";
/// Another one.
pub const OTHER_ROBOT: &str = "other@other-project.iam.gserviceaccount.com";

/// The names and what stands for them in one scenario. Everything but the RSA keys is new in each.
///
/// `{{name}}` stands for a value, `{{filter:name}}` for what a filter makes of it, and filters can be put before each
/// other: `{{base64:json:authorized_user}}`. `scenarios/README.md` lists both.
pub struct Templates {
    values: BTreeMap<&'static str, String>,
    secrets: Mutex<Secrets>,
}

impl Templates {
    /// New values.
    pub fn new() -> Self {
        let rsa = keys::rsa();
        let weak = keys::weak();
        let mut secrets = Secrets::default();
        let mut secret = |prefix: &str, length: usize| {
            let secret = format!("{prefix}{}", random(length));
            secrets.add(&secret);
            secret
        };
        let mut values = BTreeMap::from([
            ("access_token", secret("ya29.", 60)),
            ("other_access_token", secret("ya29.", 60)),
            ("refresh_token", secret("1//0", 60)),
            ("other_refresh_token", secret("1//0", 60)),
            ("client_secret", secret("GOCSPX-", 28)),
            ("authorization_code", secret("4/0A", 60)),
            ("code_verifier", secret("", 43)),
            // No known format gives it away.
            ("password", secret("", 20)),
            // An id, not a secret.
            ("key_id", random(40).to_ascii_lowercase()),
            ("pem", rsa.pem.clone()),
            ("pkcs1_pem", rsa.pkcs1_pem.clone()),
            ("weak_pem", weak.pem.clone()),
            ("bom", "\u{feff}".to_owned()),
            ("subject_token", jwt("repo:ada/earth", &mut secret)),
            ("other_subject_token", jwt("repo:ada/earth", &mut secret)),
            ("saml_response", secret("", 200)),
            ("aws_access_key_id", format!("AKIA{}", random(16).to_ascii_uppercase())),
            ("aws_secret_access_key", secret("", 40)),
            ("aws_session_token", secret("", 120)),
        ]);
        let (authority, certificate, key) = certificates();
        key.lines().filter(|line| !line.starts_with('-')).for_each(|line| secrets.add(line));
        values.extend([
            ("authority_pem", authority),
            ("certificate_pem", certificate),
            ("certificate_key_pem", key),
        ]);
        for pem in [&rsa.pem, &rsa.pkcs1_pem, &weak.pem] {
            pem.lines().filter(|line| !line.starts_with('-')).for_each(|line| secrets.add(line));
        }
        let documents = [
            ("service_account_key", service_account_key(&values, ROBOT, "my-project")),
            ("other_service_account_key", service_account_key(&values, OTHER_ROBOT, "other-project")),
            ("authorized_user", authorized_user(&values)),
            ("earthengine_file", earthengine_file(&values)),
        ];
        values.extend(documents);
        // What HTTP Basic has of a client (RFC 7617, section 2).
        values.insert("client_pair", format!("1-client:{}", values["client_secret"]));
        Self { values, secrets: Mutex::new(secrets) }
    }

    /// `text` with every name replaced.
    ///
    /// # Panics
    /// Where a name or filter is not known.
    pub fn expand(&self, text: &str) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (expression, after) = after.split_once("}}").expect("`{{` without `}}`");
            expanded.push_str(before);
            expanded.push_str(&self.value(expression.trim()));
            rest = after;
        }
        expanded.push_str(rest);
        expanded
    }

    /// What a name, with the filters before it, stands for.
    ///
    /// # Panics
    /// Where a name or filter is not known.
    pub fn value(&self, expression: &str) -> String {
        let Some((filter, rest)) = expression.split_once(':') else {
            let value = self.values.get(expression);
            return value.unwrap_or_else(|| panic!("{expression} is no template")).clone();
        };
        if filter == "repeat" {
            let (times, what) = rest.split_once(':').expect("`repeat:TIMES:WHAT`");
            return what.repeat(times.parse().expect("a number"));
        }
        let value = self.value(rest);
        let filtered = match filter {
            "base64" => STANDARD.encode(&value),
            "base64_unpadded" => STANDARD_NO_PAD.encode(&value),
            "base64_url" => URL_SAFE.encode(&value),
            "base64_utf16" => STANDARD.encode(utf16(&value)),
            // As the tool of that name does.
            "lines_of_76" => lines(&value, 76),
            "json" => json!(value).to_string(),
            // As it stands inside a string of JSON.
            "escaped" => json!(value).to_string().trim_matches('"').to_owned(),
            "breaks_as_spaces" => value.replace('\n', " "),
            "breaks_as_crlf" => value.replace('\n', "\r\n"),
            // What a shell makes of `echo -e`.
            "breaks_unescaped" => value.replace("\\n", "\n"),
            // The DER of the first certificate of a PEM, in base64.
            "der" => value.lines().skip(1).take_while(|line| !line.starts_with('-')).collect(),
            "first_half" => value.chars().take(value.chars().count() / 2).collect(),
            other => panic!("{other} is no filter"),
        };
        if filter.starts_with("base64") {
            self.lock().add(&filtered);
        }
        filtered
    }

    /// The secrets among the values, and every base64 that was made of them.
    pub fn secrets(&self) -> Secrets {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Secrets> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Templates {
    fn default() -> Self {
        Self::new()
    }
}

/// A token of an identity provider's, whose signature nobody here checks (RFC 7519).
fn jwt(subject: &str, secret: &mut dyn FnMut(&str, usize) -> String) -> String {
    let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = part(json!({ "alg": "RS256", "typ": "JWT" }));
    let claims = part(json!({ "iss": "https://issuer.example", "sub": subject, "jti": random(20) }));
    secret(&format!("{header}.{claims}."), 60)
}

/// An authority, a certificate that it vouches for, and that one's private key: PEM.
fn certificates() -> (String, String, String) {
    let key = || KeyPair::generate().expect("the system has random numbers");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = key();
    let authority = params.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::new(params, authority_key);
    let own_key = key();
    let own = CertificateParams::new(vec!["workload.test".to_owned()]).expect("a name");
    let own = own.signed_by(&own_key, &issuer).expect("a certificate");
    (authority.pem(), own.pem(), own_key.serialize_pem())
}

type Values = BTreeMap<&'static str, String>;

/// The file that the Cloud console gives.
fn service_account_key(values: &Values, email: &str, project: &str) -> String {
    let key = json!({
        "type": "service_account",
        "project_id": project,
        "private_key_id": values["key_id"],
        "private_key": values["pem"],
        "client_email": email,
        "client_id": "100000000000000000001",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    });
    format!("{key:#}\n")
}

/// The file that `gcloud auth application-default login` writes.
fn authorized_user(values: &Values) -> String {
    let user = json!({
        "type": "authorized_user",
        "account": "",
        "client_id": "123456789012-abc.apps.googleusercontent.com",
        "client_secret": values["client_secret"],
        "refresh_token": values["refresh_token"],
        "quota_project_id": "quota-project",
        "universe_domain": "googleapis.com",
    });
    format!("{user:#}\n")
}

/// The file that `earthengine authenticate` writes.
fn earthengine_file(values: &Values) -> String {
    json!({
        "redirect_uri": "http://localhost:8085",
        "client_id": "123456789012-abc.apps.googleusercontent.com",
        "client_secret": values["client_secret"],
        "scopes": ["https://www.googleapis.com/auth/earthengine", "https://www.googleapis.com/auth/cloud-platform"],
        "refresh_token": values["refresh_token"],
        "project": "stored-project",
    })
    .to_string()
}

/// Letters and digits by chance.
pub fn random(length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut bytes = vec![0; length];
    SystemRandom::new().fill(&mut bytes).expect("the system has random numbers");
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn lines(text: &str, width: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    let lines: Vec<String> = characters.chunks(width).map(|line| line.iter().collect()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_apply_from_the_name_outwards() {
        let templates = Templates::new();
        assert_eq!(templates.expand("a{{bom}}b"), "a\u{feff}b");
        assert_eq!(templates.expand("{{repeat:3:ab}}"), "ababab");
        let token = templates.value("refresh_token");
        assert_eq!(
            templates.expand("{{base64:json:refresh_token}}"),
            STANDARD.encode(format!("\"{token}\""))
        );
        let base64 = templates.value("base64:refresh_token");
        assert!(templates.secrets().first_in(&base64).is_some());
        assert!(templates.secrets().first_in(&templates.value("service_account_key")).is_some());
        assert!(templates.secrets().first_in("-----BEGIN PRIVATE KEY-----").is_none());
    }
}
