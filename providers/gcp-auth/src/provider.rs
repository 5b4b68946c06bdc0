//! The provider `gcp_auth`: whatever the crate of that name finds.
//!
//! `gcp_auth` looks by itself: at `GOOGLE_APPLICATION_CREDENTIALS` (a service account's key alone), at gcloud's
//! application-default file, at the metadata server, and then asks `gcloud auth print-access-token`. It reads the environment
//! and files past [`Host`](ee_auth_core::Host), uses an HTTP client of its own, which knows no proxy, and gets its first token
//! while it looks. **It sends an assertion to whatever `token_uri` a key file names**: none of our checks of hosts hold for it.
//! So it is in no chain unless somebody puts it there, which makes sense for a program that used `gcp_auth` before and
//! must find the same credential. Where its credentials are found by `application_default`, `gcloud` and `metadata`, too,
//! those are the better choice.
//!
//! The scopes that are asked for are passed on; a login of gcloud's ignores them.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ee_auth_core::{
    BoxFuture, Error, Exchange, Finding, Found, Kind, Look, Options, Provider, Saw, Scopes, Search, Token,
    TokenSource, redact,
};
use gcp_auth::TokenProvider;
use tokio::runtime::{Builder, Runtime};

/// How `gcp_auth` is configured: not at all.
pub const KIND: Kind = Kind {
    name: "gcp_auth",
    summary: "whatever the crate gcp_auth finds by itself, past every check of hosts",
    interactive: false,
    declared_only: false,
    options: &[],
    build: |_name, _options: &Options| Ok(Arc::new(GcpAuthProvider)),
};

/// The provider.
#[derive(Debug)]
pub struct GcpAuthProvider;

impl Provider for GcpAuthProvider {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            if search.is_offline() {
                return Finding::NotProbed("gcp_auth was not asked, since it uses the network".to_owned());
            }
            let looked = |saw| search.looked_at(Look::Program("gcp_auth".to_owned(), saw));
            let provider = match on_runtime(gcp_auth::provider()).await {
                Ok(Ok(provider)) => provider,
                Ok(Err(gcp_auth::Error::NoAuthMethod(..))) => {
                    looked(Saw::Missing);
                    return Finding::not_found("gcp_auth found no credential")
                        .hint("`gcloud auth application-default login` makes one");
                }
                Ok(Err(error)) | Err(error) => {
                    looked(Saw::Unreadable);
                    return Finding::from(explain(&error));
                }
            };
            looked(Saw::Present);
            let scopes = search.scopes();
            let project = {
                let provider = provider.clone();
                on_runtime(async move { provider.project_id().await }).await
            };
            let mut found = Found::new(Source { provider, scopes: scopes.clone() }, "what gcp_auth found");
            found.scopes = scopes;
            found.scopes_assumed = true;
            found.project = project.ok().and_then(Result::ok).map(|project| project.to_string());
            Finding::from(Ok(found))
        })
    }
}

struct Source {
    provider: Arc<dyn TokenProvider>,
    scopes: Scopes,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

impl TokenSource for Source {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        let (provider, scopes) = (self.provider.clone(), self.scopes.clone());
        Box::pin(async move {
            let asked_at = exchange.host.clock.now();
            let token = on_runtime(async move {
                let scopes: Vec<_> = scopes.iter().collect();
                provider.token(&scopes).await
            });
            match token.await {
                Ok(Ok(token)) => Ok(Token::new(token.as_str(), asked_at, token.expires_at().into())),
                Ok(Err(error)) | Err(error) => Err(explain(&error)),
            }
        })
    }

    /// `gcp_auth` keeps its tokens until 20 s before they expire, and hands out the same one until then.
    fn refresh_ahead(&self, _lifetime: Duration) -> Duration {
        Duration::from_secs(15)
    }
}

/// Runs a future of `gcp_auth`, which needs tokio, wherever the caller is. One thread serves every provider of the process:
/// `gcp_auth` keeps connections open on the runtime that made them.
async fn on_runtime<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, gcp_auth::Error> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let start =
        || Builder::new_multi_thread().worker_threads(1).thread_name("gcp_auth").enable_all().build().ok();
    let Some(runtime) = RUNTIME.get_or_init(start) else {
        return Err(gcp_auth::Error::Str("the system gives no thread to gcp_auth"));
    };
    runtime.spawn(future).await.map_err(|_| gcp_auth::Error::Str("gcp_auth has panicked"))
}

/// `gcp_auth` does not tell a refusal from a network that is down: it gives up after some attempts.
fn explain(error: &gcp_auth::Error) -> Error {
    use gcp_auth::Error as Theirs;
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        words.push_str(": ");
        words.push_str(&error.to_string());
        source = error.source();
    }
    let message = format!("gcp_auth: {}", redact(&words));
    match error {
        Theirs::Json(..) | Theirs::Io(..) => Error::invalid("gcp_auth", message)
            .hint("see what GOOGLE_APPLICATION_CREDENTIALS names; the provider `application_default` says more of it"),
        _ => Error::unavailable("gcp_auth", message).hint(
            "put `application_default`, `gcloud` and `metadata` into `chain` in place of `gcp_auth`: they say what is wrong",
        ),
    }
}
