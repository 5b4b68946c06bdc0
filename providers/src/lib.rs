//! Google Earth Engine credentials: found through a chain of providers, with tokens that stay fresh.
//!
//! ```no_run
//! use ee_auth::Credentials;
//!
//! let credential = Credentials::resolve()?;
//! let token = credential.token()?;
//! println!("Authorization: Bearer {}", token.secret());
//! # Ok::<(), ee_auth::Error>(())
//! ```
//!
//! [`Credentials::resolve`] does what the program `ee-auth` does: it reads `ee-auth.toml` and the variables, and asks
//! the providers of the chain in order. [`Credentials::builder`] is for everything else: another profile, a credential
//! that the program has already, another [`Host`]. In async code use [`Resolver::resolve_async`] and
//! [`Credential::token_async`]; they run on any executor.
//!
//! A [`Credential`] is cheap to clone, and its tokens are shared by its clones. Reading a valid token takes
//! nanoseconds, so ask for one at every request instead of keeping it. Processes share them too, through files that
//! only the user can read, unless [`Resolver::no_cache`] or the configuration says otherwise: see [`cache`].

mod impersonation;
mod login;
mod profile;
mod project;
mod registry;
mod resolver;
mod token_info;

pub mod doctor;
pub mod earth_engine;
#[cfg(feature = "exec")]
pub mod plugins;
pub mod stored;

pub use ee_auth_cache as cache;
pub use ee_auth_config as config;
pub use ee_auth_core::{
    Attempt, AttemptOutcome, Credential, Endpoints, Error, ExposeSecret, Host, IdToken, Impersonate,
    Impersonates, Kind, Look, Outcome, Passed, ProfileName, Project, Saw, Scopes, Secret, ShowPath, Skip,
    SkipReason, Token, TokenGuard, acts_on_terminal, looks_like_credential, quoted, redact, visible,
    visible_colored, visible_json, visible_lines,
};
pub use ee_auth_core::{host, time};
#[cfg(feature = "dynamic")]
pub use ee_auth_dynamic as dynamic;
#[cfg(feature = "environment")]
pub use ee_auth_environment::names as credential_variables;
#[cfg(any(feature = "gcp_auth", feature = "google_cloud_auth", feature = "object_store"))]
pub use ee_auth_gcp_auth as adapters;
pub use ee_auth_host::disable_core_dumps;
pub use login::{Login, LoginOutcome, LoginReport, UnfinishedLogin};
pub use registry::kinds;
pub use resolver::{Resolved, Resolver};
pub use token_info::{TokenInfo, token_info, token_info_async};

/// Asks whoever sits in front of the machine for one line. Blocks.
///
/// # Errors
/// [`std::io::ErrorKind::UnexpectedEof`] where nobody answers.
pub fn ask(host: &Host, question: &str) -> std::io::Result<Secret> {
    pollster::block_on(host.person.ask(question))
}

/// Where credentials come from.
#[derive(Debug)]
pub struct Credentials;

impl Credentials {
    /// The credential of this machine and user: what `ee-auth token` would use.
    ///
    /// # Errors
    /// [`Outcome::NotFound`] where no provider of the chain has one, [`Outcome::Invalid`] where something that was
    /// written for ee-auth is wrong, and the other outcomes of finding.
    pub fn resolve() -> Result<Credential, Error> {
        Self::builder().resolve()
    }

    /// A resolver whose settings can be changed before it is asked.
    pub fn builder() -> Resolver {
        Resolver::new(ee_auth_host::system())
    }
}
