//! The security token service, `https://sts.googleapis.com/v1`: RFC 8693 and AIP-4117.

use serde_json::{Value, json};

use crate::errors::{self, bad_request};
use crate::identity::JWT_TOKEN_TYPE;
use crate::jwt::Jwt;
use crate::message::{Answer, Fields, Reply, Request};
use crate::services::{aws, oauth};
use crate::world::{SubjectToken, World, client_credentials, is_scope};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// `token`: somebody else's token for one of Google's.
pub(crate) fn exchange(world: &mut World, request: &Request) -> Answer {
    let form = request.form().ok_or_else(|| bad_request("The request body cannot be read."))?;
    let parameter = |name: &str| {
        form.get(name).ok_or_else(|| bad_request(&format!("Missing required parameter: {name}")))
    };
    let grant_type = parameter("grant_type")?;
    if grant_type != TOKEN_EXCHANGE {
        return Err(errors::UNSUPPORTED_GRANT_TYPE.reply());
    }
    if parameter("requested_token_type")? != ACCESS_TOKEN_TYPE {
        return Err(bad_request("Invalid value for \"requested_token_type\"."));
    }
    let audience = parameter("audience")?;
    if !audience.starts_with("//iam.googleapis.com/") {
        return Err(bad_request(
            "Invalid value for \"audience\". This value should be the full resource name of the Identity Provider. See \
             https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list of possible formats.",
        ));
    }
    let scopes = form.words("scope");
    if scopes.is_empty() || !scopes.iter().all(|scope| is_scope(scope)) {
        return Err(errors::INVALID_SCOPE.reply());
    }
    check_client(world, request, &form)?;
    if let Some(options) = form.get("options") {
        let options: Option<Value> = serde_json::from_str(options).ok();
        if !options.is_some_and(|options| options.is_object()) {
            return Err(bad_request("Invalid value for \"options\"."));
        }
    }
    let (token_type, token) = (parameter("subject_token_type")?, parameter("subject_token")?);
    let principal = if token_type == aws::TOKEN_TYPE {
        aws::identity(world, audience, token).map_err(|description| invalid_grant(&description))?.principal
    } else {
        subject(world, audience, token_type, token)?.principal
    };
    let party = audience.to_owned();
    let lifetime = world.token_lifetime;
    let access_token = world.issue_once(&principal, &party, scopes, lifetime);
    Ok(Reply::json(
        200,
        &json!({
            "access_token": access_token,
            "issued_token_type": ACCESS_TOKEN_TYPE,
            "token_type": "Bearer",
            "expires_in": lifetime,
        }),
    ))
}

fn invalid_grant(description: &str) -> Reply {
    Reply::json(400, &json!({"error": "invalid_grant", "error_description": description}))
}

/// A client need not authenticate here. One that does must be known.
fn check_client(world: &World, request: &Request, form: &Fields) -> Result<(), Reply> {
    match client_credentials(request, form) {
        (None, _) => Ok(()),
        (Some(_), _) => oauth::client(world, request, form).map(drop),
    }
}

/// The subject whose token was registered with this audience and type.
fn subject(world: &World, audience: &str, token_type: &str, token: &str) -> Result<SubjectToken, Reply> {
    let mut in_pool = world.subject_tokens.iter().filter(|subject| subject.audience == audience).peekable();
    if in_pool.peek().is_none() {
        return Err(errors::INVALID_TARGET.reply());
    }
    let subject = in_pool.find(|subject| subject.token == token);
    let subject =
        subject.ok_or_else(|| invalid_grant("Error connecting to the given credential's issuer."))?;
    if subject.token_type != token_type {
        return Err(invalid_grant("The subject token is not of the given subject_token_type."));
    }
    match Jwt::parse(token) {
        Some(jwt) if jwt.number("exp").is_some_and(|expires_at| expires_at <= world.now()) => {
            let issued_at = jwt.number("iat").unwrap_or_default();
            Err(invalid_grant(&format!("ID Token issued at {issued_at} is stale to sign-in.")))
        }
        _ => Ok(subject.clone()),
    }
}

/// `oauthtoken`: the refresh token of a workforce login. It may be replaced by a new one.
pub(crate) fn refresh(world: &mut World, request: &Request) -> Answer {
    let form = request.form().ok_or_else(|| bad_request("The request body cannot be read."))?;
    if form.get("grant_type") != Some("refresh_token") {
        return Err(errors::UNSUPPORTED_GRANT_TYPE.reply());
    }
    let (grant, old, scopes) = oauth::grant_for(world, request, &form)?;
    let mut answer =
        json!({"token_type": "Bearer", "expires_in": world.token_lifetime, "scope": scopes.join(" ")});
    let mut current = old.clone();
    if world.rotate_refresh_tokens {
        current = world.issue_refresh_token(grant.clone());
        answer["refresh_token"] = current.clone().into();
        if let Some(old) = world.grants.get_mut(&old) {
            old.revoked = true;
        }
    }
    answer["access_token"] = world.issue_under(&grant, &current, scopes).into();
    Ok(Reply::json(200, &answer))
}

/// `introspect`: RFC 7662, by which gcloud learns the name of a workforce identity.
pub(crate) fn introspect(world: &mut World, request: &Request) -> Answer {
    let form = request.form().ok_or_else(|| bad_request("The request body cannot be read."))?;
    check_client(world, request, &form)?;
    let text = form.get("token").ok_or_else(|| bad_request("Missing required parameter: token"))?;
    let now = world.now();
    let answer = match world.access_tokens.get(text).filter(|token| token.expires_at > now) {
        None => json!({"active": false}),
        Some(token) => json!({
            "active": true,
            "client_id": token.party,
            "exp": token.expires_at,
            "iss": "https://sts.googleapis.com/",
            "scope": token.scopes.join(" "),
            "token_type": "Bearer",
            "username": token.principal,
        }),
    };
    Ok(Reply::json(200, &answer))
}

/// The workload's own issuer, spoken to as GitHub Actions has it: a new token for whoever knows the request token.
pub(crate) fn subject_token(world: &mut World, request: &Request) -> Answer {
    let own = request.bearer() == Some(world.workload_request_token.as_str());
    if !own {
        return Err(Reply::json(401, &json!({"message": "The request token is not valid."})));
    }
    let token = issue_subject_token(world);
    Ok(Reply::json(200, &json!({"count": 1, "value": token})))
}

/// A new token of the sandbox's workload, valid for an hour.
pub(crate) fn issue_subject_token(world: &mut World) -> String {
    let now = world.now();
    let (audience, principal) = world.workload_identity();
    let subject = principal.rsplit('/').next().unwrap_or_default();
    let token = world.sign(&json!({
        "iss": format!("{}/issuer", world.base),
        "aud": format!("https:{audience}"),
        "sub": subject,
        "jti": crate::world::random_text(12),
        "iat": now,
        "exp": now.saturating_add(3600),
    }));
    let token_type = JWT_TOKEN_TYPE.to_owned();
    world.subject_tokens.push(SubjectToken { audience, token_type, token: token.clone(), principal });
    token
}
