//! Tokens kept between processes: files in the user's cache directory, and turns at making an exchange.
//!
//! | | where | what |
//! | --- | --- | --- |
//! | tokens | `<cache directory>/ee-auth/<digest>.<boot id>.v1.json`, mode 0600 | a token with its times, scopes and principal, sealed |
//! | turns | `$XDG_RUNTIME_DIR/ee-auth/<digest>.lock`, else beside the tokens, `<digest>.<boot id>.lock` | a lock of the system's; the file is empty and goes with the lock |
//!
//! The digest is the SHA-256 of everything by which tokens differ ([`TokenKey`]), so a credential that is
//! changed, or removed, has no token here. The seal is an HMAC over the rest of the file under that same key: a file
//! that was damaged, renamed or put there by somebody without the credential is no token.
//!
//! The boot id is the kernel's name for the time since the machine was started, which only Linux has. So machines that share
//! a home directory share neither tokens, whose times are those of one machine's clock, nor locks.
//!
//! [`KeyringCache`] keeps the same under the same digest in the system's keyring; its turns are files all the same, which
//! hold nothing.
//!
//! Nothing here fails. What cannot be read is not there, what cannot be written is got again, and where no turn can be
//! had two processes may make the same exchange. Each of these is said once, at the level `info`, with what a person
//! can do about it.
//!
//! ```
//! use std::time::Duration;
//!
//! use ee_auth_cache::DiskCache;
//! use ee_auth_core::{Token, TokenKey, TokenStore};
//!
//! let fake = ee_auth_fake::Fake::new();
//! let cache = DiskCache::new(fake.host());
//! let mut key = TokenKey::new("refresh_token");
//! key.add("refresh_token", "1//secret");
//!
//! let now = fake.time();
//! cache.save(&key, &Token::new("secret", now, now + Duration::from_secs(3600)));
//! assert_eq!(cache.load(&key).unwrap().secret(), "secret");
//! assert_eq!(ee_auth_cache::clear(&fake.host())?, 1);
//! assert!(cache.load(&key).is_none());
//! # Ok::<(), ee_auth_core::Error>(())
//! ```
//!
//! [`TokenKey`]: ee_auth_core::TokenKey

mod directory;
mod disk;
mod entry;
mod keyring;
mod machine;
mod turn;

pub use directory::{clear, directory};
pub use disk::DiskCache;
pub use keyring::{KeyringCache, clear_keyring};
