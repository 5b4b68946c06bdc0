//! The server as clients meet it: over sockets, with a credential whose exchanges the test controls.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "the tests are the clients"
)]

mod guard;
mod home;
mod metadata;
mod server;
mod shells;
mod support;
mod tls;
mod token_endpoint;
