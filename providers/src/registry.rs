//! The kinds of provider that this build has.

use ee_auth_core::Kind;

/// The kinds that can be named in a chain, in the order of the default chain.
pub fn kinds() -> &'static [&'static Kind] {
    const KINDS: &[&Kind] = &[
        &ee_auth_explicit::KIND,
        #[cfg(feature = "environment")]
        &ee_auth_environment::KIND,
        #[cfg(feature = "service_account")]
        &ee_auth_service_account::KIND,
        &ee_auth_persistent::KIND,
        #[cfg(feature = "application_default")]
        &ee_auth_application_default::KIND,
        #[cfg(feature = "gcloud")]
        &ee_auth_gcloud::KIND,
        #[cfg(feature = "metadata")]
        &ee_auth_metadata::KIND,
        #[cfg(feature = "notebook")]
        &ee_auth_notebook::KIND,
        #[cfg(feature = "localhost")]
        &ee_auth_localhost::KIND,
        #[cfg(feature = "colab")]
        &ee_auth_colab::KIND,
        #[cfg(feature = "impersonate")]
        &ee_auth_impersonate::KIND,
        #[cfg(feature = "dynamic")]
        &ee_auth_dynamic::KIND,
        #[cfg(feature = "exec")]
        &ee_auth_exec::KIND,
        #[cfg(feature = "external_account")]
        &ee_auth_external_account::KIND,
        #[cfg(feature = "gcp_auth")]
        &ee_auth_gcp_auth::KIND,
    ];
    KINDS
}
