//! `store/1`: a small store for secrets, one name space a plugin.
//!
//! A name space is a file of mode 0600 in `ee-auth/plugins` of the user's state directory. It belongs to a provider's name
//! together with the file that runs, so that another program declared under the same name does not see it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use ee_auth_core::Error;
use ee_auth_core::host::{Directory, Edit, FileRead, FileReadError};
use serde_json::{Map, Value, json};

use super::{Refused, Reply, Services, text};
use crate::RefusalCode;

/// The most entries of one plugin, the longest name of one, in characters, and the longest value, in bytes.
const MAX_ENTRIES: usize = 64;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 64 * 1024;
/// Larger than all of that in JSON.
const MAX_FILE: u64 = 8 << 20;

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
                self.change(&path, |entries| {
                    entries.insert(key.to_owned(), json!(value));
                    if entries.len() > MAX_ENTRIES {
                        let message = format!("at most {MAX_ENTRIES} values are kept for a plugin");
                        return Err(Refused::invalid(message));
                    }
                    Ok(true)
                })
                .await?;
            }
            "delete" => self.change(&path, |entries| Ok(entries.remove(key).is_some())).await?,
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

    fn entries(&self, path: &Path) -> Result<Map<String, Value>, Refused> {
        match self.host.files.read(path, MAX_FILE) {
            Ok(read) => self.parse(&read),
            Err(FileReadError::NotFound) => Ok(Map::new()),
            Err(error) => Err(unreadable(&error.to_string())),
        }
    }

    fn parse(&self, read: &FileRead) -> Result<Map<String, Value>, Refused> {
        let user = self.host.environment.user_id();
        let foreign = read.status.owner.is_some() && user.is_some() && read.status.owner != user;
        if foreign || read.status.mode.is_some_and(|mode| mode & 0o077 != 0) {
            return Err(unreadable("others may read or write it"));
        }
        // What cannot be read is put there anew: a store is no place for what cannot be had again.
        Ok(serde_json::from_slice(&read.bytes).unwrap_or_default())
    }

    /// Changes the entries, and writes them where `change` says so.
    async fn change(
        &self,
        path: &Path,
        mut change: impl FnMut(&mut Map<String, Value>) -> Result<bool, Refused>,
    ) -> Result<(), Refused> {
        let changed = self.host.update(path, MAX_FILE, |old| {
            let entries = old.map_or_else(|| Ok(Map::new()), |old| self.parse(old));
            let outcome = entries.and_then(|mut entries| Ok((change(&mut entries)?, entries)));
            Ok(match outcome {
                Ok((true, entries)) => {
                    let bytes = serde_json::to_vec(&entries).unwrap_or_default();
                    (Edit::Write(bytes.into()), Ok(()))
                }
                Ok((false, _)) => (Edit::Keep, Ok(())),
                Err(refused) => (Edit::Keep, Err(refused)),
            })
        });
        changed.await.unwrap_or_else(|error| {
            let unusable = |why: &dyn std::fmt::Display| Error::internal(format!("the store: {why}"));
            let error = error.explain(|error| unusable(error), |error| unusable(error));
            Err(Refused::new(RefusalCode::Unavailable, error.message()))
        })
    }
}

fn unreadable(why: &str) -> Refused {
    Refused::new(RefusalCode::Unavailable, format!("the store: {why}"))
}

/// The name space of a plugin.
pub(super) fn namespace(provider: &str, place: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, place.as_bytes());
    let mut name = format!("{provider}-");
    for byte in digest.as_ref().iter().take(8) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}
