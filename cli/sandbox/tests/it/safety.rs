use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ee_auth_sandbox::{Options, Sandbox, Service};
use serde_json::json;

use crate::client::*;

#[test]
fn it_listens_on_loopback_alone() {
    let sandbox = sandbox();
    assert!(sandbox.address().ip().is_loopback());
    for (name, url) in sandbox.endpoints() {
        assert!(url.starts_with(&sandbox.base_url()), "{name}");
        assert!(sandbox.config_toml().contains(&format!("{name} = \"{url}\"\n")), "{name}");
    }
    assert_eq!(sandbox.endpoints().len(), 9);
}

#[test]
fn a_port_can_be_chosen() {
    let start = |port| Sandbox::start(Options { port, ..Options::default() });
    // A port that was free a moment ago may be another test's by now.
    let chosen = || {
        let port = sandbox().address().port();
        start(port).ok().map(|sandbox| (port, sandbox))
    };
    let (port, first) = std::iter::repeat_with(chosen).take(50).flatten().next().expect("a free port");
    assert_eq!(first.address().port(), port);
    assert!(start(port).is_err());
}

#[test]
fn requests_are_recorded_without_their_secrets() {
    let sandbox = sandbox();
    let user = sandbox.user();
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", user.refresh_token()),
        ("client_id", user.client().id()),
        ("client_secret", user.client().secret()),
        ("scope", EARTH_ENGINE),
    ];
    assert_eq!(form(&sandbox, "/token", &fields).status, 200);
    let recorded = &sandbox.requests()[0];
    assert_eq!(
        (recorded.service, recorded.method.as_str(), recorded.path.as_str()),
        (Service::Token, "POST", "/token")
    );
    assert_eq!((recorded.grant_type(), recorded.status), (Some("refresh_token"), Some(200)));
    assert_eq!(
        (recorded.field("scope"), recorded.field("refresh_token")),
        (Some(EARTH_ENGINE), Some("[hidden]"))
    );
    let names: Vec<_> = recorded.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["grant_type", "refresh_token", "client_id", "client_secret", "scope"]);

    let line = format!(
        "POST /token grant_type=refresh_token refresh_token=[hidden] client_id={} client_secret=[hidden] \
         scope={EARTH_ENGINE} -> 200",
        user.client().id()
    );
    assert_eq!(recorded.to_string(), line);

    let content = recorded.content().unwrap();
    assert_eq!(content.field("refresh_token"), Some(user.refresh_token()));
    assert_eq!(content.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert!(content.body().starts_with(b"grant_type="));
    let shown = format!("{recorded:?} {content:?}");
    assert!(!shown.contains(user.refresh_token()) && !shown.contains(user.client().secret()), "{shown}");
    sandbox.clear_requests();
    assert!(sandbox.requests().is_empty());
}

#[test]
fn what_is_recorded_cannot_play_with_a_terminal() {
    let sandbox = sandbox();
    sandbox.fail("elsewhere=reset".parse().unwrap());
    let target = "/%1b[31m?scope=%0a";
    assert!(send(&sandbox, "GET", target, &[], b"", std::time::Duration::from_secs(10)).is_err());
    assert_eq!(sandbox.requests()[0].to_string(), "GET /\\u{1b}[31m scope=\\n -> no answer (fault)");
}

#[test]
fn what_is_not_its_own_is_not_recorded() {
    let sandbox = sandbox();
    let (user, account) = (sandbox.user(), sandbox.service_account());
    let (id, secret) = (user.client().id(), user.client().secret());
    let refresh = |token, id, secret| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", id),
            ("client_secret", secret),
        ];
        form(&sandbox, "/token", &fields);
        sandbox.requests().pop().unwrap().content().is_some()
    };
    assert!(refresh(user.refresh_token(), id, secret));
    assert!(!refresh("1//somebody-elses", id, secret));
    assert!(!refresh(user.refresh_token(), id, "somebody-elses"));

    let exchange = |key_id: &str| {
        let header = json!({"alg": "RS256", "kid": key_id});
        let assertion = assertion(&account, &header, &claims(&sandbox, &account));
        form(&sandbox, "/token", &[("grant_type", JWT_BEARER), ("assertion", &assertion)]);
        sandbox.requests().pop().unwrap().content().is_some()
    };
    assert!(exchange(account.key_id()));
    assert!(!exchange("somebody-elses"));

    let call = |authorization: &str, target: &str| {
        get(&sandbox, target, &[("Authorization", authorization)]);
        sandbox.requests().pop().unwrap().content().is_some()
    };
    let token = sandbox.access_token();
    assert!(call(&format!("Bearer {token}"), "/v1/projects/p/algorithms"));
    assert!(!call("Bearer ya29.somebody-elses", "/v1/projects/p/algorithms"));
    assert!(!call("Digest x", "/v1/projects/p/algorithms"));
    let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    assert!(call(&basic(secret), "/elsewhere"));
    assert!(!call(&basic("somebody-elses"), "/elsewhere"));
    assert!(!call(&format!("Bearer {token}"), "/elsewhere?access_token=ya29.somebody-elses"));

    let raw = |kind, body: &[u8]| {
        send(&sandbox, "POST", "/token", &[("Content-Type", kind)], body, std::time::Duration::from_secs(10))
            .unwrap();
        sandbox.requests().pop().unwrap().content().is_some()
    };
    assert!(!raw("application/json", br#"{"refresh_token": "1//somebody-elses", "more": 1}"#));
    assert!(!raw("text/plain", b"refresh_token=1//somebody-elses"));
}

#[test]
fn nothing_prints_a_secret() {
    let sandbox = sandbox();
    let (account, user, workload) = (sandbox.service_account(), sandbox.user(), sandbox.workload());
    let shown = format!("{sandbox:?} {account:?} {user:?} {workload:?} {:?}", user.client());
    let secrets = [
        account.pem(),
        user.refresh_token(),
        user.client().secret(),
        workload.subject_token(),
        workload.request_token(),
    ];
    for secret in secrets {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn sandboxes_do_not_know_each_others_secrets() {
    let (first, second) = (sandbox(), sandbox());
    let (of_first, of_second) = (first.service_account(), second.service_account());
    assert_ne!(of_first.key_id(), of_second.key_id());
    let refused = exchange(&second, &of_first, &claims(&second, &of_first));
    assert_eq!(refused.oauth_error(), "400 invalid_grant: Invalid JWT Signature.");
    let token = first.access_token();
    let target = format!("/tokeninfo?access_token={token}");
    assert_eq!((get(&first, &target, &[]).status, get(&second, &target, &[]).status), (200, 400));
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let sandbox = sandbox();
    let body = vec![b'a'; (1 << 20) + 1];
    let answer = send(&sandbox, "POST", "/token", &[], &body, std::time::Duration::from_secs(10));
    assert!(answer.map_or(true, |answer| answer.status == 413));
}
