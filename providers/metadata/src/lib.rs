//! The provider `metadata`: the service account of a machine of Google's (AIP-4115).
//!
//! The Compute Engine metadata server answers on Compute Engine, GKE (with workload identity for the pod's account), Cloud
//! Run, App Engine and in Colab. It is asked where `GCE_METADATA_HOST` names it, and then it has to answer; otherwise only
//! where the machine itself says that it is Google's, or variables that Google's machines set are there, so that a laptop never
//! waits for it. Windows does not say; there, `GCE_METADATA_HOST=metadata.google.internal` does.
//!
//! Its tokens belong to the machine, so no proxy is used and none is stored. Requests are repeated as AIP-4115 has it:
//! connections that fail, 408, 429 and 5xx, with exponential pauses; a server that is merely likely is first asked once, and one of
//! a machine that is Google's is waited for while it starts.

mod detection;
mod server;

use std::sync::Arc;

use ee_auth_core::{
    BoxFuture, Error, Exchange, Finding, Found, IdToken, Kind, Look, Options, Provider, Saw, Scopes, Search,
    Settings, Token, TokenSource, redact,
};
use ee_auth_google::id_token;
use ee_auth_google::metadata_server::{Account, MetadataServer};

use crate::detection::{Belief, Detected};
use crate::server::Answer;

/// How `metadata` is configured: not at all.
pub const KIND: Kind = Kind {
    name: "metadata",
    summary: "the service account of a Compute Engine, GKE, Cloud Run or Colab machine",
    interactive: false,
    declared_only: false,
    options: &[],
    build: |_name, _options: &Options| Ok(Arc::new(Metadata)),
};

/// The provider.
#[derive(Debug)]
pub struct Metadata;

impl Provider for Metadata {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let (server, belief) = match detection::server(search) {
                Ok(Detected::Server(base, belief)) => {
                    (server::server(base, belief, detection::in_cluster(search)), belief)
                }
                Ok(Detected::None(reason, None)) => return Finding::not_found(reason),
                Ok(Detected::None(reason, Some(help))) => return Finding::not_found(reason).hint(help),
                Err(error) => return Finding::from(error),
            };
            if search.is_offline() {
                return Finding::NotProbed(format!("{} was not asked", server.base));
            }
            let exchange = search.exchange();
            let answer = server::account(&server, belief, detection::in_cluster(search), &exchange).await;
            let saw = if matches!(answer, Answer::Account(_)) { Saw::Present } else { Saw::Missing };
            search.looked_at(Look::Address(server.base.to_string(), saw));
            match answer {
                Answer::Account(account) => {
                    let honours_scopes = !(belief == Belief::Sure && detection::is_compute_engine(search));
                    Finding::from(found(server, account, honours_scopes, &exchange).await)
                }
                Answer::None => Finding::not_found("this machine has no service account")
                    .hint("give the machine a service account with a role for Earth Engine"),
                Answer::Absent => {
                    Finding::not_found(format!("no metadata server answered at once at {}", server.base))
                        .hint("on a machine of Google's, see what keeps it from its metadata server")
                }
                Answer::Failed(error) => Finding::from(error),
            }
        })
    }
}

async fn found(
    server: MetadataServer,
    account: Account,
    honours_scopes: bool,
    exchange: &Exchange,
) -> Result<Found, Error> {
    let settings = &exchange.settings;
    check_universe(&server, exchange).await?;
    // A machine's tokens have the scopes it was started with; only others than those are asked for.
    let asked = settings.scopes.clone();
    let granted = Scopes::new(&account.scopes).unwrap_or_default();
    // Not every server knows the project, and a token can be had without.
    let project = server.text(exchange, "project/project-id").await.ok().flatten();
    let origin = format!("the service account of this machine, from {}", server.base);
    let mut found = Found::new(Source { server, asked: asked.clone() }, origin);
    found.warnings = lacking(&granted, settings).into_iter().collect();
    found.principal = account.email();
    let exceeds = |limit: &Scopes| granted.is_empty() || !granted.beyond(limit).is_empty();
    match settings.scope_limit().filter(|limit| exceeds(limit)) {
        // What is asked for is not looked at there.
        Some(_) if !honours_scopes => found.scopes = granted,
        limit => {
            // Whether this server looks at it, it does not say.
            found.scopes_assumed = limit.is_some();
            found.scopes = asked.unwrap_or(granted);
        }
    }
    found.project = project;
    Ok(found)
}

/// What to say where the machine was started with scopes that Earth Engine does not take. On Compute Engine a token has those
/// scopes, whatever is asked for; elsewhere the server lists `cloud-platform`.
fn lacking(granted: &Scopes, settings: &Settings) -> Option<String> {
    let has = |name: &str| granted.short_names().any(|granted| granted == name);
    let asked = settings.scopes.as_ref();
    let is_enough = match asked {
        Some(asked) => asked.is_subset_of(granted),
        None => has("earthengine") || has("earthengine.readonly"),
    };
    if granted.is_empty() || has("cloud-platform") || is_enough {
        return None;
    }
    Some(format!(
        "this machine was started with the scopes {granted}, which are not enough for {}; stop it and run `gcloud compute \
         instances set-service-account NAME --scopes=cloud-platform`",
        asked.map_or_else(|| "Earth Engine".to_owned(), Scopes::to_string)
    ))
}

/// Makes sure that the machine belongs to the universe that the user has chosen: else its tokens would be sent to another's
/// services. A server that does not know of universes is in Google's own.
async fn check_universe(server: &MetadataServer, exchange: &Exchange) -> Result<(), Error> {
    let chosen = &exchange.settings.universe_domain;
    let named = server.text(exchange, "universe/universe-domain").await?;
    let named = named.unwrap_or_else(|| "googleapis.com".to_owned());
    if named == *chosen {
        return Ok(());
    }
    let named = redact(&named);
    Err(Error::untrusted(
        "universe",
        format!("the metadata server {} is in the universe {named}, and {chosen} is the one that is trusted", server.base),
    )
    .hint(format!(
        "if your organisation runs that universe, set `universe_domain = \"{named}\"` under `[security]` in your own \
         ee-auth.toml"
    )))
}

#[derive(Debug)]
struct Source {
    server: MetadataServer,
    asked: Option<Scopes>,
}

impl TokenSource for Source {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let mut url = self.server.account_url("token")?;
            if let Some(asked) = &self.asked {
                let scopes: Vec<_> = asked.iter().collect();
                url.query_pairs_mut().append_pair("scopes", &scopes.join(","));
            }
            self.server.token(exchange, url).await?.ok_or_else(no_account)
        })
    }

    fn id_token<'a>(
        &'a self,
        exchange: &'a Exchange,
        audience: &'a str,
    ) -> BoxFuture<'a, Result<IdToken, Error>> {
        Box::pin(async move {
            let mut url = self.server.account_url("identity")?;
            // `full` puts the account's e-mail into it, and on Compute Engine the machine's name.
            url.query_pairs_mut().append_pair("audience", audience).append_pair("format", "full");
            let asked_at = exchange.host.clock.now();
            let response = self.server.get(exchange, url.clone()).await?.ok_or_else(no_account)?;
            let jwt = String::from_utf8_lossy(&response.body).into_owned();
            id_token::read(jwt, audience, asked_at, response.date, &url)
        })
    }
}

fn no_account() -> Error {
    Error::rejected("no_account", "the machine's service account was taken away")
        .hint("give the machine a service account with a role for Earth Engine")
}
