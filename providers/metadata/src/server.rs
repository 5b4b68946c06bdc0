//! The machine's metadata server, and how long one is waited for that may not be there.

use std::time::Duration;

use ee_auth_core::host::{HttpError, HttpErrorKind, Response};
use ee_auth_core::{Error, Exchange};
use ee_auth_google::metadata_server::{self, Account, MetadataServer, has_flavor};
use url::Url;

use crate::detection::Belief;

/// What a server that is merely likely may take: it is on the machine or beside it. google-auth gives it three times three
/// seconds.
const QUICK: Duration = Duration::from_secs(1);

/// What one request may take while a server that has to be there starts.
const PATIENT: Duration = Duration::from_secs(5);

/// How long a server that has to be there is waited for. GKE's needs five to ten seconds in a new pod.
const STARTING: Duration = Duration::from_secs(10);

/// Pauses between the requests to a server that starts. They need no randomness: every machine has a server of its own.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// After how long a person is told what is waited for.
const SILENCE: Duration = Duration::from_secs(1);

/// What asking for the machine's account came to.
pub(crate) enum Answer {
    Account(Account),
    /// The machine has none.
    None,
    /// There is no such server, and nobody said that there is.
    Absent,
    Failed(Error),
}

/// The server at `base`.
pub(crate) fn server(base: Url, belief: Belief, in_cluster: bool) -> MetadataServer {
    MetadataServer {
        base,
        name: "the metadata server",
        mend: match belief {
            Belief::Named => "correct GCE_METADATA_HOST, or unset it where there is no such server",
            _ if in_cluster => {
                "try again in a minute; on GKE see whether gke-metadata-server runs on the node and a network policy lets the \
                 pod reach it. `NO_GCE_CHECK=true` if this is not a machine of Google's"
            }
            _ => {
                "try again in a minute; see what keeps the machine from its metadata server (firewall, routes, a container's \
                 network). `NO_GCE_CHECK=true` if this is not a machine of Google's"
            }
        },
        ask: match in_cluster {
            true => metadata_server::BINDING,
            false => "see which scopes and which service account the machine was started with",
        },
    }
}

/// The machine's default account.
pub(crate) async fn account(
    server: &MetadataServer,
    belief: Belief,
    in_cluster: bool,
    exchange: &Exchange,
) -> Answer {
    let url = match server.account_url("?recursive=true") {
        Ok(url) => url,
        Err(error) => return Answer::Failed(error),
    };
    let first = match belief {
        Belief::Named => server.send(exchange, url).await,
        Belief::Sure => starting(server, in_cluster, exchange, url).await,
        Belief::Likely => likely(server, exchange, url).await,
    };
    let response = match first {
        Ok(response) => response,
        // Whatever happens to a server that is merely likely: it is not there.
        Err(_) if belief == Belief::Likely => return Answer::Absent,
        Err(error) => return Answer::Failed(server.explain(&error)),
    };
    if !has_flavor(&response) && belief == Belief::Likely {
        return Answer::Absent;
    }
    match server.read_account(response) {
        Ok(Some(account)) => Answer::Account(account),
        Ok(None) => Answer::None,
        Err(error) => Answer::Failed(error),
    }
}

/// The first answer of a server that is merely likely: it is waited for only once it has shown that it is there.
async fn likely(server: &MetadataServer, exchange: &Exchange, url: Url) -> Result<Response, HttpError> {
    let mut quick = metadata_server::request(url.clone());
    (quick.connect_timeout, quick.timeout) = (QUICK, QUICK * 2);
    let response = exchange.host.http.send(quick).await?;
    if has_flavor(&response) && response.may_pass() { server.send(exchange, url).await } else { Ok(response) }
}

/// The first answer of a server that has to be there, and may be starting. In a pod that is so as well where it does not know
/// the account yet.
async fn starting(
    server: &MetadataServer,
    in_cluster: bool,
    exchange: &Exchange,
    url: Url,
) -> Result<Response, HttpError> {
    let clock = &exchange.host.clock;
    let began = clock.now();
    let mut pause = FIRST_PAUSE;
    loop {
        let mut patient = metadata_server::request(url.clone());
        patient.timeout = PATIENT;
        let outcome = exchange.host.http.send(patient).await;
        let is_ready = match &outcome {
            Ok(response) => !(response.may_pass() || (response.status == 404 && in_cluster)),
            Err(error) => !matches!(
                error.kind,
                HttpErrorKind::Connect | HttpErrorKind::Timeout | HttpErrorKind::Interrupted
            ),
        };
        let waited = clock.now().duration_since(began).unwrap_or_default();
        if is_ready || waited >= STARTING {
            return outcome;
        }
        if waited >= SILENCE {
            exchange
                .host
                .person
                .tell_progress(&format!("waiting for the metadata server {} (Ctrl-C stops)", server.base));
        }
        clock.sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
