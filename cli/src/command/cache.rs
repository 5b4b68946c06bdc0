//! `ee-auth cache`

use ee_auth::config::CacheStore;
use ee_auth::{Error, Resolver, cache};
use serde_json::json;

use crate::arguments::Cache;
use crate::output::Output;

#[inline(never)]
pub(crate) fn run(resolver: &Resolver, options: &Cache, output: &Output) -> Result<(), Error> {
    match options {
        Cache::Clear => clear(resolver, output),
    }
}

/// Removes the files that are there, whatever the configuration says of where tokens go now; a keyring, which may ask for a
/// password, is left alone where nothing says that there is one.
fn clear(resolver: &Resolver, output: &Output) -> Result<(), Error> {
    let json = output.is_json()?;
    let mut removed = cache::clear(resolver.host())?;
    if resolver.load_for_new_profile().is_ok_and(|config| config.cache_store.value == CacheStore::Keyring) {
        removed += cache::clear_keyring(resolver.host())?;
    }
    if json {
        return output.json(&json!({ "removed": removed }));
    }
    let tokens = if removed == 1 { "token" } else { "tokens" };
    output.data(format_args!("{removed} {tokens} removed"))
}
