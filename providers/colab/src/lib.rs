//! The provider `colab`: the credential that signing in to a Colab notebook leaves behind.
//!
//! `google.colab.auth.authenticate_user()` opens Colab's own dialog and asks for consent there. What it leaves differs
//! (`google/colab/auth.py`):
//!
//! - where `USE_AUTH_EPHEM` is 1, as in every hosted runtime today, the runtime's metadata server answers for the person
//!   from then on; before, it has no account;
//! - else it writes `/content/.adc/adc.json`, below `DATALAB_ROOT` where that is set.
//!
//! The dialog is reached through the notebook's kernel, which no other process can do. So the login here looks whether
//! somebody has signed in, and otherwise says what to run in a cell. Colab chooses the scopes.

mod server;

use std::path::PathBuf;
use std::sync::Arc;

use ee_auth_core::{
    BoxFuture, Error, Exchange, Finding, Found, Kind, LoggedIn, Login, LoginRequest, Look, Options, Outcome,
    Provider, Saw, Scopes, Search,
};
use ee_auth_google::metadata_server::MetadataServer;
use ee_auth_google::{Content, credential};

use crate::server::Source;

/// How `colab` is configured: not at all.
pub const KIND: Kind = Kind {
    name: "colab",
    summary: "whoever is signed in to this Colab notebook",
    interactive: false,
    declared_only: false,
    options: &[],
    build: |_name, _options: &Options| Ok(Arc::new(Colab)),
};

/// Variables that Colab's runtimes set.
const COLABS: [&str; 2] = ["COLAB_RELEASE_TAG", "COLAB_BACKEND_VERSION"];

/// What to run in the notebook.
const CELL: &str = "from google.colab import auth; auth.authenticate_user()";

/// The provider.
#[derive(Debug)]
pub struct Colab;

impl Provider for Colab {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            match Runtime::of(search) {
                Ok(Runtime::None) => Finding::not_applicable("this is not Colab")
                    .hint("`ee-auth login --mode notebook` works in any notebook and terminal"),
                Ok(Runtime::Enterprise) => {
                    Finding::not_applicable("Colab Enterprise knows its user without signing in")
                        .hint("the provider `metadata` finds the credential of this runtime")
                }
                Ok(Runtime::File(path)) => Self::find_file(search, path).unwrap_or_else(Finding::from),
                Ok(Runtime::Server(_)) if search.is_offline() => {
                    Finding::NotProbed("Colab's metadata server was not asked".to_owned())
                }
                Ok(Runtime::Server(server)) => Self::find_server(search, server).await,
                Err(error) => Finding::from(error),
            }
        })
    }

    fn login(&self) -> Option<&dyn Login> {
        Some(self)
    }
}

impl Colab {
    fn find_file(search: &Search, path: PathBuf) -> Result<Finding, Error> {
        match Content::read_if_present(search, &path)? {
            Some(content) => {
                let document = content.document()?;
                Ok(Finding::from(credential::found(&document, search)))
            }
            None => Ok(nobody()),
        }
    }

    async fn find_server(search: &Search, server: MetadataServer) -> Finding {
        let exchange = search.exchange();
        let answer = server.account(&exchange).await;
        let saw = if matches!(answer, Ok(Some(_))) { Saw::Present } else { Saw::Missing };
        search.looked_at(Look::Address(server.base.to_string(), saw));
        match answer {
            Ok(Some(account)) => {
                let mut found = Found::new(Source(server), "whoever is signed in to this Colab notebook");
                found.principal = account.email();
                found.scopes = Scopes::new(&account.scopes).unwrap_or_default();
                Finding::from(Ok(found))
            }
            Ok(None) => nobody(),
            // Colab's image runs on other machines too.
            Err(error) if error.outcome() == Outcome::Unavailable => {
                Finding::not_found(format!("no metadata server of Colab's answered at {}", server.base))
                    .hint("in a runtime on a machine of your own, `ee-auth login --mode notebook` logs in")
            }
            Err(error) => Finding::from(error),
        }
    }
}

/// Nobody has signed in so far.
fn nobody() -> Finding {
    Finding::interaction_required("nobody is signed in to this Colab notebook")
        .hint(format!("run this in a cell of the notebook: {CELL}"))
}

impl Login for Colab {
    fn log_in<'a>(&'a self, request: &'a LoginRequest) -> BoxFuture<'a, Result<LoggedIn, Error>> {
        Box::pin(async move {
            refuse_choices(request)?;
            let Exchange { host, settings } = request.exchange.clone();
            match self.find(&Search::new(host, settings)).await {
                Finding::Found(found) => Ok(LoggedIn::Elsewhere(found.origin)),
                Finding::Failed(error) => Err(error),
                Finding::Skipped(skip) => {
                    let outcome = match skip.reason {
                        ee_auth_core::SkipReason::InteractionRequired => Outcome::InteractionRequired,
                        _ => Outcome::NotFound,
                    };
                    Err(Error::new(outcome, "colab", skip.message).hint(skip.hint.unwrap_or_default()))
                }
                other => Err(Error::internal(format!("looking for Colab's credential: {other:?}"))),
            }
        })
    }
}

/// Colab's dialog asks for what it asks for, with a client of its own.
fn refuse_choices(request: &LoginRequest) -> Result<(), Error> {
    let all = Scopes::earth_engine();
    if !(request.scopes.is_subset_of(&all) && all.is_subset_of(&request.scopes)) {
        return Err(Error::new(
            Outcome::Usage,
            "scopes",
            format!("Colab chooses the scopes itself; {} cannot be asked for", request.scopes),
        )
        .hint(
            "log in without --scopes and --read-only, or with `--mode notebook`, whose page lets you choose",
        ));
    }
    match &request.client {
        None => Ok(()),
        Some(client) => Err(Error::invalid(
            "client_file",
            format!("Colab uses an OAuth client of its own, not the one in {}", client.origin),
        )
        .hint(
            "`ee-auth login --mode localhost` uses yours; or remove `login.client_file` from ee-auth.toml",
        )),
    }
}

/// Where this runtime keeps the credential.
enum Runtime {
    None,
    /// Google Cloud's Colab Enterprise, where `authenticate_user` does nothing.
    Enterprise,
    Server(MetadataServer),
    File(PathBuf),
}

impl Runtime {
    fn of(search: &Search) -> Result<Self, Error> {
        if search.variable("VERTEX_PRODUCT")?.as_deref() == Some("COLAB_ENTERPRISE") {
            return Ok(Self::Enterprise);
        }
        if !COLABS.iter().any(|name| search.path_variable(name).is_some()) {
            return Ok(Self::None);
        }
        if search.variable("USE_AUTH_EPHEM")?.as_deref() == Some("1") {
            return server::of(search).map(Self::Server);
        }
        let root = search.path_variable("DATALAB_ROOT").unwrap_or_else(|| PathBuf::from("/"));
        Ok(Self::File(root.join("content").join(".adc").join("adc.json")))
    }
}

#[cfg(test)]
mod tests;
