use serde::de::DeserializeOwned;

use crate::{Answer, Failure, Host, Manifest, Request};

/// One way to obtain a credential, in a plugin.
///
/// Whoever implements it writes no JSON, no C and no `unsafe`. Panics are caught and become an error of the plugin. The
/// functions block; several calls may run at once, which is why a provider is `Sync`.
pub trait Provider: Sized + Send + Sync + 'static {
    /// The `config` of the provider's table in `ee-auth.toml`. With `#[serde(deny_unknown_fields)]` a misspelt key is an
    /// error that names it.
    type Config: DeserializeOwned;

    /// What the plugin says of itself.
    const MANIFEST: Manifest;

    /// Makes a provider. Cheap: what takes time belongs into [`Provider::get`].
    ///
    /// # Errors
    /// [`Failure::invalid`] for a configuration that cannot be right.
    fn create(config: Self::Config, host: &Host<'_>) -> Result<Self, Failure>;

    /// A credential. The answer is due within [`Request::remaining`].
    ///
    /// # Errors
    /// A [`Failure`] says why there is none, and by its kind what the chain does next.
    fn get(&self, request: &Request, host: &Host<'_>) -> Result<Answer, Failure>;

    /// Lets a person log in: `ee-auth login --provider NAME`. Only where the manifest says [`Manifest::with_login`].
    ///
    /// # Errors
    /// As [`Provider::get`].
    fn login(&self, request: &Request, host: &Host<'_>) -> Result<(), Failure> {
        let _ = (request, host);
        Err(Failure::not_applicable("this plugin has no login"))
    }

    /// Forgets what a login stored. Only where the manifest says [`Manifest::with_logout`].
    ///
    /// # Errors
    /// As [`Provider::get`].
    fn logout(&self, request: &Request, host: &Host<'_>) -> Result<(), Failure> {
        let _ = (request, host);
        Err(Failure::not_applicable("this plugin has no logout"))
    }
}
