//! The provider `metadata`: the service account of a machine of Google's (AIP-4115).
//!
//! The Compute Engine metadata server answers on Compute Engine, GKE, Cloud Run and in Colab. It is asked where
//! `GCE_METADATA_HOST` names it, and then it has to answer; otherwise only where the machine itself says that it is
//! Google's, so that a laptop never waits for it. Its tokens belong to the machine, so no proxy is used.

mod detection;

use std::sync::Arc;
use std::time::Duration;

use ee_auth_core::host::{HttpErrorKind, Method, Request, Response};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{
    BoxFuture, Error, Exchange, Finding, Found, Kind, Look, Options, Outcome, Provider, Saw, Scopes, Search,
    Token, TokenSource, redact,
};
use ee_auth_google::service_account::is_email;
use ee_auth_google::token_endpoint;
use serde::Deserialize;
use url::Url;

/// How `metadata` is configured: not at all.
pub const KIND: Kind = Kind {
    name: "metadata",
    summary: "the service account of a Compute Engine, GKE, Cloud Run or Colab machine",
    interactive: false,
    declared_only: false,
    options: &[],
    build: |_name, _options: &Options| Ok(Arc::new(Metadata)),
};

const FLAVOR: (&str, &str) = ("metadata-flavor", "Google");
const ACCOUNT: &str = "computeMetadata/v1/instance/service-accounts/default/";
const PROJECT: &str = "computeMetadata/v1/project/project-id";

/// How long the connection may take: the server is on the machine or beside it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The provider.
#[derive(Debug)]
pub struct Metadata;

impl Provider for Metadata {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let server = match detection::server(search) {
                Ok(detection::Server::Named(base)) => Server { base, named: true },
                Ok(detection::Server::Likely(base)) => Server { base, named: false },
                Ok(detection::Server::None(reason)) => return Finding::not_found(reason),
                Err(error) => return Finding::from(error),
            };
            if search.is_offline() {
                return Finding::NotProbed(format!("{} was not asked", server.base));
            }
            let exchange = Exchange { host: search.host().clone(), settings: search.settings().clone() };
            let answer = server.account(&exchange).await;
            let saw = if matches!(answer, Ok(Some(_))) { Saw::Present } else { Saw::Missing };
            search.looked_at(Look::Address(server.base.to_string(), saw));
            match answer {
                Ok(Some(account)) => Finding::from(Ok(server.found(account, search, &exchange).await)),
                Ok(None) => Finding::not_found("this machine has no service account")
                    .hint("give the machine a service account with a role for Earth Engine"),
                // Nobody said that there is one.
                Err(error) if !server.named && error.outcome() == Outcome::Unavailable => {
                    Finding::not_found(format!("no metadata server answered at {}", server.base))
                        .hint("on a machine of Google's, see what keeps it from its metadata server")
                }
                Err(error) => Finding::from(error),
            }
        })
    }
}

/// What `…/default/?recursive=true` answers.
#[derive(Deserialize)]
struct Account {
    email: String,
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Clone, Debug)]
struct Server {
    base: Url,
    /// Whether `GCE_METADATA_HOST` names it.
    named: bool,
}

impl Server {
    /// The machine's default account; `None` where it has none.
    async fn account(&self, exchange: &Exchange) -> Result<Option<Account>, Error> {
        let mut url = self.at(ACCOUNT)?;
        url.set_query(Some("recursive=true"));
        let response = self.get(exchange, url).await?;
        if response.status == 404 {
            return Ok(None);
        }
        let account: Account =
            serde_json::from_slice(&response.body).map_err(|_| self.malformed("with no account's JSON"))?;
        Ok(Some(account))
    }

    async fn found(self, account: Account, search: &Search, exchange: &Exchange) -> Found {
        // A machine's tokens have the scopes it was started with; only others than those are asked for.
        let asked = search.settings().scopes.clone();
        let scopes = asked.clone().or_else(|| Scopes::new(&account.scopes).ok()).unwrap_or_default();
        let project = self.project(exchange).await;
        let origin = format!("the service account of this machine, from {}", self.base);
        let mut found = Found::new(Source { server: self, asked }, origin);
        found.principal = Some(account.email).filter(|email| is_email(email));
        found.scopes = scopes;
        found.project = project;
        found
    }

    /// The machine's project. Not every server knows it, and a token can be had without.
    async fn project(&self, exchange: &Exchange) -> Option<String> {
        let response = self.get(exchange, self.at(PROJECT).ok()?).await.ok()?;
        let id = std::str::from_utf8(&response.body).ok()?.trim();
        (response.status == 200 && !id.is_empty()).then(|| id.to_owned())
    }

    async fn get(&self, exchange: &Exchange, url: Url) -> Result<Response, Error> {
        let mut request = Request::new(Method::Get, url).with_header(FLAVOR.0, FLAVOR.1);
        request.direct = true;
        request.connect_timeout = CONNECT_TIMEOUT;
        let response = retry::send(&exchange.host, request, Repeat::Safe).await.map_err(|error| {
            let unreachable = matches!(error.kind, HttpErrorKind::Connect | HttpErrorKind::Timeout);
            let explained = error.explain(&format!("asking the metadata server {}", self.base));
            if unreachable { explained.hint(self.fix()) } else { explained }
        })?;
        // Something else may listen at that address: only the server's own flavour makes an answer worth reading.
        if response.metadata_flavor.as_deref() != Some(FLAVOR.1) {
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

    fn at(&self, path: &str) -> Result<Url, Error> {
        self.base.join(path).map_err(|_| self.malformed("at an address that is none"))
    }

    fn malformed(&self, what: &str) -> Error {
        Error::unavailable("malformed", format!("the metadata server {} answered {what}", self.base))
            .hint(self.fix())
    }

    fn fix(&self) -> &'static str {
        match self.named {
            true => "correct GCE_METADATA_HOST, or unset it where there is no such server",
            false => "try again in a minute; see what keeps the machine from its metadata server",
        }
    }
}

#[derive(Debug)]
struct Source {
    server: Server,
    asked: Option<Scopes>,
}

impl TokenSource for Source {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let mut url = self.server.at(&format!("{ACCOUNT}token"))?;
            if let Some(asked) = &self.asked {
                let scopes: Vec<_> = asked.iter().collect();
                url.query_pairs_mut().append_pair("scopes", &scopes.join(","));
            }
            let asked_at = exchange.host.clock.now();
            let response = self.server.get(exchange, url.clone()).await?;
            if response.status == 404 {
                return Err(Error::rejected("no_account", "the machine's service account was taken away")
                    .hint("give the machine a service account with a role for Earth Engine"));
            }
            Ok(token_endpoint::read(&response.body, &url, asked_at)?.token)
        })
    }
}
