//! Logins made by `ee-auth` and read by earthengine-api, and the other way round.
//!
//! The client is the package from PyPI, installed into a directory of its own under `target/`. Only the addresses of
//! Google's services to which it sends something are changed, since they are part of its code; see `driver.py`. Where
//! there is no Python, or the package cannot be had, the tests say so and pass.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    reason = "the tests are the world outside: they make files and start processes"
)]

mod earthengine_api;
#[allow(dead_code, reason = "it is shared with the other tests of the program")]
#[path = "../../../cli/tests/it/support.rs"]
mod support;

mod ours;
mod theirs;
