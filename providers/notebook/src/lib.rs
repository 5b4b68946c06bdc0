//! The provider `notebook`: a login through Earth Engine's notebook authenticator.
//!
//! It never finds anything by itself: a login needs a person, and what the login stores is found by `persistent`.
//!
//! The login is that of earthengine-api's `oauth.py`. The person opens a page of Earth Engine's, on any machine, chooses a
//! project and scopes there, and pastes the code that it shows. The page knows the login by a request id, and by the
//! challenges of two verifiers: one fetches the OAuth client that the page made the code for, the other is the PKCE
//! verifier of the exchange. The client and the scopes that the page answers are the ones that are stored.

mod page;

use std::sync::Arc;

use ee_auth_core::host::Presence;
use ee_auth_core::{
    BoxFuture, Error, Finding, Kind, LoggedIn, Login, LoginRequest, Options, Outcome, Provider, Search,
    Secret, Unfinished, is_googles_own, project_number,
};
use ee_auth_google::authorization_code::Code;
use ee_auth_google::pasted::Pasted;

use crate::page::Visit;

/// How `notebook` is configured: not at all.
pub const KIND: Kind = Kind {
    name: "notebook",
    summary: "a login through Earth Engine's notebook authenticator",
    interactive: true,
    declared_only: false,
    options: &[],
    build: |_name, _options: &Options| Ok(Arc::new(Notebook)),
};

/// The provider.
#[derive(Debug)]
pub struct Notebook;

impl Provider for Notebook {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, _search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            Finding::interaction_required("a person would have to open a page and paste a code")
                .hint("`ee-auth login --mode notebook` logs in; what it stores is found by `persistent`")
        })
    }

    fn login(&self) -> Option<&dyn Login> {
        Some(self)
    }
}

impl Login for Notebook {
    fn log_in<'a>(&'a self, request: &'a LoginRequest) -> BoxFuture<'a, Result<LoggedIn, Error>> {
        Box::pin(async move {
            refuse_own_client(request)?;
            let visit = Visit::new();
            let address = visit.address(request);
            if request.quiet {
                return Ok(LoggedIn::Unfinished(Unfinished { address, verifier: visit.into_verifier() }));
            }
            request.require(Presence::Answering, KIND.name)?;
            let person = &request.exchange.host.person;
            person.show("To log in, open this page in a browser on any machine:", &address);
            if person.has_browser() {
                if let Err(error) = person.browse(&address) {
                    log::info!("no browser could be started: {error}");
                }
            }
            let pasted = ask(request).await?;
            redeem(request, pasted, visit).await
        })
    }

    fn finish<'a>(
        &'a self,
        request: &'a LoginRequest,
        pasted: Secret,
        verifier: Secret,
    ) -> BoxFuture<'a, Result<LoggedIn, Error>> {
        Box::pin(async move {
            refuse_own_client(request)?;
            let visit = Visit::from_verifier(&verifier)?;
            let pasted = Pasted::parse(&pasted, &request.exchange.settings.endpoints)?;
            redeem(request, pasted, visit).await
        })
    }
}

/// How often a person may paste something that is no code.
const TRIES: usize = 3;

async fn ask(request: &LoginRequest) -> Result<Pasted, Error> {
    let person = &request.exchange.host.person;
    let mut tries = 1;
    loop {
        let answer = person.ask("Paste the code that the page shows at the end (Ctrl-C stops):").await.map_err(|error| {
            Error::new(Outcome::InteractionRequired, "", format!("no code was pasted: {error}"))
                .hint("`ee-auth login --mode notebook --quiet` prints an address and the command that finishes the login")
        })?;
        match Pasted::parse(&answer, &request.exchange.settings.endpoints) {
            Err(error) if error.outcome() == Outcome::Invalid && tries < TRIES => {
                person.tell(&format!("{error}; {}", error.next_step().unwrap_or_default()));
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}

async fn redeem(request: &LoginRequest, pasted: Pasted, visit: Visit) -> Result<LoggedIn, Error> {
    let chosen = visit.fetch(&request.exchange).await?;
    let asked = chosen.scopes.unwrap_or_else(|| request.scopes.clone());
    // The page's client belongs to the project that was chosen there. Google's own belong to none that a person may use.
    let project = project_number(&chosen.client.id).filter(|number| !is_googles_own(number));
    let code = Code {
        client: chosen.client,
        code: pasted.code,
        verifier: visit.token_verifier,
        redirect_uri: String::new(),
    };
    let mut grant = code.log_in(&asked, &request.exchange).await?;
    grant.project = project;
    Ok(LoggedIn::Granted(grant))
}

/// The page uses a client of its own choice.
fn refuse_own_client(request: &LoginRequest) -> Result<(), Error> {
    match &request.client {
        None => Ok(()),
        Some(client) => Err(Error::invalid(
            "client_file",
            format!("Earth Engine's page uses an OAuth client of its own, not the one in {}", client.origin),
        )
        .hint(
            "`ee-auth login --mode localhost` uses yours; or remove `login.client_file` from ee-auth.toml",
        )),
    }
}

#[cfg(test)]
mod tests;
