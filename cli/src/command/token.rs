//! `ee-auth token`

use ee_auth::time::rfc3339;
use ee_auth::{Credential, Error, Resolver, TokenGuard};
use serde_json::{Value, json};

use super::InUse;
use crate::arguments::{Format, Token};
use crate::output::Output;

pub(crate) fn run(resolver: Resolver, options: &Token, output: &Output) -> Result<(), Error> {
    let resolver = resolver.no_cache(options.no_cache).interactive(true);
    let in_use = InUse::find(&resolver)?;
    if let Some(audience) = &options.audience {
        return id_token(&in_use.credential, audience, output)
            .map_err(|error| error.with_attempts(&in_use.attempts));
    }
    let least = options.min_ttl.unwrap_or_default();
    let token = in_use.token_valid_for(least)?;
    let remaining = token.remaining(resolver.host().clock.now());
    if remaining < least {
        log::warn!(
            "the token is valid for {}, less than was asked for: the server gives no longer ones",
            humantime::format_duration(std::time::Duration::from_secs(remaining.as_secs()))
        );
    }
    let json = || token_json(&in_use.credential, &token, remaining.as_secs());
    print(token.secret(), json, output)
}

/// ID tokens are not kept: each run gets a new one.
fn id_token(credential: &Credential, audience: &str, output: &Output) -> Result<(), Error> {
    let token = credential.id_token(audience)?;
    let json = || {
        json!({
            "id_token": token.secret(),
            "expires_at": rfc3339(token.expires_at()),
            "audience": token.audience(),
            "principal": credential.principal(),
            "provider": credential.provider(),
        })
    };
    print(token.secret(), json, output)
}

/// Prints a bearer token, of either kind.
fn print(secret: &str, json: impl Fn() -> Value, output: &Output) -> Result<(), Error> {
    match output.format() {
        None | Some(Format::Raw | Format::Text) => output.exact(secret),
        Some(Format::Header) => output.exact(format_args!("Authorization: Bearer {secret}")),
        // A bearer token has no character that means something in a curl configuration (RFC 6750, section 2.1).
        Some(Format::Curl) => output.exact(format_args!("header = \"Authorization: Bearer {secret}\"")),
        Some(Format::Json) => output.json(&json()),
    }
}

fn token_json(credential: &Credential, token: &TokenGuard<'_>, expires_in: u64) -> Value {
    let scopes = token.scopes().unwrap_or(credential.scopes());
    json!({
        "access_token": token.secret(),
        "token_type": "Bearer",
        "expires_at": rfc3339(token.expires_at()),
        "expires_in": expires_in,
        "scopes": scopes.iter().collect::<Vec<_>>(),
        "project": credential.project().map(|project| &project.id),
        "principal": credential.principal(),
        "provider": credential.provider(),
        "cached": token.was_cached(),
    })
}
