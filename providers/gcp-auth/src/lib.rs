//! `ee-auth` beside what Rust programs have already.
//!
//! | feature | |
//! | --- | --- |
//! | `gcp_auth` | `KIND`: whatever `gcp_auth` finds, as a provider of the chain; `GcpAuth`: our credential for every crate that takes a `gcp_auth::TokenProvider` |
//! | `google_cloud_auth` | `GoogleCloudAuth`: our credential for Google's own client libraries |
//! | `object_store` | `ObjectStore`: our credential for Google Cloud Storage through `object_store` |
//!
//! None of them is on by default. Each of the three adapters holds a [`Credential`](ee_auth_core::Credential): tokens are kept,
//! shared and refreshed as everywhere else, and a warm one costs a borrow.

#[cfg(feature = "gcp_auth")]
mod adapter;
#[cfg(feature = "google_cloud_auth")]
mod google_cloud;
#[cfg(feature = "gcp_auth")]
pub mod provider;
#[cfg(feature = "object_store")]
mod store;

#[cfg(feature = "gcp_auth")]
pub use adapter::GcpAuth;
#[cfg(feature = "google_cloud_auth")]
pub use google_cloud::GoogleCloudAuth;
#[cfg(feature = "gcp_auth")]
pub use provider::KIND;
#[cfg(feature = "object_store")]
pub use store::ObjectStore;
