//! Our credential for Google Cloud Storage through `object_store`.

use std::sync::Arc;

use async_trait::async_trait;
use ee_auth_core::Credential;
use object_store::CredentialProvider;
use object_store::gcp::GcpCredential;

/// A [`Credential`] as a `CredentialProvider` of `object_store`: `GoogleCloudStorageBuilder::with_credentials`. The scopes
/// need one for Cloud Storage: `devstorage.full_control`, which Earth Engine's login has, or `cloud-platform`.
#[derive(Clone, Debug)]
pub struct ObjectStore(Credential);

impl From<Credential> for ObjectStore {
    fn from(credential: Credential) -> Self {
        Self(credential)
    }
}

#[async_trait]
impl CredentialProvider for ObjectStore {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<GcpCredential>> {
        let explained = |error| object_store::Error::Generic { store: "GCS", source: Box::new(error) };
        let token = self.0.token_async().await.map_err(explained)?;
        Ok(Arc::new(GcpCredential { bearer: token.secret().to_owned() }))
    }
}
