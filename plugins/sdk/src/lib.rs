#![doc = include_str!("../README.md")]
#![allow(
    clippy::disallowed_methods,
    reason = "an author's crate: it has no host of the workspace, and asks the system for the time"
)]

mod abi_host;
mod answer;
mod export;
mod guard;
mod host;
mod manifest;
mod provider;
mod request;
mod respond;
mod stdio;

pub mod abi;

pub use answer::{Answer, Cache, Failure};
pub use host::{Host, HttpRequest, HttpResponse, Level};
pub use manifest::Manifest;
pub use provider::Provider;
pub use request::{Reason, Request};
pub use stdio::{serve_events, serve_stdio};
