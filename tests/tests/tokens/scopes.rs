//! A token that is handed out has no scope that was not asked for, whatever its source is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ee_auth_core::host::BoxFuture;
use ee_auth_core::{
    Chain, Credential, Error, Exchange, Finding, Found, Kind, Member, Options, Provider, Scopes, Search,
    Settings, Token, TokenKey, TokenSource, TokenStore, Turn,
};
use ee_auth_fake::Fake;

static KIND: Kind = Kind {
    name: "new",
    summary: "a kind that knows nothing of limits",
    interactive: false,
    declared_only: true,
    options: &[],
    build: |_, _: &Options| unreachable!("it is made by hand"),
};

/// A kind that does not look at what is asked for: it gives what it has, and says of it what the test says.
#[derive(Clone, Debug, Default)]
struct New {
    /// What it says when it is found.
    claims: Option<&'static str>,
    /// What it says of each token.
    tells: Option<&'static str>,
    exchanges: Arc<AtomicUsize>,
}

fn scopes(names: &str) -> Scopes {
    names.parse().unwrap()
}

impl Provider for New {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, _: &'a Search) -> BoxFuture<'a, Finding> {
        let mut found = Found::new(self.clone(), "a new kind");
        found.scopes = self.claims.map(scopes).unwrap_or_default();
        Box::pin(std::future::ready(Finding::from(Ok(found))))
    }
}

impl TokenSource for New {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            self.exchanges.fetch_add(1, Ordering::SeqCst);
            let now = exchange.host.clock.now();
            Ok(Token::new("a-new-token", now, now + Duration::from_secs(3600))
                .with_scopes(self.tells.map(scopes)))
        })
    }

    fn key(&self) -> Option<TokenKey> {
        Some(TokenKey::new("new"))
    }
}

/// A store that holds one token.
#[derive(Clone, Debug, Default)]
struct OneToken(Arc<Mutex<Option<Token>>>);

impl TokenStore for OneToken {
    fn load(&self, _: &TokenKey) -> Option<Token> {
        self.0.lock().unwrap().clone()
    }

    fn save(&self, _: &TokenKey, token: &Token) {
        *self.0.lock().unwrap() = Some(token.clone());
    }

    fn remove(&self, _: &TokenKey) {
        *self.0.lock().unwrap() = None;
    }

    fn turn<'a>(&'a self, _: &'a TokenKey) -> BoxFuture<'a, Option<Turn>> {
        Box::pin(std::future::ready(None))
    }
}

fn resolve(new: &New, asked: Option<&str>, store: &OneToken) -> Result<Credential, Error> {
    let host = Fake::new().host();
    let settings = Settings { scopes: asked.map(scopes), ..Settings::default() };
    let chain = Chain::new(vec![Member::new("new", Arc::new(new.clone()))]);
    let search = Search::new(host.clone(), settings.clone());
    let (_, found) = pollster::block_on(chain.resolve(&search)).result?;
    let exchange = Exchange { host, settings };
    Ok(Credential::new("new", &KIND, found, None, exchange).with_store(Arc::new(store.clone())))
}

#[test]
fn a_new_kind_is_limited_without_being_taught() {
    let asked = Some("earthengine.readonly");
    let store = OneToken::default();
    let wide = New { claims: Some("earthengine.readonly drive"), ..New::default() };
    let error = resolve(&wide, asked, &store).expect_err("it says that its tokens have more");
    assert_eq!((error.code().to_string().as_str(), error.provider()), ("rejected.scopes", Some("new")));
    assert!(error.message().ends_with("drive"), "{error}");
    assert!(resolve(&wide, None, &store).unwrap().warnings().is_empty(), "nobody asked for scopes");

    let silent = resolve(&New::default(), asked, &store).unwrap();
    assert!(silent.warnings()[0].contains("could not check the scopes"), "{:?}", silent.warnings());
    let narrow = New { claims: Some("earthengine.readonly"), ..New::default() };
    let narrow = resolve(&narrow, Some("https://www.googleapis.com/auth/earthengine.readonly,drive"), &store);
    assert!(narrow.unwrap().warnings().is_empty());
}

#[test]
fn a_token_with_more_scopes_than_asked_is_neither_handed_out_nor_stored() {
    for claims in [None, Some("earthengine.readonly")] {
        let store = OneToken::default();
        let new = New { claims, tells: Some("earthengine.readonly drive"), ..New::default() };
        let credential = resolve(&new, Some("earthengine.readonly"), &store).unwrap();
        for result in [credential.token(), pollster::block_on(credential.token_async())] {
            assert_eq!(result.expect_err("it has more").code(), "rejected.scopes");
        }
        assert!(store.0.lock().unwrap().is_none() && credential.held_token().is_none());
    }
}

#[test]
fn a_credential_that_was_made_by_hand_is_limited_as_well() {
    let host = Fake::new().host();
    let settings = Settings { scopes: Some(scopes("earthengine")), ..Settings::default() };
    let mut found = Found::new(New::default(), "by hand");
    found.scopes = scopes("earthengine drive");
    let credential = Credential::new("new", &KIND, found, None, Exchange { host, settings });
    assert_eq!(credential.token().expect_err("it has more").code(), "rejected.scopes");
}

#[test]
fn a_stored_token_with_more_scopes_than_asked_is_not_used() {
    let new = New { tells: Some("earthengine"), ..New::default() };
    let store = OneToken::default();
    let credential = resolve(&new, Some("earthengine"), &store).unwrap();
    let now = credential.exchange().host.clock.now();
    let wide = Token::new("an-older-token", now, now + Duration::from_secs(3600))
        .with_scopes(Some(scopes("earthengine drive")));
    store.save(&TokenKey::new("any"), &wide);
    assert!(credential.held_token().is_none());
    assert_eq!(credential.token().unwrap().secret(), "a-new-token");
    assert_eq!(new.exchanges.load(Ordering::SeqCst), 1);
    assert_eq!(store.load(&TokenKey::new("any")).unwrap().secret(), "a-new-token", "it is replaced");

    store.save(&TokenKey::new("any"), &wide);
    let unlimited = resolve(&new, None, &store).unwrap();
    assert_eq!(unlimited.token().unwrap().secret(), "an-older-token");
}
