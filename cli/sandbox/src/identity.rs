//! The throw-away identities, and the files in which people keep such.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::keys::Key;

/// The scopes that a login of `earthengine authenticate` asks for.
pub const DEFAULT_SCOPES: [&str; 4] = [
    "https://www.googleapis.com/auth/earthengine",
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/drive",
    "https://www.googleapis.com/auth/devstorage.full_control",
];

/// A service account with a key.
#[derive(Clone)]
pub struct ServiceAccount {
    pub(crate) email: String,
    pub(crate) project: String,
    pub(crate) unique_id: String,
    pub(crate) key_id: String,
    pub(crate) key: Arc<Key>,
    pub(crate) base: String,
}

impl ServiceAccount {
    /// The account's address, `NAME@PROJECT.iam.gserviceaccount.com`.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The project that owns the account.
    pub fn project_id(&self) -> &str {
        &self.project
    }

    /// The number by which Google knows the account: its `client_id`.
    pub fn unique_id(&self) -> &str {
        &self.unique_id
    }

    /// The id of the key, for the header of an assertion.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The private key, PKCS #8 in PEM.
    pub fn pem(&self) -> &str {
        &self.key.pem
    }

    /// The key file as the Cloud console gives it, except that `token_uri` is the sandbox's.
    pub fn key_json(&self) -> String {
        pretty(&json!({
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": self.key_id,
            "private_key": self.key.pem,
            "client_email": self.email,
            "client_id": self.unique_id,
            "auth_uri": format!("{}/o/oauth2/auth", self.base),
            "token_uri": format!("{}/token", self.base),
            "auth_provider_x509_cert_url": format!("{}/oauth2/v1/certs", self.base),
            "client_x509_cert_url": format!("{}/robot/v1/metadata/x509/{}", self.base, self.email),
            "universe_domain": "googleapis.com",
        }))
    }
}

/// An OAuth client of the kind "desktop app".
#[derive(Clone, PartialEq, Eq)]
pub struct OAuthClient {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) project: String,
    pub(crate) base: String,
}

impl OAuthClient {
    /// `PROJECTNUMBER-RANDOM.apps.googleusercontent.com`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The client's secret, which in a desktop app is none.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The file that the Cloud console offers for download.
    pub fn client_json(&self) -> String {
        pretty(&json!({"installed": {
            "client_id": self.id,
            "project_id": self.project,
            "auth_uri": format!("{}/o/oauth2/auth", self.base),
            "token_uri": format!("{}/token", self.base),
            "auth_provider_x509_cert_url": format!("{}/oauth2/v1/certs", self.base),
            "client_secret": self.secret,
            "redirect_uris": ["http://localhost"],
        }}))
    }
}

/// A person who has logged in once: a refresh token, and the client it was given to.
#[derive(Clone)]
pub struct User {
    pub(crate) email: String,
    pub(crate) client: OAuthClient,
    pub(crate) refresh_token: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) project: String,
    pub(crate) base: String,
}

impl User {
    /// The person's address.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The client that the person logged in with.
    pub fn client(&self) -> &OAuthClient {
        &self.client
    }

    /// The refresh token, which begins with `1//` as Google's do.
    pub fn refresh_token(&self) -> &str {
        &self.refresh_token
    }

    /// The scopes that were granted.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// gcloud's application-default file: type `authorized_user`.
    pub fn authorized_user_json(&self) -> String {
        pretty(&json!({
            "account": "",
            "client_id": self.client.id,
            "client_secret": self.client.secret,
            "quota_project_id": self.project,
            "refresh_token": self.refresh_token,
            "type": "authorized_user",
            "universe_domain": "googleapis.com",
        }))
    }

    /// The content of `~/.config/earthengine/credentials`.
    pub fn earthengine_file_json(&self) -> String {
        json!({
            "client_id": self.client.id,
            "client_secret": self.client.secret,
            "refresh_token": self.refresh_token,
            "scopes": self.scopes,
            "project": self.project,
        })
        .to_string()
    }

    /// A file of type `external_account_authorized_user`: workforce federation, after a login with gcloud.
    pub fn external_account_authorized_user_json(&self) -> String {
        pretty(&json!({
            "type": "external_account_authorized_user",
            "audience": "//iam.googleapis.com/locations/global/workforcePools/sandbox/providers/people",
            "client_id": self.client.id,
            "client_secret": self.client.secret,
            "refresh_token": self.refresh_token,
            "token_url": format!("{}/v1/oauthtoken", self.base),
            "token_info_url": format!("{}/v1/introspect", self.base),
            "quota_project_id": self.project,
        }))
    }
}

/// A workload outside Google: a CI job with a token of its own issuer, and the pool that takes it.
#[derive(Clone)]
pub struct Workload {
    pub(crate) audience: String,
    pub(crate) principal: String,
    pub(crate) subject_token: String,
    pub(crate) request_token: String,
    pub(crate) base: String,
}

/// The type of a workload's subject token: RFC 8693, section 3.
pub const JWT_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";

impl Workload {
    /// The full resource name of the pool's provider.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Who the workload is once its token is exchanged: `principal://…`.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// A JWT, valid for an hour by the sandbox's clock. Its type is [`JWT_TOKEN_TYPE`].
    pub fn subject_token(&self) -> &str {
        &self.subject_token
    }

    /// Where a new subject token can be fetched, as GitHub Actions offers it: GET with `Authorization: Bearer` and the
    /// [request token](Self::request_token); the answer is `{"value": "…"}`.
    pub fn subject_token_url(&self) -> String {
        format!("{}/subject-token", self.base)
    }

    /// The secret for [`Self::subject_token_url`].
    pub fn request_token(&self) -> &str {
        &self.request_token
    }

    /// A file of type `external_account` (AIP-4117) with this `credential_source`, for example
    /// `{"file": "/path/to/token"}`; with `impersonate`, the address of a service account, acting as that account.
    pub fn external_account_json(&self, credential_source: &Value, impersonate: Option<&str>) -> String {
        let mut file = json!({
            "type": "external_account",
            "audience": self.audience,
            "subject_token_type": JWT_TOKEN_TYPE,
            "token_url": format!("{}/v1/token", self.base),
            "credential_source": credential_source,
            "universe_domain": "googleapis.com",
        });
        if let Some(email) = impersonate {
            let path = format!("/v1/projects/-/serviceAccounts/{email}:generateAccessToken");
            file["service_account_impersonation_url"] = format!("{}{path}", self.base).into();
        }
        pretty(&file)
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

macro_rules! debug_without_secrets {
    ($($type:ident { $field:ident })*) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type)).field(stringify!($field), &self.$field).finish_non_exhaustive()
            }
        }
    )*};
}

debug_without_secrets! {
    ServiceAccount { email }
    OAuthClient { id }
    User { email }
    Workload { principal }
}
