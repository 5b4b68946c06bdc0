//! `ee-auth plugin new`

use std::path::Path;

use ee_auth::ShowPath as _;
use ee_auth::host::{Directory, FileKind};
use ee_auth::{Error, Host, quoted};
use serde_json::json;

use crate::arguments::Language;
use crate::output::{GOOD, NEXT, Output, styled};

/// The text that stands for the plugin's name in the templates, as a name in a programming language has it and as a file has
/// it.
const SNAKE: &str = "my_plugin";
const KEBAB: &str = "my-plugin";

/// A file of a template: its name, and its text.
type File = (&'static str, &'static str);

/// A source of the crate for authors.
macro_rules! author {
    ($name:literal) => {
        (
            concat!("ee-auth-plugin/src/", $name, ".rs"),
            include_str!(concat!("../../../../plugins/sdk/src/", $name, ".rs")),
        )
    };
}

struct Template {
    files: &'static [File],
    /// The file that is a program: nothing is built.
    program: Option<&'static str>,
    /// What to do next.
    next: &'static str,
}

impl Language {
    fn template(self) -> Template {
        match self {
            Self::Python => Template {
                files: &[
                    ("my-plugin", include_str!("../../../templates/plugin/python/my-plugin")),
                    ("README.md", include_str!("../../../templates/plugin/python/README.md")),
                ],
                program: Some(KEBAB),
                next: "ee-auth plugin check ./my-plugin/my-plugin",
            },
            Self::Rust => {
                Template {
                    files: &[
                        ("Cargo.toml", include_str!("../../../templates/plugin/rust/Cargo.toml")),
                        ("README.md", include_str!("../../../templates/plugin/rust/README.md")),
                        ("src/lib.rs", include_str!("../../../templates/plugin/rust/src/lib.rs")),
                        // The author's crate goes with it: what is built is what this program speaks with.
                        (
                            "ee-auth-plugin/Cargo.toml",
                            include_str!("../../../templates/plugin/rust/ee-auth-plugin.toml"),
                        ),
                        ("ee-auth-plugin/README.md", include_str!("../../../../plugins/sdk/README.md")),
                        author!("lib"),
                        author!("abi"),
                        author!("abi_host"),
                        author!("answer"),
                        author!("export"),
                        author!("guard"),
                        author!("host"),
                        author!("manifest"),
                        author!("provider"),
                        author!("request"),
                        author!("respond"),
                        author!("stdio"),
                    ],
                    program: None,
                    next: "cd my-plugin && cargo build --release && ee-auth plugin check target/release/libmy_plugin.so",
                }
            }
            Self::C => Template {
                files: &[
                    ("my_plugin.c", include_str!("../../../templates/plugin/c/my_plugin.c")),
                    ("Makefile", include_str!("../../../templates/plugin/c/Makefile")),
                    ("README.md", include_str!("../../../templates/plugin/c/README.md")),
                    (
                        "ee_auth_plugin.h",
                        include_str!("../../../../providers/dynamic/include/ee_auth_plugin.h"),
                    ),
                ],
                program: None,
                next: "cd my-plugin && make && ee-auth plugin check ./my-plugin.so",
            },
        }
    }
}

pub(super) fn run(host: &Host, language: Language, name: &str, output: &Output) -> Result<(), Error> {
    let as_json = output.is_json()?;
    let is_name =
        name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
            && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
            && name.len() <= 64;
    if !is_name {
        return Err(Error::invalid("name", format!("{} cannot be the name of a plugin", quoted(name)))
            .hint("use small letters, digits, `-` and `_`, and begin with a letter"));
    }
    let working = host.environment.directory(Directory::Working).unwrap_or_default();
    let directory = working.join(name);
    if host.files.status(&directory).is_ok_and(|status| status.kind != FileKind::Directory)
        || host.files.list(&directory).is_ok_and(|names| !names.is_empty())
    {
        return Err(Error::invalid(
            "exists",
            format!("{} exists already; it was left as it is", directory.shown()),
        )
        .hint("choose another name, or another directory"));
    }
    let template = language.template();
    let named = |text: &str| text.replace(SNAKE, &name.replace('-', "_")).replace(KEBAB, name);
    for (file, text) in template.files {
        let path = directory.join(named(file));
        let text = named(text);
        let written = if template.program == Some(file) {
            write_program(host, &path, text.as_bytes())
        } else {
            host.files.write_new(&path, text.as_bytes())
        };
        written.map_err(|error| {
            Error::internal(format!("writing {} failed: {error}", path.shown()))
                .hint("choose a directory that you may write")
        })?;
    }
    if as_json {
        return output.json(&json!({ "path": directory, "next": named(template.next) }));
    }
    output.data(directory.shown())?;
    output.tell(format_args!("{} README.md says how to go on", styled(GOOD, "Written:")));
    output.tell(format_args!("{} {}", styled(NEXT, "next:"), named(template.next)));
    Ok(())
}

/// A file that can be run and changed by its owner.
fn write_program(host: &Host, path: &Path, text: &[u8]) -> std::io::Result<()> {
    host.files.write_new(path, text)?;
    host.files.make_executable(path)
}
