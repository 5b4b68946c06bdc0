//! Google's credential files and the exchanges that they allow: what several providers share.
//!
//! - [`Content`]: the content of a file or variable, as text.
//! - [`Document`]: a credential's JSON, read with suspicion.
//! - [`identify`]: what something is that is no credential, and what to do about it.
//! - [`credential`]: what a document is, by its `type`, as something that was found.
//! - [`service_account`]: a key that signs assertions (RFC 7523).
//! - [`authorized_user`]: a refresh token (RFC 6749, section 6).
//! - [`oauth_client`]: who asks a person for access (RFC 6749, section 2).
//! - [`authorization`]: the address at which a person gives it (RFC 6749, section 4.1.1; RFC 7636).
//! - [`pasted`]: what a person pastes back.
//! - [`authorization_code`]: a code with its verifier (RFC 6749, section 4.1; RFC 7636).
//! - [`impersonation`], [`impersonated`]: a credential that stands for a service account.
//! - [`executable_answer`]: what an executable answers that hands out subject tokens (AIP-4117).
//! - [`external_account`]: workload and workforce identity federation (RFC 8693, AIP-4117).
//! - [`id_token`]: the ID tokens that all of these can give.
//! - [`metadata_server`]: asking a metadata server (AIP-4115).
//! - [`access_token`]: a token that somebody else got.
//! - [`cloud_sdk`]: where gcloud keeps its files.
//! - [`revocation`]: taking a login back (RFC 7009).
//! - [`token_endpoint`]: how these ask, and what the answers mean.

pub mod access_token;
pub mod authorization;
pub mod authorization_code;
pub mod authorized_user;
pub mod cloud_sdk;
pub mod credential;
pub mod executable_answer;
pub mod external_account;
pub mod id_token;
pub mod identify;
pub mod impersonated;
pub mod impersonation;
pub mod metadata_server;
pub mod oauth_client;
pub mod pasted;
mod quota_project;
pub mod revocation;
pub mod service_account;
pub mod token_endpoint;

mod adapter;
mod content;
mod document;
mod iam_refusal;
mod json_fault;
mod rejection;

pub use content::{Content, is_path, path_in};
pub use document::Document;

/// Earth Engine's own OAuth client, as earthengine-api ships it (`oauth.py`). An installed application's secret is not
/// confidential (RFC 8252, section 8.5).
pub mod earth_engine_client {
    /// The client id that a stored credential has when it names none.
    pub const ID: &str = "517222506229-vsmmajv00ul0bs7p89v5m89qs8eb9359.apps.googleusercontent.com";
    /// The secret that goes with it.
    pub const SECRET: &str = "RUP0RZ6e0pPhDzsqIJ7KlNd1";
}
