//! Earth Engine's page: its address, and what it tells afterwards.

use ee_auth_core::host::{Body, Method, Request};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{Error, Exchange, ExposeSecret, LoginRequest, OAuthClient, Scopes, Secret, json, redact};
use ee_auth_google::authorization;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use url::Url;

/// What Python's `urllib.parse.quote` leaves as it is.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One visit to the page.
pub(crate) struct Visit {
    /// What the page knows the login by.
    request_id: String,
    /// The PKCE verifier of the exchange.
    pub(crate) token_verifier: Secret,
    /// What fetches the client.
    client_verifier: Secret,
}

/// What was chosen on the page.
pub(crate) struct Chosen {
    /// The client that the code was made for.
    pub(crate) client: OAuthClient,
    /// The scopes; `None` where the page does not say.
    pub(crate) scopes: Option<Scopes>,
}

impl Visit {
    pub(crate) fn new() -> Self {
        Self {
            request_id: authorization::nonce(),
            token_verifier: authorization::verifier(),
            client_verifier: authorization::verifier(),
        }
    }

    /// A visit that another process began, earthengine-api's included: `request_id:token_verifier:client_verifier`.
    ///
    /// # Errors
    /// Where it is something else.
    pub(crate) fn from_verifier(verifier: &Secret) -> Result<Self, Error> {
        let mut parts = verifier.expose_secret().trim().split(':');
        let mut part = || parts.next().filter(|part| !part.is_empty() && part.bytes().all(is_unreserved));
        match (part(), part(), part(), parts.next()) {
            (Some(request_id), Some(token_verifier), Some(client_verifier), None) => Ok(Self {
                request_id: request_id.to_owned(),
                token_verifier: Secret::from(token_verifier),
                client_verifier: Secret::from(client_verifier),
            }),
            _ => Err(Error::invalid(
                "code_verifier",
                "the verifier does not have the three parts that it was given with",
            )
            .hint("copy the whole command that was printed with the address, and put the code into it")),
        }
    }

    /// The three parts in one, as earthengine-api writes them.
    pub(crate) fn into_verifier(self) -> Secret {
        let Self { request_id, token_verifier, client_verifier } = self;
        Secret::from(format!(
            "{request_id}:{}:{}",
            token_verifier.expose_secret(),
            client_verifier.expose_secret()
        ))
    }

    /// The page's address.
    pub(crate) fn address(&self, request: &LoginRequest) -> Url {
        let mut address = request.exchange.settings.endpoints.client_auth.clone();
        let scopes = request.scopes.to_parameter();
        address.set_query(Some(&format!(
            "scopes={}&request_id={}&tc={}&cc={}",
            utf8_percent_encode(&scopes, QUOTED),
            self.request_id,
            authorization::s256(&self.token_verifier),
            authorization::s256(&self.client_verifier),
        )));
        address
    }

    /// Asks the page's server what was chosen.
    pub(crate) async fn fetch(&self, exchange: &Exchange) -> Result<Chosen, Error> {
        let base = exchange.settings.endpoints.client_auth.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}/fetch"))
            .map_err(|error| Error::internal(format!("{base}/fetch is no address: {error}")))?;
        let body =
            json!({ "request_id": self.request_id, "client_verifier": self.client_verifier.expose_secret() });
        let request = Request::new(Method::Post, url.clone()).with_body(Body::Json(body.to_string().into()));
        let doing = format!("asking {url} for the OAuth client that the page used");
        let response = retry::send(&exchange.host, request, Repeat::Safe)
            .await
            .map_err(|error| error.explain(&doing))?;
        let answer: Option<Answer> = json::object(&response.body).ok();
        let unlike_the_page = |detail| {
            let status = response.status;
            Error::unavailable(detail, format!("{doing}: it answered {status}, and not as Earth Engine's page does"))
                .hint("try again in a minute; a proxy or login page of the network may stand between here and Google")
        };
        match (response.status, answer) {
            _ if response.may_pass() => Err(unlike_the_page("status")),
            (_, Some(Answer { error: Some(error), .. })) => Err(Error::rejected(
                "request",
                format!(
                    "Earth Engine's page answered: {}. The code belongs to another login, or the page was not followed to \
                     its end",
                    redact(&error).trim_end_matches('.')
                ),
            )
            .hint("start the login again, open the new address, and paste the code that it shows at its end")),
            (200..=299, Some(Answer { client_id: Some(id), client_secret, scopes, .. })) => {
                let scopes = scopes.map(Scopes::new).transpose().map_err(|_| unlike_the_page("malformed"))?;
                let scopes = scopes.filter(|scopes| !scopes.is_empty());
                let secret = client_secret.map(Secret::from);
                let origin = "Earth Engine's page".to_owned();
                Ok(Chosen { client: OAuthClient { id, secret, redirect_uris: Vec::new(), origin }, scopes })
            }
            _ => Err(unlike_the_page("malformed")),
        }
    }
}

/// What a verifier is made of (RFC 7636, section 4.1).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[derive(Deserialize)]
struct Answer {
    error: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    scopes: Option<Vec<String>>,
}
