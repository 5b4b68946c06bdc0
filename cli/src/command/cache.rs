//! `ee-auth cache`

use ee_auth::{Error, Host, cache};
use serde_json::json;

use crate::arguments::Cache;
use crate::output::Output;

pub(crate) fn run(host: &Host, options: &Cache, output: &Output) -> Result<(), Error> {
    match options {
        Cache::Clear => clear(host, output),
    }
}

/// Removes what is there, whatever the configuration says of where tokens go now.
fn clear(host: &Host, output: &Output) -> Result<(), Error> {
    let json = output.is_json()?;
    let removed = cache::clear(host)?;
    if json {
        return output.json(&json!({ "removed": removed }));
    }
    let tokens = if removed == 1 { "token" } else { "tokens" };
    output.data(format_args!("{removed} {tokens} removed"))
}
