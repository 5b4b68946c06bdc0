//! The authorization endpoint, `https://accounts.google.com/o/oauth2/v2/auth`: RFC 6749, section 3.1, and RFC 8252.
//!
//! Where Google shows a page to choose an account and to consent, this one has the answer already: see
//! [`Consent`].

use url::Url;

use crate::errors::authorization_page;
use crate::message::{Answer, Fields, Reply, Request};
use crate::world::{Consent, Grant, World, is_scope};

pub(crate) fn authorize(world: &mut World, request: &Request) -> Answer {
    let query = &request.query;
    if let Some(name) = query.repeated() {
        let explanation = format!("OAuth 2 parameters can only have a single value: {name}");
        return Err(authorization_page(400, "invalid_request", &explanation));
    }
    let missing = |name: &str| {
        authorization_page(400, "invalid_request", &format!("Required parameter is missing: {name}"))
    };
    let client_id = query.get("client_id").ok_or_else(|| missing("client_id"))?;
    match world.clients.get(client_id) {
        None => return Err(authorization_page(401, "invalid_client", "The OAuth client was not found.")),
        Some(client) if client.deleted => {
            return Err(authorization_page(401, "deleted_client", "The OAuth client was deleted."));
        }
        Some(_) => {}
    }
    let redirect_uri = query.get("redirect_uri").ok_or_else(|| missing("redirect_uri"))?;
    if redirect_uri.starts_with("urn:ietf:wg:oauth:2.0:oob") {
        let explanation = "The out-of-band (OOB) flow has been blocked in order to keep users secure.";
        return Err(authorization_page(400, "invalid_request", explanation));
    }
    if !is_loopback_redirect(redirect_uri) {
        return Err(authorization_page(
            400,
            "redirect_uri_mismatch",
            "The redirect URI is not the client's.",
        ));
    }
    match query.get("response_type") {
        None => return Err(missing("response_type")),
        Some("code") => {}
        Some(_) => {
            return Err(authorization_page(400, "unsupported_response_type", "Invalid response_type."));
        }
    }
    let scopes = query.words("scope");
    if scopes.is_empty() {
        return Err(missing("scope"));
    }
    if !scopes.iter().all(|scope| is_scope(scope)) {
        return Err(authorization_page(400, "invalid_scope", "Some requested scopes were invalid."));
    }
    let challenge = query.get("code_challenge");
    // RFC 7636 has `plain` as the default; a client that relies on it gains nothing from PKCE.
    if challenge.is_some() && query.get("code_challenge_method") != Some("S256") {
        return Err(authorization_page(400, "invalid_request", "code_challenge_method must be S256"));
    }

    let scopes = match &world.consent {
        Consent::Deny => return refuse(query, "access_denied").ok_or_else(|| missing("redirect_uri")),
        Consent::Grant => scopes,
        Consent::GrantOnly(granted) => scopes.into_iter().filter(|scope| granted.contains(scope)).collect(),
    };
    let hinted = query.get("login_hint").filter(|hint| world.people.iter().any(|person| person == hint));
    let person = hinted.map_or_else(|| world.people[0].clone(), str::to_owned);
    let granted = scopes.join(" ");
    let grant = Grant { person, client_id: client_id.to_owned(), scopes, revoked: false };
    let code = world.issue_code(grant, redirect_uri, challenge);
    redirect(query, &[("code", &code), ("scope", &granted)]).ok_or_else(|| missing("redirect_uri"))
}

/// RFC 6749, section 4.1.2.1: the error goes back by the browser. `None` if there is nowhere to send it.
pub(crate) fn refuse(query: &Fields, error: &str) -> Option<Reply> {
    redirect(query, &[("error", error)])
}

fn redirect(query: &Fields, fields: &[(&str, &str)]) -> Option<Reply> {
    let redirect_uri = query.get("redirect_uri").filter(|uri| is_loopback_redirect(uri))?;
    let mut url = Url::parse(redirect_uri).ok()?;
    let state = query.get("state").map(|state| ("state", state));
    url.query_pairs_mut().extend_pairs(state).extend_pairs(fields);
    Some(Reply::found(url.as_str()))
}

/// RFC 8252, section 7.3: http on a loopback address, with any port.
fn is_loopback_redirect(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| {
        let host = url.host_str().unwrap_or_default();
        url.scheme() == "http"
            && ["localhost", "127.0.0.1", "[::1]"].contains(&host)
            && url.fragment().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_goes_to_loopback_alone() {
        for (uri, fits) in [
            ("http://localhost:8085", true),
            ("http://127.0.0.1:1/x?y=z", true),
            ("http://[::1]:1/", true),
            ("https://localhost/", false),
            ("http://localhost.evil.example/", false),
            ("http://localhost:1/#f", false),
            ("localhost", false),
        ] {
            assert_eq!(is_loopback_redirect(uri), fits, "{uri}");
        }
    }
}
