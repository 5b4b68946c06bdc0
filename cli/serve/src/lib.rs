//! A credential for unmodified Google clients on this machine, in whatever language: the endpoint behind `ee-auth exec`
//! and `ee-auth serve`.
//!
//! A [`Server`] listens on loopback and answers as two of Google's services do, with tokens of a
//! [`Credential`](ee_auth_core::Credential):
//!
//! | service | who uses it | what lets them in |
//! | --- | --- | --- |
//! | token endpoint, `POST /v1/oauthtoken` | clients that read a [credential file](credential_file): of its type `external_account_authorized_user`, or whatever its type; GDAL | the secret in that file, made for this run |
//! | introspection, `POST /v1/introspect` (RFC 7662) | gcloud, which asks for the account's name | the access token |
//! | Compute Engine's metadata server, `GET /computeMetadata/v1/…` | clients that find no file, and those that do not know the file's type | `Metadata-Flavor: Google`, and being a process of the same user |
//!
//! [`variables()`] are what leads each client there. Clients ask again when their token is about to expire, so that it
//! stays fresh however long they run.
//!
//! Whoever is to be refused is refused and counted: see [`Refusal`].
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "sockets, and the files that are made for one run, are this crate's field; credentials and settings come \
              through `Host`"
)]

mod answer;
mod assertion;
mod guard;
mod id_tokens;
mod isolation;
mod left_behind;
mod listener;
mod logins;
mod routes;
mod served;
mod server;
mod session;
mod shell;
mod stand_in;
mod systemd;
mod tls;
mod variables;

pub mod credential_file;

pub use ee_auth_host::peer::can_be_checked as peers_can_be_checked;
pub use guard::Refusal;
pub use isolation::{Isolate, Isolation, Mechanism};
pub use listener::{Address, Listener};
pub use logins::{ConflictingLogin, SameLogin, stored_logins};
pub use served::{Profiles, Served};
pub use server::{Event, Server, Signals};
pub use session::{Session, local_secret};
pub use shell::{Shell, append_to_github_env};
pub use stand_in::give_back_left;
pub use tls::MutualTls;
pub use variables::{Place, Variables, Via, token_variables, variables};
