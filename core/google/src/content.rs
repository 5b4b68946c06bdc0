//! The content of a credential file or variable, before anyone says what it is.

use std::fmt;
use std::path::{Path, PathBuf};

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Directory, FileRead, FileReadError, MAX_CREDENTIAL_FILE};
use ee_auth_core::{Error, Search, looks_like_credential, quoted};
use zeroize::Zeroizing;

use crate::Document;
use crate::identify::{Identity, identify, unrecognised};

/// What a file or variable holds. `Debug` shows where it is, not what.
pub struct Content {
    bytes: Zeroizing<Vec<u8>>,
    place: String,
    path: Option<PathBuf>,
    warnings: Vec<String>,
}

impl Content {
    /// Text that came from `place`: words for a person.
    pub fn new(bytes: impl Into<Vec<u8>>, place: impl Into<String>) -> Self {
        Self { bytes: Zeroizing::new(bytes.into()), place: place.into(), path: None, warnings: Vec::new() }
    }

    /// The content of a file that nobody named; `None` where there is no such file, or where it is closed to this user.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it is over 1 MiB, no regular file, or cannot be
    /// read.
    pub fn read_if_present(search: &Search, path: &Path) -> Result<Option<Self>, Error> {
        match search.read(path) {
            Ok(read) => Ok(Some(Self::of_file(read, path))),
            Err(error) if search.host().counts_as_absent(path, &error) => Ok(None),
            Err(error) => Err(unreadable(&path.shown(), &error)),
        }
    }

    fn of_file(read: FileRead, path: &Path) -> Self {
        let place = path.shown();
        let mut warnings = Vec::new();
        if read.status.readable_by_others() {
            warnings.push(format!("{place} can be read by other users of this machine: `chmod 600 {place}`"));
        }
        Self { bytes: read.bytes, place, path: Some(path.to_owned()), warnings }
    }

    /// The content of a file that `named_by` names, so that its absence is an error.
    ///
    /// # Errors
    /// As [`Content::read_if_present`]; where there is no such file, which is said with what stands there instead of a path;
    /// and where the path is a credential itself, which is not shown.
    pub fn read(search: &Search, path: &Path, named_by: &str) -> Result<Self, Error> {
        let named = path.to_string_lossy();
        // Whatever is looked at as a path is shown.
        if !is_path(&named) && path.iter().any(|part| is_no_path(&part.to_string_lossy())) {
            return Err(no_path(named_by));
        }
        match search.read(path) {
            Ok(read) => Ok(Self::of_file(read, path)),
            Err(FileReadError::NotFound) => Err(no_such_file(search, path, named_by)),
            Err(FileReadError::Io(error)) if error.kind() == std::io::ErrorKind::NotADirectory => {
                Err(no_such_file(search, path, named_by))
            }
            Err(error) => Err(unreadable(&path.shown(), &error)),
        }
    }

    /// The content as text without the white space around it.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it is empty, or anything but UTF-8 without a byte
    /// order mark.
    pub fn text(&self) -> Result<&str, Error> {
        let place = &self.place;
        let refuse = |what: &str| {
            Err(Error::invalid("encoding", format!("{place} {what}"))
                .hint("save it as UTF-8 without a byte order mark, or download it again"))
        };
        let bytes = self.bytes.as_slice();
        if std::str::from_utf8(bytes).is_err() || bytes.contains(&0) {
            self.refuse_foreign()?;
        }
        match bytes {
            [0xef, 0xbb, 0xbf, ..] => {
                return refuse(
                    "begins with a byte order mark (U+FEFF), which Google's own libraries refuse too",
                );
            }
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, b'{', ..] | [b'{', 0, ..] => {
                return refuse("is UTF-16 text, as some Windows editors and `>` in PowerShell write it");
            }
            _ if bytes.contains(&0) => {
                return refuse("holds NUL bytes: it is no text file, or a crash left it damaged");
            }
            _ => {}
        }
        match std::str::from_utf8(bytes).map(str::trim) {
            Ok("") => Err(Error::invalid("empty", format!("{place} is empty"))
                .hint("download or copy the credential again")),
            Ok(text) => Ok(text),
            Err(_) => refuse("is not UTF-8 text"),
        }
    }

    /// What it holds, where that is known and is no credential: a file of another program, a web page.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid), code `unrecognised`.
    pub fn refuse_foreign(&self) -> Result<(), Error> {
        match identify(&self.bytes) {
            Some(_) => Err(unrecognised(&self.place, &self.bytes, "download or copy the credential again")),
            None => Ok(()),
        }
    }

    /// The credential's JSON that it holds.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it holds none.
    pub fn document(&self) -> Result<Document, Error> {
        let mut document = Document::parse(self.text()?, &self.place)?.in_file(self.path());
        document.warnings.extend(self.warnings.iter().cloned());
        Ok(document)
    }

    /// Where it is, for a person.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The file it was read from, where it was one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What a person should know though it can be used.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("place", &self.place).finish_non_exhaustive()
    }
}

/// The path that the variable `named_by` holds, seen from `directory`.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it is a credential itself, which is not shown.
pub fn path_in(path: &Path, directory: &Path, named_by: &str) -> Result<PathBuf, Error> {
    if is_no_path(&path.to_string_lossy()) { Err(no_path(named_by)) } else { Ok(directory.join(path)) }
}

fn no_path(named_by: &str) -> Error {
    Error::invalid(
        "not_a_path",
        format!("{named_by} holds what looks like a credential itself, and not the path of its file"),
    )
    .hint(format!(
        "save the credential in a file and set {named_by} to its path, or put it into EE_AUTH_CREDENTIALS"
    ))
}

/// Whether `text` looks like a credential and not like a path, or has line breaks in it as no path does.
fn is_no_path(text: &str) -> bool {
    text.contains(char::is_control) || (looks_like_credential(text) && !is_path(text))
}

/// Whether `text` is written as a path is, whatever its names remind of: `/keys/private_key.json`.
pub fn is_path(text: &str) -> bool {
    /// The beginnings of tokens, codes and base64, of which some hold a `/` and could be taken for relative paths.
    const NO_NAMES: [&str; 8] = ["ya29.", "1//", "4/0", "GOCSPX-", "eyJ", "ewo", "eyA", "-----"];
    if text.len() > 4096
        || text.contains(char::is_control)
        || text.contains(['{', '"'])
        || text.contains("://")
    {
        return false;
    }
    let mut letters = text.chars();
    let drive = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.next() == Some(':')
        && matches!(letters.next(), Some('/' | '\\'));
    let absolute = text.starts_with('/') && !text.starts_with("//");
    let named = ["./", "../", "~/", ".\\", "..\\"].iter().any(|start| text.starts_with(start));
    let file = [".json", ".pem", ".key"].iter().any(|extension| text.ends_with(extension))
        && !NO_NAMES.iter().any(|start| text.starts_with(start))
        && !text.contains(['=', ',']);
    absolute || drive || named || file
}

/// The error for a path that somebody named and that leads nowhere: what stands there instead, where that can be told.
fn no_such_file(search: &Search, path: &Path, named_by: &str) -> Error {
    let working = search.host().environment.directory(Directory::Working).unwrap_or_default();
    // As it was written: what was joined to the working directory begins like any other path.
    let written = path.strip_prefix(&working).unwrap_or(path).to_string_lossy();
    let error = |message: String| Error::invalid("no_such_file", message);
    match identify(written.as_bytes()) {
        Some(Identity { what, help: Some(help) }) if !looks_like_credential(&written) => {
            error(format!("{named_by} names no file: {} looks like {what}", quoted(&written))).hint(help)
        }
        _ => error(format!("{named_by} names {}, and there is no such file", path.shown()))
            .hint(format!("correct the path in {named_by}, or unset it")),
    }
}

fn unreadable(place: &str, error: &FileReadError) -> Error {
    let (detail, hint) = match error {
        FileReadError::TooLarge { .. } => (
            "too_large",
            format!("a credential file has a few KiB; at most {} KiB are read", MAX_CREDENTIAL_FILE / 1024),
        ),
        FileReadError::NotRegular(_) => ("not_a_file", "name the credential file itself".to_owned()),
        _ => {
            ("unreadable", format!("see who may read it with `ls -l {place}`, and the directories above it"))
        }
    };
    Error::invalid(detail, format!("{place} cannot be used: {error}")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_in_the_place_of_its_path_is_told() {
        for text in ["{\"type\": \"x\"}", "'{\"a\"", "ya29.x", "1//x", "eyJhIjox", "-----BEGIN X", "ab\ncd"] {
            let error = path_in(Path::new(text), Path::new("/project"), "THE_VARIABLE").expect_err(text);
            assert_eq!(error.code(), "invalid.not_a_path");
            assert!(!format!("{error:?}").contains(text));
        }
        for text in [
            "key.json",
            "~/key.json",
            "/keys/{a}.json",
            "C:\\keys\\ee.json",
            "1/a",
            "é",
            "/keys/private_key.json",
            "./refresh_token",
            "private_key.pem",
        ] {
            assert!(path_in(Path::new(text), Path::new("/project"), "THE_VARIABLE").is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_text_is_refused_by_name() {
        for (bytes, expected) in [
            (&b""[..], "invalid.empty"),
            (b"  \n", "invalid.empty"),
            (b"\xef\xbb\xbf{}", "invalid.encoding"),
            (b"\xff\xfe{\0}\0", "invalid.encoding"),
            (b"{\0}\0", "invalid.encoding"),
            (b"{\"a\":\"\0\"}", "invalid.encoding"),
            (b"\0\0\0\0", "invalid.encoding"),
            (b"{\"a\":\"\xff\"}", "invalid.encoding"),
        ] {
            let error = Content::new(bytes, "the test").text().expect_err("it should be refused");
            assert_eq!(error.code(), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
