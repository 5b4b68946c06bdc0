//! The machine's metadata server, and how long one is waited for that may not be there.

use std::time::Duration;

use ee_auth_core::host::{HttpError, Response};
use ee_auth_core::{Error, Exchange};
use ee_auth_google::metadata_server::{self, Account, MetadataServer, has_flavor};
use url::Url;

use crate::detection::Belief;

/// What a server that is merely likely may take: it is on the machine or beside it. google-auth gives it three times three
/// seconds.
const QUICK: Duration = Duration::from_secs(1);

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
pub(crate) fn server(base: Url, belief: Belief) -> MetadataServer {
    MetadataServer {
        base,
        name: "the metadata server",
        mend: match belief {
            Belief::Named => "correct GCE_METADATA_HOST, or unset it where there is no such server",
            _ => "try again in a minute; see what keeps the machine from its metadata server",
        },
        ask: "see which scopes and which service account the machine was started with",
    }
}

/// The machine's default account.
pub(crate) async fn account(server: &MetadataServer, belief: Belief, exchange: &Exchange) -> Answer {
    let url = match server.account_url("?recursive=true") {
        Ok(url) => url,
        Err(error) => return Answer::Failed(error),
    };
    let response = match first(server, belief, exchange, url).await {
        Ok(response) => response,
        // Whatever happens to a server that nobody named: it is not there.
        Err(_) if belief != Belief::Named => return Answer::Absent,
        Err(error) => return Answer::Failed(server.explain(&error)),
    };
    if !has_flavor(&response) && belief != Belief::Named {
        return Answer::Absent;
    }
    match server.read_account(response) {
        Ok(Some(account)) => Answer::Account(account),
        Ok(None) => Answer::None,
        Err(error) => Answer::Failed(error),
    }
}

/// The first request: a server that is merely likely is waited for only once it has shown that it is there.
async fn first(
    server: &MetadataServer,
    belief: Belief,
    exchange: &Exchange,
    url: Url,
) -> Result<Response, HttpError> {
    if belief == Belief::Likely {
        let mut quick = metadata_server::request(url.clone());
        (quick.connect_timeout, quick.timeout) = (QUICK, QUICK * 2);
        let response = exchange.host.http.send(quick).await?;
        if !(has_flavor(&response) && response.may_pass()) {
            return Ok(response);
        }
    }
    server.send(exchange, url).await
}
