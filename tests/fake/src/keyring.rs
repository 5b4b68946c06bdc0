use std::collections::BTreeMap;

use ee_auth_core::host::{BoxFuture, Keyring, KeyringError, KeyringErrorKind};
use ee_auth_core::{ExposeSecret, Secret};

use crate::{Fake, lock};

#[derive(Default)]
pub(crate) struct State {
    entries: BTreeMap<String, String>,
    failure: Option<KeyringErrorKind>,
    silent: bool,
    limit: Option<usize>,
    asked: Vec<String>,
}

impl Fake {
    /// The same machine with something in its keyring. The keyring itself is there on every machine, empty and unlocked.
    #[must_use]
    pub fn with_keyring_entry(self, account: &str, secret: impl Into<String>) -> Self {
        self.set_keyring_entry(account, secret);
        self
    }

    /// Puts something into the keyring.
    pub fn set_keyring_entry(&self, account: &str, secret: impl Into<String>) {
        lock(&self.0.keyring).entries.insert(account.to_owned(), secret.into());
    }

    /// Makes the keyring fail in this way, whatever it is asked; `None`: no more.
    pub fn break_keyring(&self, kind: Option<KeyringErrorKind>) {
        lock(&self.0.keyring).failure = kind;
    }

    /// Makes the keyring answer nothing, as one does whose window nobody looks at; or answer again.
    pub fn silence_keyring(&self, silent: bool) {
        lock(&self.0.keyring).silent = silent;
    }

    /// Makes the keyring keep no secret of more than so many bytes; `None`: any.
    pub fn limit_keyring(&self, limit: Option<usize>) {
        lock(&self.0.keyring).limit = limit;
    }

    /// What the keyring keeps under an account.
    pub fn keyring_entry(&self, account: &str) -> Option<String> {
        lock(&self.0.keyring).entries.get(account).cloned()
    }

    /// The accounts under which the keyring keeps something, in order.
    pub fn keyring_accounts(&self) -> Vec<String> {
        lock(&self.0.keyring).entries.keys().cloned().collect()
    }

    /// What the keyring was asked, in order: `get work`, `list`.
    pub fn keyring_calls(&self) -> Vec<String> {
        lock(&self.0.keyring).asked.clone()
    }

    fn ask<T: Send + 'static>(
        &self,
        call: &str,
        work: impl FnOnce(&mut State) -> Result<T, KeyringError>,
    ) -> BoxFuture<'static, Result<T, KeyringError>> {
        let mut state = lock(&self.0.keyring);
        state.asked.push(call.to_owned());
        if state.silent {
            return Box::pin(std::future::pending());
        }
        let outcome = match state.failure {
            Some(kind) => Err(KeyringError::new(kind, format!("the keyring is {kind:?}, as the test asks"))),
            None => work(&mut state),
        };
        Box::pin(std::future::ready(outcome))
    }
}

impl Keyring for Fake {
    fn name(&self) -> Option<&'static str> {
        let unsupported = lock(&self.0.keyring).failure == Some(KeyringErrorKind::Unsupported);
        (!unsupported).then_some("fake keyring")
    }

    fn get(&self, account: &str) -> BoxFuture<'static, Result<Option<Secret>, KeyringError>> {
        self.ask(&format!("get {account}"), |state| {
            Ok(state.entries.get(account).map(|secret| Secret::from(secret.as_str())))
        })
    }

    fn set(&self, account: &str, secret: &Secret) -> BoxFuture<'static, Result<(), KeyringError>> {
        let secret = secret.expose_secret();
        self.ask(&format!("set {account}"), |state| {
            if state.limit.is_some_and(|limit| secret.len() > limit) {
                return Err(KeyringError::new(KeyringErrorKind::TooLarge, "it is too large"));
            }
            state.entries.insert(account.to_owned(), secret.to_owned());
            Ok(())
        })
    }

    fn remove(&self, account: &str) -> BoxFuture<'static, Result<bool, KeyringError>> {
        self.ask(&format!("remove {account}"), |state| Ok(state.entries.remove(account).is_some()))
    }

    fn list(&self) -> BoxFuture<'static, Result<Vec<String>, KeyringError>> {
        self.ask("list", |state| Ok(state.entries.keys().cloned().collect()))
    }
}
