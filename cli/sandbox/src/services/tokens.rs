//! What can be done with a token afterwards: revoke it (RFC 7009), and ask what it is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rsa::PublicKeyComponents;
use serde_json::json;

use crate::errors::{self, bad_request};
use crate::jwt::Jwt;
use crate::keys;
use crate::message::{Answer, Fields, Reply, Request};
use crate::services::oauth::shows_email;
use crate::world::World;

/// `https://oauth2.googleapis.com/revoke`. Either token of a grant ends all of it.
pub(crate) fn revoke(world: &mut World, request: &Request) -> Answer {
    let fields = fields(request);
    let token = fields.get("token").ok_or_else(|| bad_request("Missing required parameter: token"))?;
    let gone = || {
        Reply::json(400, &json!({"error": "invalid_token", "error_description": "Token expired or revoked"}))
    };
    let now = world.now();
    let refresh_token = match world.access_tokens.get(token) {
        Some(access) if access.expires_at > now => access.refresh_token.clone(),
        Some(_) => return Err(gone()),
        None => Some(token.to_owned()),
    };
    match refresh_token {
        None => drop(world.access_tokens.remove(token)),
        Some(refresh_token) => {
            let grant =
                world.grants.get_mut(&refresh_token).filter(|grant| !grant.revoked).ok_or_else(gone)?;
            grant.revoked = true;
            world.access_tokens.retain(|_, access| access.refresh_token.as_ref() != Some(&refresh_token));
        }
    }
    Ok(Reply::json(200, &json!({})))
}

/// `https://oauth2.googleapis.com/tokeninfo`, for access tokens and ID tokens.
pub(crate) fn tokeninfo(world: &mut World, request: &Request) -> Answer {
    let fields = fields(request);
    let now = world.now();
    if let Some(text) = fields.get("id_token") {
        let jwt = Jwt::parse(text).filter(|jwt| jwt.is_signed_by(&keys::key(keys::GOOGLE)));
        let jwt = jwt.filter(|jwt| jwt.number("exp").is_some_and(|expires_at| expires_at > now));
        let jwt = jwt.ok_or_else(|| errors::INVALID_TOKEN.reply())?;
        return Ok(Reply::json(200, &jwt.claims));
    }
    let text =
        fields.get("access_token").ok_or_else(|| bad_request("Missing required parameter: access_token"))?;
    let token = world.access_tokens.get(text).filter(|token| token.expires_at > now);
    let token = token.ok_or_else(|| errors::INVALID_TOKEN.reply())?;
    let mut answer = json!({
        "azp": token.party,
        "aud": token.party,
        "scope": token.scopes.join(" "),
        "exp": token.expires_at.to_string(),
        "expires_in": (token.expires_at - now).to_string(),
        "access_type": if token.refresh_token.is_some() { "offline" } else { "online" },
    });
    if shows_email(&token.scopes) {
        answer["email"] = token.principal.clone().into();
        answer["email_verified"] = "true".into();
        answer["sub"] = world.subject_number(&token.principal).into();
    }
    Ok(Reply::json(200, &answer))
}

/// `https://openidconnect.googleapis.com/v1/userinfo`.
pub(crate) fn userinfo(world: &mut World, request: &Request) -> Answer {
    let token =
        world.caller(request).map_err(|reason| errors::unauthenticated(reason, "oauth2.googleapis.com"))?;
    let mut answer = json!({"sub": world.subject_number(&token.principal)});
    if shows_email(&token.scopes) {
        answer["email"] = token.principal.clone().into();
        answer["email_verified"] = true.into();
    }
    Ok(Reply::json(200, &answer))
}

/// `https://www.googleapis.com/oauth2/v3/certs`: the key that verifies ID tokens, RFC 7517.
pub(crate) fn certificates(world: &mut World, _: &Request) -> Answer {
    let key = keys::key(keys::GOOGLE);
    let public = PublicKeyComponents::<Vec<u8>>::from(key.pair.public());
    Ok(Reply::json(
        200,
        &json!({"keys": [{
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": world.google_key_id,
            "n": URL_SAFE_NO_PAD.encode(public.n),
            "e": URL_SAFE_NO_PAD.encode(public.e),
        }]}),
    ))
}

/// Google takes these parameters in the query and in the body alike.
fn fields(request: &Request) -> Fields {
    let Fields(mut fields) = request.query.clone();
    fields.extend(request.form().unwrap_or_default().0);
    Fields(fields)
}
