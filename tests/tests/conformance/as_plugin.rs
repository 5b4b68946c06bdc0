//! What `ee-auth plugin check` holds plugins to, our own kinds keep to as well: each is asked as a plugin would be.

use std::path::PathBuf;
use std::time::SystemTime;

use ee_auth::host::Host;
use ee_auth::{Error, Kind, Outcome};
use ee_auth_core::{
    BoxFuture, Chain, Exchange, ExposeSecret, Look, Member, Passed, Scopes, Search, Settings,
};
use ee_auth_fake::Fake;
use ee_auth_plugin_host::conformance::{self, Report, Verdict};
use ee_auth_plugin_host::{
    Answer, Config, DEFAULT_TIMEOUT, Declaration, PluginProvider, Request, Transport, VERSION,
};
use ee_auth_tests::template::Templates;
use serde_json::{Value, json};

use super::{Subject, full, ours, undeclared, with_google};

/// A provider behind the lines of the protocol.
#[derive(Debug)]
struct AsPlugin {
    kind: &'static Kind,
    chain: Chain,
    passed: Option<Passed>,
}

impl AsPlugin {
    async fn answer(&self, line: &str, host: &Host) -> Value {
        let request: Value = serde_json::from_str(line).expect("JSON");
        let refusal = |code: &str, message: &str| json!({ "version": VERSION, "success": false, "code": code, "message": message });
        if request["v"] != json!([VERSION]) {
            return refusal("invalid", "it speaks version 1 alone");
        }
        match request["op"].as_str() {
            Some("describe") => json!({
                "version": VERSION, "success": true,
                "name": self.kind.name, "ops": ["get", "describe"], "description": self.kind.summary,
            }),
            Some("get") => match self.get(&request, host).await {
                Ok(granted) => granted,
                Err(error) => refusal(error.outcome().name(), error.message()),
            },
            _ => refusal("invalid", "it has no such operation"),
        }
    }

    async fn get(&self, request: &Value, host: &Host) -> Result<Value, Error> {
        let scopes = request["scopes"].as_array().expect("an array").iter().filter_map(Value::as_str);
        let settings = Settings {
            passed: self.passed.clone(),
            scopes: Some(Scopes::new(scopes)?),
            ..Settings::default()
        };
        let search = Search::new(host.clone(), settings.clone());
        let (_, found) = self.chain.resolve(&search).await.result?;
        let token = found.source.exchange(&Exchange { host: host.clone(), settings }).await?;
        let expires = token.expires_at().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
        Ok(json!({
            "version": VERSION, "success": true,
            "access_token": token.secret(), "expiration_time": expires.as_secs(),
            "principal": found.principal.as_deref().or(token.principal()), "project": found.project,
        }))
    }
}

impl Transport for AsPlugin {
    fn place(&self) -> String {
        self.kind.name.to_owned()
    }

    fn file(&self, _host: &Host) -> Option<PathBuf> {
        None
    }

    fn look(&self, _host: &Host) -> Look {
        unreachable!("it is no file")
    }

    fn call<'a>(&'a self, host: &'a Host, request: &'a Request) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            let answer = self.answer(request.to_line().expose_secret(), host).await;
            Answer::parse(request.op, answer.to_string().as_bytes(), host.clock.now())
        })
    }
}

fn check(subject: &Subject, fake: &Fake) -> Report {
    let Subject { kind, passed, .. } = subject;
    let chain = Chain::new(vec![Member::new(kind.name, subject.provider())]);
    let declaration = Declaration {
        name: kind.name.to_owned(),
        kind,
        config: Config::default(),
        audience: None,
        timeout: DEFAULT_TIMEOUT,
    };
    let provider = PluginProvider::new(declaration, AsPlugin { kind, chain, passed: passed.clone() });
    let report = pollster::block_on(conformance::check(&provider, &fake.host()));
    for check in &report.checks {
        let as_it_should = match &check.verdict {
            Verdict::Passed(_) => true,
            Verdict::Skipped(words) => words == "there is no token to look at",
            Verdict::Warned(_) | Verdict::Failed(_) => false,
        };
        assert!(as_it_should, "{}: {check:?}", kind.name);
    }
    report
}

/// What came of the check whose rule begins like this.
fn seen<'a>(report: &'a Report, rule: &str) -> &'a str {
    let check = report.checks.iter().find(|check| check.rule.starts_with(rule));
    check.expect("it is among them").verdict.words()
}

#[test]
fn a_full_machine_has_a_token_from_every_kind_that_asks_nobody() {
    let templates = Templates::new();
    for kind in ours() {
        let report = check(&Subject::set_up(kind, &templates), &with_google(full(&templates), &templates));
        let got = seen(&report, "`get`");
        let wanted =
            if kind.interactive { "it has none here: interaction_required: " } else { "a token of " };
        assert!(got.starts_with(wanted), "{}: {got}", kind.name);
    }
}

#[test]
fn an_empty_machine_has_none_and_that_is_said() {
    for kind in undeclared() {
        let report = check(&Subject::plain(kind), &Fake::new());
        let code = if kind.interactive { Outcome::InteractionRequired } else { Outcome::NotFound };
        let got = seen(&report, "`get`");
        assert!(got.starts_with(&format!("it has none here: {}: ", code.name())), "{}: {got}", kind.name);
    }
}
