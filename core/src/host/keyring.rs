use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::{BoxFuture, Host, Presence};
use crate::{Error, Secret, redact};

/// How long a keyring is waited for where somebody may be typing their password into its window.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long it is waited for where nobody is to be waited for.
const PATIENCE_WITH_NOBODY: Duration = Duration::from_secs(10);

/// After so long a person is told what is waited for: a keyring that need not ask anybody answers in milliseconds.
const UNTOLD: Duration = Duration::from_secs(2);

/// The system's keyring: secrets under names, which it keeps encrypted while nobody is logged in, and hands out to the
/// user's programs. The names here are those of ee-auth's own entries alone.
///
/// A future may take as long as a person does who is asked for a password: see [`patiently`]. Dropping one does not
/// recall what was asked.
pub trait Keyring: Send + Sync {
    /// What the system calls it, for a person: `Secret Service`. `None` where this build knows no keyring.
    fn name(&self) -> Option<&'static str>;

    /// The secret that is kept under `account`; `None` where none is.
    fn get(&self, account: &str) -> BoxFuture<'static, Result<Option<Secret>, KeyringError>>;

    /// Keeps `secret` under `account`, in the place of another.
    fn set(&self, account: &str, secret: &Secret) -> BoxFuture<'static, Result<(), KeyringError>>;

    /// Keeps nothing under `account` any more. Answers whether anything was.
    fn remove(&self, account: &str) -> BoxFuture<'static, Result<bool, KeyringError>>;

    /// The accounts under which something is kept, in any order.
    fn list(&self) -> BoxFuture<'static, Result<Vec<String>, KeyringError>>;
}

/// How a keyring failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyringErrorKind {
    /// This build knows no keyring.
    Unsupported,
    /// There is none: no service that answers, no session that could have one.
    Absent,
    /// It is locked, and was not unlocked.
    Locked,
    /// It took too long, perhaps since it waits for somebody who is not there.
    Timeout,
    /// The secret is larger than it can keep.
    TooLarge,
    /// Anything else that it does not do.
    Refused,
}

/// What a keyring did not do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct KeyringError {
    /// How it failed.
    pub kind: KeyringErrorKind,
    /// What happened, for a person. No secret.
    pub message: String,
}

impl KeyringError {
    /// An error in the words of somebody else, in which nothing that looks like a secret is left.
    pub fn new(kind: KeyringErrorKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: redact(message.as_ref()) }
    }

    /// The error for a person who was `doing` something: `reading the login`.
    pub fn explain(&self, doing: &str) -> Error {
        let detail = match self.kind {
            KeyringErrorKind::Unsupported => {
                return Error::invalid("keyring", format!("{doing}: {self}")).hint(self.next_step());
            }
            KeyringErrorKind::Absent => "keyring_absent",
            KeyringErrorKind::Locked => "keyring_locked",
            KeyringErrorKind::Timeout => "keyring_timeout",
            KeyringErrorKind::TooLarge => "keyring_too_large",
            KeyringErrorKind::Refused => "keyring",
        };
        Error::unavailable(detail, format!("{doing}: {self}")).hint(self.next_step())
    }

    /// What to do about it.
    pub fn next_step(&self) -> &'static str {
        match self.kind {
            KeyringErrorKind::Unsupported => {
                "use a build of ee-auth that has the feature `keyring`, or choose files: `store = \"disk\"` under [cache] in \
                 ee-auth.toml, or EE_AUTH_CACHE=disk"
            }
            KeyringErrorKind::Absent => {
                "run this in a session that has a keyring: a desktop's, or one with GNOME Keyring, KWallet or KeePassXC; on a \
                 server choose files: `store = \"disk\"` under [cache] in ee-auth.toml, or EE_AUTH_CACHE=disk"
            }
            KeyringErrorKind::Locked | KeyringErrorKind::Timeout => {
                "unlock the keyring, as logging in to the desktop does, and try again; where nobody can unlock it choose files: \
                 `store = \"disk\"` under [cache] in ee-auth.toml, or EE_AUTH_CACHE=disk"
            }
            KeyringErrorKind::TooLarge => {
                "this keyring keeps only short secrets; choose files: `store = \"disk\"` under [cache] in ee-auth.toml, or \
                 EE_AUTH_CACHE=disk"
            }
            KeyringErrorKind::Refused => {
                "see whether the system's own program for passwords can use the keyring; or choose files: `store = \"disk\"` \
                 under [cache] in ee-auth.toml, or EE_AUTH_CACHE=disk"
            }
        }
    }
}

/// What `work`, a call of `host.keyring`, comes to; but at most two minutes are waited, for in that time somebody may
/// type a password, or ten seconds where nobody is present. A person is told that they are waited for.
///
/// # Errors
/// Those of `work`; [`KeyringErrorKind::Timeout`] when the time is up.
pub async fn patiently<T>(
    host: &Host,
    work: BoxFuture<'static, Result<T, KeyringError>>,
) -> Result<T, KeyringError> {
    let name = host.keyring.name().unwrap_or("keyring");
    let patience = match host.person.presence() {
        Presence::Absent => PATIENCE_WITH_NOBODY,
        _ => PATIENCE,
    };
    let mut work = work;
    if let Some(outcome) = within(host, UNTOLD, &mut work).await {
        return outcome;
    }
    host.person.tell_progress(&format!(
        "waiting for the {name}, which may be asking for a password in a window of its own (at most {} s, Ctrl-C stops)",
        patience.as_secs()
    ));
    within(host, patience - UNTOLD, &mut work).await.unwrap_or_else(|| {
        let message = format!("the {name} has not answered for {} s", patience.as_secs());
        Err(KeyringError { kind: KeyringErrorKind::Timeout, message })
    })
}

/// What `work` comes to; `None` if that takes longer than `time`.
async fn within<T>(host: &Host, time: Duration, work: &mut BoxFuture<'static, T>) -> Option<T> {
    let mut alarm = pin!(host.clock.sleep(time));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending => alarm.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// No keyring: what a build has that knows none.
#[derive(Debug)]
pub struct NoKeyring;

impl NoKeyring {
    fn answer<T: Send + 'static>() -> BoxFuture<'static, Result<T, KeyringError>> {
        Box::pin(std::future::ready(Err(KeyringError {
            kind: KeyringErrorKind::Unsupported,
            message: "this build of ee-auth knows no keyring".to_owned(),
        })))
    }
}

impl Keyring for NoKeyring {
    fn name(&self) -> Option<&'static str> {
        None
    }

    fn get(&self, _account: &str) -> BoxFuture<'static, Result<Option<Secret>, KeyringError>> {
        Self::answer()
    }

    fn set(&self, _account: &str, _secret: &Secret) -> BoxFuture<'static, Result<(), KeyringError>> {
        Self::answer()
    }

    fn remove(&self, _account: &str) -> BoxFuture<'static, Result<bool, KeyringError>> {
        Self::answer()
    }

    fn list(&self) -> BoxFuture<'static, Result<Vec<String>, KeyringError>> {
        Self::answer()
    }
}
