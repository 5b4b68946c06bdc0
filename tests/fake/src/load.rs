//! Machines that are kept in directories.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ee_auth_core::host::{KeyringErrorKind, Output, ProcessError, Variables};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Entry, Fake, Node};

/// What a file of the machine is, beside its content.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Special {
    /// `file` (the default), `zeros`, `directory`, `link`, `fifo`, `device`, `unreadable`.
    kind: Option<String>,
    /// The permission bits in octal: `"0644"`.
    mode: Option<String>,
    owner: Option<u32>,
    device: Option<u64>,
    /// Of zeros: how many.
    size: Option<u64>,
    /// Of a link: where it leads.
    target: Option<PathBuf>,
    /// Of a file that is text: `utf-16`, little-endian with a byte order mark, as Windows writes it.
    encoding: Option<String>,
    /// RFC 3339.
    modified: Option<String>,
}

/// A program that is run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    /// Its name on the `PATH`.
    name: String,
    path: PathBuf,
    /// The arguments that it must be run with, where that matters.
    arguments: Option<Vec<String>>,
    /// The variables that it must be run with, beside others; `null` for one that it must not have.
    #[serde(default)]
    variables: BTreeMap<String, Option<String>>,
    #[serde(default)]
    status: i32,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    stderr: String,
    /// Of `stdout`: `latin-1`, each character a byte, as a program in such a locale writes it. UTF-8 unless set.
    encoding: Option<String>,
    /// Why it cannot be started, where it cannot.
    start_error: Option<String>,
    /// Whether it takes too long.
    #[serde(default)]
    timeout: bool,
    /// Whether it is only found, never run.
    #[serde(default)]
    never_run: bool,
}

impl Fake {
    /// The machine that is kept in a directory:
    ///
    /// | | |
    /// | --- | --- |
    /// | `env.json` | an object: variables and their values |
    /// | `fs/` | its files, from the root: `fs/home/user/key.json`. Private (mode 0600) unless `files.json` says otherwise |
    /// | `files.json` | an object: by path, what else a file is: `{"/home/user/key.json": {"mode": "0644"}, "/p": {"kind": "fifo"}}`. Keys: `kind` (`file`, `zeros` with `size`, `directory`, `link` with `target`, `fifo`, `device`, `unreadable`), `mode`, `owner`, `device`, `encoding` (`utf-16`), `modified` (RFC 3339) |
    /// | `http-traffic.json` | see [`Fake::with_traffic`] |
    /// | `keyring.json` | an object: by account, what the system's keyring keeps, or `{"fails": "locked"}` and the like: `unsupported`, `absent`, `timeout`, `too_large`, `refused`; `{"silent": true}`: it never answers |
    /// | `processes.json` | an array of programs on the `PATH`, run in this order: `{"name", "path", "arguments", "variables", "status", "stdout", "stderr", "encoding"}` (of `stdout`: `latin-1`), or `"start_error": "…"`, `"timeout": true`, `"never_run": true` |
    ///
    /// Each may be missing. `replace` is applied to every string of the JSON, escapes and keys of objects aside, and to
    /// each file in `fs/` that is text, so that keys can be made at run time and put in the place of a name.
    ///
    /// # Panics
    /// Where the directory is something else; the message names the file.
    pub fn load(directory: &Path, replace: &dyn Fn(String) -> String) -> Self {
        let mut fake = Self::new();
        if let Some(variables) = parse::<BTreeMap<String, String>>(directory, "env.json", replace) {
            for (name, value) in variables {
                fake.set_variable(name, value);
            }
        }
        let root = directory.join("fs");
        if root.is_dir() {
            fake.load_files(&root, Path::new("/"), replace);
        }
        let files = parse::<BTreeMap<PathBuf, Special>>(directory, "files.json", replace);
        for (path, special) in files.unwrap_or_default() {
            fake.load_special(path, special);
        }
        if let Some(keyring) = parse::<BTreeMap<String, Value>>(directory, "keyring.json", replace) {
            fake.load_keyring(keyring);
        }
        for run in parse::<Vec<Run>>(directory, "processes.json", replace).unwrap_or_default() {
            fake = fake.with_program(run.name.clone(), run.path.clone());
            if !run.never_run {
                fake = fake.with_recorded_run(run);
            }
        }
        match parse::<Value>(directory, "http-traffic.json", replace) {
            Some(traffic) => fake.with_traffic(&traffic.to_string()),
            None => fake,
        }
    }

    fn load_files(&self, from: &Path, to: &Path, replace: &dyn Fn(String) -> String) {
        let entries = fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        for entry in entries {
            let entry = entry.unwrap_or_else(|error| panic!("{}: {error}", from.display()));
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            if from.is_dir() {
                self.set_entry(&to, Entry::new(Node::Directory));
                self.load_files(&from, &to, replace);
                continue;
            }
            let bytes = fs::read(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
            let bytes = match String::from_utf8(bytes) {
                Ok(text) => replace(text).into_bytes(),
                Err(error) => error.into_bytes(),
            };
            self.set_file(to, bytes);
        }
    }

    fn load_keyring(&self, keyring: BTreeMap<String, Value>) {
        for (name, value) in keyring {
            match (name.as_str(), value) {
                ("silent", Value::Bool(silent)) => self.silence_keyring(silent),
                ("fails", Value::String(how)) => self.break_keyring(Some(match how.as_str() {
                    "unsupported" => KeyringErrorKind::Unsupported,
                    "absent" => KeyringErrorKind::Absent,
                    "locked" => KeyringErrorKind::Locked,
                    "timeout" => KeyringErrorKind::Timeout,
                    "too_large" => KeyringErrorKind::TooLarge,
                    "refused" => KeyringErrorKind::Refused,
                    other => panic!("{other} is no way in which a keyring fails"),
                })),
                (account, Value::String(secret)) => self.set_keyring_entry(account, secret),
                (account, _) => panic!("the keyring entry {account} is no text"),
            }
        }
    }

    fn load_special(&self, path: PathBuf, special: Special) {
        let there = self.entry(&path);
        let node = match special.kind.as_deref() {
            Some("zeros") => Node::Zeros(special.size.expect("zeros need a size")),
            Some("directory") => Node::Directory,
            Some("link") => Node::Link(special.target.expect("a link needs a target")),
            Some("fifo") => Node::Fifo,
            Some("device") => Node::Device,
            Some("unreadable") => Node::Unreadable(io::ErrorKind::PermissionDenied),
            None | Some("file") => match &there {
                Some(entry) => entry.node.clone(),
                None => panic!("{} is in files.json and not in fs/", path.display()),
            },
            Some(other) => panic!("{other} is no kind of file"),
        };
        let mut entry = Entry::new(node);
        entry.modified = special.modified.as_ref().map(|time| {
            humantime::parse_rfc3339(time)
                .unwrap_or_else(|error| panic!("{}: {time}: {error}", path.display()))
        });
        match (special.encoding.as_deref(), &mut entry.node) {
            (None, _) => {}
            (Some("utf-16"), Node::File(content)) => {
                let text = std::str::from_utf8(content).expect("what is encoded is text");
                *content = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
            }
            (Some(other), _) => panic!("{other} is no encoding, or {} is no file", path.display()),
        }
        if let Some(mode) = special.mode {
            entry.mode = Some(u32::from_str_radix(&mode, 8).expect("mode is octal"));
        }
        entry.owner = special.owner;
        entry.device = special.device.unwrap_or(entry.device);
        self.set_entry(path, entry);
    }

    fn with_recorded_run(self, run: Run) -> Self {
        let timeout = run.timeout;
        if let Some(message) = run.start_error {
            return self.with_run(move |_| Err(ProcessError::Start(message.clone())));
        }
        if timeout {
            return self.with_run(|command| Err(ProcessError::Timeout(command.timeout)));
        }
        let Run { path, arguments, variables, status, stdout, stderr, encoding, .. } = run;
        let stdout = match encoding.as_deref() {
            None => stdout.into_bytes(),
            Some("latin-1") => {
                stdout.chars().map(|c| u8::try_from(c).unwrap_or_else(|_| panic!("{c} in latin-1"))).collect()
            }
            Some(other) => panic!("the fake knows no encoding {other}"),
        };
        let fake = self.clone();
        self.with_run(move |command| {
            let matches = command.program == path
                && arguments
                    .as_ref()
                    .is_none_or(|expected| command.arguments.iter().eq(expected.iter().map(OsStr::new)));
            if !matches {
                return Err(fake.process_fault(format!(
                    "the fake expected {} {arguments:?}, got {} {:?}",
                    path.display(),
                    command.program.display(),
                    command.arguments
                )));
            }
            let (Variables::Inherit(set) | Variables::Only(set)) = &command.variables;
            for (name, expected) in &variables {
                let actual =
                    set.iter().find(|(set, _)| *set == **name).map(|(_, value)| value.to_string_lossy());
                if actual.as_deref() != expected.as_deref() {
                    return Err(
                        fake.process_fault(format!("expected {name} to be {expected:?}, got {actual:?}"))
                    );
                }
            }
            Ok(Output { status: Some(status), stdout: stdout.clone().into(), stderr: stderr.clone() })
        })
    }
}

/// What the JSON of this name says, its strings replaced; `None` where there is no such file.
fn parse<T: DeserializeOwned>(directory: &Path, name: &str, replace: &dyn Fn(String) -> String) -> Option<T> {
    let path = directory.join(name);
    let json = match fs::read(&path) {
        Ok(json) => json,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{}: {error}", path.display()),
    };
    let parsed = serde_json::from_slice(&json).and_then(|mut value| {
        replace_strings(&mut value, replace);
        serde_json::from_value(value)
    });
    Some(parsed.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn replace_strings(value: &mut Value, replace: &dyn Fn(String) -> String) {
    match value {
        Value::String(text) => *text = replace(std::mem::take(text)),
        Value::Array(items) => items.iter_mut().for_each(|item| replace_strings(item, replace)),
        Value::Object(object) => object.values_mut().for_each(|value| replace_strings(value, replace)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use ee_auth_core::host::variable;

    use super::*;

    #[test]
    fn a_directory_is_a_machine() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("env.json", r#"{"A": "KEY-1"}"#);
        put("fs/home/user/key.json", "KEY");
        put("fs/etc/passwd", "x");
        put("fs/wide", "x");
        put(
            "files.json",
            r#"{"/home/user/key.json": {"mode": "0644", "owner": 0}, "/pipe": {"kind": "fifo"},
                "/l": {"kind": "link", "target": "/etc/passwd"}, "/wide": {"encoding": "utf-16"}}"#,
        );
        put("processes.json", r#"[{"name": "gcloud", "path": "/usr/bin/gcloud", "never_run": true}]"#);
        put(
            "http-traffic.json",
            r#"[{"request": {"method": "GET", "url": "http://a/"}, "response": {"status": 204}}]"#,
        );
        let fake = Fake::load(directory.path(), &|text| text.replace("KEY", "\"made\"\nat run time"));
        let host = fake.host();
        assert_eq!(variable(&*host.environment, "A").unwrap(), "\"made\"\nat run time-1");
        let read = host.files.read(Path::new("/home/user/key.json"), 100).unwrap();
        assert_eq!(read.bytes[..], *b"\"made\"\nat run time");
        assert!(read.status.readable_by_others());
        assert_eq!(read.status.owner, Some(0));
        assert_eq!(host.files.read(Path::new("/l"), 100).unwrap().bytes[..], *b"x");
        assert_eq!(host.files.read(Path::new("/wide"), 100).unwrap().bytes[..], *b"\xff\xfex\0");
        assert_eq!(fake.entry("/pipe").unwrap().node, Node::Fifo);
        assert_eq!(host.processes.find("gcloud").unwrap(), Path::new("/usr/bin/gcloud"));
        let request =
            ee_auth_core::host::Request::new(ee_auth_core::host::Method::Get, "http://a".parse().unwrap());
        assert_eq!(pollster::block_on(host.http.send(request)).unwrap().status, 204);
        fake.assert_all_used();
    }
}
