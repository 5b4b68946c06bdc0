//! The host's side of plugins: what is asked of them, what they may answer, and what is made of it, whatever carries it.
//!
//! A plugin is a provider that does not ship with `ee-auth`. It is asked with one line of JSON, a [`Request`], and answers
//! with one line, an [`Answer`]. What carries the lines is a [`Transport`]: the kind `exec` runs an executable, the kind
//! `dynamic` calls into a shared library. [`PluginProvider`] makes a [`Provider`](ee_auth_core::Provider) of either, so that
//! finding, exchanges, logins and caching are the same over both.
//!
//! - [`trust`]: who may have written the file that is about to run.
//! - [`variables`]: which variables its process gets.
//! - [`services`]: what a plugin may ask of the host: `log`, `prompt`, `http`, `store`.
//! - [`conformance`]: what every plugin keeps to, as checks that say in words what to mend.
//!
//! The wire format is described in `docs/plugins.md`.

pub mod conformance;
pub mod services;
pub mod trust;
pub mod variables;
pub mod words;

mod answer;
mod manifest;
mod options;
mod provider;
mod request;
mod source;
mod sts;
mod transport;

pub use answer::{Answer, Cache, Granted, MAX_ANSWER, Refusal, RefusalCode, Subject};
pub use manifest::Manifest;
pub use options::{DEFAULT_TIMEOUT, Declaration, OPTIONS};
pub use provider::PluginProvider;
pub use request::{Config, Op, Reason, Request};
pub use source::ASSUMED_LIFETIME;
pub use transport::Transport;

/// The version of the protocol that this crate speaks: the `version` of every answer.
pub const VERSION: u64 = 1;
