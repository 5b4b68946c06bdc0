//! What people paste, and how it is recognised.

use std::path::Path;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ee_auth_core::host::Directory;
use ee_auth_core::{Error, ExposeSecret, Search, Secret, looks_like_credential};
use ee_auth_google::identify::unrecognised;
use ee_auth_google::service_account::{check_pem, is_pem, same_pem};
use ee_auth_google::{Content, Document, is_path};
use zeroize::Zeroizing;

/// What a value turned out to be.
///
/// White space around it, a byte order mark and one pair of quotes do not count. Then the first row of [`FORMS`] that fits;
/// the path of a file that holds any of these, relative to the working directory; base64 of any of these, wrapped or not, in
/// either alphabet.
#[derive(Debug)]
pub enum Shape {
    /// The JSON of a credential.
    Json(Document),
    /// A bare refresh token, taken to be one of Earth Engine's own client.
    RefreshToken(Secret),
    /// A bare access token.
    AccessToken(Secret),
    /// A private key, which does not say whose it is.
    Pem(Secret),
}

impl Shape {
    /// Whether both are the same credential, however each was written.
    pub fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Json(a), Self::Json(b)) => a.same_as(b),
            (Self::RefreshToken(a), Self::RefreshToken(b)) | (Self::AccessToken(a), Self::AccessToken(b)) => {
                a.same_as(b)
            }
            (Self::Pem(a), Self::Pem(b)) => same_pem(a.expose_secret(), b.expose_secret()),
            (Self::Json(document), Self::RefreshToken(token))
            | (Self::RefreshToken(token), Self::Json(document)) => {
                matches!(document.secret("refresh_token"), Ok(Some(other)) if other.same_as(token))
                    && !document.has("client_id")
            }
            (Self::Json(document), Self::Pem(pem)) | (Self::Pem(pem), Self::Json(document)) => {
                matches!(document.secret("private_key"), Ok(Some(other)) if same_pem(other.expose_secret(), pem.expose_secret()))
            }
            _ => false,
        }
    }

    /// The account's e-mail, where it says so.
    pub fn principal(&self) -> Option<String> {
        match self {
            Self::Json(document) => document.text("client_email").ok().flatten().or_else(|| {
                // `…/serviceAccounts/EMAIL:generateAccessToken`, of an impersonation or a federation.
                let url = document.text("service_account_impersonation_url").ok()??;
                Some(url.rsplit_once('/')?.1.split(':').next()?.to_owned())
            }),
            _ => None,
        }
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Json(document) => match document.credential_type() {
                Some("service_account") => "a service account's key",
                Some("authorized_user") => "a login of gcloud's",
                Some(_) => "a credential of another type",
                None => "a stored Earth Engine login",
            },
            Self::RefreshToken(_) => "a refresh token",
            Self::AccessToken(_) => "an access token",
            Self::Pem(_) => "a private key",
        }
    }
}

/// A form in which a credential is written.
pub struct Form {
    /// What it is, for the documentation.
    pub what: &'static str,
    fits: fn(&str) -> bool,
    take: fn(&str, &str) -> Result<Shape, Error>,
}

/// The forms that can be told without looking anywhere else, in the order in which they are tried.
pub const FORMS: [Form; 4] = [
    Form {
        what: "JSON: a service account's key or another credential that Google's libraries write, or the file that \
               `earthengine authenticate` stores",
        // A template that nobody filled in begins with two.
        fits: |text| text.starts_with('{') && !text.starts_with("{{"),
        take: |text, place| Document::parse(text, place).map(Shape::Json),
    },
    Form {
        what: "a refresh token, `1//…`, of Earth Engine's own OAuth client",
        fits: |text| text.starts_with("1//") && is_word(text),
        take: |text, _| Ok(Shape::RefreshToken(Secret::from(text))),
    },
    Form {
        what: "an access token, `ya29.…`, which cannot be refreshed",
        fits: |text| text.starts_with("ya29.") && is_word(text),
        take: |text, _| Ok(Shape::AccessToken(Secret::from(text))),
    },
    Form {
        what: "a private key in PEM, with or without certificates and other text around it; the account's e-mail is in \
               another variable",
        fits: is_pem,
        take: |text, place| {
            let pem = Secret::from(text);
            check_pem(&pem, place)?;
            Ok(Shape::Pem(pem))
        },
    },
];

/// A value that was recognised, and how.
#[derive(Debug)]
pub struct Recognised {
    /// What it is.
    pub shape: Shape,
    /// Where it is and in which wrapping, for a person: `EE_AUTH_CREDENTIALS (base64)`.
    pub place: String,
    /// What a person should know though it can be used.
    pub warnings: Vec<String>,
}

impl Recognised {
    /// What the value of the variable `name` is.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it is nothing that is known, which is said with what it
    /// looks like, and where it is damaged.
    pub fn from_value(value: &Secret, name: &str, search: &Search) -> Result<Self, Error> {
        let text = unquoted(value.expose_secret());
        if let Some(recognised) = plain(&text, name)? {
            return Ok(recognised);
        }
        if let Some(recognised) = file(&text, name, search)? {
            return Ok(recognised);
        }
        if let Some(decoded) = base64_text(&text) {
            let place = format!("{name} (base64)");
            let text = unquoted(&decoded);
            if let Some(recognised) = plain(&text, &place)? {
                return Ok(recognised);
            }
            if let Some(recognised) = file(&text, &place, search)? {
                return Ok(recognised);
            }
        }
        Err(unknown(&text, name))
    }

    /// What is in a file that `named_by` names.
    ///
    /// # Errors
    /// As [`Recognised::from_value`].
    pub fn from_content(content: &Content, named_by: &str) -> Result<Self, Error> {
        let place = format!("{} ({named_by})", content.place());
        let text = content.text()?;
        match plain(text, &place)? {
            Some(mut recognised) => {
                if let Shape::Json(document) = recognised.shape {
                    recognised.shape = Shape::Json(document.in_file(content.path()));
                }
                Ok(Self { warnings: content.warnings().to_vec(), ..recognised })
            }
            None => Err(unrecognised(&place, text.as_bytes(), KEY_OR_LOGIN)),
        }
    }
}

const KEY_OR_LOGIN: &str = "name the JSON of a service account's key, or the file that `ee-auth login` or `earthengine authenticate` writes";

/// `text` without white space, a byte order mark and one pair of quotes around it.
pub(crate) fn unquoted(text: &str) -> Zeroizing<String> {
    let bare = |text: &str| text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').to_owned();
    let text = Zeroizing::new(bare(text));
    let inside = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    match inside('"').or_else(|| inside('\'')) {
        None => text,
        // A JSON string that holds JSON: what `toJSON(secrets.KEY)` and `json.dumps(json.dumps(…))` write.
        Some(_) if text.starts_with("\"{\\") => match serde_json::from_str::<String>(&text) {
            Ok(inner) => Zeroizing::new(bare(&inner)),
            Err(_) => text,
        },
        Some(inner) => Zeroizing::new(bare(inner)),
    }
}

/// What can be told without looking anywhere else.
fn plain(text: &str, place: &str) -> Result<Option<Recognised>, Error> {
    let Some(form) = FORMS.iter().find(|form| (form.fits)(text)) else { return Ok(None) };
    let shape = (form.take)(text, place)?;
    Ok(Some(Recognised { shape, place: place.to_owned(), warnings: Vec::new() }))
}

/// The credential in the file that `text` names, if there is such a file.
fn file(text: &str, place: &str, search: &Search) -> Result<Option<Recognised>, Error> {
    // Nothing longer is a path on any system; and a look at the file system with a secret as the name would leave the
    // secret in its logs.
    if text.is_empty()
        || text.len() > 4096
        || text.chars().any(char::is_control)
        || (looks_like_credential(text) && !is_path(text))
    {
        return Ok(None);
    }
    let environment = &search.host().environment;
    let expanded = match (text.strip_prefix("~/"), environment.directory(Directory::Home)) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => environment.directory(Directory::Working).unwrap_or_default().join(Path::new(text)),
    };
    match search.host().files.status(&expanded) {
        Ok(_) => {}
        // It was named, so that it must not be passed over.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
        Err(_) => return Ok(None),
    }
    Recognised::from_content(&Content::read(search, &expanded, place)?, place).map(Some)
}

/// `text` decoded, where it is base64 in either alphabet, with or without line breaks and padding, of UTF-8 text.
fn base64_text(text: &str) -> Option<Zeroizing<String>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let packed =
        Zeroizing::new(text.replace("\\r", "").replace("\\n", "").split_whitespace().collect::<String>());
    let alphabet = if packed.contains(['-', '_']) { alphabet::URL_SAFE } else { alphabet::STANDARD };
    let mut decoded = Zeroizing::new(GeneralPurpose::new(&alphabet, LENIENT).decode(packed.as_bytes()).ok()?);
    if decoded.starts_with(&[0xff, 0xfe]) {
        return utf16(&decoded);
    }
    String::from_utf8(std::mem::take(&mut *decoded)).ok().map(Zeroizing::new)
}

/// PowerShell's `[Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes(…))` encodes UTF-16.
fn utf16(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let unit = |pair: &[u8]| Some(u16::from_le_bytes(pair.try_into().ok()?));
    let units: Vec<u16> = bytes.chunks_exact(2).filter_map(unit).collect();
    String::from_utf16(&units).ok().map(Zeroizing::new)
}

fn is_word(text: &str) -> bool {
    !text.contains(char::is_whitespace)
}

/// The error for what was not recognised: what it looks like, and what is wanted. Nothing of it is shown.
fn unknown(text: &str, name: &str) -> Error {
    let wanted = format!(
        "set {name} to the whole JSON of a service account's key, to base64 of it, or to the path of its file"
    );
    unrecognised(&format!("{name} is set, but"), text.as_bytes(), &wanted)
}
