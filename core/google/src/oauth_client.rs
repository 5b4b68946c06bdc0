//! OAuth clients: Earth Engine's own, and the person's.

use std::path::Path;

use ee_auth_core::{Error, OAuthClient, Search, Secret};

use crate::{Content, earth_engine_client};

/// Earth Engine's own client, which earthengine-api ships too.
pub fn earth_engine() -> OAuthClient {
    OAuthClient {
        id: earth_engine_client::ID.to_owned(),
        secret: Some(Secret::from(earth_engine_client::SECRET)),
        redirect_uris: Vec::new(),
        origin: "earthengine-api".to_owned(),
    }
}

/// The client in the JSON that the Cloud console gives (`client_secret_….json`): an object `installed` for a desktop
/// client, `web` for one whose redirects are registered one by one.
///
/// `named_by` is what names the file, for a person.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where the file is not there or is something else.
pub fn read(search: &Search, path: &Path, named_by: &str) -> Result<OAuthClient, Error> {
    let document = Content::read(search, path, named_by)?.document()?;
    let place = document.place();
    let (fields, web) = match (document.object("installed")?, document.object("web")?) {
        (Some(installed), None) => (installed, false),
        (None, Some(web)) => (web, true),
        _ => {
            let what = match document.credential_type() {
                Some(_) => "is a credential, not an OAuth client",
                None => "is not the JSON of an OAuth client",
            };
            return Err(Error::invalid("client_file", format!("{place} {what}")).hint(MAKE_ONE));
        }
    };
    fields.require(&["client_id"], MAKE_ONE)?;
    let redirect_uris = if web { fields.texts("redirect_uris")?.unwrap_or_default() } else { Vec::new() };
    if web && redirect_uris.is_empty() {
        return Err(Error::invalid(
            "client_file",
            format!("{place} is a web client without redirect addresses, so no login can come back to this machine"),
        )
        .hint(MAKE_ONE));
    }
    Ok(OAuthClient {
        id: fields.text("client_id")?.unwrap_or_default(),
        secret: fields.secret("client_secret")?,
        redirect_uris,
        origin: place.to_owned(),
    })
}

const MAKE_ONE: &str = "make an OAuth client of the type \"Desktop app\" and download its JSON: \
                        https://console.cloud.google.com/apis/credentials";
