//! The token endpoint, `https://oauth2.googleapis.com/token`: RFC 6749, section 3.2, and RFC 7523.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::errors::{self, bad_request};
use crate::jwt::Jwt;
use crate::keys::Key;
use crate::message::{Answer, Fields, Reply, Request};
use crate::world::{Grant, World, client_credentials, is_scope, s256};

/// The grant type of RFC 7523, section 2.1.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The addresses under which Google's token endpoint is known, in key files of every age. An assertion made for one
/// of these is taken, since that is what a client sends whose configuration puts the sandbox in Google's place.
const GOOGLE_AUDIENCES: [&str; 5] = [
    "https://oauth2.googleapis.com/token",
    "https://accounts.google.com/o/oauth2/token",
    "https://accounts.google.com/o/oauth2/v2/token",
    "https://www.googleapis.com/oauth2/v3/token",
    "https://www.googleapis.com/oauth2/v4/token",
];

/// The longest life of an assertion, and how far the clocks may differ, in seconds.
const MAX_ASSERTION_LIFETIME: i64 = 3600;
const CLOCK_TOLERANCE: i64 = 300;

pub(crate) fn token(world: &mut World, request: &Request) -> Answer {
    let form = request.form().ok_or_else(|| bad_request("The request body cannot be read."))?;
    if let Some(name) = form.repeated() {
        return Err(bad_request(&format!("OAuth 2 parameters can only have a single value: {name}")));
    }
    match form.get("grant_type") {
        Some(JWT_BEARER) => assertion(world, &form),
        Some("refresh_token") => refresh(world, request, &form),
        Some("authorization_code") => code(world, request, &form),
        Some(other) => {
            let description = format!("Invalid grant_type: {other}");
            Err(Reply::json(
                400,
                &json!({"error": "unsupported_grant_type", "error_description": description}),
            ))
        }
        None => Err(bad_request("Missing required parameter: grant_type")),
    }
}

/// A service account's assertion: RFC 7523, section 3, with Google's `scope` and `target_audience` claims.
fn assertion(world: &mut World, form: &Fields) -> Answer {
    let assertion =
        form.get("assertion").ok_or_else(|| bad_request("Missing required parameter: assertion"))?;
    let jwt = Jwt::parse(assertion).ok_or_else(|| errors::INVALID_GRANT.reply())?;
    let email = jwt.text("iss").unwrap_or_default().to_owned();
    let account = world.service_accounts.get(&email).ok_or_else(|| errors::ACCOUNT_NOT_FOUND.reply())?;
    let unique_id = account.unique_id.clone();

    // A PEM file comes without a key id: then any key of the account will do.
    let named = |(id, _): &&(String, Arc<Key>)| jwt.key_id().is_none_or(|key_id| key_id == id);
    let signed = account.keys.iter().filter(named).any(|(_, key)| jwt.is_signed_by(key));
    if jwt.algorithm() != Some("RS256") || !signed {
        return Err(errors::BAD_SIGNATURE.reply());
    }
    if !jwt.text("aud").is_some_and(|audience| is_this_server(world, audience)) {
        return Err(errors::BAD_AUDIENCE.reply());
    }
    if !is_timely(world.now(), jwt.number("iat"), jwt.number("exp")) {
        return Err(errors::BAD_TIME.reply());
    }
    if let Some(audience) = jwt.text("target_audience").filter(|audience| !audience.is_empty()) {
        let id_token = world.issue_id_token(audience, &unique_id, Some(&email));
        return Ok(Reply::json(200, &json!({"id_token": id_token})));
    }
    let scopes: Vec<_> = jwt.text("scope").unwrap_or_default().split(' ').map(str::to_owned).collect();
    if !scopes.iter().all(|scope| is_scope(scope)) {
        return Err(errors::INVALID_SCOPE.reply());
    }
    let principal = match jwt.text("sub") {
        None => email.clone(),
        Some(subject) if subject == email => email.clone(),
        Some(person) => {
            if !world.delegations.contains(&(email.clone(), person.to_owned())) {
                return Err(errors::UNAUTHORIZED_CLIENT.reply());
            }
            if !world.people.iter().any(|known| known == person) {
                return Err(errors::UNKNOWN_SUBJECT.reply());
            }
            person.to_owned()
        }
    };
    let lifetime = world.token_lifetime;
    let token = world.issue_once(&principal, &unique_id, scopes, lifetime);
    Ok(Reply::json(200, &json!({"access_token": token, "expires_in": lifetime, "token_type": "Bearer"})))
}

fn is_this_server(world: &World, audience: &str) -> bool {
    let own = audience.replacen("://localhost:", "://127.0.0.1:", 1);
    GOOGLE_AUDIENCES.contains(&audience)
        || own.strip_prefix(&world.base).is_some_and(|path| path.ends_with("/token"))
}

fn is_timely(now: i64, issued: Option<i64>, expires: Option<i64>) -> bool {
    let (Some(issued), Some(expires)) = (issued, expires) else { return false };
    let lifetime = expires.saturating_sub(issued);
    (1..=MAX_ASSERTION_LIFETIME).contains(&lifetime)
        && issued <= now.saturating_add(CLOCK_TOLERANCE)
        && expires > now.saturating_sub(CLOCK_TOLERANCE)
}

/// RFC 6749, section 6. Google gives no new refresh token here.
fn refresh(world: &mut World, request: &Request, form: &Fields) -> Answer {
    let (grant, token, scopes) = grant_for(world, request, form)?;
    let access_token = world.issue_under(&grant, &token, scopes.clone());
    Ok(Reply::json(200, &user_answer(world, &grant, &access_token, &scopes)))
}

/// The grant behind a refresh token, once the client has shown that it is the one that was granted it; with the token
/// itself, and the scopes that are asked for.
pub(crate) fn grant_for(
    world: &World,
    request: &Request,
    form: &Fields,
) -> Result<(Grant, String, Vec<String>), Reply> {
    let client_id = client(world, request, form)?;
    let token =
        form.get("refresh_token").ok_or_else(|| bad_request("Missing required parameter: refresh_token"))?;
    let grant = world.grants.get(token).ok_or_else(|| errors::INVALID_GRANT.reply())?;
    if grant.client_id != client_id {
        return Err(errors::FOREIGN_CLIENT.reply());
    }
    if grant.revoked {
        return Err(errors::EXPIRED_GRANT.reply());
    }
    // Each scope stands for itself: who granted `earthengine` did not grant `earthengine.readonly`.
    let granted: Vec<_> = grant.scopes.iter().map(|scope| granted_as(scope)).collect();
    let asked = form.words("scope");
    if !asked.iter().all(|scope| granted.contains(&granted_as(scope))) {
        return Err(errors::SCOPE_NOT_GRANTED.reply());
    }
    let asked: Vec<_> = asked.iter().map(|scope| granted_as(scope).to_owned()).collect();
    let scopes = if asked.is_empty() { grant.scopes.clone() } else { asked };
    Ok((grant.clone(), token.to_owned(), scopes))
}

/// RFC 6749, section 4.1.3, with PKCE: RFC 7636, section 4.6.
fn code(world: &mut World, request: &Request, form: &Fields) -> Answer {
    let client_id = client(world, request, form)?;
    let text = form.get("code").ok_or_else(|| bad_request("Missing required parameter: code"))?;
    let redirect_uri =
        form.get("redirect_uri").ok_or_else(|| bad_request("Missing parameter: redirect_uri"))?;
    let now = world.now();
    let code = world.codes.get_mut(text).ok_or_else(|| errors::MALFORMED_CODE.reply())?;
    if code.used || code.expires_at <= now {
        return Err(errors::INVALID_GRANT.reply());
    }
    if code.grant.client_id != client_id {
        return Err(errors::FOREIGN_CLIENT.reply());
    }
    if code.redirect_uri != redirect_uri {
        return Err(errors::REDIRECT_MISMATCH.reply());
    }
    match (&code.challenge, form.get("code_verifier")) {
        (Some(_), None) => return Err(errors::MISSING_VERIFIER.reply()),
        (Some(challenge), Some(verifier)) if s256(verifier) != *challenge => {
            return Err(errors::BAD_VERIFIER.reply());
        }
        _ => code.used = true,
    }
    let grant = code.grant.clone();
    let refresh_token = world.issue_refresh_token(grant.clone());
    let access_token = world.issue_under(&grant, &refresh_token, grant.scopes.clone());
    let mut answer = user_answer(world, &grant, &access_token, &grant.scopes);
    answer["refresh_token"] = refresh_token.into();
    Ok(Reply::json(200, &answer))
}

/// The client that a request comes from: RFC 6749, section 2.3.1.
pub(crate) fn client(world: &World, request: &Request, form: &Fields) -> Result<String, Reply> {
    let (id, secret) = client_credentials(request, form);
    let id = id.ok_or_else(|| bad_request("Could not determine client ID from request."))?;
    let client = world.clients.get(&id).ok_or_else(|| errors::INVALID_CLIENT.reply())?;
    if client.deleted {
        return Err(errors::DELETED_CLIENT.reply());
    }
    match secret {
        None => Err(bad_request("client_secret is missing.")),
        Some(secret) if secret != client.secret => Err(errors::BAD_CLIENT_SECRET.reply()),
        Some(_) => Ok(id),
    }
}

fn user_answer(world: &mut World, grant: &Grant, access_token: &str, scopes: &[String]) -> Value {
    let mut answer = json!({
        "access_token": access_token,
        "expires_in": world.token_lifetime,
        "scope": scopes.join(" "),
        "token_type": "Bearer",
    });
    if scopes.iter().any(|scope| scope == "openid") {
        let email = shows_email(scopes).then_some(grant.person.as_str());
        answer["id_token"] = world.issue_id_token(&grant.client_id, &grant.client_id, email).into();
    }
    answer
}

/// The address under which Google grants the two scopes of OpenID Connect that have one.
fn granted_as(scope: &str) -> &str {
    match scope {
        "email" => "https://www.googleapis.com/auth/userinfo.email",
        "profile" => "https://www.googleapis.com/auth/userinfo.profile",
        other => other,
    }
}

/// Whether scopes let a client see the person's address.
pub(crate) fn shows_email(scopes: &[String]) -> bool {
    scopes.iter().any(|scope| scope == "email" || scope == "https://www.googleapis.com/auth/userinfo.email")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_is_short_lived_and_of_now() {
        let now = 1_800_000_000;
        for (issued, expires, timely) in [
            (0, 3600, true),
            (0, 3601, false),
            (0, 0, false),
            (0, -1, false),
            (300, 3600, true),
            (301, 3600, false),
            (-3899, -299, true),
            (-3900, -300, false),
        ] {
            assert_eq!(is_timely(now, Some(now + issued), Some(now + expires)), timely, "{issued} {expires}");
        }
        assert!(!is_timely(now, None, Some(now + 60)));
        assert!(!is_timely(now, Some(now), None));
    }
}
