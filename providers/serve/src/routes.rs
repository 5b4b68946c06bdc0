//! The paths, and what each answers. There are no others.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ee_auth_core::Secret;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request};
use percent_encoding::percent_decode_str;
use serde_json::json;
use url::form_urlencoded;

use crate::answer::{Answer, failed, failed_text, json, text};
use crate::guard::{Guard, Refusal};
use crate::served::{Profiles, Served};

/// The largest body that is read, in bytes. A client's has under 2 KiB: a token and its own name.
const MAX_BODY: usize = 16 << 10;

/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers a request that comes from somebody who may ask.
pub(crate) async fn answer(
    request: Request<Incoming>,
    guard: &Guard,
    profiles: &Profiles,
) -> Result<Answer, Refusal> {
    guard.admit(request.uri(), request.headers())?;
    let (served, path) = profiles.find(request.uri().path()).ok_or(Refusal::Path)?;
    match (request.method(), path) {
        (&Method::POST, "/v1/oauthtoken") => token_endpoint(request, guard, served.clone()).await,
        (&Method::POST, "/v1/introspect") => introspection(request, served.clone()).await,
        (&Method::GET, path) => {
            Guard::admit_to_metadata(request.headers())?;
            metadata(path, request.uri().query().unwrap_or_default(), served).await
        }
        _ => Err(Refusal::Path),
    }
}

/// `grant_type=refresh_token` (RFC 6749, section 6). Whatever client authenticates itself is welcome: gcloud puts its own
/// in the place of the file's.
async fn token_endpoint(
    request: Request<Incoming>,
    guard: &Guard,
    served: Arc<Served>,
) -> Result<Answer, Refusal> {
    let refresh_token = field(&body(request).await?, "refresh_token");
    guard.admit_to_token(refresh_token.as_ref())?;
    Ok(match served.token().await {
        Ok(token) => json(token),
        Err(error) => {
            log::warn!("a client asked for a token, and there is none: {error}");
            failed(&error)
        }
    })
}

/// RFC 7662: whose a token is. The token itself is what lets one ask.
async fn introspection(request: Request<Incoming>, served: Arc<Served>) -> Result<Answer, Refusal> {
    let token = field(&body(request).await?, "token").ok_or(Refusal::Secret)?;
    if !served.is_current_token(&token) {
        return Err(Refusal::Secret);
    }
    let answer = json!({ "active": true, "username": served.identity(), "token_type": "Bearer" });
    Ok(json(Bytes::from(answer.to_string())))
}

/// Compute Engine's metadata server, as far as clients use it.
async fn metadata(path: &str, query: &str, served: &Served) -> Result<Answer, Refusal> {
    let texts = &served.texts;
    let fixed = |body: &'static str| Ok(text(Bytes::from_static(body.as_bytes())));
    let path = match path {
        "" | "/" => return fixed("computeMetadata/\n"),
        path => path.strip_prefix("/computeMetadata/v1").ok_or(Refusal::Path)?,
    };
    match path {
        "" | "/" => fixed("instance/\nproject/\nuniverse/\n"),
        "/instance" | "/instance/" => fixed("service-accounts/\n"),
        "/project" | "/project/" => fixed("numeric-project-id\nproject-id\n"),
        "/project/project-id" => Ok(text(texts.project.clone().ok_or(Refusal::Path)?)),
        "/project/numeric-project-id" => Ok(text(texts.project_number.clone())),
        "/universe/universe-domain" | "/universe/universe_domain" => Ok(text(texts.universe.clone())),
        "/instance/service-accounts" | "/instance/service-accounts/" => Ok(text(texts.accounts.clone())),
        _ => {
            let path = path.strip_prefix("/instance/service-accounts/").ok_or(Refusal::Path)?;
            account(path, query, served).await
        }
    }
}

/// Below `instance/service-accounts/`: `default` or the account's name, and what is asked of it.
async fn account(path: &str, query: &str, served: &Served) -> Result<Answer, Refusal> {
    let (name, key) = path.split_once('/').unwrap_or((path, ""));
    if name != "default" && percent_decode_str(name).decode_utf8_lossy() != served.identity() {
        return Err(Refusal::Path);
    }
    let texts = &served.texts;
    match key {
        // The scopes that a client asks for are not looked at: the credential has those that it has.
        "token" => Ok(match served.token().await {
            Ok(token) => json(token),
            Err(error) => {
                log::warn!("a client asked for a token, and there is none: {error}");
                failed_text(&error)
            }
        }),
        "" if is_recursive(query) => Ok(json(texts.account.clone())),
        "" => Ok(text(Bytes::from_static(b"aliases\nemail\nscopes\ntoken\n"))),
        "aliases" => Ok(text(Bytes::from_static(b"default\n"))),
        "email" => Ok(text(texts.email.clone())),
        "scopes" => Ok(text(texts.scopes.clone())),
        _ => Err(Refusal::Path),
    }
}

fn is_recursive(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "recursive" && value.eq_ignore_ascii_case("true"))
}

async fn body(request: Request<Incoming>) -> Result<Bytes, Refusal> {
    let body = Limited::new(request.into_body(), MAX_BODY).collect();
    match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        // The connection is gone, and whatever is answered with it.
        Ok(Err(_)) | Err(_) => Err(Refusal::TooSlow),
    }
}

/// A field of a form.
fn field(form: &[u8], name: &str) -> Option<Secret> {
    let (_, value) = form_urlencoded::parse(form).find(|(key, _)| key == name)?;
    Some(Secret::from(value.into_owned()))
}
