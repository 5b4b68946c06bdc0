use serde::{Deserialize, Serialize};

/// The ways in which a chain, a provider or an exchange ends without a token.
///
/// The program's exit status is [`ErrorKind::exit_status`]; the name is the first part of an error's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// Every provider was asked and none had a credential.
    NotFound,
    /// Only a person could provide a credential, and nobody may be asked.
    InteractionRequired,
    /// Something that a person wrote is wrong: a malformed file, a missing field, a bad option.
    Invalid,
    /// The other side refused the credential or the request.
    Rejected,
    /// The other side could not be reached, or did not answer as it should.
    Unavailable,
    /// A file, host, plugin or project that is not trusted.
    Untrusted,
    /// A plugin's answer breaks the protocol.
    Protocol,
    /// The command line is wrong.
    Usage,
    /// Anything else: a bug, or a machine out of resources.
    Internal,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::NotFound,
        Self::InteractionRequired,
        Self::Invalid,
        Self::Rejected,
        Self::Unavailable,
        Self::Untrusted,
        Self::Protocol,
        Self::Usage,
        Self::Internal,
    ];

    /// The failures of finding that `on.<kind> = "continue"` may name.
    pub const FAILURES: [Self; 5] =
        [Self::Invalid, Self::Rejected, Self::Unavailable, Self::Untrusted, Self::Protocol];

    /// Returns the name used in configuration (`on.unavailable`), in JSON and as the first part of an error's code.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::InteractionRequired => "interaction_required",
            Self::Invalid => "invalid",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Untrusted => "untrusted",
            Self::Protocol => "protocol",
            Self::Usage => "usage",
            Self::Internal => "internal",
        }
    }

    /// Returns the program's exit status for this kind.
    ///
    /// ```
    /// use ee_auth_core::ErrorKind;
    /// assert_eq!(ErrorKind::NotFound.exit_status(), 4);
    /// assert_eq!(ErrorKind::Untrusted.exit_status(), 7);
    /// ```
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::NotFound | Self::InteractionRequired => 4,
            Self::Rejected => 5,
            Self::Unavailable => 6,
            Self::Untrusted => 7,
            Self::Protocol => 8,
        }
    }
}
