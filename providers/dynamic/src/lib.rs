//! The provider `dynamic`: a plugin in a shared library, behind the C interface of `include/ee_auth_plugin.h`.
//!
//! ```toml
//! [providers.corp]
//! kind      = "dynamic"
//! path      = "/opt/corp/libcorp_ee.so"
//! sha256    = "…"                      # `ee-auth plugin add FILE` writes it
//! isolation = "process"                # or in_process
//! config    = { tenant = "x" }
//! ```
//!
//! Before anything is loaded, the file and the directories above it are looked at, and its SHA-256 is compared with the pin; the
//! bytes that were hashed are those that are loaded. With `isolation = "process"` the library runs in a process of the program
//! `ee-auth` ([`Isolated`], [`serve()`]): whatever it does there is an error of this provider and no more. With `in_process`
//! ([`InProcess`]) its functions are called here, and its crash is the crash of the program.
//!
//! Where plugin and host were made for different versions:
//!
//! | | what happens |
//! | --- | --- |
//! | `abi_minor` older or newer | goes on |
//! | a structure larger than in version 1.0 | goes on; what is not known is not looked at |
//! | a structure smaller than in version 1.0 | `protocol.size` |
//! | `abi_major` other than 1, or only a later symbol | `protocol.version` |
//! | no `eea_plugin_v1` | `protocol.symbol` |
//! | another magic | `protocol.magic` |
//! | a library for another system or machine | `invalid.architecture` |
//! | no library | `invalid.library` |
//! | a library whose own libraries are missing | `invalid.link` |
//! | no file | `invalid.no_such_file` |

mod binary;
mod call;
mod direct;
mod fault;
mod in_process;
mod instance;
mod isolated;
mod library;
mod memory;
mod process;
mod registry;
mod serve;
mod services;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ee_auth_core::ShowPath as _;
use ee_auth_core::{Error, Host, Kind, Look, OptionSpec, OptionType, Options, Provider, Saw};
use ee_auth_plugin_host::trust::Pin;
use ee_auth_plugin_host::{Declaration, OPTIONS, PluginProvider, variables, words};

#[doc(hidden)]
pub use binary::foreign_binary;
pub use direct::Direct;
pub use in_process::InProcess;
pub use isolated::{COMMAND, Isolated, Program};
pub use serve::serve;

/// The name under which the program that isolates libraries is handed to [`KIND`]'s `build`, among the options: what
/// `plugins.host` says. It is no key of the provider's table.
pub const PROGRAM_OPTION: &str = "plugins.host";

/// As [`PROGRAM_OPTION`], where that program is the one that asks: it runs already, so nobody looks at its file.
pub const OWN_PROGRAM_OPTION: &str = "program";

/// The kind.
pub const KIND: Kind = Kind {
    name: "dynamic",
    summary: "asks a plugin in a shared library",
    interactive: false,
    declared_only: true,
    options: &[
        OptionSpec { name: "path", value: OptionType::Path, summary: "the shared library" },
        OptionSpec {
            name: "sha256",
            value: OptionType::String,
            summary: "the SHA-256 of the library, in hexadecimal; required",
        },
        OptionSpec {
            name: "isolation",
            value: OptionType::String,
            summary: "`process` runs it in a process of its own, and is the default; `in_process` in this one, which its \
                      crash ends",
        },
        OptionSpec {
            name: "env",
            value: OptionType::Strings,
            summary: "variables that its process gets, beside PATH, HOME, LANG, TMPDIR and those of proxies",
        },
        OPTIONS[0],
        OPTIONS[1],
        OPTIONS[2],
    ],
    build,
};

fn build(name: &str, options: &Options) -> Result<Arc<dyn Provider>, Error> {
    let declaration = Declaration::from_options(name, &KIND, options)?;
    let missing = |key: &str| {
        Error::invalid("missing_option", format!("`{key}` is missing"))
            .hint("`ee-auth plugin add FILE` writes the whole table")
    };
    let path = options.path("path").ok_or_else(|| missing("path"))?;
    let pin = Pin::parse(&options.string("sha256").ok_or_else(|| missing("sha256"))?)?;
    let in_process = match options.string("isolation").as_deref() {
        None | Some("process") => false,
        Some("in_process") => true,
        Some(other) => {
            let other = ee_auth_core::quoted(other);
            return Err(Error::invalid("isolation", format!("`isolation` is {other}"))
                .hint("write `isolation = \"process\"` or `isolation = \"in_process\"`"));
        }
    };
    let environment = options.strings("env").unwrap_or_default();
    variables::check(&environment)?;
    if in_process && !environment.is_empty() {
        return Err(Error::invalid("env", "`env` has no meaning with `isolation = \"in_process\"`")
            .hint("leave it out: in process, a library sees every variable"));
    }
    Ok(if in_process {
        Arc::new(PluginProvider::new(declaration, InProcess::new(name, &path, pin)))
    } else {
        let program = match (options.path(OWN_PROGRAM_OPTION), options.path(PROGRAM_OPTION)) {
            (Some(program), _) => Some(Program::Own(program)),
            (None, program) => program.map(Program::Named),
        };
        Arc::new(PluginProvider::new(declaration, Isolated::new(name, &path, pin, program, environment)))
    })
}

/// Where a library is looked for.
fn look(host: &Host, path: &Path) -> Look {
    let saw = match host.files.status(path) {
        Ok(_) => Saw::Present,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Saw::Missing,
        Err(_) => Saw::Unreadable,
    };
    Look::Program(path.shown(), saw)
}

/// The error for a call that did not end in time: an endless loop as well as a slow server.
fn timeout(deadline: Duration) -> Error {
    let message = format!("it did not answer within {:.1} s, and was stopped", deadline.as_secs_f64());
    fault::breach("timeout", message).hint(
        "give it more time with `timeout` in its table of ee-auth.toml; a plugin has to answer within its deadline",
    )
}

/// A line of a plugin for the person who looks for a mistake.
fn log(name: &str, level: &str, message: &str) {
    let message = words::said(name, message);
    match level {
        "error" => log::error!("{message}"),
        "warn" => log::warn!("{message}"),
        "info" => log::info!("{message}"),
        "trace" => log::trace!("{message}"),
        _ => log::debug!("{message}"),
    }
}
