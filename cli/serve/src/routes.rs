//! The paths, and what each answers. There are no others.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ee_auth_core::{Error, ExposeSecret as _, Secret};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request};
use percent_encoding::percent_decode_str;
use serde_json::json;
use url::form_urlencoded;

use crate::answer::{Answer, failed, failed_text, json, no_audience, no_identity, text};
use crate::assertion;
use crate::guard::{Guard, Refusal};
use crate::served::{Profiles, Served};
use crate::variables::Via;

/// The largest body that is read, in bytes. A client's has under 2 KiB: a token and its own name.
const MAX_BODY: usize = 16 << 10;

/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers a request that comes from somebody who may ask.
pub(crate) async fn answer(
    request: Request<Incoming>,
    guard: &Guard,
    profiles: &Profiles,
    via: Via,
) -> Result<Answer, Refusal> {
    guard.admit(request.uri(), request.headers())?;
    let (served, path) = profiles.find(request.uri().path()).ok_or(Refusal::Path)?;
    match (request.method(), path) {
        (&Method::POST, "/v1/oauthtoken") if via.uses_file() => {
            token_endpoint(request, guard, served.clone()).await
        }
        (&Method::POST, "/v1/introspect") if via.uses_file() => introspection(request, served.clone()).await,
        (&Method::GET, path) if via.uses_metadata() => {
            Guard::admit_to_metadata(request.headers())?;
            metadata(path, request.uri().query().unwrap_or_default(), served).await
        }
        _ => Err(Refusal::Path),
    }
}

/// `grant_type=refresh_token` (RFC 6749, section 6), or an assertion (RFC 7523). Whatever client authenticates itself is
/// welcome: gcloud puts its own in the place of the file's.
async fn token_endpoint(
    request: Request<Incoming>,
    guard: &Guard,
    served: Arc<Served>,
) -> Result<Answer, Refusal> {
    let form = body(request).await?;
    let is_assertion =
        field(&form, "grant_type").is_some_and(|kind| kind.expose_secret() == assertion::GRANT_TYPE);
    let secret = if is_assertion {
        field(&form, "assertion").and_then(|assertion| assertion::secret(&assertion))
    } else {
        field(&form, "refresh_token")
    };
    guard.admit_to_token(secret.as_ref())?;
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
async fn metadata(path: &str, query: &str, served: &Arc<Served>) -> Result<Answer, Refusal> {
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
        "/instance/service-accounts" | "/instance/service-accounts/" => Ok(if is_recursive(query) {
            json(texts.all_accounts.clone())
        } else {
            text(texts.accounts.clone())
        }),
        _ => {
            let path = path.strip_prefix("/instance/service-accounts/").ok_or(Refusal::Path)?;
            account(path, query, served).await
        }
    }
}

/// Below `instance/service-accounts/`: `default` or the account's name, and what is asked of it.
async fn account(path: &str, query: &str, served: &Arc<Served>) -> Result<Answer, Refusal> {
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
        "identity" => Ok(identity(query, served).await),
        "" if is_recursive(query) => Ok(json(texts.account.clone())),
        "" => Ok(text(Bytes::from_static(b"aliases\nemail\nidentity\nscopes\ntoken\n"))),
        "aliases" => Ok(text(Bytes::from_static(b"default\n"))),
        "email" => Ok(text(texts.email.clone())),
        "scopes" => Ok(text(texts.scopes.clone())),
        _ => Err(Refusal::Path),
    }
}

/// `identity?audience=A`: an ID token, as text. Its `format` is always `full`, which says more than `standard`.
async fn identity(query: &str, served: &Arc<Served>) -> Answer {
    let Some(audience) = parameter(query, "audience").filter(|audience| !audience.is_empty()) else {
        return no_audience();
    };
    // Clients give up after three seconds and ask again. What was begun for them is gone on with, and is there by then.
    let (served, audience) = (served.clone(), audience.into_owned());
    let token = tokio::spawn(async move { served.id_token(&audience).await });
    match token.await.unwrap_or_else(|error| Err(Error::internal(error.to_string()))) {
        Ok(jwt) => text(jwt),
        // gcloud asks everyone, and goes on without.
        Err(error) if error.code() == "invalid.id_token" => no_identity(&error),
        Err(error) => {
            log::warn!("a client asked for an ID token, and there is none: {error}");
            failed_text(&error)
        }
    }
}

fn is_recursive(query: &str) -> bool {
    parameter(query, "recursive").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The first parameter of this name in a query.
fn parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
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
