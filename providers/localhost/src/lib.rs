//! The provider `localhost`: a login through a browser on this machine (RFC 8252, section 7.3).
//!
//! It never finds anything by itself: a login needs a person, and what the login stores is found by `persistent`.
//!
//! The login listens on the loopback addresses, shows Google's address and opens it in the browser if there is one. The
//! browser comes back to `http://localhost:PORT`, exactly the redirect of earthengine-api, with a code and with the
//! `state` that tells this login's answer from everybody else's. Whatever else asks for something there is answered with
//! a page, and the wait goes on. A browser on another machine does not come back: then its last address can be pasted.

mod heard;
mod page;
mod tunnel;
mod wait;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ee_auth_core::host::{Person, Presence, Visits};
use ee_auth_core::{
    BoxFuture, Error, Finding, Grant, Kind, LoggedIn, Login, LoginRequest, OAuthClient, OptionSpec,
    OptionType, Options, Provider, Search, Secret, Unfinished,
};
use ee_auth_google::authorization::{Authorization, registered};
use ee_auth_google::authorization_code::Code;
use ee_auth_google::oauth_client;
use ee_auth_google::pasted::Pasted;
use url::Url;

use crate::wait::{CameBack, Waiting};

/// How `localhost` is configured.
pub const KIND: Kind = Kind {
    name: "localhost",
    summary: "a login through a browser on this machine",
    interactive: true,
    declared_only: false,
    options: &[
        OptionSpec {
            name: "port",
            value: OptionType::Port,
            summary: "the port that the browser comes back to (default: 8085, as in earthengine-api; 0 picks a free one)",
        },
        OptionSpec {
            name: "timeout",
            value: OptionType::Duration,
            summary: "how long to wait for the browser (default: 10m)",
        },
    ],
    build: |_name, options: &Options| {
        Ok(Arc::new(Localhost {
            port: options.port("port"),
            timeout: options.duration("timeout").unwrap_or(TIMEOUT),
        }))
    },
};

/// The port of earthengine-api's `--auth_mode=localhost`.
const PORT: u16 = 8085;

/// Long enough to find a password and a second factor.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The provider.
#[derive(Debug)]
pub struct Localhost {
    port: Option<u16>,
    timeout: Duration,
}

impl Provider for Localhost {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, _search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            Finding::interaction_required("a person would have to sign in with a browser")
                .hint("`ee-auth login --mode localhost` logs in; what it stores is found by `persistent`")
        })
    }

    fn login(&self) -> Option<&dyn Login> {
        Some(self)
    }
}

impl Login for Localhost {
    fn log_in<'a>(&'a self, request: &'a LoginRequest) -> BoxFuture<'a, Result<LoggedIn, Error>> {
        Box::pin(async move {
            let client = client(request);
            if request.quiet {
                let asked = ask_google(request, &client, self.fixed_port(&client))?;
                return Ok(LoggedIn::Unfinished(Unfinished {
                    address: asked.address,
                    verifier: asked.verifier,
                }));
            }
            request.require(Presence::Watching, KIND.name)?;
            let mut visits = self.listen(request, &client).await?;
            let asked = ask_google(request, &client, visits.port())?;
            invite(request, &asked.address, visits.port());
            let waiting =
                Waiting { request, port: visits.port(), state: &asked.state, timeout: self.timeout };
            let came_back = waiting.for_answer(&mut *visits).await?;
            finish(request, client, asked, came_back).await.map(LoggedIn::Granted)
        })
    }

    fn finish<'a>(
        &'a self,
        request: &'a LoginRequest,
        pasted: Secret,
        verifier: Secret,
    ) -> BoxFuture<'a, Result<LoggedIn, Error>> {
        Box::pin(async move {
            let client = client(request);
            let pasted = Pasted::parse(&pasted, &request.exchange.settings.endpoints)?;
            let redirect = pasted.redirect_uri.unwrap_or_else(|| redirect_uri(self.fixed_port(&client)));
            let redirect_uri = registered(&client, &redirect)?;
            let code = Code { client, code: pasted.code, verifier, redirect_uri };
            code.log_in(&request.scopes, &request.exchange).await.map(LoggedIn::Granted)
        })
    }
}

impl Localhost {
    /// The port where one has to be known before anybody listens. A web client may come back to registered addresses
    /// alone: where no port was asked for, to the one of the first of them that is on this machine.
    fn fixed_port(&self, client: &OAuthClient) -> u16 {
        match self.port {
            Some(port) if port != 0 => port,
            _ => client.redirect_uris.iter().find_map(|uri| loopback_port(uri)).unwrap_or(PORT),
        }
    }

    async fn listen(&self, request: &LoginRequest, client: &OAuthClient) -> Result<Box<dyn Visits>, Error> {
        let port = match self.port {
            Some(0) if client.redirect_uris.is_empty() => 0,
            _ => self.fixed_port(client),
        };
        if port != 0 {
            // Nobody need listen for what Google would refuse.
            registered(client, &redirect_uri(port))?;
        }
        let listening = request.exchange.host.loopback.listen(port).await;
        listening.map_err(|error| cannot_listen(port, &error, client))
    }
}

/// The client that asks: the person's own, or Earth Engine's.
fn client(request: &LoginRequest) -> OAuthClient {
    request.client.clone().unwrap_or_else(oauth_client::earth_engine)
}

fn redirect_uri(port: u16) -> String {
    format!("http://localhost:{port}")
}

/// The port of an address that this login could listen at.
fn loopback_port(uri: &str) -> Option<u16> {
    let url = Url::parse(uri).ok()?;
    (url.scheme() == "http" && url.host_str() == Some("localhost") && url.path() == "/")
        .then(|| url.port())?
}

fn ask_google(request: &LoginRequest, client: &OAuthClient, port: u16) -> Result<Authorization, Error> {
    Authorization::new(client, &request.scopes, &redirect_uri(port), &request.exchange.settings.endpoints)
}

fn cannot_listen(port: u16, error: &io::Error, client: &OAuthClient) -> Error {
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another program uses port {port}, which the browser would come back to")
        }
        _ if port == 0 => format!("no browser can come back to this machine: {error}"),
        _ => format!("no browser can come back to port {port} of this machine: {error}"),
    };
    let hint = if client.redirect_uris.is_empty() {
        "`ee-auth login --mode localhost:0` picks a free port; `--mode notebook` needs none".to_owned()
    } else {
        format!(
            "end that program, or take another port with `ee-auth login --mode localhost:PORT` and register \
             http://localhost:PORT for the web client in {}: https://console.cloud.google.com/apis/credentials",
            client.origin
        )
    };
    Error::unavailable("listen", what).hint(hint)
}

/// Shows the address and opens it, if that can be done.
fn invite(request: &LoginRequest, address: &Url, port: u16) {
    let host = &request.exchange.host;
    let person: &dyn Person = &*host.person;
    person.show("To log in, open this address in a browser on this machine:", address);
    if person.has_browser() {
        match person.browse(address) {
            Ok(()) => person.tell("It opens in your browser now."),
            Err(error) => {
                person.tell(&format!(
                    "The browser could not be started ({error}): please open the address yourself."
                ));
            }
        }
    } else if let Some(tunnel) = tunnel::command(&*host.environment, port) {
        person.tell(&format!(
            "You came here by SSH. A browser on your own machine finds its way back if you run this there first, in \
             another terminal:\n\n    {tunnel}\n"
        ));
    }
}

/// Exchanges the code, and only then tells the browser how the login ended.
async fn finish(
    request: &LoginRequest,
    client: OAuthClient,
    asked: Authorization,
    came_back: CameBack,
) -> Result<Grant, Error> {
    let code =
        Code { client, code: came_back.code, verifier: asked.verifier, redirect_uri: asked.redirect_uri };
    let outcome = code.log_in(&request.scopes, &request.exchange).await;
    if let Some(visit) = came_back.visit {
        visit
            .answer(match &outcome {
                Ok(grant) => page::logged_in(grant),
                Err(error) => page::failed(error),
            })
            .await;
    }
    outcome
}
