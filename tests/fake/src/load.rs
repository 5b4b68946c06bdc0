//! Machines that are kept in directories.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ee_auth_core::host::{Output, ProcessError};
use serde::Deserialize;

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
    #[serde(default)]
    status: i32,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    stderr: String,
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
    /// | `files.json` | an object: by path, what else a file is: `{"/home/user/key.json": {"mode": "0644"}, "/p": {"kind": "fifo"}}`. Keys: `kind` (`file`, `zeros` with `size`, `directory`, `link` with `target`, `fifo`, `device`, `unreadable`), `mode`, `owner`, `device` |
    /// | `http-traffic.json` | see [`Fake::with_traffic`] |
    /// | `processes.json` | an array of programs on the `PATH`, run in this order: `{"name", "path", "arguments", "status", "stdout", "stderr"}`, or `"start_error": "…"`, `"timeout": true`, `"never_run": true` |
    ///
    /// Each may be missing. `replace` is applied to the text of each and to each file that is text, so that keys can be
    /// made at run time and put in the place of a name.
    ///
    /// # Panics
    /// Where the directory is something else; the message names the file.
    pub fn load(directory: &Path, replace: &dyn Fn(String) -> String) -> Self {
        let text = |name: &str| match fs::read_to_string(directory.join(name)) {
            Ok(text) => Some(replace(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => panic!("{}: {error}", directory.join(name).display()),
        };
        let mut fake = Self::new();
        if let Some(json) = text("env.json") {
            for (name, value) in parse::<BTreeMap<String, String>>(directory, "env.json", &json) {
                fake.set_variable(name, value);
            }
        }
        let root = directory.join("fs");
        if root.is_dir() {
            fake.load_files(&root, Path::new("/"), replace);
        }
        if let Some(json) = text("files.json") {
            for (path, special) in parse::<BTreeMap<PathBuf, Special>>(directory, "files.json", &json) {
                fake.load_special(path, special);
            }
        }
        if let Some(json) = text("processes.json") {
            for run in parse::<Vec<Run>>(directory, "processes.json", &json) {
                fake = fake.with_program(run.name.clone(), run.path.clone());
                if !run.never_run {
                    fake = fake.with_recorded_run(run);
                }
            }
        }
        match text("http-traffic.json") {
            Some(json) => fake.with_traffic(&json),
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
        let Run { path, arguments, status, stdout, stderr, .. } = run;
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
            Ok(Output {
                status: Some(status),
                stdout: stdout.clone().into_bytes().into(),
                stderr: stderr.clone(),
            })
        })
    }
}

fn parse<T: serde::de::DeserializeOwned>(directory: &Path, name: &str, json: &str) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{}: {error}", directory.join(name).display()))
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
        put(
            "files.json",
            r#"{"/home/user/key.json": {"mode": "0644", "owner": 0}, "/pipe": {"kind": "fifo"},
                "/l": {"kind": "link", "target": "/etc/passwd"}}"#,
        );
        put("processes.json", r#"[{"name": "gcloud", "path": "/usr/bin/gcloud", "never_run": true}]"#);
        put(
            "http-traffic.json",
            r#"[{"request": {"method": "GET", "url": "http://a/"}, "response": {"status": 204}}]"#,
        );
        let fake = Fake::load(directory.path(), &|text| text.replace("KEY", "made at run time"));
        let host = fake.host();
        assert_eq!(variable(&*host.environment, "A").unwrap(), "made at run time-1");
        let read = host.files.read(Path::new("/home/user/key.json"), 100).unwrap();
        assert_eq!(read.bytes[..], *b"made at run time");
        assert!(read.status.readable_by_others());
        assert_eq!(read.status.owner, Some(0));
        assert_eq!(host.files.read(Path::new("/l"), 100).unwrap().bytes[..], *b"x");
        assert_eq!(fake.entry("/pipe").unwrap().node, Node::Fifo);
        assert_eq!(host.processes.find("gcloud").unwrap(), Path::new("/usr/bin/gcloud"));
        let request =
            ee_auth_core::host::Request::new(ee_auth_core::host::Method::Get, "http://a".parse().unwrap());
        assert_eq!(pollster::block_on(host.http.send(request)).unwrap().status, 204);
        fake.assert_all_used();
    }
}
