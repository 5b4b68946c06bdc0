//! What a credential's JSON is, by its `type`.

use std::path::Path;
use std::time::Duration;

use ee_auth_core::ShowPath as _;
use ee_auth_core::{Error, Found, Scopes, Search, redact};

use crate::authorized_user::{self, Login};
use crate::external_account;
use crate::identify::Identity;
use crate::impersonated;
use crate::impersonation::Impersonation;
use crate::service_account::{self, Key};
use crate::{Document, cloud_sdk, earth_engine_client};

/// The credential in a document of any type that Google's libraries write.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) for an unknown type or missing fields;
/// [`Outcome::Untrusted`](ee_auth_core::Outcome::Untrusted) for a host that is not Google's, or a universe that the
/// user has not chosen.
pub fn found(document: &Document, search: &Search) -> Result<Found, Error> {
    found_within(document, search, 0)
}

/// A credential that stands in `depth` others.
fn found_within(document: &Document, search: &Search, depth: usize) -> Result<Found, Error> {
    let place = document.place();
    match document.text("type")?.as_deref() {
        Some("impersonated_service_account") => impersonated_service_account(document, search, depth),
        Some("service_account") => service_account(document, search, None),
        Some("authorized_user") => authorized_user(document, search),
        Some("external_account") => federated(document, search, external_account::found),
        Some("external_account_authorized_user") => {
            federated(document, search, external_account::authorized_user::found)
        }
        Some("gdch_service_account") => Err(gdch(place)),
        None if document.has("refresh_token") => earth_engine(document, search),
        Some(other) if document.identity().is_none() => Err(unknown_type(place, other)),
        _ => Err(no_credential(document)),
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

/// A service account that another credential stands for, which is in the same document: what
/// `gcloud auth application-default login --impersonate-service-account=…` writes.
fn impersonated_service_account(document: &Document, search: &Search, depth: usize) -> Result<Found, Error> {
    /// How many credentials may stand in each other. Nobody writes more than two.
    const DEEPEST: usize = 4;
    const MAKE_AGAIN: &str =
        "make it again: `gcloud auth application-default login --impersonate-service-account=EMAIL`";
    document.require(&["source_credentials", "service_account_impersonation_url"], MAKE_AGAIN)?;
    let place = document.place();
    let (Some(source), Some(url)) =
        (document.object("source_credentials")?, document.text("service_account_impersonation_url")?)
    else {
        return Err(Error::internal("what was required is missing"));
    };
    if depth == DEEPEST {
        return Err(Error::invalid("nested", format!("{place}: too many credentials stand in each other"))
            .hint(MAKE_AGAIN));
    }
    let mut impersonation = Impersonation::at(&url, place, search.settings())?
        .with_delegates(document.texts("delegates")?.unwrap_or_default())?;
    if let Some(seconds) = document.number("lifetime")? {
        impersonation = impersonation.with_lifetime(Duration::from_secs(seconds))?;
    }
    let source = found_within(&source, &search.asking_for(Scopes::cloud_platform()), depth + 1)?;
    let scopes = match (&search.settings().scopes, scopes_or_text(document)?) {
        (None, Some(in_file)) => in_file,
        _ => search.scopes(),
    };
    with_common_fields(impersonated::found(source, impersonation, scopes), document, search)
}

/// What makes the logins that we and earthengine-api store.
pub(crate) const EARTH_ENGINE_LOGIN: &str = "ee-auth login --force";
/// What makes those that gcloud stores.
const GCLOUD_LOGIN: &str = "gcloud auth application-default login";

/// A login as gcloud writes it.
fn authorized_user(document: &Document, search: &Search) -> Result<Found, Error> {
    document.require(
        &["client_id", "client_secret", "refresh_token"],
        "log in again: `gcloud auth application-default login`",
    )?;
    let login = Login {
        client_id: document.text("client_id")?.unwrap_or_default(),
        client_secret: document.secret("client_secret")?,
        log_in: GCLOUD_LOGIN,
        copy_again: copy_again(document, search),
        ..login(document, scopes_or_text(document)?)?
    };
    let mut found = authorized_user::found(login, search.settings())?;
    found.principal = document.text("account")?;
    with_common_fields(found, document, search)
}

/// What has to be done after gcloud's login, which writes gcloud's own file, for a login that is elsewhere.
fn copy_again(document: &Document, search: &Search) -> Option<String> {
    // Nothing is looked for there, so that it is not told as a place where a credential could have been.
    let quiet = Search::new(search.host().clone(), search.settings().clone());
    let own = cloud_sdk::application_default_file(&quiet).ok().flatten();
    match (document.path(), own) {
        (Some(path), Some(own)) if path == own => None,
        (Some(path), Some(own)) => Some(format!(
            "then copy {} to {} again, or unset the variable that names the copy",
            own.shown(),
            path.shown()
        )),
        _ => Some(format!("then copy application_default_credentials.json to {} again", document.place())),
    }
}

/// A login as earthengine-api writes it: a client that is not named is Earth Engine's own.
///
/// # Errors
/// As [`found`].
pub fn earth_engine(document: &Document, search: &Search) -> Result<Found, Error> {
    document.require(&["refresh_token"], "log in again: `ee-auth login --force`")?;
    let own_client = !document.has("client_id");
    let login = Login {
        client_id: document.text("client_id")?.unwrap_or_else(|| earth_engine_client::ID.to_owned()),
        client_secret: match document.secret("client_secret")? {
            None if own_client => Some(earth_engine_client::SECRET.into()),
            secret => secret,
        },
        // earthengine-api does not let its file name an endpoint, so nor do we.
        token_uri: None,
        ..login(document, scopes(document)?)?
    };
    let mut found = authorized_user::found(login, search.settings())?;
    // earthengine-api charges the project that is stored beside the login.
    found.quota_project = document.text("project")?;
    with_common_fields(found, document, search)
}

/// A document of federation, whose addresses mean something in its universe alone.
fn federated(
    document: &Document,
    search: &Search,
    found: fn(&Document, &Search) -> Result<Found, Error>,
) -> Result<Found, Error> {
    check_universe(document, search)?;
    with_common_fields(found(document, search)?, document, search)
}

/// A service account of a cloud that Google builds at a customer's, off the net.
fn gdch(place: &str) -> Error {
    Error::invalid(
        "type",
        format!(
            "{place}: `type` is \"gdch_service_account\", a service account of Google Distributed Cloud (air-gapped): its \
             tokens are good in that cloud alone, and Earth Engine is not there"
        ),
    )
    .hint(
        "use a credential of Google Cloud itself: a login with `ee-auth login`, or a service account's key: \
         https://console.cloud.google.com/iam-admin/serviceaccounts",
    )
}

/// What a document of any type may say beside.
fn with_common_fields(mut found: Found, document: &Document, search: &Search) -> Result<Found, Error> {
    found.quota_project = document.text("quota_project_id")?.or(found.quota_project);
    check_universe(document, search)?;
    found.warnings.extend(document.warnings.iter().cloned());
    Ok(found)
}

/// The scopes that a document names, where it names any.
fn scopes(document: &Document) -> Result<Option<Scopes>, Error> {
    let names = document.texts("scopes")?;
    scopes_of(names.unwrap_or_default(), document)
}

/// As [`scopes`], from a text with spaces, too, as programs that keep google-auth's credentials write it.
fn scopes_or_text(document: &Document) -> Result<Option<Scopes>, Error> {
    match document.text("scopes") {
        Ok(text) => scopes_of(text.iter().flat_map(|text| text.split_whitespace()), document),
        Err(_) => scopes(document),
    }
}

fn scopes_of<I>(names: I, document: &Document) -> Result<Option<Scopes>, Error>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let scopes = Scopes::new(names).map_err(|error| error.in_place(document.place()))?;
    Ok(Some(scopes).filter(|scopes| !scopes.is_empty()))
}

fn login(document: &Document, scopes: Option<Scopes>) -> Result<Login, Error> {
    Ok(Login {
        client_id: String::new(),
        client_secret: None,
        refresh_token: document.secret("refresh_token")?.unwrap_or_else(|| "".into()),
        scopes,
        token_uri: document.text("token_uri")?,
        place: document.place().to_owned(),
        file: document.path().map(Path::to_owned),
        log_in: EARTH_ENGINE_LOGIN,
        copy_again: None,
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

/// The error for JSON that is something else.
fn no_credential(document: &Document) -> Error {
    const MEMBERS: [&str; 4] = ["type", "refresh_token", "client_email", "private_key"];
    let place = document.place();
    let error = |message: String| Error::invalid("type", message);
    if let Some(Identity { what, help }) = document.identity() {
        let error = error(format!("{place} is {what}"));
        return error.hint(
            help.unwrap_or("a service account's key, or the file that `ee-auth login` writes, is wanted"),
        );
    }
    if let Some((name, right)) = document.near_miss(&MEMBERS) {
        return error(format!("{place} has no `type`: its members are not named as Google names them")).hint(
            format!(
                "it has `{}`: Google writes `{right}`; download the file again, and use it unchanged",
                redact(name)
            ),
        );
    }
    if let Some(name) = document.wrapper(&MEMBERS) {
        let name = redact(name);
        return error(format!("{place} has no `type`: the credential stands inside its member `{name}`"))
            .hint(format!("use what stands in `{name}` alone, from `{{` to `}}`"));
    }
    let has_key = document.has("private_key") && document.has("client_email");
    error(format!("{place} has no `type` and no `refresh_token`: it is no credential of Google's")).hint(
        match has_key {
            true => "add `\"type\": \"service_account\"`, or download the key again and use it unchanged",
            false => "a service account's key, or the file that `earthengine authenticate` writes, is wanted",
        },
    )
}

fn unknown_type(place: &str, named: &str) -> Error {
    const KNOWN: [&str; 5] = [
        "service_account",
        "authorized_user",
        "impersonated_service_account",
        "external_account",
        "external_account_authorized_user",
    ];
    let named = redact(named);
    Error::invalid("type", format!("{place}: `type` is \"{named}\", which ee-auth does not read")).hint(
        format!(
            "the types it reads are {}; a service account's key is the simplest: \
         https://console.cloud.google.com/iam-admin/serviceaccounts",
            KNOWN.join(", ")
        ),
    )
}
