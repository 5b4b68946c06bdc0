//! Workload and workforce identity federation (AIP-4117): somebody else's token, exchanged for one of Google's (RFC 8693).
//!
//! - [`subject_token`]: where the other token comes from: a file, a URL, a program, AWS, a certificate.
//! - [`Federation`]: the exchange at the security token service (STS), for the federated identity itself or as the first
//!   step of standing for a service account.
//! - [`found`]: a file of type `external_account`, as `gcloud iam workload-identity-pools create-cred-config` writes it.
//! - [`authorized_user`]: a file of type `external_account_authorized_user`, a workforce login.
//!
//! Such a file comes from somebody else as a rule, and names addresses, files and programs. Each is checked when the file
//! is read, before anything is asked: see `docs/federation.md`.

pub mod authorized_user;
pub mod subject_token;

mod sts;

use std::time::Duration;

use ee_auth_core::{Error, Found, Scopes, Search, Secret};

use crate::impersonation::Impersonation;
use crate::{Document, impersonated};

pub use sts::{Client, Federation};
use subject_token::SubjectToken;

const NEW_FILE: &str = "make the file again: `gcloud iam workload-identity-pools create-cred-config …`, or \
                        `gcloud iam workforce-pools create-cred-config …`";

/// The credential in a document of type `external_account`.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) for missing or contradicting fields;
/// [`Outcome::Untrusted`](ee_auth_core::Outcome::Untrusted) for an address that is not Google's where it has to be, and
/// for a program that the user has not allowed.
pub fn found(document: &Document, search: &Search) -> Result<Found, Error> {
    let place = document.place();
    let settings = search.settings();
    document.require(&["audience", "subject_token_type", "credential_source"], NEW_FILE)?;
    let impersonation = match document.text("service_account_impersonation_url")? {
        None => None,
        Some(url) => {
            let impersonation = Impersonation::at(&url, place, settings)?;
            Some(match lifetime(document)? {
                None => impersonation,
                Some(lifetime) => impersonation.with_lifetime(lifetime)?,
            })
        }
    };
    let audience = document.text("audience")?.unwrap_or_default();
    let user_project = document.text("workforce_pool_user_project")?;
    if user_project.is_some() && !is_workforce(&audience) {
        return Err(Error::invalid(
            "contradiction",
            format!(
                "{place}: `workforce_pool_user_project` is for workforce pools, and `audience` names none"
            ),
        )
        .hint("remove `workforce_pool_user_project`, or correct `audience`"));
    }
    let token_type = document.text("subject_token_type")?.unwrap_or_default();
    let sts = document.text("token_url")?;
    let sts = settings.endpoints.sts_for(sts.as_deref(), &settings.trusted_hosts);
    let mut federation = Federation {
        sts: sts.map_err(|error| error.in_place(place))?,
        client: client(document)?,
        user_project,
        subject_token: SubjectToken::from_document(document, &audience, &token_type, search)?,
        audience,
        subject_token_type: token_type,
        place: place.to_owned(),
    };
    if let (Some(impersonation), subject_token) = (&impersonation, &mut federation.subject_token) {
        subject_token.for_service_account(impersonation.target());
    }
    Ok(federation.found(impersonation, search))
}

impl Federation {
    /// The federation as something that was found: as the service account of `impersonation` where there is one, else as
    /// the federated identity itself.
    pub fn found(self, impersonation: Option<Impersonation>, search: &Search) -> Found {
        let wanted = search.scopes();
        match impersonation {
            None => self.into_found(wanted),
            // As Google's libraries do: the STS is asked for one scope, and the account for those that are wanted.
            Some(impersonation) => {
                let identity = self.identity();
                let mut source = self.into_found(Scopes::cloud_platform());
                source.principal = identity;
                impersonated::found(source, impersonation, wanted)
            }
        }
    }

    /// What the federated identity is called in an IAM policy. What the provider maps to its subject, only Google knows.
    fn identity(&self) -> Option<String> {
        let (pool, _) = self.audience.split_once("/providers/")?;
        Some(format!("principal:{pool}/subject/SUBJECT"))
    }
}

/// `service_account_impersonation.token_lifetime_seconds`.
fn lifetime(document: &Document) -> Result<Option<Duration>, Error> {
    let Some(options) = document.object("service_account_impersonation")? else { return Ok(None) };
    Ok(options.number("token_lifetime_seconds")?.map(Duration::from_secs))
}

/// The OAuth client that authenticates at the STS, where the file has one.
fn client(document: &Document) -> Result<Option<Client>, Error> {
    let Some(id) = document.text("client_id")? else { return Ok(None) };
    Ok(Some(Client { id, secret: document.secret("client_secret")?.unwrap_or_else(|| Secret::from("")) }))
}

/// Whether an audience is a provider of a workforce pool:
/// `//iam.googleapis.com/locations/LOCATION/workforcePools/POOL/providers/PROVIDER`.
fn is_workforce(audience: &str) -> bool {
    let mut parts = audience.trim_start_matches("//").split('/');
    parts.next().is_some_and(|host| host.starts_with("iam."))
        && parts.next() == Some("locations")
        && parts.nth(1) == Some("workforcePools")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workforce_pools_are_told_from_workload_pools() {
        for (audience, expected) in [
            ("//iam.googleapis.com/locations/global/workforcePools/p/providers/x", true),
            ("//iam.googleapis.com/locations/eu/workforcePools/p/providers/x", true),
            ("//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x", false),
            ("//evil.example/locations/global/workforcePools/p", false),
            ("", false),
        ] {
            assert_eq!(is_workforce(audience), expected, "{audience}");
        }
    }
}
