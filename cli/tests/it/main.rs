//! The program `ee-auth`, run as a person or a script runs it: exit status, standard output, standard error.
//!
//! Every test has a [`Machine`](support::Machine) of its own: a home directory, a cleared environment and, where it
//! needs one, a loopback Google.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    reason = "the tests are the world outside: they make files and start processes"
)]

mod canaries;
#[cfg(target_os = "linux")]
mod cluster;
mod color;
mod configuration;
mod contract;
#[cfg(target_os = "linux")]
mod directories;
mod disks;
mod doctor;
mod dynamic;
mod ending;
mod env;
mod exec;
mod explain;
mod faults;
mod generated;
mod google_auth;
mod hostile_text;
mod id_token;
mod impersonation;
mod independent;
mod limits;
mod login;
mod logout;
mod plugin;
mod profile;
mod proxy;
#[cfg(feature = "sandbox")]
mod sandbox;
mod scopes;
mod serve;
mod status;
mod streams;
mod support;
mod token;
mod trust;
