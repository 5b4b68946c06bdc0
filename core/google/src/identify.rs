//! What something is that was taken for a credential and is none: one table for variables, files and pasted values.
//!
//! Each row is a predicate, what it recognises, and what to do about it. The first row that fits counts, so the
//! specific ones come first. No row shows anything of what it looked at.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ee_auth_core::Error;
use serde_json::Value;

/// What something is, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it is, after "it looks like".
    pub what: &'static str,
    /// What to do; `None` where the caller knows better.
    pub help: Option<&'static str>,
}

/// How a row recognises something.
enum Test {
    /// By its bytes: files of other programs.
    Bytes(fn(&[u8]) -> bool),
    /// By its text, without the white space around it.
    Text(fn(&str) -> bool),
    /// By the members of its JSON object.
    Members(fn(&BTreeMap<String, Value>) -> bool),
}

struct Row {
    test: Test,
    what: &'static str,
    help: Option<&'static str>,
}

const fn bytes(test: fn(&[u8]) -> bool, what: &'static str, help: &'static str) -> Row {
    Row { test: Test::Bytes(test), what, help: Some(help) }
}

const fn text(test: fn(&str) -> bool, what: &'static str, help: &'static str) -> Row {
    Row { test: Test::Text(test), what, help: Some(help) }
}

const fn members(test: fn(&BTreeMap<String, Value>) -> bool, what: &'static str, help: &'static str) -> Row {
    Row { test: Test::Members(test), what, help: Some(help) }
}

/// A row after which the caller says what to do.
const fn plain(test: fn(&str) -> bool, what: &'static str) -> Row {
    Row { test: Test::Text(test), what, help: None }
}

const LOG_IN: &str = "log in with `ee-auth login`, or copy the whole file ~/.config/earthengine/credentials of a machine where \
                      you are logged in";
const NEW_KEY: &str = "make a key of type JSON: https://console.cloud.google.com/iam-admin/serviceaccounts";
const WHOLE_KEY: &str = "use the whole JSON of the key, from `{` to `}`, as it was downloaded";
const DOWNLOAD: &str = "look at what is in it, then download or copy the credential again";
const UNPACK: &str = "unpack it first, and use the JSON file that is inside";
const NOT_GOOGLE: &str = "set it to a service account's key of Google Cloud, or log in with `ee-auth login`";
const RESOLVE: &str =
    "have your CI system or secret manager put the secret itself there; the name alone is no credential";

const ROWS: &[Row] = &[
    // Files of other programs, by their first bytes.
    bytes(
        is_pickle,
        "a Python pickle, as Google's older quickstarts store a login in token.pickle",
        "log in again with `ee-auth login`; or have Python write `creds.to_json()` to a file and use that",
    ),
    bytes(
        is_pkcs12,
        "a PKCS #12 key file (.p12 or .pfx)",
        "`openssl pkcs12 -legacy -in KEY.p12 -nodes -nocerts -out key.pem` (password: notasecret), with the account's e-mail in \
         EE_SERVICE_ACCOUNT; or make a key of type JSON",
    ),
    bytes(
        is_der,
        "DER: a key or certificate in binary form",
        "`openssl pkey -inform DER -in KEY -out key.pem` makes a PEM of a key; a key of type JSON needs no conversion",
    ),
    bytes(
        |b| b.starts_with(b"SQLite format 3"),
        "an SQLite database, as gcloud's credentials.db and access_tokens.db are",
        "`gcloud auth application-default login`, and use application_default_credentials.json; or log in with `ee-auth login`",
    ),
    bytes(|b| b.starts_with(b"\x1f\x8b"), "a gzip archive", UNPACK),
    bytes(|b| b.starts_with(b"PK\x03\x04") || b.starts_with(b"PK\x05\x06"), "a ZIP archive", UNPACK),
    bytes(
        |b| {
            b.starts_with(b"BZh")
                || b.starts_with(b"\xfd7zXZ")
                || b.starts_with(b"7z\xbc\xaf")
                || b.starts_with(b"\x28\xb5\x2f\xfd")
                || b.get(257..262) == Some(b"ustar")
        },
        "an archive or compressed file",
        UNPACK,
    ),
    bytes(|b| b.starts_with(b"%PDF"), "a PDF document", DOWNLOAD),
    bytes(
        |b| b.starts_with(b"\x89PNG") || b.starts_with(b"\xff\xd8\xff") || b.starts_with(b"GIF8"),
        "a picture",
        DOWNLOAD,
    ),
    bytes(
        |b| b.starts_with(b"\xd0\xcf\x11\xe0") || b.starts_with(b"{\\rtf"),
        "a document of a word processor",
        "save the credential as plain text (UTF-8), or download it again",
    ),
    bytes(|b| b.starts_with(b"\xfe\xed\xfe\xed"), "a Java key store", NEW_KEY),
    bytes(|b| b.starts_with(b"bplist00"), "a property list of macOS", DOWNLOAD),
    bytes(
        |b| b.starts_with(b"\0GITCRYPT"),
        "a file that git-crypt has encrypted",
        "`git-crypt unlock`, then try again",
    ),
    bytes(|b| b.starts_with(b"\x7fELF") || b.starts_with(b"MZ\x90"), "a program", DOWNLOAD),
    text(
        |t| t.starts_with("version https://git-lfs.github.com"),
        "a pointer of Git LFS, not the file itself",
        "`git lfs pull`, then try again",
    ),
    text(
        |t| t.starts_with("$ANSIBLE_VAULT"),
        "a file that Ansible Vault has encrypted",
        "`ansible-vault decrypt FILE`, and use what comes out",
    ),
    text(
        |t| t.starts_with("age-encryption.org") || t.starts_with("-----BEGIN AGE ENCRYPTED"),
        "a file that age has encrypted",
        "`age --decrypt FILE`, and use what comes out",
    ),
    text(
        |t| t.starts_with("-----BEGIN PGP"),
        "a PGP message or key",
        "`gpg --decrypt FILE`, and use what comes out",
    ),
    text(is_html, "a web page: a login or error page was saved instead of the file", DOWNLOAD),
    text(|t| t.starts_with("<?xml") || t.starts_with("<plist"), "XML", NEW_KEY),
    // PEM that holds no private key that Google gives.
    text(
        |t| t.contains("-----BEGIN OPENSSH PRIVATE KEY") || t.starts_with("PuTTY-User-Key-File"),
        "an SSH private key",
        NEW_KEY,
    ),
    text(
        |t| ["ssh-rsa ", "ssh-ed25519 ", "ecdsa-sha2-", "ssh-dss "].iter().any(|start| t.starts_with(start)),
        "an SSH public key",
        NEW_KEY,
    ),
    text(
        |t| t.contains("-----BEGIN CERTIFICATE") && !t.contains("PRIVATE KEY-----"),
        "a certificate without its private key",
        NEW_KEY,
    ),
    text(
        |t| t.contains("-----BEGIN") && t.contains("PUBLIC KEY-----") && !t.contains("PRIVATE KEY-----"),
        "a public key",
        "the private key is what signs; make a key of type JSON: https://console.cloud.google.com/iam-admin/serviceaccounts",
    ),
    // Configuration files.
    text(
        |t| has_line(t, |l| l.starts_with("machine ")) && t.contains("password"),
        "a .netrc file",
        NOT_GOOGLE,
    ),
    text(
        |t| t.contains("aws_access_key_id") || t.contains("aws_secret_access_key"),
        "credentials of AWS",
        "for federation from AWS, declare `kind = \"external_account\"` with the preset `aws`: docs/federation.md",
    ),
    text(
        |t| is_word(t) && t.len() == 20 && (t.starts_with("AKIA") || t.starts_with("ASIA")),
        "an access key id of AWS",
        "for federation from AWS, declare `kind = \"external_account\"` with the preset `aws`: docs/federation.md",
    ),
    text(
        |t| t.contains("gs_oauth2_refresh_token") || has_line(t, |l| l == "[Credentials]"),
        "a .boto file of gsutil",
        LOG_IN,
    ),
    text(
        |t| has_line(t, |l| l == "[core]" || l == "[auth]") && t.contains('='),
        "a configuration of gcloud",
        "`gcloud auth application-default login`; or log in with `ee-auth login`",
    ),
    text(
        |t| {
            has_line(t, |l| {
                l.starts_with("[providers") || l.starts_with("[profiles") || l.starts_with("chain =")
            })
        },
        "an ee-auth.toml",
        "name it with `--config` or EE_AUTH_CONFIG",
    ),
    text(
        |t| has_line(t, |l| l.starts_with("apiVersion:")),
        "a manifest of Kubernetes",
        "take the key out of it: `kubectl get secret NAME -o jsonpath='{.data.KEY}' | base64 -d`",
    ),
    text(
        |t| has_line(t, |l| ["type:", "private_key:", "refresh_token:"].iter().any(|key| l.starts_with(key))),
        "YAML",
        "ee-auth reads the JSON as Google writes it; convert it back, or download it again",
    ),
    // JSON of other kinds.
    members(
        |m| m.contains_key("installed") || m.contains_key("web"),
        "an OAuth client (client_secret.json), which is no credential by itself",
        "name it as `login.client_file` in ee-auth.toml and log in with it",
    ),
    members(
        |m| type_is(m, "external_account_authorized_user_login_config"),
        "a login configuration for workforce identity federation, with which a login begins",
        "`gcloud auth application-default login --login-config=FILE`, and use application_default_credentials.json",
    ),
    members(
        |m| m.contains_key("authDomain") || m.contains_key("storageBucket") || m.contains_key("project_info"),
        "the configuration of a Firebase app",
        NEW_KEY,
    ),
    members(
        |m| {
            m.contains_key("AccessKeyId")
                || m.contains_key("SecretAccessKey")
                || m.contains_key("aws_access_key_id")
        },
        "credentials of AWS",
        "for federation from AWS, declare `kind = \"external_account\"` with the preset `aws`: docs/federation.md",
    ),
    members(|m| m.contains_key("tenant") || m.contains_key("tenantId"), "credentials of Azure", NOT_GOOGLE),
    members(
        |m| m.contains_key("sops"),
        "a file that SOPS has encrypted",
        "`sops --decrypt FILE`, and use what comes out",
    ),
    members(
        |m| m.contains_key("privateKeyData"),
        "IAM's answer to a request for a key, which has the key inside",
        "decode it: `jq -r .privateKeyData FILE | base64 -d > key.json`",
    ),
    members(|m| m.contains_key("kty") || m.contains_key("keys"), "a JSON web key", NEW_KEY),
    members(
        |m| m.contains_key("apiVersion") && m.contains_key("kind"),
        "a manifest of Kubernetes",
        "take the key out of it: `kubectl get secret NAME -o jsonpath='{.data.KEY}' | base64 -d`",
    ),
    members(
        |m| m.contains_key("access_token") && !m.contains_key("refresh_token"),
        "the answer of a token endpoint: an access token, which ends within the hour",
        LOG_IN,
    ),
    members(
        |m| m.contains_key("token") && !m.contains_key("refresh_token"),
        "a login of google-auth without its refresh token",
        LOG_IN,
    ),
    members(
        |m| m.contains_key("id_token") && !m.contains_key("refresh_token"),
        "an ID token, which says who somebody is",
        LOG_IN,
    ),
    members(
        |m| {
            m.contains_key("code_verifier") || m.contains_key("client_verifier") || m.contains_key("auth_url")
        },
        "the state of a login that was not finished",
        LOG_IN,
    ),
    members(
        |m| m.contains_key("uniqueId") || m.contains_key("oauth2ClientId"),
        "the description of a service account, without a key",
        NEW_KEY,
    ),
    members(|m| m.contains_key("error"), "the error that a server answered", DOWNLOAD),
    members(|m| m.contains_key("apiKey"), "an API key, which Earth Engine does not accept", NOT_GOOGLE),
    members(|m| m.is_empty(), "an empty object", DOWNLOAD),
    // What stands there when there was no value.
    text(
        is_no_value,
        "what a program prints where it has no value",
        "find out why there was none when the variable or file was written; then log in with `ee-auth login`, or copy the \
         file of a login",
    ),
    plain(
        |t| t.starts_with("***") || t.eq_ignore_ascii_case("[masked]") || t.eq_ignore_ascii_case("redacted"),
        "the stars that CI systems print in place of a secret",
    ),
    text(
        |t| {
            [
                "op://",
                "vault:",
                "gs://",
                "s3://",
                "sm://",
                "arn:aws:",
                "secretsmanager:",
                "keyvault:",
                "bws://",
                "ref+",
            ]
            .iter()
            .any(|start| t.starts_with(start))
                || (t.starts_with("projects/") && t.contains("/secrets/"))
        },
        "the address of a secret, which was not replaced by the secret",
        RESOLVE,
    ),
    text(|t| t.starts_with("data:"), "a data: URI", "use what follows `base64,` alone"),
    text(
        |t| t.starts_with("b'") || t.starts_with("b\""),
        "Python's spelling of bytes: b'…'",
        "decode before printing: `value.decode()`; what stands between the quotes is what is wanted",
    ),
    text(
        |t| t.starts_with("\"{") || t.starts_with("'{"),
        "JSON with quotes around it",
        "leave out the quotes around it: `jq -r .` does",
    ),
    // Pieces of a login or key.
    text(
        is_header,
        "an HTTP header with an access token, not the token alone",
        "use what begins with ya29. alone",
    ),
    text(
        |t| {
            is_assignment(t, |value| {
                is_google_token(value) || value.trim_start_matches(['"', '\'']).starts_with('{')
            })
        },
        "NAME=VALUE, and the value alone is wanted",
        "leave out the name and `=`: the value begins after it",
    ),
    text(
        |t| is_piece(t, "1//"),
        "a piece of a login: a refresh token and what stood around it",
        "log in with `ee-auth login`; or copy the whole file ~/.config/earthengine/credentials; or use the token alone, from 1// on",
    ),
    text(
        |t| is_piece(t, "ya29."),
        "a piece of a login: an access token and what stood around it",
        "use the token alone, from ya29. on; to get one that lasts, log in with `ee-auth login`",
    ),
    text(
        |t| t.contains("refresh_token") && t.contains(':'),
        "a piece of a login, not the whole of it",
        LOG_IN,
    ),
    text(
        |t| t.contains("-----BEGIN") && (t.contains("\"private_key\"") || t.contains("client_email")),
        "a part of a service account's key, not the whole of it",
        WHOLE_KEY,
    ),
    text(
        |t| t.starts_with("1//") && is_word(t),
        "a refresh token alone, without the client that it belongs to",
        "put it into EE_AUTH_CREDENTIALS if it is of `earthengine authenticate`; else use the whole file of the login",
    ),
    text(|t| t.starts_with("1//"), "a refresh token that was broken into pieces", LOG_IN),
    text(
        |t| t.starts_with("ya29.") && is_word(t),
        "an access token alone",
        "put it into EE_AUTH_CREDENTIALS; it ends within the hour, and a login does not: `ee-auth login`",
    ),
    text(|t| t.starts_with("ya29."), "an access token that was broken into pieces", LOG_IN),
    text(
        |t| t.contains("-----BEGIN"),
        "a private key in PEM, which does not say whose it is",
        "use the JSON of the key; or put the e-mail into EE_SERVICE_ACCOUNT and this into EE_SA_CREDENTIALS_FILE",
    ),
    text(|t| t.contains("-----END"), "the end of a private key without its beginning", WHOLE_KEY),
    text(
        |t| is_word(t) && t.starts_with("eyJ") && t.matches('.').count() == 2,
        "a JWT, such as an ID token",
        "Earth Engine takes access tokens; for an ID token of another cloud, see docs/federation.md",
    ),
    plain(
        |t| is_word(t) && t.contains('@') && !t.contains(['/', '\\', ':', '"']),
        "an e-mail address, without the key that goes with it",
    ),
    text(
        |t| t.starts_with("serviceAccount:") || t.starts_with("user:"),
        "a member of an IAM policy, not a key",
        NEW_KEY,
    ),
    text(
        |t| t.starts_with("4/") && is_word(t),
        "an authorization code, which is no credential yet: it has to be exchanged where it was asked for",
        "paste it where the login asked for it, or log in again: `ee-auth login`",
    ),
    text(
        |t| t.starts_with("http") && t.contains("code="),
        "the address at the end of a login, with an authorization code",
        "paste it where the login asked for it, or log in again: `ee-auth login`",
    ),
    plain(
        |t| t.starts_with("GOCSPX-") || t.ends_with(".apps.googleusercontent.com"),
        "a part of an OAuth client, which is no credential",
    ),
    plain(|t| t.starts_with("AIza"), "an API key, which Earth Engine does not accept"),
    text(
        |t| {
            is_word(t)
                && ["ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "sk-", "hvs.", "npm_", "pypi-"]
                    .iter()
                    .any(|start| t.starts_with(start))
        },
        "a token of another service",
        NOT_GOOGLE,
    ),
    text(
        |t| t.len() == 40 && t.bytes().all(|b| b.is_ascii_hexdigit()),
        "the id of a key (private_key_id), not the key",
        WHOLE_KEY,
    ),
    text(
        |t| t.len() >= 18 && t.len() <= 21 && t.bytes().all(|b| b.is_ascii_digit()),
        "the number of an account, not its key",
        WHOLE_KEY,
    ),
    // What was to be replaced, and paths that are none.
    text(
        |t| t.starts_with("$HOME") || t.starts_with("${HOME}") || t.starts_with("$PWD"),
        "a path in which `$…` was not replaced",
        "write the whole path, beginning with /: single quotes, .env files and service managers leave `$HOME` as it is",
    ),
    text(
        |t| t.strip_prefix('%').is_some_and(|rest| rest.contains('%')) && t.contains('\\'),
        "a path in which `%…%` was not replaced",
        "write the whole path: only cmd.exe replaces %USERPROFILE%; PowerShell has \"$env:USERPROFILE\\key.json\"",
    ),
    plain(
        |t| {
            t.starts_with('$')
                || t.contains("${{")
                || t.contains("{{")
                || t.starts_with('%')
                || (t.starts_with('<') && t.ends_with('>'))
        },
        "the name of a variable or secret that was not replaced by its value",
    ),
    text(
        |t| {
            ["your-", "your_", "path/to/", "/path/to/", "PATH/TO", "changeme", "xxx"]
                .iter()
                .any(|start| t.len() < 200 && t.to_ascii_lowercase().starts_with(&start.to_ascii_lowercase()))
        },
        "the placeholder of an example",
        "put the real value in its place",
    ),
    text(
        |t| is_assignment(t, |_| true),
        "NAME=VALUE, and the value alone is wanted",
        "leave out the name and `=`: the value begins after it",
    ),
    text(
        |t| t.starts_with("file:"),
        "a file:// address, and a path is wanted",
        "leave out `file://`: the path begins with /",
    ),
    text(
        |t| t.starts_with("http://") || t.starts_with("https://"),
        "a web address, and a path is wanted",
        "download the file, and give the path that it has here",
    ),
    text(
        |t| is_short(t) && is_quoted(t),
        "a path with quotes around it",
        "leave out the quotes: .env files and `docker --env-file` keep them",
    ),
    text(
        |t| is_short(t) && t.starts_with(['"', '\'', '`', '“', '‘']),
        "a path that begins with a quote",
        "leave out the quotes: .env files and `docker --env-file` keep them",
    ),
    text(
        |t| is_short(t) && t.starts_with('~'),
        "a path that begins with `~`",
        "write the whole path, beginning with /: only a shell replaces `~`, and only outside quotes; there, \"$HOME/…\" works in them",
    ),
    text(
        |t| cfg!(not(windows)) && is_short(t) && is_windows_path(t),
        "a path of Windows, on a system that has none",
        "under WSL the drive C: is /mnt/c, so C:\\keys\\ee.json is /mnt/c/keys/ee.json; in a container, mount the file",
    ),
    plain(
        |t| {
            is_short(t) && !looks_like_base64_of_json(t) && (t.contains(['/', '\\']) || has_file_extension(t))
        },
        "a path, and there is no such file",
    ),
    text(
        is_base64_of_credential,
        "base64 of a credential, and the credential itself is wanted",
        "decode it: `base64 -d FILE > key.json`; or put it into EE_AUTH_CREDENTIALS, which takes base64",
    ),
    text(
        looks_like_base64_of_json,
        "base64 of JSON that was cut off or damaged",
        "encode the file again, on one line: `base64 -w0 key.json`; and copy all of it",
    ),
    text(
        |t| t.starts_with('[') && (t.contains("\"private_key\"") || t.contains("\"refresh_token\"")),
        "a JSON list around a credential",
        "use the credential alone, from `{` to `}`: `jq '.[0]' FILE` prints the first of the list",
    ),
    text(
        |t| t.contains("private_key") || t.contains("client_email"),
        "a part of a service account's key, not the whole of it",
        WHOLE_KEY,
    ),
];

/// What `content` is; `None` where no row knows it.
pub fn identify(content: &[u8]) -> Option<Identity> {
    let text = std::str::from_utf8(content)
        .ok()
        .map(|text| text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}'));
    let object = LazyLock::new(|| {
        let text = text.filter(|text| text.starts_with('{'))?;
        serde_json::from_str::<BTreeMap<String, Value>>(text).ok()
    });
    let fits = |row: &&Row| match row.test {
        Test::Bytes(test) => test(content),
        Test::Text(test) => text.is_some_and(test),
        Test::Members(test) => object.as_ref().is_some_and(test),
    };
    // The text of JSON is not prose: only its members say what it is.
    let is_json = text.is_some_and(|text| text.starts_with('{') && !text.starts_with("{{"));
    let found = ROWS.iter().filter(|row| !is_json || !matches!(row.test, Test::Text(_))).find(fits)?;
    Some(Identity { what: found.what, help: found.help })
}

/// What a JSON object with these members is.
pub(crate) fn of_members(members: &BTreeMap<String, Value>) -> Option<Identity> {
    let fits = |row: &&Row| matches!(row.test, Test::Members(test) if test(members));
    ROWS.iter().find(fits).map(|row| Identity { what: row.what, help: row.help })
}

/// What is said of something that no row knows.
pub const NOTHING_KNOWN: &str = "nothing that ee-auth knows";

/// The error for something at `place` that is no credential: what it looks like, and `help`, behind what the table knows
/// to do.
pub fn unrecognised(place: &str, content: &[u8], help: &str) -> Error {
    let identity = identify(content);
    let what = identity.map_or(NOTHING_KNOWN, |identity| identity.what);
    let hint = match identity.and_then(|identity| identity.help) {
        Some(known) => format!("{known}; or {help}"),
        None => help.to_owned(),
    };
    Error::invalid("unrecognised", format!("{place} holds no credential: it looks like {what}")).hint(hint)
}

fn is_pickle(bytes: &[u8]) -> bool {
    // Protocols 2 to 5 begin with their number; protocol 0 is text that ends with a full stop.
    matches!(bytes, [0x80, 2..=5, ..])
        || (bytes.starts_with(b"(") && bytes.trim_ascii_end().ends_with(b"."))
        || bytes.starts_with(b"ccopy_reg")
        || bytes.starts_with(b"c__builtin__")
}

/// An ASN.1 sequence that is longer than 127 bytes, as each key is, or of indefinite length.
fn is_der(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, 0x80..=0x84, ..])
}

fn is_pkcs12(bytes: &[u8]) -> bool {
    /// The object identifier of PKCS #7 data, 1.2.840.113549.1.7.1, in which a PFX has its content (RFC 7292).
    const PKCS7_DATA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
    let head = bytes.get(..64).unwrap_or(bytes);
    is_der(bytes) && head.windows(PKCS7_DATA.len()).any(|window| window == PKCS7_DATA)
}

fn is_html(text: &str) -> bool {
    let head: String = text.chars().take(512).collect::<String>().to_ascii_lowercase();
    head.starts_with("<!doctype html")
        || head.contains("<html")
        || head.starts_with("<head")
        || head.starts_with("<!--")
        || head.starts_with("<script")
}

fn is_no_value(text: &str) -> bool {
    const WORDS: [&str; 14] = [
        "null",
        "undefined",
        "none",
        "nil",
        "nan",
        "true",
        "false",
        "\"\"",
        "''",
        "(null)",
        "<nil>",
        "<no value>",
        "[object object]",
        "<none>",
    ];
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn has_line(text: &str, test: impl Fn(&str) -> bool) -> bool {
    text.lines().map(str::trim).any(test)
}

fn type_is(members: &BTreeMap<String, Value>, named: &str) -> bool {
    members.get("type").and_then(Value::as_str) == Some(named)
}

fn is_word(text: &str) -> bool {
    !text.contains(char::is_whitespace)
}

fn is_google_token(text: &str) -> bool {
    let text = text.trim_start_matches(['"', '\'']);
    ["1//", "ya29.", "-----BEGIN"].iter().any(|start| text.starts_with(start))
}

/// `NAME=VALUE`, or `export NAME=VALUE`, whose value passes a test.
fn is_assignment(text: &str, value: impl Fn(&str) -> bool) -> bool {
    let text = ["export ", "set ", "setx ", "$env:", "ENV "]
        .iter()
        .find_map(|start| text.strip_prefix(start))
        .unwrap_or(text);
    text.split_once('=').is_some_and(|(name, rest)| {
        let name = name.trim_end();
        !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && !rest.trim_start().is_empty()
            && value(rest.trim_start())
    })
}

fn is_header(text: &str) -> bool {
    let lower = text.chars().take(64).collect::<String>().to_ascii_lowercase();
    lower.starts_with("bearer ") || lower.starts_with("authorization:")
}

/// A token with something around it that does not belong to it.
fn is_piece(text: &str, start: &str) -> bool {
    !text.starts_with(start)
        && text.len() < 4096
        && text.split(|c: char| c.is_whitespace() || "\"',:=".contains(c)).any(|part| part.starts_with(start))
}

fn is_short(text: &str) -> bool {
    text.len() < 4096 && !text.contains(char::is_control)
}

fn is_quoted(text: &str) -> bool {
    ['"', '\'', '`'].iter().any(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote))
}

fn is_windows_path(text: &str) -> bool {
    let mut letters = text.chars();
    let drive = letters.next().is_some_and(|c| c.is_ascii_alphabetic()) && letters.next() == Some(':');
    (drive && matches!(letters.next(), Some('\\' | '/'))) || text.starts_with("\\\\")
}

fn has_file_extension(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    [".json", ".pem", ".key", ".p12", ".pfx", ".txt", ".b64"]
        .iter()
        .any(|extension| lower.ends_with(extension))
}

/// The beginnings of base64 of `{` in its spellings.
fn looks_like_base64_of_json(text: &str) -> bool {
    ["eyJ", "ewo", "ew0K", "eyA", "ewog"].iter().any(|start| text.starts_with(start))
}

/// Base64 of a whole credential, where the credential itself is wanted.
fn is_base64_of_credential(text: &str) -> bool {
    let packed = zeroize::Zeroizing::new(text.split_whitespace().collect::<String>());
    let decoded = STANDARD.decode(packed.as_bytes()).map(zeroize::Zeroizing::new);
    decoded.is_ok_and(|bytes| {
        std::str::from_utf8(&bytes).is_ok_and(|text| {
            let text = text.trim();
            (text.starts_with('{') && text.ends_with('}')) || is_google_token(text)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(content: &[u8]) -> &'static str {
        identify(content).map_or("nothing", |identity| identity.what)
    }

    #[test]
    fn what_is_no_credential_is_named() {
        let token = format!("1{}", "//0abcdef");
        let access = format!("ya{}", "29.abcdef");
        let pfx = [
            &[0x30, 0x82, 0x09, 0x3a, 2, 1, 3, 0x30, 0x82, 9, 0][..],
            &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1],
        ]
        .concat();
        for (content, expected) in [
            (b"\x80\x04\x95\x10".to_vec(), "pickle"),
            (pfx, "PKCS #12"),
            (vec![0x30, 0x82, 1, 2, 3], "DER"),
            (b"SQLite format 3\0".to_vec(), "SQLite"),
            (b"PK\x03\x04".to_vec(), "ZIP"),
            (b"%PDF-1.7".to_vec(), "PDF"),
            (b"<!DOCTYPE html><html>".to_vec(), "web page"),
            (b"machine x\n  login y\n  password z\n".to_vec(), ".netrc"),
            (b"-----BEGIN OPENSSH PRIVATE KEY-----\nx".to_vec(), "SSH private key"),
            (b"[default]\naws_access_key_id = x".to_vec(), "AWS"),
            (br#"{"installed": {"client_id": "x"}}"#.to_vec(), "OAuth client"),
            (br#"{"type": "external_account_authorized_user_login_config"}"#.to_vec(), "workforce"),
            (br#"{"apiKey": "x", "authDomain": "y"}"#.to_vec(), "Firebase"),
            (br#"{"access_token": "x"}"#.to_vec(), "token endpoint"),
            (b"type: service_account\nproject_id: x".to_vec(), "YAML"),
            (b"undefined".to_vec(), "no value"),
            (b"[object Object]".to_vec(), "no value"),
            (format!("\"{token}\",").into_bytes(), "piece of a login"),
            (format!("\"refresh_token\": \"{token}\"").into_bytes(), "piece of a login"),
            (format!("TOKEN={token}").into_bytes(), "NAME=VALUE"),
            (format!("Bearer {access}").into_bytes(), "HTTP header"),
            (b"op://vault/key/field".to_vec(), "address of a secret"),
            (b"~/key.json".to_vec(), "`~`"),
            (b"$HOME/key.json".to_vec(), "`$"),
            (b"%USERPROFILE%\\key.json".to_vec(), "`%"),
            (b"file:///keys/key.json".to_vec(), "file://"),
            (b"\"/keys/key.json\"".to_vec(), "quotes"),
            (b"GOOGLE_APPLICATION_CREDENTIALS=/keys/key.json".to_vec(), "NAME=VALUE"),
            (b"/keys/key.json".to_vec(), "no such file"),
            (b"eyJ0eXBlIjoi".to_vec(), "cut off"),
            (b"hunter2".to_vec(), "nothing"),
            (br#"{"type": "service_account"}"#.to_vec(), "nothing"),
        ] {
            let found = what(&content);
            assert!(
                found.contains(expected),
                "{:?} is \"{found}\", not {expected}",
                String::from_utf8_lossy(&content)
            );
        }
        #[cfg(unix)]
        assert!(what(b"C:\\keys\\key.json").contains("Windows"));
    }

    #[test]
    fn every_row_says_what_it_is_in_one_line() {
        for row in ROWS {
            assert!(row.what.len() < 110 && !row.what.ends_with('.'), "{}", row.what);
        }
    }
}
