//! Our credential for Google's own client libraries.

use std::sync::{Arc, Mutex, PoisonError};

use ee_auth_core::{Credential, Error, Outcome, Secret};
use google_cloud_auth::credentials::{CacheableResource, CredentialsProvider, EntityTag};
use google_cloud_auth::errors::CredentialsError;
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};

/// A [`Credential`] as a `CredentialsProvider` of `google-cloud-auth`, and so for every client library of Google's for Rust:
/// `Credentials::from(GoogleCloudAuth::from(credential))`.
///
/// The quota project goes along where the credential names one, as theirs does. Their crate 1.7 is the last for Rust 1.85;
/// any later 1.x fits.
#[derive(Clone, Debug)]
pub struct GoogleCloudAuth {
    credential: Credential,
    /// The token that was handed out last, and its tag.
    last: Arc<Mutex<Option<(Secret, EntityTag)>>>,
}

impl From<Credential> for GoogleCloudAuth {
    fn from(credential: Credential) -> Self {
        Self { credential, last: Arc::default() }
    }
}

impl CredentialsProvider for GoogleCloudAuth {
    async fn headers(
        &self,
        extensions: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let token = self.credential.token_async().await.map_err(explained)?;
        let entity_tag = self.tag(token.secret());
        if extensions.get::<EntityTag>() == Some(&entity_tag) {
            return Ok(CacheableResource::NotModified);
        }
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.secret())).map_err(|_| {
            CredentialsError::from_msg(false, "the token has characters that no header may have")
        })?;
        bearer.set_sensitive(true);
        let mut data = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
        if let Some(project) =
            self.credential.quota_project().and_then(|project| HeaderValue::try_from(project).ok())
        {
            data.insert(QUOTA_PROJECT, project);
        }
        Ok(CacheableResource::New { entity_tag, data })
    }

    async fn universe_domain(&self) -> Option<String> {
        Some(self.credential.universe_domain().to_owned())
    }
}

/// Whose quota a request counts against (<https://cloud.google.com/apis/docs/system-parameters>).
const QUOTA_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

impl GoogleCloudAuth {
    /// The tag of a token: the same as before while the token is.
    fn tag(&self, token: &str) -> EntityTag {
        let token = Secret::from(token);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((same, tag)) if same.same_as(&token) => tag.clone(),
            _ => {
                let tag = EntityTag::new();
                *last = Some((token, tag.clone()));
                tag
            }
        }
    }
}

/// Theirs distinguish what may pass by itself.
fn explained(error: Error) -> CredentialsError {
    CredentialsError::from_source(error.outcome() == Outcome::Unavailable, error)
}
