//! The metadata server of a Colab runtime: that of Compute Engine (AIP-4115), whose account is the person.

use ee_auth_core::{BoxFuture, Error, Exchange, Search, Token, TokenSource};
use ee_auth_google::metadata_server::{self, MetadataServer};

/// The server that `GCE_METADATA_HOST` names, else the usual one.
pub(crate) fn of(search: &Search) -> Result<MetadataServer, Error> {
    let base = match metadata_server::named(search)? {
        Some(base) => base,
        None => search.settings().endpoints.metadata.clone(),
    };
    Ok(MetadataServer {
        base,
        name: "Colab's metadata server",
        mend: "try again in a minute, or in a new runtime",
        ask: "sign in to the notebook again: Runtime, Disconnect and delete runtime",
    })
}

/// The server, as a source of tokens. They belong to the runtime, so they are not kept.
#[derive(Debug)]
pub(crate) struct Source(pub(crate) MetadataServer);

impl TokenSource for Source {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let token = self.0.token(exchange, self.0.account_url("token")?).await?;
            token.ok_or_else(|| {
                Error::rejected("no_account", "nobody is signed in to this Colab notebook any more")
                    .hint(format!("run this in a cell of the notebook: {}", crate::CELL))
            })
        })
    }
}
