use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ee_auth_core::{Error, Host};
use ee_auth_plugin_host::trust::Pin;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::call::Call;
use crate::fault::breach;
use crate::instance::{Created, Instance};
use crate::library::Library;
use crate::services::Services;

/// A library that is called where the caller is, without a thread for its deadline: to measure what a call costs.
#[derive(Debug)]
pub struct Direct {
    instance: Instance,
    services: Arc<Nothing>,
}

impl Direct {
    /// An instance of the library at `path`.
    ///
    /// # Errors
    /// As those of the provider.
    pub fn new(host: &Host, path: &Path, pin: &Pin, config: &str) -> Result<Self, Error> {
        let library = Library::load(host, path, pin)?;
        let services = Arc::new(Nothing);
        let call = Arc::new(Call::new(services.clone()));
        match Instance::create(&library, config, services.clone(), &call)? {
            Created::Instance(instance) => Ok(Self { instance, services }),
            Created::Refused(_) => Err(breach("create", "it refused to be made")),
        }
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// As those of the provider.
    pub fn call(&self, json: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        let call = Arc::new(Call::new(self.services.clone()));
        self.instance.call(json, Duration::from_secs(30), &call)
    }
}

/// No services.
#[derive(Debug)]
struct Nothing;

impl Services for Nothing {
    fn log(&self, _level: &'static str, _message: &str) {}

    fn ask(&self, _event: Value) -> Value {
        Value::Null
    }

    fn is_over(&self) -> bool {
        false
    }
}
