//! The metadata server of a Colab runtime: that of Compute Engine (AIP-4115), whose account is the person.

use std::fmt;
use std::time::Duration;

use ee_auth_core::host::{Method, Request, Response};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{BoxFuture, Error, Exchange, Scopes, Search, Token, TokenSource, redact};
use ee_auth_google::service_account::is_email;
use ee_auth_google::token_endpoint;
use serde::Deserialize;
use url::Url;

const ACCOUNT: &str = "computeMetadata/v1/instance/service-accounts/default/";

/// How long the connection may take: the server is beside the runtime.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What `…/default/?recursive=true` answers.
#[derive(Deserialize)]
pub(crate) struct Account {
    email: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
}

impl Account {
    /// Whose it is; `None` where the server only says `default`.
    pub(crate) fn email(&self) -> Option<String> {
        self.email.clone().filter(|email| is_email(email))
    }

    pub(crate) fn scopes(&self) -> Scopes {
        Scopes::new(&self.scopes).unwrap_or_default()
    }
}

/// The server, as a source of tokens. They belong to the runtime, so they are not kept.
#[derive(Debug)]
pub(crate) struct Server(Url);

impl Server {
    /// The one that `GCE_METADATA_HOST` names, else the usual one.
    pub(crate) fn of(search: &Search) -> Result<Self, Error> {
        match search.variable("GCE_METADATA_HOST")? {
            None => Ok(Self(search.settings().endpoints.metadata.clone())),
            Some(host) => Url::parse(&format!("http://{host}/")).map(Self).map_err(|_| {
                Error::invalid("url", "GCE_METADATA_HOST is not the address of a server")
                    .hint("set it to HOST or HOST:PORT, or unset it")
            }),
        }
    }

    /// The account; `None` where nobody has signed in.
    pub(crate) async fn account(&self, exchange: &Exchange) -> Result<Option<Account>, Error> {
        let mut url = self.at(ACCOUNT)?;
        url.set_query(Some("recursive=true"));
        let response = self.get(exchange, url).await?;
        if response.status == 404 {
            return Ok(None);
        }
        serde_json::from_slice(&response.body).map(Some).map_err(|_| self.malformed("with no account's JSON"))
    }

    async fn get(&self, exchange: &Exchange, url: Url) -> Result<Response, Error> {
        let mut request = Request::new(Method::Get, url).with_header("metadata-flavor", "Google");
        request.direct = true;
        request.connect_timeout = CONNECT_TIMEOUT;
        let response = retry::send(&exchange.host, request, Repeat::Safe)
            .await
            .map_err(|error| error.explain(&format!("asking Colab's metadata server {self}")))?;
        if response.metadata_flavor.as_deref() != Some("Google") {
            return Err(self.malformed("without `Metadata-Flavor: Google`: it is no metadata server"));
        }
        match response.status {
            200..=299 | 404 => Ok(response),
            status if response.may_pass() => {
                Err(Error::unavailable("status", format!("Colab's metadata server {self} answered {status}"))
                    .hint("this passes by itself; try again in a minute"))
            }
            status => Err(Error::rejected(
                "refused",
                format!(
                    "Colab's metadata server {self} answered {status}: {}",
                    redact(&String::from_utf8_lossy(&response.body))
                ),
            )
            .hint("sign in to the notebook again: Runtime, Disconnect and delete runtime")),
        }
    }

    fn at(&self, path: &str) -> Result<Url, Error> {
        self.0.join(path).map_err(|_| self.malformed("at an address that is none"))
    }

    fn malformed(&self, what: &str) -> Error {
        Error::unavailable("malformed", format!("Colab's metadata server {self} answered {what}"))
            .hint("try again in a minute, or in a new runtime")
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TokenSource for Server {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let url = self.at(&format!("{ACCOUNT}token"))?;
            let asked_at = exchange.host.clock.now();
            let response = self.get(exchange, url.clone()).await?;
            if response.status == 404 {
                return Err(Error::rejected(
                    "no_account",
                    "nobody is signed in to this Colab notebook any more",
                )
                .hint(format!("run this in a cell of the notebook: {}", crate::CELL)));
            }
            Ok(token_endpoint::read(&response.body, &url, asked_at)?.token)
        })
    }
}
