//! The exchange at the security token service (RFC 8693; <https://cloud.google.com/iam/docs/reference/sts/rest>).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ee_auth_core::host::{Body, Method, Request};
use ee_auth_core::retry::Repeat;
use ee_auth_core::{
    BoxFuture, Error, Exchange, ExposeSecret, Found, Scopes, Secret, Token, TokenKey, TokenSource,
};
use serde_json::json;
use url::Url;

use super::subject_token::SubjectToken;
use crate::token_endpoint::{self, ACCESS_TOKEN_TYPE, Asker};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// An OAuth client that authenticates at the STS (RFC 6749, section 2.3.1).
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its secret; empty for a client that has none.
    pub secret: Secret,
}

impl Client {
    /// The value of `Authorization`, as Google's libraries write it: HTTP Basic, neither part form-encoded.
    pub(crate) fn authorization(&self) -> Secret {
        let pair = Secret::from(format!("{}:{}", self.id, self.secret.expose_secret()));
        Secret::from(format!("Basic {}", STANDARD.encode(pair.expose_secret())))
    }

    pub(crate) fn add_to(&self, key: &mut TokenKey) {
        key.add("client_id", &self.id).add("client_secret", self.secret.expose_secret());
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An identity of somebody else's that Google trusts: what is exchanged, where, and for whom.
#[derive(Debug)]
pub struct Federation {
    /// The full resource name of the pool's provider: `//iam.googleapis.com/projects/…/providers/…`.
    pub audience: String,
    /// What the subject token is (RFC 8693, section 3): `urn:ietf:params:oauth:token-type:jwt`.
    pub subject_token_type: String,
    /// Where it comes from.
    pub subject_token: SubjectToken,
    /// The STS.
    pub sts: Url,
    /// The OAuth client that authenticates there. None is needed.
    pub client: Option<Client>,
    /// The project that is charged for a workforce identity's exchange. Of no effect with a client, which has a project
    /// itself.
    pub user_project: Option<String>,
    /// Where it is configured, for a person.
    pub place: String,
}

impl Federation {
    /// The federated identity itself, with tokens that have `scopes`.
    pub(super) fn into_found(self, scopes: Scopes) -> Found {
        let origin = format!("{}, configured in {}", self.subject_token, self.place);
        let client_id = self.client.as_ref().map(|client| client.id.clone());
        let mut found = Found::new(Federated { federation: self, scopes: scopes.clone() }, origin);
        found.scopes = scopes;
        found.client_id = client_id;
        found
    }
}

#[derive(Debug)]
struct Federated {
    federation: Federation,
    scopes: Scopes,
}

impl TokenSource for Federated {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let Federation { audience, subject_token_type, sts, client, user_project, place, .. } =
                &self.federation;
            let subject = self.federation.subject_token.get(exchange).await?;
            let scope = self.scopes.to_parameter();
            let options = match (user_project, client) {
                (Some(project), None) => Some(json!({ "userProject": project }).to_string()),
                _ => None,
            };
            let mut form = vec![
                ("grant_type", GRANT_TYPE),
                ("audience", audience),
                ("scope", &scope),
                ("requested_token_type", ACCESS_TOKEN_TYPE),
                ("subject_token", subject.token.expose_secret()),
                ("subject_token_type", subject_token_type),
            ];
            if let Some(options) = &options {
                form.push(("options", options));
            }
            let mut request = Request::new(Method::Post, sts.clone()).with_body(Body::form(form));
            if let Some(client) = client {
                request = request.with_header("authorization", client.authorization());
            }
            request.client_certificate = subject.certificate;
            let asker = Asker::Federation { audience, place };
            Ok(token_endpoint::send(exchange, request, Repeat::Safe, &asker).await?.token)
        })
    }

    fn key(&self) -> Option<TokenKey> {
        let Federation { audience, subject_token_type, subject_token, sts, client, user_project, .. } =
            &self.federation;
        let mut key = TokenKey::new("token_exchange");
        key.add("audience", audience)
            .add("subject_token_type", subject_token_type)
            .add("endpoint", sts.as_str())
            .add("scope", self.scopes.to_parameter())
            .add("user_project", user_project.as_deref().unwrap_or_default());
        if let Some(client) = client {
            client.add_to(&mut key);
        }
        subject_token.add_to(&mut key);
        Some(key)
    }
}
