//! The system's keyring, through keyring-core.
//!
//! Its stores block, and for as long as a person takes who is asked for a password; so every call has a thread of its
//! own, which no caller and no exchange waits on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ee_auth_core::host::{BoxFuture, Keyring, KeyringError, KeyringErrorKind};
use ee_auth_core::{ExposeSecret, Secret};
use keyring_core::{CredentialStore, Entry, Error};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::tasks;

#[cfg(target_os = "macos")]
use apple_native_keyring_store::keychain::Store;
#[cfg(windows)]
use windows_native_keyring_store::Store;
#[cfg(all(unix, not(target_os = "macos")))]
use zbus_secret_service_keyring_store::Store;

/// What every entry's `service` is. Its `user` is the account.
const SERVICE: &str = "ee-auth";

#[cfg(target_os = "macos")]
const NAME: &str = "Keychain";
#[cfg(windows)]
const NAME: &str = "Credential Manager";
#[cfg(all(unix, not(target_os = "macos")))]
const NAME: &str = "Secret Service";

/// The connection, with the process that it belongs to: a child by fork must not speak on its parent's.
static STORE: Mutex<Option<(u64, Arc<CredentialStore>)>> = Mutex::new(None);

pub(crate) struct SystemKeyring;

impl Keyring for SystemKeyring {
    fn name(&self) -> Option<&'static str> {
        Some(NAME)
    }

    fn get(&self, account: &str) -> BoxFuture<'static, Result<Option<Secret>, KeyringError>> {
        let account = account.to_owned();
        on_a_thread(move |store| match entry(store, &account)?.get_secret() {
            Ok(bytes) => match std::str::from_utf8(&Zeroizing::new(bytes)) {
                Ok(text) => Ok(Some(Secret::from(text))),
                // It is none of ours; `BadEncoding` would carry what it is.
                Err(_) => Err(Error::BadStoreFormat("it is no text".to_owned())),
            },
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })
    }

    fn set(&self, account: &str, secret: &Secret) -> BoxFuture<'static, Result<(), KeyringError>> {
        let (account, secret) = (account.to_owned(), secret.clone());
        on_a_thread(move |store| entry(store, &account)?.set_secret(secret.expose_secret().as_bytes()))
    }

    fn remove(&self, account: &str) -> BoxFuture<'static, Result<bool, KeyringError>> {
        let account = account.to_owned();
        on_a_thread(move |store| match entry(store, &account)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn list(&self) -> BoxFuture<'static, Result<Vec<String>, KeyringError>> {
        on_a_thread(|store| {
            // Windows searches by regular expressions alone, over all entries.
            let wanted = if cfg!(windows) { HashMap::new() } else { HashMap::from([("service", SERVICE)]) };
            let entries = store.search(&wanted)?;
            let ours =
                entries.iter().filter_map(Entry::get_specifiers).filter(|(service, _)| service == SERVICE);
            Ok(ours.map(|(_, account)| account).collect())
        })
    }
}

fn entry(store: &CredentialStore, account: &str) -> Result<Entry, Error> {
    // What a person sees who looks into the keyring. A secret of this machine's need not follow the person to another.
    let label = format!("ee-auth: {account}");
    let (name, value) = if cfg!(windows) { ("persistence", "Local") } else { ("label", &*label) };
    let modifiers = HashMap::from([(name, value)]);
    store.build(SERVICE, account, (!cfg!(target_os = "macos")).then_some(&modifiers))
}

/// The outcome of `work` with the store. A connection that has broken since it was last used is made once more.
fn on_a_thread<T, F>(work: F) -> BoxFuture<'static, Result<T, KeyringError>>
where
    F: Fn(&CredentialStore) -> Result<T, Error> + Send + 'static,
    T: Send + 'static,
{
    Box::pin(async move {
        let (sender, receiver) = oneshot::channel();
        let thread = thread::Builder::new().name("ee-auth keyring".to_owned());
        let started = thread.spawn(move || {
            // Nobody may be waiting any more.
            let _ = sender.send(with_store(&work));
        });
        match started {
            Ok(_) => receiver.await.unwrap_or_else(|_| {
                Err(KeyringError::new(KeyringErrorKind::Refused, "a bug: the call ended in a panic"))
            }),
            Err(error) => Err(KeyringError::new(
                KeyringErrorKind::Refused,
                format!("no thread could be started for it: {error}"),
            )),
        }
    })
}

fn with_store<T>(work: &impl Fn(&CredentialStore) -> Result<T, Error>) -> Result<T, KeyringError> {
    let (connected, is_new) = store()?;
    let outcome = match work(&*connected) {
        Err(Error::PlatformFailure(_)) if !is_new => {
            *STORE.lock().unwrap_or_else(PoisonError::into_inner) = None;
            work(&*store()?.0)
        }
        outcome => outcome,
    };
    outcome.map_err(|error| explained(&error))
}

/// The store, and whether it is a new one.
fn store() -> Result<(Arc<CredentialStore>, bool), KeyringError> {
    let mut slot = STORE.lock().unwrap_or_else(PoisonError::into_inner);
    let process = tasks::process();
    if let Some((of, store)) = &*slot {
        if *of == process {
            return Ok((store.clone(), false));
        }
    }
    let store: Arc<CredentialStore> = match Store::new() {
        Ok(store) => store,
        Err(error) => {
            let kind = match &error {
                Error::NoStorageAccess(_) => KeyringErrorKind::Locked,
                _ => KeyringErrorKind::Absent,
            };
            return Err(KeyringError::new(kind, format!("the {NAME} cannot be reached: {}", reason(&error))));
        }
    };
    *slot = Some((process, store.clone()));
    Ok((store, true))
}

fn explained(error: &Error) -> KeyringError {
    let reason = reason(error);
    let (kind, message) = match error {
        Error::NoStorageAccess(_) => {
            (KeyringErrorKind::Locked, format!("the {NAME} is locked, or gives no access: {reason}"))
        }
        Error::TooLong(what, limit) => {
            (KeyringErrorKind::TooLarge, format!("the {NAME} keeps at most {limit} bytes in a {what}"))
        }
        _ => (KeyringErrorKind::Refused, format!("the {NAME} failed: {reason}")),
    };
    KeyringError::new(kind, message)
}

/// What is wrong, in the words of the system; nothing of what is kept, which some errors carry.
fn reason(error: &Error) -> String {
    match error {
        Error::PlatformFailure(why) | Error::NoStorageAccess(why) => why.to_string(),
        Error::BadDataFormat(..) | Error::BadEncoding(_) => "what it keeps is none of ours".to_owned(),
        Error::Ambiguous(entries) => format!("it has {} entries for one account", entries.len()),
        other => other.to_string(),
    }
}
