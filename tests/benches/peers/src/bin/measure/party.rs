//! The clients that are measured in this process, each with its own way of getting a token.

use std::fs;
use std::sync::Arc;

use ee_auth_peers::peers::{self, SCOPE};
use google_cloud_auth::credentials::AccessTokenCredentials;
use object_store::gcp::GcpCredentialProvider;
use tokio::runtime::Runtime;
use yup_oauth2::authenticator::DefaultAuthenticator;

use crate::Failure;
use crate::work::Work;

/// A client of a token endpoint.
pub(crate) trait Party: Sized + Send + Sync + 'static {
    /// What it is called in tables.
    const NAME: &'static str;

    /// A new one, without a token.
    fn open(work: &Work) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// Gets a token and tells how long it is, in bytes.
    fn token(&self) -> impl Future<Output = Result<usize, Failure>> + Send;

    /// The same for a thread that is in no runtime.
    fn token_blocking(&self, runtime: &Runtime) -> Result<usize, Failure> {
        runtime.block_on(self.token())
    }
}

impl Party for ee_auth::Credential {
    const NAME: &'static str = "ee-auth";

    async fn open(work: &Work) -> Result<Self, Failure> {
        let key = fs::read_to_string(&work.key)?;
        let resolver = ee_auth::Credentials::builder().config_file(&work.config).credential_json(key);
        Ok(resolver.no_cache(true).resolve_async().await?)
    }

    async fn token(&self) -> Result<usize, Failure> {
        Ok(self.token_async().await?.secret().len())
    }

    fn token_blocking(&self, _: &Runtime) -> Result<usize, Failure> {
        Ok(ee_auth::Credential::token(self)?.secret().len())
    }
}

impl Party for gcp_auth::CustomServiceAccount {
    const NAME: &'static str = "gcp_auth";

    async fn open(work: &Work) -> Result<Self, Failure> {
        peers::gcp_auth(&work.key)
    }

    async fn token(&self) -> Result<usize, Failure> {
        Ok(gcp_auth::TokenProvider::token(self, &[SCOPE]).await?.as_str().len())
    }
}

impl Party for AccessTokenCredentials {
    const NAME: &'static str = "google-cloud-auth";

    async fn open(work: &Work) -> Result<Self, Failure> {
        peers::google_cloud_auth(&work.person)
    }

    async fn token(&self) -> Result<usize, Failure> {
        Ok(self.access_token().await?.token.len())
    }
}

impl Party for GcpCredentialProvider {
    const NAME: &'static str = "object_store";

    async fn open(work: &Work) -> Result<Self, Failure> {
        peers::object_store(&work.person, &work.url)
    }

    async fn token(&self) -> Result<usize, Failure> {
        Ok(Arc::as_ref(self).get_credential().await?.bearer.len())
    }
}

impl Party for DefaultAuthenticator {
    const NAME: &'static str = "yup-oauth2";

    async fn open(work: &Work) -> Result<Self, Failure> {
        peers::yup_oauth2(&work.key, None).await
    }

    async fn token(&self) -> Result<usize, Failure> {
        let token = DefaultAuthenticator::token(self, &[SCOPE]).await?;
        Ok(token.token().ok_or("the answer has no token")?.len())
    }
}
