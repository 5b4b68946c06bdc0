//! `case.json`: what is asked of a machine, and what must come of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

/// One scenario, as `case.json` has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the scenario shows, in one sentence.
    pub description: String,
    /// What the caller asks for beside what the machine says.
    #[serde(default)]
    pub ask: Ask,
    /// What the machine is beside its files and variables.
    #[serde(default)]
    pub machine: Machine,
    /// What must come of it.
    pub expect: Expected,
}

/// What the caller asks for: what the flags of the program set, and what only the library can pass.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ask {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--profile`
    pub profile: Option<String>,
    /// `--project`
    pub project: Option<String>,
    /// `--scopes`
    pub scopes: Option<String>,
    /// `--as`
    pub impersonate: Option<String>,
    /// The names of providers, separated by commas.
    pub chain: Option<String>,
    /// Whether neither processes nor the network may be used.
    pub offline: bool,
    /// An access token that is passed to `explicit`.
    pub access_token: Option<String>,
    /// A credential that is passed to `explicit`.
    pub credential_json: Option<String>,
    /// An authorization code that is passed to `explicit`.
    pub authorization_code: Option<Code>,
    /// How many tokens are asked for, one after the other, each after the one before has expired. 1 where it is left
    /// out.
    pub tokens: Option<usize>,
}

/// An authorization code and what goes with it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The code.
    pub code: String,
    /// The PKCE verifier.
    pub verifier: String,
    /// The redirect that the code was asked with.
    pub redirect_uri: String,
}

/// What a machine is beside its files and variables.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    /// Its time of day (RFC 3339).
    pub time: Option<String>,
    /// The directories that it does not know: `home`, which takes those of the user along, and `working`.
    pub without: Vec<String>,
}

/// What must come of it. Whatever is left out does not matter, unless its description says otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The exit status that the program would end with.
    pub exit: u8,
    /// The code of the error; there is none where the exit status is 0.
    pub code: Option<String>,
    /// The name of the provider that found the credential, or that failed.
    pub provider: Option<String>,
    /// What the message of the error says, in this order.
    #[serde(default)]
    pub message: Vec<String>,
    /// What the hint of the error says, in this order.
    #[serde(default)]
    pub hint: Vec<String>,
    /// What each provider of the chain answered, in order; `…` at the end stands for the others. See [`answer`].
    ///
    /// [`answer`]: crate::scenario::answer
    pub attempts: Option<Vec<String>>,
    /// By provider: the hint of its skip must say this.
    #[serde(default)]
    pub skip_hints: BTreeMap<String, String>,
    /// By provider: where it looked, in order: `EE_AUTH_CREDENTIALS unset`, `/home/user/key.json present`.
    #[serde(default)]
    pub looked_at: BTreeMap<String, Vec<String>>,
    /// The project; `null` where there must be none.
    #[serde(default, deserialize_with = "given")]
    pub project: Option<Option<ExpectedProject>>,
    /// What the origin of the credential says.
    pub origin: Option<String>,
    /// The account's e-mail; `null` where it must not be known.
    #[serde(default, deserialize_with = "given")]
    pub principal: Option<Option<String>>,
    /// The service account that is impersonated, and after `, ` what names it; `null` where nobody is.
    #[serde(default, deserialize_with = "given")]
    pub impersonates: Option<Option<String>>,
    /// The scopes of the credential, in their short spelling.
    pub scopes: Option<Vec<String>>,
    /// The quota project of the credential.
    pub quota_project: Option<String>,
    /// The token, or the last one where several are asked for.
    pub token: Option<String>,
    /// For how many seconds the token is valid.
    pub expires_in: Option<u64>,
    /// Words of the warnings of the configuration and the credential: each must be in a warning, and each warning must
    /// have one. So there must be no warning where this is left out.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Header and claims of the assertion that was sent (RFC 7523), `null` for those that must be absent. Its signature
    /// is checked too.
    pub assertion: Option<BTreeMap<String, Value>>,
    /// How often it was waited before a request was sent again.
    pub pauses: Option<usize>,
    /// How many seconds were waited in all, to be exact where a server says how long.
    pub waited: Option<u64>,
    /// Words that must appear nowhere: in no error, no attempt, no `Debug` and no log line. Secrets need not be listed.
    #[serde(default)]
    pub absent: Vec<String>,
}

/// A project and where it was named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedProject {
    /// Its id or number.
    pub id: String,
    /// What its origin says.
    pub origin: String,
}

/// Tells `null` from what is left out.
fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
