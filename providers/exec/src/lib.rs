//! The provider `exec`: an executable that answers with a token, in any language.
//!
//! The request is one line of JSON on standard input, which then ends; the answer is one line on standard output. With
//! `protocol = "events"` standard input stays open, and lines with the key `event` come before the answer and are replied
//! to. `google-executable` runs what was written for Google's executable-sourced credentials; `token-stdout` takes standard
//! output, trimmed, as the token. `docs/plugins.md` has the whole.
//!
//! Before each run the file is looked at ([`trust`](ee_auth_plugin_host::trust)). It gets `PATH HOME LANG TMPDIR`, the
//! proxy variables and those in `env`, and no others; at its deadline it is killed together with all that it started.

mod command;
mod dialogue;
mod executable;
mod protocol;

use std::sync::Arc;

use ee_auth_core::{Error, Kind, OptionSpec, OptionType, Options, Provider};
use ee_auth_plugin_host::{Declaration, OPTIONS, PluginProvider};

pub use command::{directory, installed};
pub use executable::Executable;
pub use protocol::Protocol;

/// How `exec` is configured.
pub const KIND: Kind = Kind {
    name: "exec",
    summary: "a plugin: an executable that answers with a token",
    interactive: false,
    declared_only: true,
    options: &[
        OptionSpec {
            name: "command",
            value: OptionType::Strings,
            summary: "what runs: an absolute path, or the name of a file in ee-auth's directory of plugins, and its \
                      arguments",
        },
        OptionSpec {
            name: "protocol",
            value: OptionType::String,
            summary: "how it speaks: `ee-auth` (the default), `events`, `google-executable` or `token-stdout`",
        },
        OPTIONS[0],
        OptionSpec {
            name: "sha256",
            value: OptionType::String,
            summary: "the SHA-256 that the file must have; a private copy of what was hashed is what runs",
        },
        OptionSpec {
            name: "in_place",
            value: OptionType::Bool,
            summary: "run a file with a `sha256` where it lies: for a script that needs the files beside it",
        },
        OptionSpec {
            name: "env",
            value: OptionType::Strings,
            summary: "variables that it gets, beside PATH HOME LANG TMPDIR and those of the proxy",
        },
        OPTIONS[1],
        OPTIONS[2],
    ],
    build: |name, options| provider(name, options).map(|provider| Arc::new(provider) as Arc<dyn Provider>),
};

/// The provider called `name` with these options.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where they cannot be right.
pub fn provider(name: &str, options: &Options) -> Result<PluginProvider, Error> {
    let declaration = Declaration::from_options(name, &KIND, options)?;
    let executable = Executable::from_options(name, options)?;
    Ok(PluginProvider::new(declaration, executable))
}

#[cfg(test)]
mod tests;
