//! Whatever a federation's file says: no secret goes where it must not, none is shown, and nothing panics.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use ee_auth::host::{Body, Method};
use ee_auth::{Credential, Error, ExposeSecret, Resolver};
use ee_auth_config::Flags;
use ee_auth_fake::{Fake, answer};
use ee_auth_tests::template::Templates;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;
use serde_json::{Map, Value, json};

const FILE: &str = "/home/user/adc.json";
const TOKEN: &str = "/var/run/token";

/// Where Google takes a subject token, or a federated one. The files below name no others of Google's.
const GOOGLES: [&str; 4] = [
    "sts.googleapis.com",
    "sts.mtls.googleapis.com",
    "sts.europe-west4.rep.googleapis.com",
    "iamcredentials.googleapis.com",
];

fn address() -> impl Strategy<Value = Value> {
    let hosts = select(vec![
        "sts.googleapis.com",
        "sts.mtls.googleapis.com",
        "sts.europe-west4.rep.googleapis.com",
        "iamcredentials.googleapis.com",
        "sts.storage.googleapis.com",
        "sts.googleapis.com.evil.example",
        "sts.googleapis.com@evil.example",
        "evil.example#sts.googleapis.com",
        "evil.example\\@sts.googleapis.com",
        "evil.example",
        "127.0.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "0xA9FEA9FE",
        "localhost",
        "",
    ]);
    let schemes = select(vec!["https://", "http://", "ftp://", "HTTPS://", "//", ""]);
    let paths = select(vec![
        "",
        "/v1/token",
        "/latest/api/token",
        "/v1/projects/-/serviceAccounts/robot@my-project.iam.gserviceaccount.com:generateAccessToken",
        "?Action=GetCallerIdentity&Version=2011-06-15",
        ":444/v1/token",
        "/../../x",
    ]);
    (schemes, hosts, paths).prop_map(|(scheme, host, path)| Value::from(format!("{scheme}{host}{path}")))
}

fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(1)),
        Just(json!("")),
        Just(json!([])),
        Just(json!({})),
        Just(json!(true)),
        any::<String>().prop_map(Value::from),
    ]
}

/// Mostly what is right, at times an address, at times anything.
fn or_odd(right: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![6 => select(right).prop_map(Value::from), 2 => address(), 1 => odd()]
}

fn object(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| prop::option::weighted(0.8, value).prop_map(move |value| (name, value)))
        .collect();
    fields
        .prop_map(|fields| {
            let present = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(present.collect::<Map<_, _>>())
        })
        .boxed()
}

fn source() -> BoxedStrategy<Value> {
    let format = || {
        prop_oneof![
            Just(json!({"type": "text"})),
            Just(json!({"type": "json", "subject_token_field_name": "access_token"})),
            odd()
        ]
        .boxed()
    };
    prop_oneof![
        object(vec![("file", or_odd(&[TOKEN]).boxed()), ("format", format())]),
        object(vec![
            ("url", address().boxed()),
            ("headers", prop_oneof![Just(json!({"Metadata": "True"})), odd()].boxed()),
            ("format", format()),
        ]),
        object(vec![
            ("environment_id", or_odd(&["aws1"]).boxed()),
            ("url", address().boxed()),
            ("region_url", address().boxed()),
            ("imdsv2_session_token_url", address().boxed()),
            (
                "regional_cred_verification_url",
                or_odd(&["https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"])
                    .boxed()
            ),
        ]),
        object(vec![(
            "executable",
            object(vec![
                ("command", or_odd(&["/opt/get --x 'y z'", "get", "./get", "'"]).boxed()),
                ("timeout_millis", odd().boxed())
            ])
        )]),
        object(vec![("certificate", object(vec![("use_default_certificate_config", odd().boxed())]))]),
        odd().boxed(),
    ]
    .boxed()
}

fn file() -> BoxedStrategy<Value> {
    object(vec![
        ("type", Just(json!("external_account")).boxed()),
        (
            "audience",
            or_odd(&[
                "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
                "//iam.googleapis.com/locations/global/workforcePools/p/providers/x",
            ])
            .boxed(),
        ),
        ("subject_token_type", or_odd(&["urn:ietf:params:oauth:token-type:jwt"]).boxed()),
        ("token_url", prop_oneof![Just(json!("https://sts.googleapis.com/v1/token")), address()].boxed()),
        (
            "service_account_impersonation_url",
            prop::option::of(address()).prop_map(|url| url.unwrap_or(Value::Null)).boxed(),
        ),
        ("service_account_impersonation", object(vec![("token_lifetime_seconds", odd().boxed())])),
        ("workforce_pool_user_project", prop_oneof![5 => Just(Value::Null), 1 => odd()].boxed()),
        ("credential_source", source()),
    ])
}

fn resolve(machine: &Fake) -> Result<Credential, Error> {
    Resolver::new(machine.host())
        .flags(Flags { chain: Some("application_default".to_owned()), ..Flags::default() })
        .no_cache(true)
        .resolve()
}

proptest! {
    #![proptest_config(Config { cases: 256, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_subject_token_goes_to_google_alone(mut file in file(), allowed in any::<bool>()) {
        let templates = Templates::new();
        let (subject, federated) = (templates.value("subject_token"), templates.value("other_access_token"));
        // A file without a type is of another kind.
        file["type"] = json!("external_account");
        let answers = (subject.clone(), federated.clone());
        let mut machine = Fake::new()
            .with_variable("GOOGLE_APPLICATION_CREDENTIALS", FILE)
            .with_variable("AWS_REGION", "eu-west-1")
            .with_variable("AWS_ACCESS_KEY_ID", "KEY")
            .with_variable("AWS_SECRET_ACCESS_KEY", templates.value("aws_secret_access_key"))
            .with_file(FILE, file.to_string())
            .with_file(TOKEN, subject.clone())
            .with_program("get", "/usr/bin/get")
            .with_processes(|_| Err(ee_auth::host::ProcessError::Start("it is a test".to_owned())))
            .with_server(move |request| {
                Ok(match request.url.path() {
                    _ if request.method != Method::Post => answer(200, json!({"access_token": answers.0}).to_string()),
                    path if path.ends_with(":generateAccessToken") => answer(
                        200,
                        json!({"accessToken": "x", "expireTime": "2026-01-01T01:00:00Z"}).to_string(),
                    ),
                    _ => answer(200, json!({"access_token": answers.1, "expires_in": 3599}).to_string()),
                })
            });
        if allowed {
            machine = machine.with_variable("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
        }
        let outcome = resolve(&machine).and_then(|credential| credential.token().map(|_| ()));
        for request in machine.requests() {
            let host = request.url.host_str().unwrap().to_owned();
            let body = match &request.body {
                Some(Body::Form(text) | Body::Json(text)) => text.expose_secret().to_owned(),
                None => String::new(),
            };
            let headers: Vec<_> = request.headers.iter().map(|(_, value)| value.expose_secret().to_owned()).collect();
            let carries = body.contains(&subject)
                || body.contains("subject_token=")
                || headers.iter().any(|value| value.contains(&federated));
            let secure = request.url.scheme() == "https" && request.url.port().is_none();
            prop_assert!(!carries || (secure && GOOGLES.contains(&&*host)), "{file} sent a secret to {}", request.url);
            // What carries none goes over TLS, or no further than this machine and its metadata server.
            let near = ["127.0.0.1", "localhost", "169.254.169.254", "[fd00:ec2::254]", "[::ffff:a9fe:a9fe]"];
            prop_assert!(request.url.scheme() == "https" || near.contains(&&*host), "{file} asked {}", request.url);
            prop_assert!(request.url.username().is_empty(), "{}", request.url);
        }
        if !allowed {
            prop_assert!(machine.commands().is_empty());
        }
        if let Err(error) = outcome {
            prop_assert!(error.next_step().is_some(), "{error:?}");
            let shown = format!("{error:?}");
            prop_assert!(templates.secrets().first_in(&shown).is_none(), "{shown}");
        }
    }
}
