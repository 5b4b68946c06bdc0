//! Sending a request until it is answered, within the time there is.

use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, SystemTime};

use crate::host::{Host, HttpError, HttpErrorKind, Request, Response};
use crate::time::later;

/// How long an exchange may take in all, retries and waits included.
pub const TOTAL: Duration = Duration::from_secs(30);

/// How often a request is sent at the most: a person who is offline wants to be told so.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Whether a request may reach the server twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing there, or nothing that a second one would not: a JWT bearer grant, a refresh without
    /// rotation, a token exchange, a look at the metadata server.
    Safe,
    /// It uses something up, as an authorization code: repeated only while nothing of it has been sent.
    UntilSent,
}

/// Sends `request`; again after a connection that failed or broke, after 408, 429 and 5xx, and after other answers that
/// [may pass](Response::may_pass), with exponential
/// pauses of random length, or as `Retry-After` says: four times in all, and within [`TOTAL`]. No other answer is
/// repeated.
///
/// # Errors
/// The last failure, when the time is up or the failure is not one that passes.
pub async fn send(host: &Host, request: Request, repeat: Repeat) -> Result<Response, HttpError> {
    let give_up_at = later(host.clock.now(), TOTAL);
    let mut pause = FIRST_PAUSE;
    let mut attempts = 1;
    loop {
        let mut attempt = request.clone();
        attempt.timeout = attempt.timeout.min(left(host, give_up_at));
        let outcome = host.http.send(attempt).await.and_then(|response| past_proxies(&request, response));
        let asked = match &outcome {
            Ok(response) if repeat == Repeat::Safe && response.may_pass() => response.retry_after,
            Ok(_) => return outcome,
            Err(error) if error.kind == HttpErrorKind::Connect => None,
            // A proxy that was handed the request may have passed it on before it failed.
            Err(error)
                if matches!(error.kind, HttpErrorKind::Interrupted | HttpErrorKind::ProxyFailed)
                    && repeat == Repeat::Safe =>
            {
                None
            }
            Err(_) => return outcome,
        };
        let wait = asked.unwrap_or_else(|| jittered(pause));
        if attempts == ATTEMPTS || wait >= left(host, give_up_at) {
            return outcome;
        }
        log::info!("{request:?}: trying again in {:.1} s", wait.as_secs_f32());
        let server = request.url.host_str().unwrap_or("the server");
        host.person.tell_progress(&format!(
            "waiting for {server}, which did not answer as it should (Ctrl-C stops)"
        ));
        host.clock.sleep(wait).await;
        attempts += 1;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A proxy that wants a login answers in place of the server. The system's client knows a proxy that it was told to use; this
/// is one that nobody told it of.
fn past_proxies(request: &Request, response: Response) -> Result<Response, HttpError> {
    if response.status != 407 {
        return Ok(response);
    }
    let mut shown = request.url.clone();
    shown.set_query(None);
    Err(HttpError {
        kind: HttpErrorKind::ProxyRefused,
        message: format!("the proxy on the way to {shown} answered 407 and wants a name and password"),
        help: Some("put them into the address: HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT".to_owned()),
    })
}

fn left(host: &Host, give_up_at: SystemTime) -> Duration {
    give_up_at.duration_since(host.clock.now()).unwrap_or_default()
}

/// Between half of `pause` and all of it, so that machines that failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    // The standard library seeds every `RandomState` differently: all the randomness that a pause needs.
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    pause / 2 + pause.mul_f64(random as f64 / u64::MAX as f64 / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_between_half_and_whole() {
        for _ in 0..1000 {
            let pause = jittered(Duration::from_secs(1));
            assert!(pause >= Duration::from_millis(500) && pause <= Duration::from_secs(1));
        }
    }
}
