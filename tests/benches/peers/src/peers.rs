//! How each of the other clients is opened: the shortest way that its documentation shows, on the file of a credential.

#[cfg(feature = "object_store")]
mod elsewhere;

#[allow(unused_imports, reason = "used by each of the features")]
use std::{error::Error, future::Future, path::Path};

/// The scope that tokens are asked for.
pub const SCOPE: &str = "https://www.googleapis.com/auth/earthengine";

/// A service account's tokens, by `gcp_auth`: `token(&[SCOPE])` gets one.
///
/// # Errors
/// Where the file cannot be read, or holds something else.
#[cfg(feature = "gcp_auth")]
pub fn gcp_auth(key: &Path) -> Result<gcp_auth::CustomServiceAccount, Box<dyn Error + Send + Sync>> {
    Ok(gcp_auth::CustomServiceAccount::from_file(key)?)
}

/// Tokens by `google-cloud-auth`: those of a person, which it exchanges at the file's `token_uri`, or those of a service
/// account, which it signs itself. `access_token()` gets one. To be called in a tokio runtime.
///
/// # Errors
/// Where the file cannot be read, or holds something else.
#[cfg(feature = "google-cloud-auth")]
pub fn google_cloud_auth(
    file: &Path,
) -> Result<google_cloud_auth::credentials::AccessTokenCredentials, Box<dyn Error + Send + Sync>> {
    use google_cloud_auth::credentials::{service_account, user_account};

    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let credentials = if json["type"] == "service_account" {
        let scopes = service_account::AccessSpecifier::from_scopes([SCOPE]);
        service_account::Builder::new(json).with_access_specifier(scopes).build_access_token_credentials()
    } else {
        user_account::Builder::new(json).with_scopes([SCOPE]).build_access_token_credentials()
    };
    Ok(credentials?)
}

/// Tokens by `object_store`: those of a person, or those of a service account, which it signs itself.
/// `get_credential()` gets one. Its endpoint is written into it, so its requests are sent to `endpoint` by a connector.
///
/// # Errors
/// Where the file cannot be read, or holds something else.
#[cfg(feature = "object_store")]
pub fn object_store(
    file: &Path,
    endpoint: &str,
) -> Result<object_store::gcp::GcpCredentialProvider, Box<dyn Error + Send + Sync>> {
    let store = object_store::gcp::GoogleCloudStorageBuilder::new()
        .with_bucket_name("bucket")
        .with_application_credentials(file.to_str().ok_or("a path that is not UTF-8")?)
        .with_client_options(object_store::ClientOptions::new().with_allow_http(true))
        .with_http_connector(elsewhere::Elsewhere::new(endpoint)?)
        .build()?;
    Ok(store.credentials().clone())
}

/// A service account's tokens, by `yup-oauth2`: `token(&[SCOPE])` gets one. They are kept in the file `kept`, if there is to
/// be one.
///
/// # Errors
/// Where the file cannot be read, or holds something else.
#[cfg(feature = "yup-oauth2")]
pub async fn yup_oauth2(
    key: &Path,
    kept: Option<&Path>,
) -> Result<yup_oauth2::authenticator::DefaultAuthenticator, Box<dyn Error + Send + Sync>> {
    let key = yup_oauth2::read_service_account_key(key).await?;
    let mut builder = yup_oauth2::ServiceAccountAuthenticator::builder(key);
    if let Some(kept) = kept {
        builder = builder.persist_tokens_to_disk(kept);
    }
    Ok(builder.build().await?)
}

/// What a program does that prints a token: the cheapest of tokio's runtimes, one token.
///
/// # Errors
/// Whatever getting the token fails with.
#[cfg(feature = "tokio")]
pub fn print(
    token: impl Future<Output = Result<String, Box<dyn Error + Send + Sync>>>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    use std::io::Write as _;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(std::io::stdout().write_all(runtime.block_on(token)?.as_bytes())?)
}
