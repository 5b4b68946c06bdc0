//! Tests of `ee-auth` as a whole, and what they are made of.
//!
//! - `tests/scenarios.rs` runs every directory in `scenarios/`: a machine, what the network answers, and what must come
//!   of it. `scenarios/README.md` says what such a directory holds.
//! - `tests/conformance` is one suite that every kind of provider passes, and that of plugins, which they pass as well.
//! - `tests/properties.rs` feeds what nobody would think of.
//! - `fuzz/` feeds what even chance would not think of, to the functions in [`fuzz`].
//!
//! Keys, tokens and other secrets are made at run time, so that none is in the repository.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "scenarios are read from the file system, and keys are made of the system's random numbers"
)]

pub mod case;
pub mod fuzz;
pub mod keys;
pub mod leak;
pub mod logs;
pub mod scenario;
pub mod template;
