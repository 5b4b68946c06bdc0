//! The address at which a person gives access (RFC 6749, section 4.1.1), and what Google says if they do not.

use ee_auth_core::{Endpoints, Error, ExposeSecret, OAuthClient, Scopes, Secret, redact};
use oauth2::basic::BasicClient;
use oauth2::{AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope};
use url::Url;

use crate::rejection::{self, Refused};
use crate::token_endpoint::Asker;

/// A request for access, and what has to be remembered of it.
pub struct Authorization {
    /// The address to open.
    pub address: Url,
    /// The PKCE verifier (RFC 7636, section 4.1).
    pub verifier: Secret,
    /// What comes back with the answer, so that another's answer is told from ours (RFC 6749, section 10.12).
    pub state: String,
    /// The redirect, as it has to be repeated when the code is exchanged (RFC 6749, section 4.1.3).
    pub redirect_uri: String,
}

impl Authorization {
    /// A request by `client` for `scopes`, whose answer goes to `redirect_uri`. The challenge is S256.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) for a redirect that is no address, or that the client has
    /// not registered.
    pub fn new(
        client: &OAuthClient,
        scopes: &Scopes,
        redirect_uri: &str,
        endpoints: &Endpoints,
    ) -> Result<Self, Error> {
        let redirect = redirect(client, redirect_uri)?;
        let redirect_uri = redirect.to_string();
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let oauth = BasicClient::new(ClientId::new(client.id.clone()))
            .set_auth_uri(AuthUrl::from_url(endpoints.authorize.clone()))
            .set_redirect_uri(redirect);
        let mut request = oauth
            .authorize_url(|| CsrfToken::new_random_len(32))
            .add_scopes(scopes.iter().map(|scope| Scope::new(scope.to_owned())))
            .set_pkce_challenge(challenge)
            .add_extra_param("access_type", "offline");
        if !client.redirect_uris.is_empty() {
            // A web client gets a refresh token at the first consent alone, unless it asks for another consent.
            request = request.add_extra_param("prompt", "consent");
        }
        let (address, state) = request.url();
        let verifier = Secret::from(verifier.into_secret());
        Ok(Self { address, verifier, state: state.into_secret(), redirect_uri })
    }
}

/// A redirect in the spelling in which the client may use it.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) for a redirect that is no address, or that the client has not
/// registered.
pub fn registered(client: &OAuthClient, redirect_uri: &str) -> Result<String, Error> {
    redirect(client, redirect_uri).map(|redirect| redirect.to_string())
}

/// The redirect, if the client may use it. A desktop client may use any loopback address (RFC 8252, section 7.3).
fn redirect(client: &OAuthClient, redirect_uri: &str) -> Result<RedirectUrl, Error> {
    let registered = &client.redirect_uris;
    let same = |other: &String| other.trim_end_matches('/') == redirect_uri.trim_end_matches('/');
    if !registered.is_empty() && !registered.iter().any(same) {
        return Err(Error::invalid(
            "redirect_uri",
            format!("{}: a web client, for which {redirect_uri} is not registered", client.origin),
        )
        .hint(format!(
            "add {redirect_uri} to its redirects, or use a client of the type \"Desktop app\": \
             https://console.cloud.google.com/apis/credentials"
        )));
    }
    // As it was registered: Google compares the text.
    let exact = registered.iter().find(|other| same(other)).map_or(redirect_uri, String::as_str);
    RedirectUrl::new(exact.to_owned())
        .map_err(|error| Error::invalid("redirect_uri", format!("{redirect_uri} is no address: {error}")))
}

/// A verifier of PKCE (RFC 7636, section 4.1): 32 random bytes in base64url.
pub fn verifier() -> Secret {
    Secret::from(nonce())
}

/// The challenge of the method S256 for a verifier (RFC 7636, section 4.2).
pub fn s256(verifier: &Secret) -> String {
    let verifier = PkceCodeVerifier::new(verifier.expose_secret().to_owned());
    PkceCodeChallenge::from_code_verifier_sha256(&verifier).as_str().to_owned()
}

/// 32 random bytes in base64url, as a request is known by that nobody may guess.
pub fn nonce() -> String {
    CsrfToken::new_random_len(32).into_secret()
}

/// What it means that Google sent `error` instead of a code (RFC 6749, section 4.1.2.1).
pub fn refusal(error: &str, description: Option<&str>, endpoints: &Endpoints) -> Error {
    let refused = Refused::at_consent(&redact(error), &redact(description.unwrap_or_default()));
    rejection::explain(&refused, &Asker::Code, &endpoints.authorize, None)
}
