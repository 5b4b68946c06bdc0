//! ID tokens, kept by their audience while they are valid: a credential keeps none, and clients ask before each request.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ee_auth_core::time::earlier;
use ee_auth_core::{Credential, Error, IdToken};
use tokio::sync::Mutex;

/// For how many audiences tokens are kept. A client has one for each service that it calls.
const MOST: usize = 64;

/// How long before its expiry a token is replaced, at most: Compute Engine's server does it at that time.
const AHEAD: Duration = Duration::from_secs(5 * 60);

/// The tokens of one credential. Whoever holds an audience's lock gets its next one; the others wait for that.
#[derive(Default)]
pub(crate) struct IdTokens(std::sync::Mutex<HashMap<String, Arc<Mutex<Option<Kept>>>>>);

struct Kept {
    token: IdToken,
    replace_at: SystemTime,
}

impl IdTokens {
    /// A valid ID token for `audience`: the JWT.
    pub(crate) async fn get(&self, credential: &Credential, audience: &str) -> Result<Bytes, Error> {
        let slot = self.slot(audience);
        let mut kept = slot.lock().await;
        let clock = &credential.exchange().host.clock;
        let asked_at = clock.now();
        if let Some(kept) = kept.as_ref().filter(|kept| asked_at < kept.replace_at) {
            return Ok(jwt(&kept.token));
        }
        match credential.id_token_async(audience).await {
            Ok(token) => {
                let jwt = jwt(&token);
                let lifetime = token.expires_at().duration_since(asked_at).unwrap_or_default();
                let replace_at = earlier(token.expires_at(), AHEAD.min(lifetime / 4));
                *kept = Some(Kept { token, replace_at });
                Ok(jwt)
            }
            // As with access tokens: one that is valid is good until it expires.
            Err(error) => match &*kept {
                Some(kept) if clock.now() < kept.token.expires_at() => Ok(jwt(&kept.token)),
                _ => Err(error),
            },
        }
    }

    fn slot(&self, audience: &str) -> Arc<Mutex<Option<Kept>>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(audience) {
            return slot.clone();
        }
        if slots.len() >= MOST {
            // Those that somebody waits for stay.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        slots.entry(audience.to_owned()).or_default().clone()
    }
}

fn jwt(token: &IdToken) -> Bytes {
    Bytes::from(token.secret().to_owned())
}
