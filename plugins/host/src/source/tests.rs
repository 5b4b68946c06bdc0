use std::path::PathBuf;
use std::time::SystemTime;

use ee_auth_core::host::Host;
use ee_auth_core::{Credential, Finding, Kind, Look, Options, Provider, Saw, Search, Settings};
use ee_auth_fake::Fake;

use super::*;
use crate::{Declaration, Op, PluginProvider, Request, Transport};

const KIND: Kind = Kind {
    name: "exec",
    summary: "a plugin of the tests",
    interactive: false,
    declared_only: true,
    options: &[],
    build: |_, _| Err(Error::internal("the tests build it themselves")),
};

/// Answers with a token that has the request's number, and remembers the reasons.
#[derive(Debug)]
struct Counter {
    cache: &'static str,
    reasons: Arc<Mutex<Vec<&'static str>>>,
}

impl Transport for Counter {
    fn place(&self) -> String {
        "/opt/counter".to_owned()
    }

    fn file(&self, _host: &Host) -> Option<PathBuf> {
        None
    }

    fn look(&self, _host: &Host) -> Look {
        Look::Program(self.place(), Saw::Present)
    }

    fn call<'a>(&'a self, host: &'a Host, request: &'a Request) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            let mut reasons = self.reasons.lock().unwrap();
            reasons.push(request.reason.name());
            let now = host.clock.now();
            let expires_at = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 3600;
            let answer = format!(
                r#"{{"version":1,"success":true,"access_token":"t{}","expiration_time":{expires_at},"cache":"{}"}}"#,
                reasons.len(),
                self.cache,
            );
            assert_eq!(request.op, Op::Get);
            Answer::parse(request.op, answer.as_bytes(), now)
        })
    }
}

/// A credential of such a plugin, and the reasons for which it was asked.
fn credential(fake: &Fake, cache: &'static str) -> (Credential, Arc<Mutex<Vec<&'static str>>>) {
    let reasons = Arc::default();
    let declaration = Declaration::from_options("counter", &KIND, &Options::default()).unwrap();
    let provider = PluginProvider::new(declaration, Counter { cache, reasons: Arc::clone(&reasons) });
    let Finding::Found(found) = pollster::block_on(provider.find(&Search::with_defaults(fake.host()))) else {
        panic!("it has a token")
    };
    let exchange = Exchange { host: fake.host(), settings: Settings::default() };
    (Credential::new("counter", &KIND, *found, None, exchange), reasons)
}

#[test]
fn the_first_exchange_hands_out_what_was_found_and_later_ones_say_why() {
    let fake = Fake::new();
    let (credential, reasons) = credential(&fake, "session");
    for _ in 0..2 {
        assert_eq!(credential.token().unwrap().secret(), "t1");
    }
    let refused = credential.token().unwrap().clone();
    credential.invalidate(&refused);
    assert_eq!(credential.token().unwrap().secret(), "t2");
    fake.advance(Duration::from_secs(3600));
    assert_eq!(credential.token().unwrap().secret(), "t3");
    assert_eq!(*reasons.lock().unwrap(), ["initial", "rejected", "expired"]);
}

#[test]
fn what_is_not_to_be_kept_is_used_once() {
    let (credential, reasons) = credential(&Fake::new(), "never");
    for secret in ["t1", "t2", "t3"] {
        assert_eq!(credential.token().unwrap().secret(), secret);
    }
    assert_eq!(reasons.lock().unwrap().len(), 3);
    assert!(credential.held_token().is_none());
}
