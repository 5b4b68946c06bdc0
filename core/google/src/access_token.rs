//! An access token that somebody else got: it can be used, and never renewed.

use std::time::{Duration, SystemTime};

use ee_auth_core::time::later;
use ee_auth_core::{BoxFuture, Error, Exchange, ExposeSecret, Found, Secret, Token, TokenSource};

/// How long a bare token is taken to be valid, since nothing tells: the hour that Google gives, less what may have
/// passed before it came here.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(50 * 60);

/// A bare access token as something that was found at `place`, at the time `found_at`.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where it holds characters that no bearer token has (RFC 6750,
/// section 2.1).
pub fn found(token: &Secret, place: &str, found_at: SystemTime) -> Result<Found, Error> {
    let text = token.expose_secret().trim();
    if !is_bearer_token(text) {
        return Err(Error::invalid(
            "access_token",
            format!("{place} holds no access token: it has characters that none has"),
        )
        .hint("copy the token again, alone and whole"));
    }
    let bare = Bare {
        token: Token::new(text, found_at, later(found_at, ASSUMED_LIFETIME)),
        place: place.to_owned(),
    };
    Ok(Found::new(bare, format!("an access token in {place}; nothing can renew it")))
}

/// Whether `text` has the characters of a bearer token and no others (RFC 6750, section 2.1). Such a text can be put between
/// the quotes of any configuration.
pub fn is_bearer_token(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}

#[derive(Debug)]
struct Bare {
    token: Token,
    place: String,
}

impl TokenSource for Bare {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            if self.token.is_valid_at(exchange.host.clock.now()) {
                return Ok(self.token.clone());
            }
            Err(Error::rejected("expired", format!("the access token in {} is too old to be valid still", self.place))
                .hint("get a new one, or use a credential that can renew its tokens: a service account key or a login"))
        })
    }

    fn refresh_ahead(&self, _lifetime: Duration) -> Duration {
        Duration::ZERO
    }
}
