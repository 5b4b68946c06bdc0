//! A plugin as a provider.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ee_auth_core::host::{Host, Presence};
use ee_auth_core::{
    BoxFuture, Error, Exchange, Finding, Found, Kind, LoggedIn, Login, LoginRequest, Outcome, Provider,
    Scopes, Search, Secret, Skip, SkipReason, Token, TokenKey,
};

use crate::answer::breach;
use crate::source::{PluginSource, exchangeable};
use crate::{
    Answer, Declaration, Granted, Manifest, Op, Reason, Refusal, RefusalCode, Request, Transport, words,
};

/// How long a person may take to sign in, where the provider's own timeout is shorter.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// A plugin as a provider: finding is asking it for a token, and the first exchange hands out what was found.
#[derive(Clone, Debug)]
pub struct PluginProvider(Arc<Plugin>);

/// What runs and how it was declared.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) declaration: Declaration,
    pub(crate) transport: Box<dyn Transport>,
}

impl PluginProvider {
    /// The plugin that a table declares, carried by `transport`.
    pub fn new(declaration: Declaration, transport: impl Transport + 'static) -> Self {
        Self(Arc::new(Plugin { declaration, transport: Box::new(transport) }))
    }

    /// What the plugin says that it is. Runs it.
    ///
    /// # Errors
    /// As [`Transport::call`]; where it refuses, its own words.
    pub async fn describe(&self, host: &Host) -> Result<Manifest, Error> {
        let Declaration { timeout, config, .. } = &self.0.declaration;
        match self.0.call(host, &Request::describe(*timeout, config.0.clone())).await? {
            Answer::Manifest(manifest) => Ok(manifest),
            answer => Err(self.0.failed(answer)),
        }
    }

    /// The file that runs, where it is on this machine; `None` where no place for it is known.
    pub fn file(&self, host: &Host) -> Option<PathBuf> {
        self.0.transport.file(host)
    }

    /// Under what its tokens are kept where a store has them; `None` where they are not to be kept.
    pub fn token_key(&self, search: &Search) -> Option<TokenKey> {
        self.0.key(search, &search.scopes()).map(|key| completed(key, self.kind(), search))
    }

    pub(crate) fn plugin(&self) -> &Plugin {
        &self.0
    }
}

impl Plugin {
    /// Asks the plugin. An error names the provider as the chain does.
    pub(crate) async fn call(&self, host: &Host, request: &Request) -> Result<Answer, Error> {
        log::debug!(
            "{}: asking for {} ({})",
            self.declaration.name,
            request.op.name(),
            request.reason.name()
        );
        self.transport.call(host, request).await.map_err(|error| self.named(error))
    }

    /// The same error under the provider's name in the chain; what is wrong with the file names the file, too.
    pub(crate) fn named(&self, error: Error) -> Error {
        let error = match error.outcome() {
            Outcome::Invalid | Outcome::Untrusted => error.in_place(&self.transport.place()),
            _ => error,
        };
        error.in_place(&self.declaration.name)
    }

    /// A request for a token.
    pub(crate) fn get(&self, scopes: &Scopes, project: Option<&str>, reason: Reason) -> Request {
        let Declaration { config, audience, timeout, .. } = &self.declaration;
        Request {
            op: Op::Get,
            scopes: scopes.clone(),
            audience: audience.clone(),
            project: project.map(str::to_owned),
            interactive: false,
            deadline: *timeout,
            reason,
            config: config.clone(),
            other: serde_json::Map::new(),
        }
    }

    /// A plugin's "no", in words: what it was asked for, and what it says.
    fn words_of(&self, refusal: &Refusal) -> String {
        let name = &self.declaration.name;
        match refusal.message.as_str() {
            "" => format!("{name} answered `{}` and gave no reason", refusal.code.name()),
            message => words::said(name, message),
        }
    }

    /// The error for an answer that is none to what was asked.
    pub(crate) fn failed(&self, answer: Answer) -> Error {
        match answer {
            Answer::Refused(refusal) => self.refused(&refusal),
            _ => self.named(breach("field", "it answered something else than it was asked")),
        }
    }

    /// A plugin's "no" where there is nobody else to ask.
    pub(crate) fn refused(&self, refusal: &Refusal) -> Error {
        let name = &self.declaration.name;
        let message = self.words_of(refusal);
        match refusal.code {
            RefusalCode::NotFound | RefusalCode::NotApplicable => {
                Error::new(Outcome::NotFound, "plugin", message)
                    .hint(format!("see what the plugin {name} needs to have a credential"))
            }
            RefusalCode::InteractionRequired => {
                Error::new(Outcome::InteractionRequired, "plugin", message).hint(self.login_hint())
            }
            RefusalCode::Unavailable => Error::unavailable("plugin", message)
                .hint(format!("see whether what the plugin {name} asks can be reached, and try again")),
            RefusalCode::Rejected => Error::rejected("plugin", message).hint(format!(
                "see what `[providers.{name}]` in ee-auth.toml hands to the plugin, and what it may do there"
            )),
            RefusalCode::Invalid => Error::invalid("plugin", message)
                .hint(format!("correct `config` or `env` under `[providers.{name}]` in ee-auth.toml")),
        }
    }

    fn login_hint(&self) -> String {
        let name = &self.declaration.name;
        if self.transport.may_log_in() {
            format!("`ee-auth login --mode {name}` runs its login; if it has none, do as it says")
        } else {
            format!("sign in with the program that the plugin {name} takes its token from")
        }
    }

    /// What the chain makes of a "no".
    fn skipped_or_failed(&self, refusal: &Refusal) -> Finding {
        let reason = match refusal.code {
            RefusalCode::NotFound => SkipReason::NotFound,
            RefusalCode::NotApplicable => SkipReason::NotApplicable,
            RefusalCode::InteractionRequired => SkipReason::InteractionRequired,
            _ => return Finding::Failed(self.refused(refusal)),
        };
        let hint = match reason {
            SkipReason::InteractionRequired => self.login_hint(),
            _ => format!("see what the plugin {} needs to have a credential", self.declaration.name),
        };
        Finding::Skipped(Skip { hint: Some(hint), ..Skip::new(reason, self.words_of(refusal)) })
    }

    /// What makes its tokens differ from others, before [`TokenKey::complete`].
    fn key(&self, search: &Search, scopes: &Scopes) -> Option<TokenKey> {
        let Declaration { name, config, audience, .. } = &self.declaration;
        let mut key = TokenKey::new("plugin");
        key.add("name", name)
            .add("config", serde_json::to_vec(&config.0).ok()?)
            .add("audience", audience.as_deref().unwrap_or_default())
            .add("project", search.settings().project.as_deref().unwrap_or_default())
            .add("sts", search.settings().endpoints.sts.as_str())
            .add("scopes", scopes.to_parameter());
        self.transport.add_to_key(search.host(), &mut key).then_some(key)
    }

    /// What was found where a token is kept that the plugin gave before.
    fn found(self: &Arc<Self>, token: Token, key: Option<TokenKey>, scopes: Scopes) -> Found {
        let origin = format!("an access token that the plugin {} gave before", self.described());
        let (principal, project) = (token.principal().map(str::to_owned), token.project().map(str::to_owned));
        let is_known = token.scopes().is_some();
        let known_scopes = token.scopes().cloned().unwrap_or_else(|| scopes.clone());
        let mut found = Found::new(PluginSource::of_kept(self.clone(), scopes, &token, key), origin);
        found.principal = principal;
        found.quota_project = project;
        found.scopes = known_scopes;
        found.scopes_assumed = !is_known;
        found
    }

    fn origin(&self, granted: &Granted) -> String {
        let what = match granted.subject {
            crate::Subject::AccessToken(_) => "an access token",
            crate::Subject::IdToken(_) => "an ID token",
            crate::Subject::SamlResponse(_) => "a SAML response",
        };
        format!("{what} from the plugin {}", self.described())
    }

    /// The name in the chain and the file, for a person.
    fn described(&self) -> String {
        format!("{} ({})", self.declaration.name, self.transport.place())
    }

    /// Asks for something that a person takes part in.
    async fn ask(&self, op: Op, exchange: &Exchange, scopes: Scopes, interactive: bool) -> Result<(), Error> {
        let Declaration { config, audience, timeout, .. } = &self.declaration;
        let request = Request {
            op,
            scopes,
            audience: audience.clone(),
            project: exchange.settings.project.clone(),
            interactive,
            deadline: (*timeout).max(LOGIN_TIMEOUT),
            reason: Reason::Initial,
            config: config.clone(),
            other: serde_json::Map::new(),
        };
        match self.call(&exchange.host, &request).await? {
            Answer::Done => Ok(()),
            answer => Err(self.failed(answer)),
        }
    }
}

/// A key as a store has it, which a credential completes in the same way.
fn completed(mut key: TokenKey, kind: &Kind, search: &Search) -> TokenKey {
    key.complete(kind.name, &search.settings().universe_domain);
    key
}

/// A token in the store that need not be replaced yet.
async fn kept(search: &Search, key: &TokenKey, kind: &Kind) -> Option<Token> {
    let token = search.store()?.load_async(&completed(key.clone(), kind, search)).await?;
    // As `TokenSource::refresh_ahead` has it.
    let ahead = Duration::from_secs(225).min(token.lifetime() / 4);
    let is_fresh = token.remaining(search.host().clock.now()) > ahead;
    (is_fresh && search.settings().allows(&token)).then_some(token)
}

impl Provider for PluginProvider {
    fn kind(&self) -> &'static Kind {
        self.0.declaration.kind
    }

    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let plugin = &self.0;
            search.looked_at(plugin.transport.look(search.host()));
            if search.is_offline() {
                let place = plugin.transport.place();
                return Finding::NotProbed(format!("{place} would have to run, and nothing is run offline"));
            }
            let scopes = search.scopes();
            let key = plugin.key(search, &scopes);
            let token = match &key {
                Some(key) => kept(search, key, self.kind()).await,
                None => None,
            };
            if let Some(token) = token {
                return Finding::Found(Box::new(plugin.found(token, key, scopes)));
            }
            let asked_at = search.host().clock.now();
            let granted = match plugin
                .call(
                    search.host(),
                    &plugin.get(&scopes, search.settings().project.as_deref(), Reason::Initial),
                )
                .await
            {
                Ok(Answer::Granted(granted)) => granted,
                Ok(Answer::Refused(refusal)) => return plugin.skipped_or_failed(&refusal),
                Ok(answer) => return Finding::Failed(plugin.failed(answer)),
                Err(error) => return Finding::Failed(error),
            };
            if let Err(error) = exchangeable(plugin, &granted) {
                return Finding::Failed(error);
            }
            let origin = plugin.origin(&granted);
            let (principal, project) = (granted.principal.clone(), granted.project.clone());
            // The STS gives what it is asked for.
            let is_known =
                granted.scopes.is_some() || !matches!(granted.subject, crate::Subject::AccessToken(_));
            let known_scopes = granted.scopes.clone().unwrap_or_else(|| scopes.clone());
            let source = PluginSource::new(plugin.clone(), scopes, granted, asked_at, key);
            let mut found = Found::new(source, origin);
            found.principal = principal;
            found.quota_project = project;
            found.scopes = known_scopes;
            found.scopes_assumed = !is_known;
            Finding::Found(Box::new(found))
        })
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }

    fn login(&self) -> Option<&dyn Login> {
        self.0.transport.may_log_in().then_some(self)
    }
}

impl Login for PluginProvider {
    /// Lets the plugin's own login run. The plugin keeps what comes of it.
    fn log_in<'a>(&'a self, request: &'a LoginRequest) -> BoxFuture<'a, Result<LoggedIn, Error>> {
        Box::pin(async move {
            let name = &self.0.declaration.name;
            if request.quiet {
                return Err(Error::new(
                    Outcome::InteractionRequired,
                    "",
                    format!(
                        "the login of the plugin {name} waits for a person, and nobody was to be waited for"
                    ),
                )
                .hint(format!("run `ee-auth login --mode {name}` in a terminal")));
            }
            request.require(Presence::Watching, name)?;
            self.0.ask(Op::Login, &request.exchange, request.scopes.clone(), true).await?;
            Ok(LoggedIn::Elsewhere(format!("the plugin {}", self.0.described())))
        })
    }

    fn log_out<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            if !self.describe(&exchange.host).await?.has(Op::Logout) {
                return Ok(false);
            }
            let interactive = exchange.host.person.presence() == Presence::Answering;
            self.0.ask(Op::Logout, exchange, Scopes::default(), interactive).await?;
            Ok(true)
        })
    }

    fn finish<'a>(
        &'a self,
        _request: &'a LoginRequest,
        _pasted: Secret,
        _verifier: Secret,
    ) -> BoxFuture<'a, Result<LoggedIn, Error>> {
        Box::pin(async {
            Err(Error::new(
                Outcome::Usage,
                "authorization_code",
                format!("the login of the plugin {} is not finished with a code", self.0.declaration.name),
            )
            .hint("run the login again, in a terminal"))
        })
    }
}
