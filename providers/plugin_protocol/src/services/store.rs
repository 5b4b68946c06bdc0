//! `store/1`: a small store for secrets, one name space a plugin.
//!
//! A name space is a file of mode 0600 in `ee-auth/plugins` of the user's state directory. It belongs to a provider's name
//! together with the file that runs, so that another program declared under the same name does not see it.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use ee_auth_core::host::{Directory, FileLock, FileReadError};
use serde_json::{Map, Value, json};

use super::{Refused, Reply, Services, text};
use crate::RefusalCode;

/// The most entries of one plugin, the longest name of one, in characters, and the longest value, in bytes.
const MAX_ENTRIES: usize = 64;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 64 * 1024;
/// Larger than all of that in JSON.
const MAX_FILE: u64 = 8 << 20;

/// How long another process's change is waited for, and how often is looked.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Services {
    /// `{"event": "store", "op": "get|set|delete", "key": "…", "value": "…"}`. A `get` is replied with `value`, which is null
    /// where nothing was set.
    pub(super) async fn store(&self, event: &Map<String, Value>) -> Reply {
        let key = text(event, "key")?;
        if key.is_empty() || key.chars().count() > MAX_KEY {
            return Err(Refused::invalid(format!("`key` must have between 1 and {MAX_KEY} characters")));
        }
        let path = self.file()?;
        let mut reply = Map::new();
        match text(event, "op")? {
            "get" => {
                let value = self.entries(&path)?.get(key).cloned().unwrap_or(Value::Null);
                self.hands(value.as_str().unwrap_or_default());
                reply.insert("value".to_owned(), value);
            }
            "set" => {
                let value = text(event, "value")?;
                if value.len() > MAX_VALUE {
                    return Err(Refused::invalid(format!("`value` must have at most {MAX_VALUE} bytes")));
                }
                self.hands(value);
                let _lock = self.lock(&path).await;
                let mut entries = self.entries(&path)?;
                entries.insert(key.to_owned(), json!(value));
                if entries.len() > MAX_ENTRIES {
                    return Err(Refused::invalid(format!(
                        "at most {MAX_ENTRIES} values are kept for a plugin"
                    )));
                }
                self.write(&path, &entries)?;
            }
            "delete" => {
                let _lock = self.lock(&path).await;
                let mut entries = self.entries(&path)?;
                if entries.remove(key).is_some() {
                    self.write(&path, &entries)?;
                }
            }
            _ => return Err(Refused::invalid("`op` must be get, set or delete")),
        }
        Ok(reply)
    }

    fn file(&self) -> Result<PathBuf, Refused> {
        let state = self.host.environment.directory(Directory::State);
        let state =
            state.ok_or_else(|| Refused::new(RefusalCode::Unavailable, "no home directory is known"))?;
        Ok(state.join("ee-auth").join("plugins").join(format!("{}.json", self.namespace)))
    }

    fn entries(&self, path: &std::path::Path) -> Result<Map<String, Value>, Refused> {
        let unreadable = |why: String| Refused::new(RefusalCode::Unavailable, format!("the store: {why}"));
        let read = match self.host.files.read(path, MAX_FILE) {
            Ok(read) => read,
            Err(FileReadError::NotFound) => return Ok(Map::new()),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let user = self.host.environment.user_id();
        let foreign = read.status.owner.is_some() && user.is_some() && read.status.owner != user;
        if foreign || read.status.mode.is_some_and(|mode| mode & 0o077 != 0) {
            return Err(unreadable("others may read or write it".to_owned()));
        }
        // What cannot be read is put there anew: a store is no place for what cannot be had again.
        Ok(serde_json::from_slice(&read.bytes).unwrap_or_default())
    }

    fn write(&self, path: &std::path::Path, entries: &Map<String, Value>) -> Result<(), Refused> {
        let bytes = zeroize::Zeroizing::new(serde_json::to_vec(entries).unwrap_or_default());
        self.host.files.write_private(path, &bytes).map_err(|error| {
            Refused::new(RefusalCode::Unavailable, format!("the store could not be written: {error}"))
        })
    }

    /// A lock among processes, where it can be had in good time.
    async fn lock(&self, path: &std::path::Path) -> Option<FileLock> {
        let path = path.with_extension("lock");
        let mut waited = Duration::ZERO;
        loop {
            match self.host.files.try_lock(&path) {
                Ok(Some(lock)) => return Some(lock),
                Ok(None) if waited < PATIENCE => {
                    self.host.clock.sleep(LOOK_EVERY).await;
                    waited += LOOK_EVERY;
                }
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

/// The name space of a plugin.
pub(super) fn namespace(provider: &str, place: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, place.as_bytes());
    let mut name = format!("{provider}-");
    for byte in &digest.as_ref()[..8] {
        let _ = write!(name, "{byte:02x}");
    }
    name
}
