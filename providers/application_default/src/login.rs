//! The mode `appdefault`: whether application-default credentials exist and work.

use ee_auth_core::ShowPath as _;
use ee_auth_core::{Error, Found, LoggedIn, LoginRequest, Outcome, Scopes, Search};
use ee_auth_google::{Content, cloud_sdk, credential};

use crate::{VARIABLE, find};

/// The scopes with which Earth Engine can be used at all.
const ENOUGH: [&str; 4] =
    ["earthengine", "earthengine.readonly", "cloud-platform", "cloud-platform.read-only"];

/// Finds application-default credentials as AIP-4110 says, the machine's own account aside, which is no login, and gets
/// one token with them. Nothing is asked of the person, and nothing is stored.
pub(crate) async fn check(request: &LoginRequest) -> Result<LoggedIn, Error> {
    let exchange = &request.exchange;
    let search = Search::new(exchange.host.clone(), exchange.settings.clone());
    let found = match find(&search) {
        Some(found) => found?,
        None => in_gclouds_file(&search)?,
    };
    let token = found.source.exchange(exchange).await.map_err(|error| {
        error.in_place("there are application-default credentials, and they give no token")
    })?;
    let scopes = token.scopes().unwrap_or(&found.scopes);
    refuse_useless(scopes, &found)?;
    let person = &exchange.host.person;
    let missing = request.scopes.iter().filter(|asked| scopes.iter().all(|scope| scope != *asked));
    let missing = Scopes::new(missing).unwrap_or_default();
    if !scopes.is_empty() && !missing.is_empty() {
        person.tell(&format!("these credentials do not have {missing}"));
    }
    Ok(LoggedIn::Found(Box::new(found)))
}

fn in_gclouds_file(search: &Search) -> Result<Found, Error> {
    let none = |place: &str| {
        Error::new(
            Outcome::NotFound,
            "application_default",
            format!("there are no application-default credentials: {VARIABLE} is not set, and {place}"),
        )
        .hint("`ee-auth login --mode gcloud` makes them")
    };
    let path =
        cloud_sdk::application_default_file(search)?.ok_or_else(|| none("no home directory is known"))?;
    let content = Content::read_if_present(search, &path)?
        .ok_or_else(|| none(&format!("there is no {}", path.shown())))?;
    credential::found(&content.document()?, search)
}

/// Earth Engine takes no token without one of its scopes, whatever else the token is good for.
fn refuse_useless(scopes: &Scopes, found: &Found) -> Result<(), Error> {
    if scopes.is_empty() || scopes.short_names().any(|name| ENOUGH.contains(&name)) {
        return Ok(());
    }
    Err(Error::new(
        Outcome::Rejected,
        "scope",
        format!(
            "application-default credentials: {}: they have {scopes}, and nothing for Earth Engine",
            found.origin
        ),
    )
    .hint("`ee-auth login --mode gcloud` makes others, with the scopes earthengine and cloud-platform"))
}
