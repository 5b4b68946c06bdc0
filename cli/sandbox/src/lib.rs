//! A loopback Google: the services that a Google Earth Engine credential has to do with, on 127.0.0.1, with throw-away
//! identities and faults to order.
//!
//! | service | what is checked |
//! | --- | --- |
//! | token endpoint | RS256 signature, key id, audience, times and scopes of assertions (RFC 7523); client, scopes and revocation at a refresh; single use, redirect address and PKCE of codes |
//! | authorization endpoint | client, loopback redirect, scopes, S256; consents as [`Consent`] says |
//! | revocation, tokeninfo, userinfo, certificates | tokens, and their expiry |
//! | notebook authenticator | the three nonces of `ee/oauth.py` |
//! | STS | audience, type and expiry of the subject token (RFC 8693); the signature of AWS's requests; workforce refresh tokens |
//! | IAM credentials | token, scope, permission, each delegate, lifetime |
//! | metadata server | `Metadata-Flavor`, `X-Forwarded-For` |
//! | Earth Engine | token, scope, project; evaluates constants and arithmetic |
//!
//! It shares no code with the rest of `ee-auth`, so that an error in one is not repeated in the other. It listens on
//! loopback alone, and its tokens are good for nothing elsewhere. A credential that it does not know is refused in
//! Google's words, and is not recorded.
//!
//! ```
//! use ee_auth_sandbox::{Options, Sandbox, visit};
//!
//! let sandbox = Sandbox::start(Options::default())?;
//! let user = sandbox.user();
//! assert!(user.refresh_token().starts_with("1//"));
//! assert!(sandbox.config_toml().contains(&format!("token = \"{}/token\"", sandbox.base_url())));
//!
//! sandbox.fail("metadata=503x1".parse().expect("a fault rule"));
//! assert_eq!(visit(&sandbox.base_url())?.status, 503);
//! assert_eq!(visit(&sandbox.base_url())?.status, 200);
//! assert_eq!(sandbox.requests().len(), 2);
//! # Ok::<(), std::io::Error>(())
//! ```
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "it stands in for the world in tests, and what it is given is theirs"
)]
#![allow(clippy::disallowed_methods, reason = "the sandbox is the world outside, with a clock of its own")]

mod browser;
mod errors;
mod fault;
mod identity;
mod jwt;
mod keys;
mod message;
mod record;
mod routes;
mod sandbox;
mod server;
mod services;
mod spoil;
mod world;

pub use browser::{Page, visit};
pub use fault::{FaultRule, FaultRuleError, faults};
pub use identity::{DEFAULT_SCOPES, JWT_TOKEN_TYPE, OAuthClient, ServiceAccount, User, Workload};
pub use record::{Content, Recorded};
pub use routes::Service;
pub use sandbox::{Options, Sandbox};
pub use world::{Consent, ProjectState};
