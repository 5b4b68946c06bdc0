//! The interfaces that everything in `ee-auth` is built on, and the chain that puts them to work.
//!
//! A [`Provider`] is one way to obtain a [`Credential`]. A [`Chain`] asks providers in order, and the first that
//! finds a credential wins. A credential is a source of [`Token`]s: reading a valid one costs a borrow and a look at
//! the clock; getting a new one is an *exchange*, which happens once however many callers wait for it.
//!
//! Nothing here reads the environment, a file, the clock or the network. All of these come through [`Host`], a
//! struct of small traits, so that every provider can be run against a machine that does not exist.
//!
//! This crate knows no TOML, no command line and no HTTP client. People depend on `ee-auth`; authors of providers
//! that ship with it depend on this.

mod chain;
mod credential;
mod endpoints;
mod error;
mod flight;
mod found;
mod id_token;
mod impersonate;
mod kind;
mod login;
mod nearest;
mod profile;
mod project;
mod provider;
mod scope_limit;
mod scopes;
mod search;
mod secret;
mod store;
mod token;
mod trusted_hosts;
mod visible;

pub mod host;
pub mod json;
pub mod proxy;
pub mod retry;
pub mod time;

pub use chain::{Attempt, AttemptOutcome, Chain, Expectation, Member, Resolution};
pub use credential::Credential;
pub use endpoints::Endpoints;
#[doc(hidden)]
pub use error::ErrorKind as Outcome;
pub use error::{Code, Detail, Error, ErrorKind, NotACode};
pub use found::{Exchange, Found, Impersonates, TokenSource};
pub use host::{BoxFuture, Host};
pub use id_token::IdToken;
pub use impersonate::{Impersonate, service_account};
pub use kind::{Build, Kind, OptionSpec, OptionType, OptionValue, Options};
pub use login::{Grant, LoggedIn, Login, LoginRequest, OAuthClient, Unfinished};
pub use nearest::nearest_name;
pub use profile::ProfileName;
pub use project::{
    EARTH_ENGINE_CLIENT_PROJECT, Project, ProjectCandidate, SDK_PROJECTS, is_googles_own,
    is_plausible_project, project_number, resolve_project,
};
pub use provider::{Finding, Provider, Skip, SkipReason};
pub use scopes::{LENT_SCOPES, Scopes};
pub use search::{Look, Passed, Saw, Search, Settings};
pub use secret::{ExposeSecret, Secret, looks_like_credential, quoted, redact};
pub use store::{TokenKey, TokenStore, Turn};
pub use token::{Token, TokenGuard};
pub use trusted_hosts::{Field, TrustedHosts, is_loopback};
pub use visible::{ShowPath, acts_on_terminal, visible, visible_colored, visible_json, visible_lines};
