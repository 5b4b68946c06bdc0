//! Asking the metadata server.

use std::time::Duration;

use ee_auth_core::host::{Host, HttpError, HttpErrorKind, Method, Request, Response};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{Error, Exchange, redact};
use serde::Deserialize;
use url::Url;

use crate::detection::Belief;

const FLAVOR: (&str, &str) = ("metadata-flavor", "Google");

/// What a server that is merely likely may take: it is on the machine or beside it. google-auth gives it three times three
/// seconds.
const QUICK: Duration = Duration::from_secs(1);

/// How long connecting to one that is there may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What `…/default/?recursive=true` answers.
#[derive(Deserialize)]
pub(crate) struct Account {
    /// On GKE the name of a workload identity pool may stand here.
    pub(crate) email: String,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
}

/// A metadata server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) base: Url,
    pub(crate) belief: Belief,
}

/// What asking for the machine's account came to.
pub(crate) enum Answer {
    Account(Account),
    /// The machine has none.
    None,
    /// There is no such server, and nobody said that there is.
    Absent,
    Failed(Error),
}

impl Server {
    /// The machine's default account.
    pub(crate) async fn account(&self, exchange: &Exchange) -> Answer {
        let url = match self.account_url("?recursive=true") {
            Ok(url) => url,
            Err(error) => return Answer::Failed(error),
        };
        let response = match self.first(exchange, url).await {
            Ok(response) => response,
            // Whatever happens to a server that nobody named: it is not there.
            Err(_) if self.belief != Belief::Named => return Answer::Absent,
            Err(error) => return Answer::Failed(self.explain(&error)),
        };
        if !has_flavor(&response) && self.belief != Belief::Named {
            return Answer::Absent;
        }
        match self.read(response) {
            Ok(response) if response.status == 404 => Answer::None,
            Ok(response) => match serde_json::from_slice(&response.body) {
                Ok(account) => Answer::Account(account),
                Err(_) => Answer::Failed(self.malformed("with no account's JSON")),
            },
            Err(error) => Answer::Failed(error),
        }
    }

    /// The first request: a server that is merely likely is waited for only once it has shown that it is there.
    async fn first(&self, exchange: &Exchange, url: Url) -> Result<Response, HttpError> {
        if self.belief == Belief::Likely {
            let mut quick = request(url.clone());
            (quick.connect_timeout, quick.timeout) = (QUICK, QUICK * 2);
            let response = exchange.host.http.send(quick).await?;
            if !(has_flavor(&response) && response.may_pass()) {
                return Ok(response);
            }
        }
        send(&exchange.host, url).await
    }

    /// The text at `path`, below `computeMetadata/v1/`; `None` where the server has none.
    pub(crate) async fn text(&self, exchange: &Exchange, path: &str) -> Result<Option<String>, Error> {
        let response = self.get(exchange, self.at(path)?).await?;
        let text = std::str::from_utf8(&response.body)
            .map_err(|_| self.malformed("with something that is no text"))?
            .trim();
        Ok((response.status != 404 && !text.is_empty()).then(|| text.to_owned()))
    }

    /// The answer to a request; its status is 2xx or 404.
    pub(crate) async fn get(&self, exchange: &Exchange, url: Url) -> Result<Response, Error> {
        let response = send(&exchange.host, url).await.map_err(|error| self.explain(&error))?;
        self.read(response)
    }

    fn read(&self, response: Response) -> Result<Response, Error> {
        // Something else may listen at that address: only the server's own flavour makes an answer worth reading.
        if !has_flavor(&response) {
            return Err(self.malformed("without `Metadata-Flavor: Google`: it is no metadata server"));
        }
        match response.status {
            200..=299 | 404 => Ok(response),
            status if response.may_pass() => Err(Error::unavailable(
                "status",
                format!("the metadata server {} answered {status}", self.base),
            )
            .hint("this passes by itself; try again in a minute")),
            status => Err(Error::rejected(
                "refused",
                format!(
                    "the metadata server {} answered {status}: {}",
                    self.base,
                    redact(&String::from_utf8_lossy(&response.body))
                ),
            )
            .hint("see which scopes and which service account the machine was started with")),
        }
    }

    fn explain(&self, error: &HttpError) -> Error {
        let unreachable = matches!(error.kind, HttpErrorKind::Connect | HttpErrorKind::Timeout);
        let explained = error.explain(&format!("asking the metadata server {}", self.base));
        if unreachable { explained.hint(self.fix()) } else { explained }
    }

    /// An address below that of the default account.
    pub(crate) fn account_url(&self, path: &str) -> Result<Url, Error> {
        self.at(&format!("instance/service-accounts/default/{path}"))
    }

    fn at(&self, path: &str) -> Result<Url, Error> {
        self.base
            .join(&format!("computeMetadata/v1/{path}"))
            .map_err(|_| self.malformed("at an address that is none"))
    }

    pub(crate) fn malformed(&self, what: &str) -> Error {
        Error::unavailable("malformed", format!("the metadata server {} answered {what}", self.base))
            .hint(self.fix())
    }

    fn fix(&self) -> &'static str {
        match self.belief {
            Belief::Named => "correct GCE_METADATA_HOST, or unset it where there is no such server",
            _ => "try again in a minute; see what keeps the machine from its metadata server",
        }
    }
}

/// Past every proxy: the server knows the machine by its connection.
fn request(url: Url) -> Request {
    let mut request = Request::new(Method::Get, url).with_header(FLAVOR.0, FLAVOR.1);
    request.direct = true;
    request.connect_timeout = CONNECT_TIMEOUT;
    request
}

async fn send(host: &Host, url: Url) -> Result<Response, HttpError> {
    retry::send(host, request(url), Repeat::Safe).await
}

fn has_flavor(response: &Response) -> bool {
    response.metadata_flavor.as_deref() == Some(FLAVOR.1)
}
