//! What is served of a credential.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use ee_auth_core::{Credential, Error, ExposeSecret, ProfileName, Scopes, Secret};
use serde_json::{Value, json};

use crate::id_tokens::IdTokens;

/// A credential, and the answers that clients get of it. All but the token are worked out once.
pub struct Served {
    credential: Credential,
    pub(crate) identity: String,
    pub(crate) texts: Texts,
    token: ArcSwapOption<TokenText>,
    id_tokens: IdTokens,
}

/// What the metadata server says of the machine and its account, as it is sent.
pub(crate) struct Texts {
    pub(crate) project: Option<Bytes>,
    pub(crate) project_number: Bytes,
    pub(crate) universe: Bytes,
    pub(crate) accounts: Bytes,
    pub(crate) all_accounts: Bytes,
    pub(crate) account: Bytes,
    pub(crate) email: Bytes,
    pub(crate) scopes: Bytes,
}

/// The answer that holds a token. It changes once a second, and with the token.
struct TokenText {
    secret: Secret,
    expires_in: u64,
    json: Bytes,
}

impl Served {
    /// Serves `credential`. A principal that is not known is shown as a name of its own, unlike any other's.
    pub fn new(credential: Credential) -> Self {
        let identity = identity(credential.principal().as_deref());
        let texts = Texts::new(&credential, &identity);
        Self { credential, identity, texts, token: ArcSwapOption::empty(), id_tokens: IdTokens::default() }
    }

    /// The credential.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The name by which clients know the account. That of a service account does not end in `gserviceaccount.com`.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The scopes that the tokens are known to have, before one is asked for.
    pub fn scopes(&self) -> Option<Scopes> {
        let held = self.credential.held_token();
        held.as_ref().and_then(|token| self.credential.scopes_of(token)).cloned()
    }

    /// `{"access_token", "expires_in", "token_type"}` (RFC 6749, section 5.1) with a valid token, and `scope` where its scopes
    /// are known: whoever asked for fewer, as an `ee-auth` under `exec` may, is not to use it unawares.
    pub(crate) async fn token(&self) -> Result<Bytes, Error> {
        let token = self.credential.token_async().await?;
        let now = self.credential.exchange().host.clock.now();
        let expires_in = token.remaining(now).as_secs();
        let fits = |text: &&Arc<TokenText>| {
            text.expires_in == expires_in && text.secret.expose_secret() == token.secret()
        };
        if let Some(text) = self.token.load().as_ref().filter(fits) {
            return Ok(text.json.clone());
        }
        let mut json =
            json!({ "access_token": token.secret(), "expires_in": expires_in, "token_type": "Bearer" });
        if let (Some(scopes), Value::Object(json)) = (self.credential.scopes_of(&token), &mut json) {
            json.insert("scope".to_owned(), scopes.to_parameter().into());
        }
        let json = Bytes::from(json.to_string());
        let secret = Secret::from(token.secret());
        self.token.store(Some(Arc::new(TokenText { secret, expires_in, json: json.clone() })));
        Ok(json)
    }

    /// An ID token for `audience`: the JWT. The same to everyone until it is about to expire.
    pub(crate) async fn id_token(&self, audience: &str) -> Result<Bytes, Error> {
        self.id_tokens.get(&self.credential, audience).await
    }

    /// Whether `token` is the access token that is held now. Makes no exchange.
    pub(crate) fn is_current_token(&self, token: &Secret) -> bool {
        self.credential.held_token().is_some_and(|held| Secret::from(held.secret()).same_as(token))
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served")
            .field("credential", &self.credential)
            .field("identity", &self.identity)
            .finish()
    }
}

impl Texts {
    fn new(credential: &Credential, identity: &str) -> Self {
        // Clients ask for no more than is listed here, and ask nothing where nothing is: what was granted to a login is
        // not always known.
        let usual = Scopes::earth_engine();
        let asked = credential.exchange().settings.scopes.as_ref();
        let known = Some(credential.scopes()).filter(|known| !known.is_empty());
        let scopes: Vec<_> = known.or(asked).unwrap_or(&usual).iter().collect();
        let mut lines = String::new();
        for scope in &scopes {
            let _ = writeln!(lines, "{scope}");
        }
        let project = credential.project().map(|project| project.id.clone());
        // gcloud takes nothing but digits for proof of a metadata server, and does not use them otherwise.
        let number = project.as_ref().filter(|id| id.bytes().all(|b| b.is_ascii_digit()));
        let account = json!({ "aliases": ["default"], "email": identity, "scopes": scopes });
        Self {
            project_number: Bytes::from(number.cloned().unwrap_or_else(|| "0".to_owned())),
            project: project.map(Bytes::from),
            universe: Bytes::from(credential.universe_domain().to_owned()),
            accounts: Bytes::from(format!("default/\n{identity}/\n")),
            all_accounts: Bytes::from(json!({ "default": account, identity: account }).to_string()),
            account: Bytes::from(account.to_string()),
            email: Bytes::from(identity.to_owned()),
            scopes: Bytes::from(lines),
        }
    }
}

/// How clients are told who they are. google-auth sends the token of an account in `gserviceaccount.com` to
/// iamcredentials.googleapis.com on its own (`allowedLocations`), so a service account's name ends in a domain that is
/// nobody's (RFC 2606). gcloud keeps tokens by this name, so that two accounts never share one.
fn identity(principal: Option<&str>) -> String {
    match principal.filter(|principal| is_email(principal)) {
        Some(email) => match email.strip_suffix(".gserviceaccount.com") {
            Some(beginning) => format!("{beginning}.invalid"),
            None => email.to_owned(),
        },
        None => format!("ee-auth-{}@localhost", crate::session::random_hex(4)),
    }
}

/// Whether it can stand in a path and in a list of lines as it is.
fn is_email(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"@.-_+".contains(&b);
    text.matches('@').count() == 1 && text.bytes().all(allowed)
}

/// What is served under which path: one at the root, others below `/profiles/NAME`.
#[derive(Debug)]
pub struct Profiles {
    root: Arc<Served>,
    named: BTreeMap<String, Arc<Served>>,
}

impl Profiles {
    /// One, at the root.
    pub fn new(root: Served) -> Self {
        Self { root: Arc::new(root), named: BTreeMap::new() }
    }

    /// The same, with another below `/profiles/NAME`.
    #[must_use]
    pub fn with(mut self, name: &ProfileName, served: Served) -> Self {
        self.named.insert(name.as_str().to_owned(), Arc::new(served));
        self
    }

    /// What is served at the root.
    pub fn root(&self) -> &Served {
        &self.root
    }

    /// What is served below `/profiles`, by name.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Served)> {
        self.named.iter().map(|(name, served)| (name.as_str(), &**served))
    }

    /// Who answers for a path, and what is left of it.
    pub(crate) fn find<'p>(&self, path: &'p str) -> Option<(&Arc<Served>, &'p str)> {
        let Some(rest) = path.strip_prefix("/profiles/") else { return Some((&self.root, path)) };
        let (name, _) = rest.split_once('/').unwrap_or((rest, ""));
        Some((self.named.get(name)?, rest.strip_prefix(name)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_account_has_a_name_that_leads_nowhere() {
        assert_eq!(
            identity(Some("robot@my-project.iam.gserviceaccount.com")),
            "robot@my-project.iam.invalid"
        );
        assert_eq!(identity(Some("ada@example.com")), "ada@example.com");
        for unknown in [None, Some("principal://iam.googleapis.com/x"), Some("a\n@b"), Some("a@b@c")] {
            let name = identity(unknown);
            assert!(name.starts_with("ee-auth-") && name.ends_with("@localhost"), "{name}");
            assert_ne!(name, identity(unknown), "gcloud would give one's token to the other");
        }
    }
}
