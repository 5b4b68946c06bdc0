//! The server as clients meet it: over sockets, with a credential whose exchanges the test controls.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the tests are the clients")]

mod guard;
mod home;
mod metadata;
mod server;
mod shells;
mod support;
mod token_endpoint;
mod tls;
