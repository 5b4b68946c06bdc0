//! A credential in use: what is known of it, and its tokens.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwapOption, Guard};

use crate::flight::Flight;
use crate::time::later;
use crate::token::Held;
use crate::{
    Error, Exchange, Found, IdToken, Impersonates, Kind, Project, Scopes, Token, TokenGuard, TokenKey,
    TokenStore,
};

type Landing = Result<Arc<Held>, Error>;

/// By how much a clock may be put back while it is adjusted, with nobody having set it.
const SKEW: Duration = Duration::from_secs(60);

/// Who you are: a source of tokens, and what is known of it. Cheap to clone; clones share their tokens.
///
/// Reading a valid token takes no lock, allocates nothing and needs no async runtime: [`Credential::token`] lends it.
/// When there is none, one exchange is made on a private thread, however many callers ask, and dropping a caller
/// does not stop it. A token that is about to expire is replaced beside the callers, who go on using it.
#[derive(Clone)]
pub struct Credential(Arc<Shared>);

struct Shared {
    provider: String,
    kind: &'static Kind,
    found: Found,
    project: Option<Project>,
    exchange: Exchange,
    store: Option<(Arc<dyn TokenStore>, TokenKey)>,
    held: ArcSwapOption<Held>,
    /// The exchange that is under way, and the generation of tasks that it belongs to.
    flight: Mutex<Option<(u64, Arc<Flight<Landing>>)>>,
    /// The token that a server did not accept: what is stored may be the same.
    refused: Mutex<Option<Token>>,
}

impl Credential {
    /// A credential that the provider called `provider` found, with the project that was resolved for it.
    pub fn new(
        provider: impl Into<String>,
        kind: &'static Kind,
        found: Found,
        project: Option<Project>,
        exchange: Exchange,
    ) -> Self {
        Self(Arc::new(Shared {
            provider: provider.into(),
            kind,
            found,
            project,
            exchange,
            store: None,
            held: ArcSwapOption::empty(),
            flight: Mutex::new(None),
            refused: Mutex::new(None),
        }))
    }

    /// The same credential, whose tokens are kept in `store` if they may be. To be called before it is shared or used:
    /// tokens that it holds are forgotten.
    #[must_use]
    pub fn with_store(self, store: Arc<dyn TokenStore>) -> Self {
        let Some(mut key) = self.0.found.source.key() else { return self };
        key.complete(self.kind(), self.universe_domain());
        match Arc::try_unwrap(self.0) {
            Ok(shared) => Self(Arc::new(Shared { store: Some((store, key)), ..shared })),
            Err(shared) => Self(shared),
        }
    }

    /// A valid token. Blocks while there is none, until an exchange has ended; in async code use
    /// [`Credential::token_async`], which is the same otherwise.
    ///
    /// # Errors
    /// [`Outcome::Rejected`](crate::Outcome::Rejected) where the server refuses the credential,
    /// [`Outcome::Unavailable`](crate::Outcome::Unavailable) where it cannot be reached,
    /// [`Outcome::Untrusted`](crate::Outcome::Untrusted) where the credential names a host that is not trusted. An
    /// error is never remembered: the next call tries again.
    ///
    /// Never to be called from a [`TokenSource`](crate::TokenSource), which runs on the thread that this waits for.
    #[inline]
    pub fn token(&self) -> Result<TokenGuard<'_>, Error> {
        self.token_valid_for(Duration::ZERO)
    }

    /// A valid token, without blocking the thread. May be polled on any executor.
    ///
    /// # Errors
    /// As [`Credential::token`].
    pub async fn token_async(&self) -> Result<TokenGuard<'_>, Error> {
        self.token_valid_for_async(Duration::ZERO).await
    }

    /// A token that stays valid for at least `least`. Where even a new one lives shorter, the new one.
    ///
    /// # Errors
    /// As [`Credential::token`].
    #[inline]
    pub fn token_valid_for(&self, least: Duration) -> Result<TokenGuard<'_>, Error> {
        match self.lend(least) {
            Some(guard) => Ok(guard),
            None => self.get(least),
        }
    }

    /// As [`Credential::token_valid_for`], without blocking the thread.
    ///
    /// # Errors
    /// As [`Credential::token`].
    pub async fn token_valid_for_async(&self, least: Duration) -> Result<TokenGuard<'_>, Error> {
        if let Some(guard) = self.lend(least) {
            return Ok(guard);
        }
        let restored = self.0.stored_async(least).await;
        match restored.and_then(|held| self.restored(held)) {
            Some(guard) => Ok(guard),
            None => self.exchanged(least).await,
        }
    }

    /// A new ID token for `audience`: the address of the service that is to know who asks. Blocks. None is kept, so a
    /// caller that makes many requests keeps it until it expires.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](crate::Outcome::Invalid), code `id_token`, for a credential that has none, as a person's login.
    /// Else as [`Credential::token`].
    pub fn id_token(&self, audience: &str) -> Result<IdToken, Error> {
        pollster::block_on(self.id_token_async(audience))
    }

    /// As [`Credential::id_token`], without blocking the thread. May be polled on any executor.
    ///
    /// # Errors
    /// As [`Credential::id_token`].
    pub async fn id_token_async(&self, audience: &str) -> Result<IdToken, Error> {
        let got = self.0.found.source.id_token(&self.0.exchange, audience).await;
        got.map_err(|error| error.of_provider(&self.0.provider))
    }

    /// The token that is held already, in memory or in the store, if it is valid. Makes no exchange.
    pub fn held_token(&self) -> Option<TokenGuard<'_>> {
        self.lend(Duration::ZERO).or_else(|| Some(lent(self.0.in_store(Duration::ZERO)?)))
    }

    /// Forgets `token`, if it is the one that is held: for when a server answers 401 to it. The next caller gets another.
    pub fn invalidate(&self, token: &Token) {
        let mut refused = self.0.refused();
        *refused = Some(token.clone());
        if self.0.held.load().as_ref().is_some_and(|held| held.token.secret() == token.secret()) {
            self.0.held.store(None);
        }
    }

    /// The name of the provider that found it.
    pub fn provider(&self) -> &str {
        &self.0.provider
    }

    /// The kind of that provider.
    pub fn kind(&self) -> &'static str {
        self.0.kind.name
    }

    /// Where it was found and what it is, for a person.
    pub fn origin(&self) -> &str {
        &self.0.found.origin
    }

    /// The account's e-mail, where it is known: from the credential, or from the answer to an exchange.
    pub fn principal(&self) -> Option<String> {
        self.0.found.principal.clone().or_else(|| {
            self.0.held.load().as_ref().and_then(|held| held.token.principal().map(str::to_owned))
        })
    }

    /// The service account that it impersonates, and what names it.
    pub fn impersonates(&self) -> Option<&Impersonates> {
        self.0.found.impersonates.as_ref()
    }

    /// The project to use, and where it was named.
    pub fn project(&self) -> Option<&Project> {
        self.0.project.as_ref()
    }

    /// The project that the credential itself says is to be charged.
    pub fn quota_project(&self) -> Option<&str> {
        self.0.found.quota_project.as_deref()
    }

    /// The scopes that tokens are asked with, or are known to have; empty where neither is known.
    pub fn scopes(&self) -> &Scopes {
        &self.0.found.scopes
    }

    /// The scopes that a token of this credential is known to have; `None` where nobody says so.
    pub fn scopes_of<'a>(&'a self, token: &'a Token) -> Option<&'a Scopes> {
        self.0.found.scopes_of(token)
    }

    /// The universe that it belongs to: the one that the user has chosen, since no other is trusted.
    pub fn universe_domain(&self) -> &str {
        &self.0.exchange.settings.universe_domain
    }

    /// What a person should know though it works.
    pub fn warnings(&self) -> &[String] {
        &self.0.found.warnings
    }

    /// What its exchanges use: the machine, the endpoints, the scopes that were asked for.
    pub fn exchange(&self) -> &Exchange {
        &self.0.exchange
    }

    /// The token in memory that is valid for `least` from now, if there is one. Sees to it that one about to expire
    /// is replaced.
    #[inline]
    fn lend(&self, least: Duration) -> Option<TokenGuard<'_>> {
        let held = self.0.held.load();
        let now = self.0.now();
        let Held { known_from, refresh_at, .. } = held.as_deref()?;
        // A token is due before it expires, so for most callers two comparisons are all.
        let is_due = now >= *refresh_at || now < *known_from;
        if (is_due || !least.is_zero()) && !self.is_good(held.as_deref()?, now, least) {
            return None;
        }
        Some(TokenGuard { held, cached: true, credential: PhantomData })
    }

    /// Whether a token is valid for `least` from `now`. One that is due is replaced beside those who go on using it.
    #[cold]
    fn is_good(&self, held: &Held, now: SystemTime, least: Duration) -> bool {
        if held.token.remaining(now) <= least || now < held.known_from {
            return false;
        }
        if now >= held.refresh_at {
            self.fly(least);
        }
        true
    }

    /// A token that is not in memory.
    #[cold]
    fn get(&self, least: Duration) -> Result<TokenGuard<'_>, Error> {
        match self.restore(least) {
            Some(guard) => Ok(guard),
            None => pollster::block_on(self.exchanged(least)),
        }
    }

    /// The token in the store that is valid for `least` from now and not about to expire. Takes it into memory.
    fn restore(&self, least: Duration) -> Option<TokenGuard<'_>> {
        self.restored(self.0.stored(least)?)
    }

    /// A token from the store, taken into memory.
    fn restored(&self, held: Arc<Held>) -> Option<TokenGuard<'_>> {
        self.0.adopt(&held).then(|| lent(held))
    }

    /// The token that an exchange gets, one that is under way where there is one.
    async fn exchanged(&self, least: Duration) -> Result<TokenGuard<'_>, Error> {
        let mut held = self.fly(least).wait().await?;
        // Whoever began that exchange may have been content with a token from the store that is too old for this caller.
        if held.stored && held.token.remaining(self.0.now()) <= least {
            held = self.fly(least).wait().await?;
        }
        Ok(lent(held))
    }

    /// The exchange that is under way; a new one where there is none.
    fn fly(&self, least: Duration) -> Arc<Flight<Landing>> {
        let tasks = &self.0.exchange.host.tasks;
        let generation = tasks.generation();
        let mut slot = self.0.flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, flight)) = &*slot {
            // One that a fork has left behind in the parent process never lands here.
            if *of == generation {
                return flight.clone();
            }
        }
        // One may have ended between the caller's look at the token and this one at the slot.
        let now = self.0.now();
        let fresh = |held: &&Arc<Held>| {
            held.token.remaining(now) > least && (held.known_from..held.refresh_at).contains(&now)
        };
        if let Some(held) = self.0.held.load().as_ref().filter(fresh) {
            let landed = Flight::new();
            landed.land(Ok(held.clone()));
            return landed;
        }
        let flight = Flight::new();
        *slot = Some((generation, flight.clone()));
        drop(slot);
        let task = Task { shared: self.0.clone(), flight: flight.clone(), least };
        match tasks.start() {
            Ok(()) => tasks.spawn(Box::pin(task.run())),
            Err(error) => task.end(Err(Error::system("starting the thread that exchanges tokens", &error))),
        }
        flight
    }
}

/// A token that is held, on loan.
fn lent<'a>(held: Arc<Held>) -> TokenGuard<'a> {
    TokenGuard { cached: held.stored, held: Guard::from_inner(Some(held)), credential: PhantomData }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("provider", &self.0.provider)
            .field("origin", &self.0.found.origin)
            .field("principal", &self.principal())
            .finish_non_exhaustive()
    }
}

/// An exchange on the private thread. However it ends, those who wait are told: when it is dropped unfinished, too.
struct Task {
    shared: Arc<Shared>,
    flight: Arc<Flight<Landing>>,
    least: Duration,
}

impl Task {
    async fn run(self) {
        let shared = &*self.shared;
        let landing = shared.new_token(self.least).await.map_err(|error| error.of_provider(&shared.provider));
        match &landing {
            Ok(held) => drop(shared.adopt(held)),
            Err(error) => shared.keep_what_is_valid(error),
        }
        self.end(landing);
    }

    /// Empties the slot before it tells anyone, so that whoever asks again after an error starts anew.
    fn end(&self, landing: Landing) {
        let mut slot = self.shared.flight.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_some_and(|(_, flight)| Arc::ptr_eq(flight, &self.flight)) {
            *slot = None;
        }
        drop(slot);
        self.flight.land(landing);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.end(Err(Error::internal("the exchange was given up before it ended")
            .hint("this is a bug in ee-auth or in a provider; please report it")));
    }
}

impl Shared {
    /// A token that another process has got meanwhile, or a new one.
    async fn new_token(&self, least: Duration) -> Landing {
        let source = &self.found.source;
        let Some((store, key)) = &self.store else {
            return Ok(self.hold(self.exchanged().await?, false));
        };
        let _turn = store.turn(key).await;
        if let Some(held) = self.stored_async(least).await {
            return Ok(held);
        }
        match self.exchanged().await {
            Ok(token) => {
                // Whether it may be kept can differ from one token to the next.
                if source.key().is_some() {
                    store.save_async(key, &token).await;
                }
                Ok(self.hold(token, false))
            }
            Err(error) => match self.in_store_async(least).await {
                Some(held) => Ok(self.spared(&held, &error)),
                None => Err(error),
            },
        }
    }

    /// A new token, which has no scope that was not asked for.
    async fn exchanged(&self) -> Result<Token, Error> {
        let token = self.found.source.exchange(&self.exchange).await?;
        self.exchange.settings.accept(token, &self.found)
    }

    /// The token in the store, if it is valid for `least` from now, not about to expire and was not refused.
    fn stored(&self, least: Duration) -> Option<Arc<Held>> {
        self.in_store(least).filter(|held| self.now() < held.refresh_at)
    }

    /// As [`Shared::stored`], without blocking the thread.
    async fn stored_async(&self, least: Duration) -> Option<Arc<Held>> {
        self.in_store_async(least).await.filter(|held| self.now() < held.refresh_at)
    }

    /// The token in the store, if it is valid for `least` from now and was not refused.
    fn in_store(&self, least: Duration) -> Option<Arc<Held>> {
        let (store, key) = self.store.as_ref()?;
        self.usable(store.load(key)?, least)
    }

    /// As [`Shared::in_store`], without blocking the thread.
    async fn in_store_async(&self, least: Duration) -> Option<Arc<Held>> {
        let (store, key) = self.store.as_ref()?;
        self.usable(store.load_async(key).await?, least)
    }

    /// A token of the store, if it is valid for `least` from now, was not refused and has no scope that was not asked for.
    fn usable(&self, token: Token, least: Duration) -> Option<Arc<Held>> {
        if !self.exchange.settings.allows(&token) {
            return None;
        }
        let held = self.hold(token, true);
        let is_refused =
            self.refused().as_ref().is_some_and(|refused| refused.secret() == held.token.secret());
        (held.token.remaining(self.now()) > least && !is_refused).then_some(held)
    }

    /// Takes a token into memory. One from the store is taken only if no server has refused it, which is `false`, and
    /// never in the place of one that lives longer.
    fn adopt(&self, held: &Arc<Held>) -> bool {
        if !self.found.source.is_kept() {
            return true;
        }
        // Held to the end, so that what is refused meanwhile is not put back.
        let refused = self.refused();
        if held.stored {
            if refused.as_ref().is_some_and(|refused| refused.secret() == held.token.secret()) {
                return false;
            }
            if self.held.load().as_ref().is_some_and(|now| now.token.expires_at() > held.token.expires_at()) {
                return true;
            }
        }
        self.held.store(Some(held.clone()));
        true
    }

    fn refused(&self) -> MutexGuard<'_, Option<Token>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn now(&self) -> SystemTime {
        self.exchange.host.clock.now()
    }

    fn hold(&self, token: Token, stored: bool) -> Arc<Held> {
        let ahead = self.found.source.refresh_ahead(token.lifetime());
        let refresh_at = token.expires_at().checked_sub(ahead).unwrap_or(SystemTime::UNIX_EPOCH);
        let known_from = token.obtained_at().checked_sub(SKEW).unwrap_or(SystemTime::UNIX_EPOCH);
        Arc::new(Held { token, known_from, refresh_at, stored })
    }

    /// After a failed exchange: a token that is still valid stays.
    fn keep_what_is_valid(&self, error: &Error) {
        // Held to the end, so that what is refused meanwhile is not put back.
        let _refused = self.refused();
        if let Some(held) = self.held.load().as_ref().filter(|held| held.token.is_valid_at(self.now())) {
            self.held.store(Some(self.spared(held, error)));
        }
    }

    /// A token that is still valid and could not be replaced. It is left alone for a while.
    fn spared(&self, held: &Held, error: &Error) -> Arc<Held> {
        log::warn!("{}: refreshing a token that is still valid failed: {error}", self.provider);
        let now = self.now();
        let pause = (held.token.remaining(now) / 4).min(Duration::from_secs(30));
        // By now it is the best that can be had, whatever the clock says.
        let (token, known_from) = (held.token.clone(), now.min(held.known_from));
        let refresh_at = later(now, pause).min(token.expires_at());
        Arc::new(Held { token, known_from, refresh_at, stored: held.stored })
    }
}
