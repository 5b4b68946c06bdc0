//! A workforce login: the refresh token that `gcloud auth application-default login --login-config` writes, a file of type
//! `external_account_authorized_user`.
//!
//! The STS may replace the refresh token when it is used. The new one is put into the file, under the lock that was taken before
//! the token was used, and whole or not at all, and everything else in the file stays as it is. Before each use the file is read again, since another process may
//! have replaced the token meanwhile.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{
    Body, Edit, FileRead, Host, LockedFile, MAX_CREDENTIAL_FILE, Method, Request, UpdateError, variable,
};
use ee_auth_core::retry::{self, Repeat};
use ee_auth_core::{
    BoxFuture, Error, Exchange, ExposeSecret, Found, LENT_SCOPES, Scopes, Search, Secret, Token, TokenKey,
    TokenSource, is_loopback,
};
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use super::sts::Client;
use crate::Document;
use crate::token_endpoint::{self, Asker};

/// The variable by which `exec` and `serve` lead GDAL to their token endpoint, where they lead others there by a file.
const ENDPOINT_VARIABLE: &str = "GOA2_AUTH_URL_TOKEN";

const LOG_IN: &str = "log in again: `gcloud auth application-default login --login-config=…`";

/// How long another process that uses the login is waited for: a little longer than an exchange may take, retries included.
const LOCK_TIMEOUT: Duration = Duration::from_secs(retry::TOTAL.as_secs() + 5);

/// The credential in a document of type `external_account_authorized_user`: a workforce login, or what `exec` and `serve`
/// lend to the programs that they lead to such a file, `ee-auth` itself among them.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) for missing fields;
/// [`Outcome::Untrusted`](ee_auth_core::Outcome::Untrusted) for a `token_url` that is neither Google's nor one of these.
pub fn found(document: &Document, search: &Search) -> Result<Found, Error> {
    let place = document.place();
    document.require(&["refresh_token", "token_url", "client_id", "client_secret"], LOG_IN)?;
    let settings = search.settings();
    let named = document.text("token_url")?;
    let lent = named.as_deref().and_then(|named| lent_at(named, search));
    let is_lent = lent.is_some();
    let endpoint = match lent {
        Some(endpoint) => Ok(endpoint),
        None => settings.endpoints.sts_for(named.as_deref(), &settings.trusted_hosts),
    };
    let client = Client {
        id: document.text("client_id")?.unwrap_or_default(),
        secret: document.secret("client_secret")?.unwrap_or_else(|| Secret::from("")),
    };
    let refresh_token = document.secret("refresh_token")?.unwrap_or_else(|| Secret::from(""));
    // What was granted is in our own files alone. Our endpoint gives the one token that it has, whatever is asked for.
    let scopes = match settings.scope_limit() {
        _ if is_lent => Scopes::new(document.texts(LENT_SCOPES)?.unwrap_or_default()).unwrap_or_default(),
        limit => limit.cloned().unwrap_or_default(),
    };
    let login = WorkforceLogin {
        scopes: scopes.clone(),
        endpoint: endpoint.map_err(|error| error.in_place(place))?,
        first: refresh_token.clone(),
        current: Mutex::new(Current { in_file: refresh_token.clone(), refresh_token }),
        // What is lent changes nothing in its file.
        path: document.path().filter(|_| !is_lent).map(Path::to_owned),
        place: place.to_owned(),
        client,
        is_lent,
    };
    let what =
        if is_lent { "what `ee-auth exec` or `serve` lends, by the file" } else { "workforce login in" };
    let mut found = Found::new(login, format!("{what} {place}"));
    found.scopes = scopes;
    Ok(found)
}

/// The endpoint of `exec` or `serve`, where `named` is that. A file alone cannot say so: the environment has to name the same
/// address, which is on this machine.
fn lent_at(named: &str, search: &Search) -> Option<Url> {
    let endpoint =
        variable(&*search.host().environment, ENDPOINT_VARIABLE).filter(|endpoint| endpoint == named)?;
    let url = Url::parse(&endpoint).ok()?;
    let is_here = url.host().is_some_and(|host| is_loopback(&host));
    (is_here && url.scheme() == "http" && url.username().is_empty() && url.password().is_none())
        .then_some(url)
}

#[derive(Debug)]
struct WorkforceLogin {
    /// What its tokens are asked with; empty for all that was granted.
    scopes: Scopes,
    client: Client,
    endpoint: Url,
    /// The refresh token that was found, by which the login is known.
    first: Secret,
    current: Mutex<Current>,
    /// The file, where the login is in one.
    path: Option<PathBuf>,
    place: String,
    /// Whether somebody on this machine shares it already: its tokens are not kept a second time.
    is_lent: bool,
}

#[derive(Debug)]
struct Current {
    /// The refresh token that is valid now, as far as is known.
    refresh_token: Secret,
    /// The one that was last seen in the file: an older one where the file cannot be written.
    in_file: Secret,
}

impl TokenSource for WorkforceLogin {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let file = match &self.path {
                Some(path) => lock(&exchange.host, path).await?,
                None => Err("it is in no file".to_owned()),
            };
            let used = self.current(&exchange.host);
            let scope = self.scopes.to_parameter();
            let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", used.expose_secret())];
            if !self.scopes.is_empty() {
                form.push(("scope", &scope));
            }
            let request = Request::new(Method::Post, self.endpoint.clone())
                .with_header("authorization", self.client.authorization())
                .with_body(Body::form(form));
            let asker = Asker::WorkforceLogin { place: &self.place };
            // The token may be used up by the first request, whatever became of its answer.
            let granted = token_endpoint::send(exchange, request, Repeat::UntilSent, &asker).await?;
            if let Some(new) = granted.refresh_token.filter(|new| !new.same_as(&used)) {
                self.keep(new, &used, file.as_ref());
            }
            Ok(granted.token)
        })
    }

    fn key(&self) -> Option<TokenKey> {
        if self.is_lent {
            return None;
        }
        let mut key = TokenKey::new("workforce_login");
        self.client.add_to(&mut key);
        key.add("refresh_token", self.first.expose_secret())
            .add("endpoint", self.endpoint.as_str())
            .add("scope", self.scopes.to_parameter());
        Some(key)
    }
}

impl WorkforceLogin {
    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The refresh token to use: the one in the file, where another process has put a new one there that is still of the
    /// same client's login; else the one that is held.
    fn current(&self, host: &Host) -> Secret {
        let in_file = self.path.as_deref().and_then(|path| self.in_file(path, host));
        let mut current = self.lock();
        if let Some(changed) = in_file.filter(|in_file| !in_file.same_as(&current.in_file)) {
            *current = Current { refresh_token: changed.clone(), in_file: changed };
        }
        current.refresh_token.clone()
    }

    fn in_file(&self, path: &Path, host: &Host) -> Option<Secret> {
        let read = host.files.read(path, MAX_CREDENTIAL_FILE).ok()?;
        let mut json: Value = serde_json::from_slice(&read.bytes).ok()?;
        let client = |object: &Map<String, Value>| {
            object.get("client_id").and_then(Value::as_str) == Some(&self.client.id)
        };
        let token = refresh_token(&mut json, &client)?.trim();
        (!token.is_empty()).then(|| Secret::from(token))
    }

    /// Keeps a refresh token that has taken the place of the one that was `used`: in memory, and in the file where that
    /// can be.
    fn keep(&self, new: Secret, used: &Secret, file: Result<&LockedFile<'_>, &String>) {
        let kept = match file {
            Ok(file) => write(file, &new, used),
            Err(why) => Err(why.clone()),
        };
        let mut current = self.lock();
        match kept {
            Ok(()) => current.in_file = new.clone(),
            Err(why) => {
                let place = &self.place;
                log::warn!(
                    "the login in {place} has a new refresh token that could not be stored there ({why}); when this \
                     program ends, it may be lost: {LOG_IN}"
                );
            }
        }
        current.refresh_token = new;
    }
}

/// Puts the `new` refresh token in the place of the one that was `used`. Answers why that cannot be.
fn write(file: &LockedFile<'_>, new: &Secret, used: &Secret) -> Result<(), String> {
    let outcome = file.update(MAX_CREDENTIAL_FILE, |old| Ok(replaced(old, new, used)));
    let internal = |why: &dyn std::fmt::Display| Error::internal(why.to_string());
    outcome.unwrap_or_else(|error| {
        Err(error.explain(|error| internal(error), |error| internal(error)).message().to_owned())
    })
}

/// The file with the `new` refresh token in the place of the one that was `used`.
fn replaced(old: Option<&FileRead>, new: &Secret, used: &Secret) -> (Edit, Result<(), String>) {
    let with_new = || {
        let old = old.ok_or("it is there no longer")?;
        if old.status.mode.is_some_and(|mode| mode & 0o200 == 0) {
            return Err("it is read-only");
        }
        let mut json: Value = serde_json::from_slice(&old.bytes).map_err(|_| "it is no JSON any more")?;
        let is_used = |object: &Map<String, Value>| {
            object
                .get("refresh_token")
                .and_then(Value::as_str)
                .is_some_and(|text| text.trim() == used.expose_secret())
        };
        match refresh_token(&mut json, &is_used) {
            Some(text) => *text = new.expose_secret().to_owned(),
            None => return Err("another login has been written there meanwhile"),
        }
        let mut text = Zeroizing::new(serde_json::to_vec_pretty(&json).unwrap_or_default());
        text.push(b'\n');
        Ok(text)
    };
    match with_new() {
        Ok(text) => (Edit::Write(text), Ok(())),
        Err(why) => (Edit::Keep, Err(why.to_owned())),
    }
}

/// The refresh token of the login that is `wanted`: the document itself, or one that stands in it, as in the
/// `source_credentials` of an impersonation.
fn refresh_token<'a>(
    json: &'a mut Value,
    wanted: &dyn Fn(&Map<String, Value>) -> bool,
) -> Option<&'a mut String> {
    let object = json.as_object_mut()?;
    if wanted(object) {
        return match object.get_mut("refresh_token") {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
    }
    object.values_mut().find_map(|inner| refresh_token(inner, wanted))
}

/// Locks the file, so that no two processes use the same refresh token: the STS may replace it. The inner error says why it
/// cannot be locked, as in a directory that is read-only, where no process can store a new one.
///
/// # Errors
/// [`Outcome::Unavailable`](ee_auth_core::Outcome::Unavailable) where another process does not release it: it may have used the
/// token up.
async fn lock<'a>(host: &'a Host, path: &Path) -> Result<Result<LockedFile<'a>, String>, Error> {
    // The file itself: a link to it stays one.
    let path = host.files.canonical(path).unwrap_or_else(|_| path.to_owned());
    match host.lock_file(&path, LOCK_TIMEOUT).await {
        Ok(file) => Ok(Ok(file)),
        Err(UpdateError::Write(error)) => {
            log::info!("{} cannot be locked: {error}; going on without the lock", path.shown());
            Ok(Err(error.to_string()))
        }
        Err(error) => {
            let internal = |why: &dyn std::fmt::Display| Error::internal(why.to_string());
            Err(error.explain(|error| internal(error), |error| internal(error)))
        }
    }
}
