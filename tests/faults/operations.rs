//! What the program writes: each operation with its state before and after.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ee_auth_sandbox::visit;
use serde_json::Value;

use crate::support::{Machine, run};

/// Something that the program does to files.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// What it needs, on a machine on which Ada has logged in.
    prepare: fn(&Machine),
    arguments: fn(&Machine) -> Vec<String>,
    /// What it changes, in words that are the same for each run that changes it.
    view: fn(&Machine) -> String,
    /// The statuses with which it may end when it is run once more.
    pub(crate) again: &'static [i32],
}

const CREDENTIALS: &str = ".config/earthengine/credentials";

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "set-project",
        prepare: |_| {},
        arguments: |_| words("set-project another-project"),
        view: login,
        again: &[0],
    },
    Operation {
        name: "unset-project",
        prepare: |machine| {
            machine.run(["set-project", "a-project"]).expect(0);
        },
        arguments: |_| words("unset-project"),
        view: login,
        again: &[0],
    },
    Operation {
        name: "login",
        prepare: |machine| fs::remove_file(machine.home().join(CREDENTIALS)).expect("it is there"),
        arguments: finish_login,
        view: login,
        again: &[0],
    },
    Operation { name: "logout", prepare: |_| {}, arguments: |_| words("logout"), view: login, again: &[0] },
    Operation {
        name: "trust",
        prepare: |machine| {
            machine.write("work/other/ee-auth.toml", "");
            machine.write("work/ee-auth.toml", "[cache]\nstore = \"disk\"\n");
            machine.run(["trust", "other/ee-auth.toml"]).expect(0);
        },
        arguments: |_| words("trust ee-auth.toml"),
        view: trusted,
        again: &[0],
    },
    Operation {
        name: "trust --revoke",
        prepare: |machine| {
            machine.write("work/ee-auth.toml", "");
            machine.run(["trust"]).expect(0);
        },
        arguments: |_| words("trust --revoke ee-auth.toml"),
        view: trusted,
        again: &[0],
    },
    Operation {
        name: "profile use",
        prepare: |machine| {
            let login = machine.google().user().earthengine_file_json();
            machine.write(".config/earthengine/work/credentials", &login);
            machine.write(".config/earthengine/home/credentials", &login);
            machine.run(["profile", "use", "home"]).expect(0);
        },
        arguments: |_| words("profile use work"),
        view: |machine| text(&machine.home().join(".local/state/ee-auth/profile")),
        again: &[0],
    },
    Operation {
        name: "token",
        prepare: |_| {},
        arguments: |_| words("token"),
        view: |machine| {
            // A token that is cached can be had again: it is there and whole, or it is not there.
            let names = names(&machine.home().join(".cache/ee-auth"));
            let tokens = names.iter().filter(|name| name.ends_with(".json"));
            let is_whole = |name: &&String| {
                let text = text(&machine.home().join(".cache/ee-auth").join(name));
                serde_json::from_str::<Value>(&text).is_ok_and(|token| token["access_token"].is_string())
            };
            assert!(tokens.clone().all(|name| is_whole(&name)), "a torn token");
            login(machine)
        },
        again: &[0],
    },
    Operation {
        name: "config init",
        prepare: |_| {},
        arguments: |_| words("config init fresh/ee-auth.toml"),
        view: |machine| text(&machine.working().join("fresh/ee-auth.toml")),
        // It is there already.
        again: &[0, 3],
    },
    Operation {
        name: "plugin add",
        prepare: |machine| {
            let answer = r#"{"version":1,"success":true,"name":"broker","plugin_version":"1","ops":["get"]}"#;
            let plugin =
                machine.write("plugins/broker", format!("#!/bin/sh\nread -r request\necho '{answer}'\n"));
            fs::set_permissions(plugin, fs::Permissions::from_mode(0o755)).expect("its mode can be set");
        },
        arguments: |machine| {
            let plugin = machine.home().join("plugins/broker");
            [words("plugin add"), vec![plugin.display().to_string()], words("--chain --yes")].concat()
        },
        // The spaces are those of whoever wrote it first.
        view: |machine| text(&machine.user_file()).replace(' ', ""),
        again: &[0],
    },
    Operation {
        name: "exec",
        prepare: |_| {},
        arguments: |_| words("exec -- true"),
        view: login,
        again: &[0],
    },
];

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|_| "nothing".to_owned())
}

/// The names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The login in the file, without what each login has of its own.
fn login(machine: &Machine) -> String {
    let text = text(&machine.home().join(CREDENTIALS));
    let Ok(mut login) = serde_json::from_str::<Value>(&text) else { return text };
    if login["refresh_token"].as_str().is_some_and(|token| token.starts_with("1//")) {
        login["refresh_token"] = "1//".into();
    }
    login.to_string()
}

/// The files that are trusted, without when they were.
fn trusted(machine: &Machine) -> String {
    let text = text(&machine.home().join(".local/state/ee-auth/trust.json"));
    let Ok(list) = serde_json::from_str::<Value>(&text) else { return text };
    let files = list["files"].as_object().expect("a list of files");
    let files: Vec<_> = files.iter().map(|(path, entry)| format!("{path} {}", entry["sha256"])).collect();
    format!("trusted: {}", files.join(", "))
}

/// Begins a login, has somebody agree to it, and answers what finishes it.
fn finish_login(machine: &Machine) -> Vec<String> {
    let begun = machine.run(words("login --quiet --force --mode notebook --format json")).expect(0).json();
    let page = visit(begun["address"].as_str().expect("an address")).expect("the page opens");
    let code = page.authorization_code().expect("a code").to_owned();
    let verifier = begun["code_verifier"].as_str().expect("a verifier").to_owned();
    let finish = words("login --mode notebook --code-verifier");
    [finish, vec![verifier], words("--authorization-code"), vec![code]].concat()
}

/// A directory; or a file, with its content and its mode.
type Remembered = (PathBuf, Option<(Vec<u8>, u32)>);

/// A machine on which an operation is run again and again.
pub(crate) struct Stage {
    pub(crate) operation: &'static Operation,
    pub(crate) machine: Machine,
    pub(crate) old: String,
    pub(crate) new: String,
    /// The home directory as it is before.
    before: Vec<Remembered>,
}

impl Stage {
    pub(crate) fn new(operation: &'static Operation) -> Self {
        let machine = Machine::with_google().with_login();
        (operation.prepare)(&machine);
        let mut before = Vec::new();
        remember(&machine.home(), &mut before);
        let old = (operation.view)(&machine);
        let mut stage = Self { operation, machine, old, new: String::new(), before };
        run(&mut stage.machine.command(stage.arguments())).expect(0);
        stage.new = stage.view();
        stage
    }

    /// Puts everything back as it was before the operation.
    pub(crate) fn set(&self) {
        for directory in [self.machine.home(), self.machine.temporary()] {
            for name in names(&directory) {
                let path = directory.join(name);
                let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.expect("it can be removed");
            }
        }
        for (path, content) in &self.before {
            match content {
                None => fs::create_dir_all(path).expect("it can be made"),
                Some((bytes, mode)) => {
                    fs::write(path, bytes).expect("it can be written");
                    fs::set_permissions(path, fs::Permissions::from_mode(*mode))
                        .expect("its mode can be set");
                }
            }
        }
    }

    pub(crate) fn arguments(&self) -> Vec<String> {
        (self.operation.arguments)(&self.machine)
    }

    pub(crate) fn view(&self) -> String {
        (self.operation.view)(&self.machine)
    }

    /// The directories in which the program writes.
    pub(crate) fn places(&self) -> [String; 2] {
        [self.machine.home(), self.machine.temporary()].map(|place| place.display().to_string())
    }

    /// Gives a command the variables and the working directory of this machine.
    pub(crate) fn like<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let model = self.machine.command([""; 0]);
        command.env_clear().current_dir(self.machine.working());
        command.envs(model.get_envs().filter_map(|(name, value)| Some((name, value?))))
    }

    /// Looks for refresh tokens and access tokens in all files but their own; with `unfinished`, in those that are not.
    pub(crate) fn assert_no_secret_outside(&self, unfinished: bool, what: &str) {
        let mut files = Vec::new();
        for directory in [self.machine.home(), self.machine.temporary()] {
            remember(&directory, &mut files);
        }
        for (path, content) in files {
            let Some((bytes, mode)) = content else { continue };
            let text = String::from_utf8_lossy(&bytes);
            if !text.contains("1//") && !text.contains("ya29.") {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_its_own = name == "credentials"
                || path.parent().is_some_and(|parent| parent.ends_with(".cache/ee-auth"))
                    && name.ends_with(".json");
            let is_unfinished = unfinished && name.starts_with(".ee-auth-");
            assert!(is_its_own || is_unfinished, "a secret in {}\n{what}", path.display());
            assert_eq!(mode & 0o077, 0, "others can read {}\n{what}", path.display());
        }
    }

    /// Makes sure that nothing is left that is only there for a moment, but for empty files: a lock that a killed process held
    /// goes with the next process that takes it, a file that it had not begun to write with the next that writes there.
    pub(crate) fn assert_tidy(&self, what: &str) {
        for path in left(&self.machine) {
            let is_empty = fs::metadata(&path).is_ok_and(|status| status.is_file() && status.len() == 0);
            assert!(is_empty, "{} is left\n{what}", path.display());
        }
    }
}

/// What is on this machine that is only there for a moment.
pub(crate) fn left(machine: &Machine) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for directory in [machine.home(), machine.temporary()] {
        remember(&directory, &mut files);
    }
    let is_for_a_moment = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(".ee-auth-") || name.starts_with("ee-auth-") || name.ends_with(".lock")
    };
    files.into_iter().map(|(path, _)| path).filter(is_for_a_moment).collect()
}

/// What is in a directory, the directories before what is in them.
fn remember(directory: &Path, all: &mut Vec<Remembered>) {
    for name in names(directory) {
        let path = directory.join(name);
        let Ok(status) = fs::symlink_metadata(&path) else { continue };
        if status.is_dir() {
            all.push((path.clone(), None));
            remember(&path, all);
        } else if status.is_file() {
            let mode = status.permissions().mode() & 0o7777;
            all.push((path.clone(), Some((fs::read(&path).unwrap_or_default(), mode))));
        }
    }
}
