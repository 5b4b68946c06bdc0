//! The login on the system as it is, with the loopback Google in Google's place.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ee_auth_core::host::{BoxFuture, Person, Presence};
use ee_auth_core::{
    Error, Exchange, Grant, LoggedIn, LoginRequest, OptionValue, Options, Provider, Scopes, Secret, Settings,
};
use ee_auth_localhost::KIND;
use ee_auth_sandbox::Sandbox;
use url::Url;

/// Somebody who does something with the address that they are shown.
struct Somebody<F>(Mutex<Option<F>>);

impl<F: FnOnce(Url) + Send> Person for Somebody<F> {
    fn presence(&self) -> Presence {
        Presence::Watching
    }

    fn tell(&self, _message: &str) {}

    fn show(&self, _purpose: &str, address: &Url) {
        let act = self.0.lock().unwrap().take();
        act.expect("one address is shown")(address.clone());
    }

    fn ask(&self, _question: &str) -> BoxFuture<'static, io::Result<Secret>> {
        Box::pin(async { Err(io::ErrorKind::UnexpectedEof.into()) })
    }

    fn has_browser(&self) -> bool {
        false
    }

    fn browse(&self, _address: &Url) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// A login at the sandbox, of a person who does `act` with the address.
pub(crate) fn request(sandbox: &Sandbox, act: impl FnOnce(Url) + Send + 'static) -> LoginRequest {
    let mut settings = Settings::default();
    for (name, url) in sandbox.endpoints() {
        settings.endpoints.set(name, Url::parse(&url).unwrap());
    }
    let host = ee_auth_host::system_with_person(Arc::new(Somebody(Mutex::new(Some(act)))));
    let client = sandbox.client();
    let client = ee_auth_core::OAuthClient {
        id: client.id().to_owned(),
        secret: Some(Secret::from(client.secret())),
        redirect_uris: Vec::new(),
        origin: "the sandbox".to_owned(),
    };
    LoginRequest {
        exchange: Exchange { host, settings },
        scopes: Scopes::earth_engine(),
        client: Some(client),
        quiet: false,
    }
}

/// The provider, at any free port.
pub(crate) fn provider(timeout: Duration) -> Arc<dyn Provider> {
    let mut options = Options::default();
    options.set("port", OptionValue::Port(0));
    options.set("timeout", OptionValue::Duration(timeout));
    (KIND.build)("localhost", &options).unwrap()
}

pub(crate) fn log_in(sandbox: &Sandbox, act: impl FnOnce(Url) + Send + 'static) -> Result<Grant, Error> {
    let request = request(sandbox, act);
    match pollster::block_on(provider(Duration::from_secs(120)).login().unwrap().log_in(&request))? {
        LoggedIn::Granted(grant) => Ok(grant),
        other => panic!("{other:?}"),
    }
}

/// The address that the browser is to come back to.
pub(crate) fn redirect_uri(address: &Url) -> String {
    address.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned()
}
