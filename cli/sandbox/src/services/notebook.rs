//! Earth Engine's notebook authenticator, `https://code.earthengine.google.com/client-auth`.
//!
//! The protocol is that of `ee/oauth.py` in earthengine-api. The client makes up three nonces, `request_id`,
//! `token_verifier` and `client_verifier`, and sends the person to the page with the first of them and the S256
//! challenges of the other two (`tc`, `cc`). There the person picks a project and scopes, consents, and is shown a code
//! to paste. The client fetches the OAuth client that the page used, proving itself with `client_verifier`, and redeems
//! the code with `token_verifier` as its PKCE verifier.
//!
//! `client-auth/mode`, which earthengine-api names and never calls, is not imitated.

use serde_json::json;

use crate::errors::authorization_page;
use crate::message::{Answer, Reply, Request};
use crate::world::{Consent, Grant, NotebookRequest, World, is_scope, s256};

/// The redirect address under which earthengine-api redeems a pasted code.
const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";

/// The page: consents at once, as [`Consent`] says, and shows the code.
pub(crate) fn page(world: &mut World, request: &Request) -> Answer {
    let query = &request.query;
    let invalid = |what: &str| authorization_page(400, "invalid_request", what);
    let parameter = |name: &str| {
        query.get(name).ok_or_else(|| invalid(&format!("Required parameter is missing: {name}")))
    };
    let (request_id, token_challenge) = (parameter("request_id")?, parameter("tc")?);
    let client_challenge = parameter("cc")?;
    for challenge in [token_challenge, client_challenge] {
        // A SHA-256 in base64url without padding.
        if challenge.len() != 43 {
            return Err(invalid("A challenge is not a SHA-256"));
        }
    }
    let asked = query.words("scopes");
    if asked.is_empty() || !asked.iter().all(|scope| is_scope(scope)) {
        return Err(invalid("Some requested scopes were invalid."));
    }
    let scopes = match &world.consent {
        Consent::Grant => asked,
        Consent::GrantOnly(scopes) => scopes.clone(),
        Consent::Deny => return Err(authorization_page(403, "access_denied", "You did not allow access.")),
    };

    let client = world.notebook_client.clone();
    let client_id = client.id.clone();
    let client_challenge = client_challenge.to_owned();
    let visit = NotebookRequest { client, scopes: scopes.clone(), client_challenge };
    world.notebook_requests.insert(request_id.to_owned(), visit);
    let grant = Grant { person: world.people[0].clone(), client_id, scopes, revoked: false };
    let code = world.issue_code(grant, OUT_OF_BAND, Some(token_challenge));
    Ok(Reply::html(
        200,
        format!(
            "<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n<title>Notebook Authenticator</title>\n\
             <p>Authorization code, to be pasted into the notebook:\n<p>{CODE_START}{code}{CODE_END}\n"
        ),
    ))
}

/// What stands around the code on the page.
pub(crate) const CODE_START: &str = "<code id=\"authorization-code\">";
pub(crate) const CODE_END: &str = "</code>";

/// The fetch of the client. Refusals come with status 200, where earthengine-api looks for `error`.
pub(crate) fn fetch(world: &mut World, request: &Request) -> Answer {
    let body = request.json().unwrap_or_default();
    let refusal = |error: &str| Reply::json(200, &json!({"error": error}));
    let text = |name: &str| body[name].as_str().ok_or_else(|| refusal(&format!("Missing {name}")));
    let (request_id, verifier) = (text("request_id")?, text("client_verifier")?);
    let visit = world.notebook_requests.get(request_id).ok_or_else(|| refusal("Unknown request_id"))?;
    if s256(verifier) != visit.client_challenge {
        return Err(refusal("Invalid client_verifier"));
    }
    Ok(Reply::json(
        200,
        &json!({"client_id": visit.client.id, "client_secret": visit.client.secret, "scopes": visit.scopes}),
    ))
}
