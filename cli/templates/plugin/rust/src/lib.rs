//! my-plugin: a provider for ee-auth, in Rust.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use ee_auth_plugin::{Answer, Cache, Failure, Host, Manifest, Provider, Request, export_provider};
use serde::Deserialize;

/// One instance, for one table in ee-auth.toml.
struct Plugin {
    token_file: Option<PathBuf>,
}

/// `config = { token_file = "/run/secrets/ee-token" }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    token_file: Option<PathBuf>,
}

impl Provider for Plugin {
    type Config = Config;

    const MANIFEST: Manifest =
        Manifest::new("my-plugin", env!("CARGO_PKG_VERSION")).description("Hands out a token from a file");

    fn create(config: Config, _host: &Host<'_>) -> Result<Self, Failure> {
        Ok(Self { token_file: config.token_file })
    }

    /// The token. Replace the body: ask your secret store, and never a person.
    fn get(&self, _request: &Request, host: &Host<'_>) -> Result<Answer, Failure> {
        let Some(path) = &self.token_file else {
            return Err(Failure::invalid(
                "set token_file: config = { token_file = \"/run/secrets/ee-token\" }",
            ));
        };
        let token = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::not_found(format!("there is no file {}", path.display())),
            _ => Failure::unavailable(format!("{}: {error}", path.display())),
        })?;
        host.info("read token_file");
        Ok(Answer::access_token(token.trim())
            // Ask whoever gave you the token; a wrong answer here is a 401 later.
            .expires_in(Duration::from_secs(600))
            // Never: ask me each time; Session: keep it in memory until it expires; Expires: on disk, too.
            .cache(Cache::Session))
    }
}

export_provider!(Plugin);
