//! The file that leads a client to the token endpoint.

use ee_auth_core::{ExposeSecret, LENT_SCOPES, Scopes, Secret};
use serde_json::{Value, json};

use crate::assertion;

/// The number of Google's own sign-in client for gcloud. earthengine-api takes its project from the start of the client id
/// where the file names none, and explains to the person that one is needed where it is this.
const NO_PROJECT: &str = "764086051850";

/// A credential file of type `external_account_authorized_user`: the one that every current Google client reads, and whose
/// endpoint each of them asks (google-auth of Python from 2.16, google-auth-library of Node.js from 8.8, Go, Java, gcloud).
///
/// `base` is the server's address with the profile's path, without a slash at its end; `secret` stands as the refresh token.
/// There is no `audience`: with one, google-auth would send the token to iamcredentials.googleapis.com.
///
/// The scopes that its tokens are known to have stand in a member of our own, since clients may do something with `scopes`.
///
/// Beside that it has what a service account's key has, for those that look at no type: gcp_auth, GDAL. None of it is of any
/// service account, and the key is no secret.
///
/// ```
/// use ee_auth_core::Secret;
/// let text = ee_auth_serve::credential_file::content("http://127.0.0.1:8642", &Secret::from("s"), Some("my-project"), None);
/// assert!(text.contains(r#""token_url":"http://127.0.0.1:8642/v1/oauthtoken""#));
/// assert!(text.contains(r#""quota_project_id":"my-project""#) && !text.contains("audience"));
/// ```
pub fn content(base: &str, secret: &Secret, project: Option<&str>, scopes: Option<&Scopes>) -> String {
    let token_url = format!("{base}/v1/oauthtoken");
    let mut file = json!({
        "type": "external_account_authorized_user",
        "token_url": token_url,
        "token_info_url": format!("{base}/v1/introspect"),
        "refresh_token": secret.expose_secret(),
        "client_id": format!("{}-ee-auth", project.unwrap_or(NO_PROJECT)),
        "client_secret": "none",
        "token_uri": token_url,
        "client_email": assertion::client_email(secret),
        "private_key": assertion::private_key(),
    });
    if let (Some(project), Value::Object(file)) = (project, &mut file) {
        for name in ["quota_project_id", "project_id"] {
            file.insert(name.to_owned(), project.into());
        }
    }
    if let (Some(scopes), Value::Object(file)) = (scopes, &mut file) {
        file.insert(LENT_SCOPES.to_owned(), scopes.iter().collect::<Vec<_>>().into());
    }
    file.to_string()
}
