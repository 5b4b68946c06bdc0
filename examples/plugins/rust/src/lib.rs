//! Credentials of a token broker: a server within an organisation that hands out Google access tokens.

use std::time::Duration;

use ee_auth_plugin::{
    Answer, Cache, Failure, Host, HttpRequest, Manifest, Provider, Request, export_provider,
};
use serde::Deserialize;

/// Asks a broker for its token.
pub struct Broker {
    address: String,
}

/// `config = { address = "http://127.0.0.1:8200/token" }` in ee-auth.toml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    address: String,
}

/// What the broker answers.
#[derive(Deserialize)]
struct Token {
    token: String,
    expires_in: u64,
}

impl Provider for Broker {
    type Config = Config;

    const MANIFEST: Manifest = Manifest::new("example-broker", "1.0.0")
        .description("access tokens of a broker")
        .http_hosts(&["broker.corp.example", "127.0.0.1"]);

    fn create(config: Config, _host: &Host<'_>) -> Result<Self, Failure> {
        if config.address.is_empty() {
            return Err(Failure::invalid("`address` is empty: it is the broker's"));
        }
        Ok(Self { address: config.address })
    }

    fn get(&self, request: &Request, host: &Host<'_>) -> Result<Answer, Failure> {
        host.info(format_args!("asking the broker for {} scopes", request.scopes.len()));
        let scope = request.scopes.join(" ");
        let response = host.http(&HttpRequest::post_form(&self.address, [("scope", scope)]))?;
        match response.status {
            200 => {}
            404 => return Err(Failure::not_found("the broker has no credential for this account")),
            401 | 403 => return Err(Failure::rejected("the broker does not know this account")),
            status => return Err(Failure::unavailable(format!("the broker answered {status}"))),
        }
        let token: Token = serde_json::from_str(&response.body)
            .map_err(|_| Failure::unavailable("the broker's answer is not what a broker answers"))?;
        Ok(Answer::access_token(token.token)
            .expires_in(Duration::from_secs(token.expires_in))
            .cache(Cache::Expires)
            .scopes(request.scopes.clone()))
    }
}

export_provider!(Broker);
