//! Asking a metadata server of Compute Engine's kind (AIP-4115).

use std::time::Duration;

use ee_auth_core::host::{HttpError, HttpErrorKind, Method, Request, Response};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{Error, Exchange, Search, Token, json, redact};
use serde::Deserialize;
use url::Url;

use crate::service_account::is_email;
use crate::token_endpoint;

const FLAVOR: (&str, &str) = ("metadata-flavor", "Google");

/// What to do where the account of a pod on GKE may not use the account that it stands for.
pub const BINDING: &str = "let the pod's Kubernetes service account use the IAM service account: `gcloud iam service-accounts \
     add-iam-policy-binding IAM_ACCOUNT --role=roles/iam.workloadIdentityUser \
     --member='serviceAccount:PROJECT.svc.id.goog[NAMESPACE/KUBERNETES_ACCOUNT]'`; it takes effect within minutes";

/// How long the connection may take: the server is on the machine or beside it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The address of the server that `GCE_METADATA_HOST` names (a name or number with an optional port), if it names one.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where that is no address.
pub fn named(search: &Search) -> Result<Option<Url>, Error> {
    let Some(host) = search.variable("GCE_METADATA_HOST")? else { return Ok(None) };
    let address = if host.contains("://") { host } else { format!("http://{host}") };
    let plain = |url: &Url| {
        url.scheme() == "http"
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
    };
    let mut url = Url::parse(&address).ok().filter(plain).ok_or_else(|| {
        Error::invalid("url", "GCE_METADATA_HOST is not the address of a server")
            .hint("set it to HOST or HOST:PORT, or unset it")
    })?;
    url.set_path("/");
    Ok(Some(url))
}

/// What `…/default/?recursive=true` answers.
#[derive(Debug, Deserialize)]
pub struct Account {
    email: Option<String>,
    /// The scopes of its tokens.
    #[serde(default)]
    pub scopes: Vec<String>,
}

impl Account {
    /// Whose it is; `None` where the server only says `default`, or names a workload identity pool as on GKE.
    pub fn email(&self) -> Option<String> {
        self.email.clone().filter(|email| is_email(email))
    }
}

/// A metadata server.
#[derive(Clone, Debug)]
pub struct MetadataServer {
    /// Its address.
    pub base: Url,
    /// What it is called: `the metadata server`.
    pub name: &'static str,
    /// What to do where it cannot be reached, or does not answer as such a server does.
    pub mend: &'static str,
    /// What to do where it refuses.
    pub ask: &'static str,
}

impl MetadataServer {
    /// The default account; `None` where there is none.
    ///
    /// # Errors
    /// As [`MetadataServer::get`].
    pub async fn account(&self, exchange: &Exchange) -> Result<Option<Account>, Error> {
        let url = self.account_url("?recursive=true")?;
        let response = self.send(exchange, url).await.map_err(|error| self.explain(&error))?;
        self.read_account(response)
    }

    /// What the server said of the default account.
    ///
    /// # Errors
    /// As [`MetadataServer::get`].
    pub fn read_account(&self, response: Response) -> Result<Option<Account>, Error> {
        let Some(response) = self.read(response)? else { return Ok(None) };
        json::object(&response.body).map(Some).map_err(|_| self.malformed("with no account's JSON"))
    }

    /// A token of the default account from `url`; `None` where there is no account.
    ///
    /// # Errors
    /// As [`MetadataServer::get`], and for an answer that is no token.
    pub async fn token(&self, exchange: &Exchange, url: Url) -> Result<Option<Token>, Error> {
        let asked_at = exchange.host.clock.now();
        let Some(response) = self.get(exchange, url.clone()).await? else { return Ok(None) };
        Ok(Some(token_endpoint::read(&response.body, &url, asked_at)?.token))
    }

    /// The text at `path`, below `computeMetadata/v1/`; `None` where the server has none.
    ///
    /// # Errors
    /// As [`MetadataServer::get`].
    pub async fn text(&self, exchange: &Exchange, path: &str) -> Result<Option<String>, Error> {
        let Some(response) = self.get(exchange, self.at(path)?).await? else { return Ok(None) };
        let text = std::str::from_utf8(&response.body)
            .map_err(|_| self.malformed("with something that is no text"))?
            .trim();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    /// What the server has at `url`; `None` for 404.
    ///
    /// # Errors
    /// [`Outcome::Unavailable`](ee_auth_core::Outcome::Unavailable) where it cannot be reached, or something else answers;
    /// [`Outcome::Rejected`](ee_auth_core::Outcome::Rejected) where it refuses.
    pub async fn get(&self, exchange: &Exchange, url: Url) -> Result<Option<Response>, Error> {
        let response = self.send(exchange, url).await.map_err(|error| self.explain(&error))?;
        self.read(response)
    }

    /// Whatever answers at `url`.
    ///
    /// # Errors
    /// What became of the connection.
    pub async fn send(&self, exchange: &Exchange, url: Url) -> Result<Response, HttpError> {
        retry::send(&exchange.host, request(url), Repeat::Safe).await
    }

    /// An address below that of the default account.
    ///
    /// # Errors
    /// [`Outcome::Unavailable`](ee_auth_core::Outcome::Unavailable) where the server's address can have none below it.
    pub fn account_url(&self, path: &str) -> Result<Url, Error> {
        self.at(&format!("instance/service-accounts/default/{path}"))
    }

    /// What a connection came to that came to nothing.
    pub fn explain(&self, error: &HttpError) -> Error {
        let unreachable = matches!(error.kind, HttpErrorKind::Connect | HttpErrorKind::Timeout);
        let explained = error.explain(&format!("asking {} {}", self.name, self.base));
        if unreachable { explained.hint(self.mend) } else { explained }
    }

    fn read(&self, response: Response) -> Result<Option<Response>, Error> {
        // Something else may listen at that address: only the server's own flavour makes an answer worth reading.
        if !has_flavor(&response) {
            return Err(self.malformed("without `Metadata-Flavor: Google`: it is no metadata server"));
        }
        let answered = |status| format!("{} {} answered {status}", self.name, self.base);
        if let Some(unavailable) = response.unavailable(&format!("{} {}", self.name, self.base)) {
            return Err(unavailable);
        }
        match response.status {
            200..=299 => Ok(Some(response)),
            404 => Ok(None),
            status => {
                let said = redact(&String::from_utf8_lossy(&response.body));
                // GKE's server passes on what IAM told it.
                let is_binding = said.contains("iam.serviceAccounts.") || said.contains("workload identity");
                let hint = if is_binding { BINDING } else { self.ask };
                Err(Error::rejected("refused", format!("{}: {said}", answered(status))).hint(hint))
            }
        }
    }

    fn at(&self, path: &str) -> Result<Url, Error> {
        self.base
            .join(&format!("computeMetadata/v1/{path}"))
            .map_err(|_| self.malformed("at an address that is none"))
    }

    fn malformed(&self, what: &str) -> Error {
        Error::unavailable("malformed", format!("{} {} answered {what}", self.name, self.base))
            .hint(self.mend)
    }
}

/// A request for what is at `url`. It goes past every proxy: the server knows the machine by its connection.
pub fn request(url: Url) -> Request {
    let mut request = Request::new(Method::Get, url).with_header(FLAVOR.0, FLAVOR.1);
    request.direct = true;
    request.connect_timeout = CONNECT_TIMEOUT;
    request
}

/// Whether an answer is a metadata server's.
pub fn has_flavor(response: &Response) -> bool {
    response.metadata_flavor.as_deref() == Some(FLAVOR.1)
}
