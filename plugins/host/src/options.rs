//! What can be set for a plugin, whatever carries its lines.

use std::time::Duration;

use ee_auth_core::{Error, Kind, OptionSpec, OptionType, Options};

use crate::request::Config;

/// How long a plugin may take, unless `timeout` says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The options that plugins of every kind take, beside those that say what runs: `timeout`, `config`, `audience`.
pub const OPTIONS: [OptionSpec; 3] = [
    OptionSpec {
        name: "timeout",
        value: OptionType::Duration,
        summary: "how long one answer may take, `30s` unless set; then the plugin is stopped",
    },
    OptionSpec { name: "config", value: OptionType::Table, summary: "handed to the plugin as JSON" },
    OptionSpec {
        name: "audience",
        value: OptionType::String,
        summary: "the workload identity provider's resource name, for a plugin that answers with ID tokens or SAML \
                  assertions: these are exchanged for it",
    },
];

/// What a provider's table says of a plugin, whatever carries its lines.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// The provider's name.
    pub name: String,
    /// Its kind.
    pub kind: &'static Kind,
    /// Handed to the plugin.
    pub config: Config,
    /// The audience of the exchange of ID tokens and SAML assertions.
    pub audience: Option<String>,
    /// How long one answer may take.
    pub timeout: Duration,
}

impl Declaration {
    /// What the options called as in [`OPTIONS`] say.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) for a timeout of nothing.
    pub fn from_options(name: &str, kind: &'static Kind, options: &Options) -> Result<Self, Error> {
        let timeout = options.duration("timeout").unwrap_or(DEFAULT_TIMEOUT);
        if timeout.is_zero() {
            return Err(Error::invalid("timeout", "`timeout` is zero, in which nothing can be answered")
                .hint("write something like `timeout = \"10s\"`, or leave it out for 30 s"));
        }
        Ok(Self {
            name: name.to_owned(),
            kind,
            config: Config(options.table("config").cloned().unwrap_or_default()),
            audience: options.string("audience").filter(|audience| !audience.trim().is_empty()),
            timeout,
        })
    }
}
