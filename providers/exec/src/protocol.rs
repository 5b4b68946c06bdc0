use ee_auth_core::{Error, quoted};

/// How an executable speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// A request on standard input, which then ends; an answer on standard output.
    #[default]
    EeAuth,
    /// The same, with events before the answer.
    Events,
    /// Google's executable-sourced credentials: variables in, a version 1 answer out.
    GoogleExecutable,
    /// Nothing in, a token out.
    TokenStdout,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::EeAuth, Self::Events, Self::GoogleExecutable, Self::TokenStdout];

    /// The name in `protocol`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EeAuth => "ee-auth",
            Self::Events => "events",
            Self::GoogleExecutable => "google-executable",
            Self::TokenStdout => "token-stdout",
        }
    }

    /// The protocol of this name.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) for any other.
    pub fn named(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(|protocol| format!("`{}`", protocol.name())).join(", ");
            Error::invalid(
                "protocol",
                format!("`protocol` is {}, and no protocol is called so", quoted(name)),
            )
            .hint(format!("the protocols are {names}"))
        })
    }

    /// Whether requests and answers are those of `docs/plugins.md`.
    pub(crate) fn is_own(self) -> bool {
        matches!(self, Self::EeAuth | Self::Events)
    }
}
