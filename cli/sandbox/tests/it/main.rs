//! Every service and every fault, over the wire. One program, so that keys are made once.
#![allow(clippy::disallowed_methods, reason = "tests look at the world outside")]
#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod client;
mod earthengine;
mod faults;
mod iam;
mod login;
mod metadata;
mod oauth;
mod safety;
mod sts;
mod tokens;
