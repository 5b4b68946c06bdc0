//! What a credential's JSON is, by its `type`.

use ee_auth_core::{Error, Found, Scopes, Search, redact};

use crate::authorized_user::{self, Login};
use crate::service_account::{self, Key};
use crate::{Document, earth_engine_client};

/// The credential in a document of any type that Google's libraries write.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) for an unknown type or missing fields;
/// [`Outcome::Untrusted`](ee_auth_core::Outcome::Untrusted) for a host that is not Google's, or a universe that the
/// user has not chosen.
pub fn found(document: &Document, search: &Search) -> Result<Found, Error> {
    let place = document.place();
    match document.text("type")?.as_deref() {
        Some("service_account") => service_account(document, search, None),
        Some("authorized_user") => authorized_user(document, search),
        None if document.has("refresh_token") => earth_engine(document, search),
        None if document.has("installed") || document.has("web") => Err(Error::invalid(
            "type",
            format!("{place} is an OAuth client, which is no credential by itself"),
        )
        .hint("name it as `login.client_file` in ee-auth.toml and log in with it")),
        None => Err(Error::invalid(
            "type",
            format!(
                "{place} has no `type`, and no `refresh_token` either: it is no \
             credential that Google's libraries write"
            ),
        )
        .hint("a service account's key, or the file that `earthengine authenticate` writes, is wanted")),
        Some(other) => Err(unknown_type(place, other)),
    }
}

/// A service account's key, which may stand for `subject` by domain-wide delegation.
///
/// # Errors
/// As [`found`].
pub fn service_account(
    document: &Document,
    search: &Search,
    subject: Option<String>,
) -> Result<Found, Error> {
    if let Some(other) = document.text("type")?.filter(|named| named != "service_account") {
        let named = redact(&other);
        return Err(Error::invalid(
            "wrong_type",
            format!("{}: `type` is \"{named}\", and a service account's key is wanted", document.place()),
        )
        .hint(
            "name the key of a service account: https://console.cloud.google.com/iam-admin/serviceaccounts",
        ));
    }
    let key = Key::from_document(document)?;
    let mut found = service_account::found(key, search.scopes(), subject, search.settings())?;
    found.project = document.text("project_id")?;
    with_common_fields(found, document, search)
}

/// A login as gcloud writes it.
fn authorized_user(document: &Document, search: &Search) -> Result<Found, Error> {
    document.require(
        &["client_id", "client_secret", "refresh_token"],
        "log in again: `gcloud auth application-default login`",
    )?;
    let login = Login {
        client_id: document.text("client_id")?.unwrap_or_default(),
        client_secret: document.secret("client_secret")?,
        ..login(document)?
    };
    let mut found = authorized_user::found(login, search.settings())?;
    found.principal = document.text("account")?;
    with_common_fields(found, document, search)
}

/// A login as earthengine-api writes it: a client that is not named is Earth Engine's own.
///
/// # Errors
/// As [`found`].
pub fn earth_engine(document: &Document, search: &Search) -> Result<Found, Error> {
    document.require(&["refresh_token"], "log in again: `earthengine authenticate --force`")?;
    let own_client = !document.has("client_id");
    let login = Login {
        client_id: document.text("client_id")?.unwrap_or_else(|| earth_engine_client::ID.to_owned()),
        client_secret: match document.secret("client_secret")? {
            None if own_client => Some(earth_engine_client::SECRET.into()),
            secret => secret,
        },
        // earthengine-api does not let its file name an endpoint, so nor do we.
        token_uri: None,
        ..login(document)?
    };
    let mut found = authorized_user::found(login, search.settings())?;
    // earthengine-api charges the project that is stored beside the login.
    found.quota_project = document.text("project")?;
    with_common_fields(found, document, search)
}

/// What a document of any type may say beside.
fn with_common_fields(mut found: Found, document: &Document, search: &Search) -> Result<Found, Error> {
    found.quota_project = document.text("quota_project_id")?.or(found.quota_project);
    check_universe(document, search)?;
    found.warnings.extend(document.warnings.iter().cloned());
    Ok(found)
}

fn login(document: &Document) -> Result<Login, Error> {
    let scopes = match document.texts("scopes")? {
        Some(names) if !names.is_empty() => {
            Some(Scopes::new(&names).map_err(|error| error.in_place(document.place()))?)
        }
        _ => None,
    };
    Ok(Login {
        client_id: String::new(),
        client_secret: None,
        refresh_token: document.secret("refresh_token")?.unwrap_or_else(|| "".into()),
        scopes,
        token_uri: document.text("token_uri")?,
        place: document.place().to_owned(),
    })
}

/// The universe that a document names. A file cannot choose one: it only may agree with the user's choice.
fn check_universe(document: &Document, search: &Search) -> Result<(), Error> {
    let chosen = &search.settings().universe_domain;
    let named = document.text("universe_domain")?.unwrap_or_else(|| chosen.clone());
    if named == *chosen {
        return Ok(());
    }
    let named = redact(&named);
    Err(Error::untrusted(
        "universe",
        format!(
            "{}: `universe_domain` is {named}, and {chosen} is the one that is trusted",
            document.place()
        ),
    )
    .hint(format!(
        "if your organisation runs that universe, set `universe_domain = \"{named}\"` under `[security]` in \
         your own ee-auth.toml, and its addresses under `[endpoints]`"
    )))
}

fn unknown_type(place: &str, named: &str) -> Error {
    const KNOWN: [&str; 2] = ["service_account", "authorized_user"];
    let named = redact(named);
    Error::invalid("type", format!("{place}: `type` is \"{named}\", which ee-auth does not read")).hint(
        format!(
            "the types it reads are {}; a service account's key is the simplest: \
         https://console.cloud.google.com/iam-admin/serviceaccounts",
            KNOWN.join(" and ")
        ),
    )
}
