//! The answers of executables (AIP-4117): `credential_source.executable` and plugins with `protocol = "google-executable"`
//! accept the same answers, refuse the same ones in the same way, and exchange the same subject token.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use ee_auth::host::Body;
use ee_auth::{Error, ExposeSecret, Outcome, Resolver};
use ee_auth_config::Flags;
use ee_auth_fake::{Fake, answer};
use serde_json::{Value, json};

const PROGRAM: &str = "/opt/token/get";
const AUDIENCE: &str =
    "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/providers/corp";
const ADC: &str = "/home/user/adc.json";
const TYPE: &str = "urn:ietf:params:oauth:token-type:";

/// What comes of an answer.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    /// The STS was asked with a subject token of this type.
    Exchanged {
        kind: String,
        token: String,
    },
    Refused {
        outcome: Outcome,
        message: String,
    },
}

/// A machine on which the executable answers `stdout` and ends with `status`.
fn machine(stdout: &str, status: i32) -> Fake {
    Fake::new().with_file(PROGRAM, "").with_output(status, stdout, "").with_server(|_| {
        Ok(answer(200, r#"{"access_token":"t0ken","expires_in":3600,"token_type":"Bearer"}"#))
    })
}

fn came(machine: &Fake, chain: &str) -> Came {
    let token = || -> Result<(), Error> {
        Resolver::new(machine.host())
            .flags(Flags { chain: Some(chain.to_owned()), ..Flags::default() })
            .no_cache(true)
            .resolve()?
            .token()
            .map(drop)
    };
    match token() {
        Ok(()) => {
            let requests = machine.requests();
            let request = requests.iter().find(|request| request.url.path() == "/v1/token").unwrap();
            let Some(Body::Form(form)) = &request.body else { panic!("{request:?}") };
            let field = |name: &str| {
                let mut pairs = url::form_urlencoded::parse(form.expose_secret().as_bytes());
                pairs.find(|(key, _)| key == name).unwrap().1.into_owned()
            };
            // Each of them asks for the type that it was set up for; a JWT is an ID token here.
            let kind = field("subject_token_type").replace(TYPE, "").replace("jwt", "id_token");
            Came::Exchanged { kind, token: field("subject_token") }
        }
        Err(error) => {
            let message = error.message();
            assert!(!message.contains("s3cret"), "{message}");
            Came::Refused { outcome: error.outcome(), message: message.to_owned() }
        }
    }
}

/// What comes of it through a credential file.
fn through_file(stdout: &str, status: i32, kind: &str) -> Came {
    let file = json!({
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": format!("{TYPE}{kind}"),
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"executable": {"command": PROGRAM}},
    });
    let machine = machine(stdout, status)
        .with_file(ADC, file.to_string())
        .with_variable("GOOGLE_APPLICATION_CREDENTIALS", ADC)
        .with_variable("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
    came(&machine, "application_default")
}

/// What comes of it through a plugin.
fn through_plugin(stdout: &str, status: i32) -> Came {
    let toml = format!(
        "[providers.corp]\nkind = \"exec\"\ncommand = [\"{PROGRAM}\"]\nprotocol = \"google-executable\"\naudience = \"{AUDIENCE}\"\n"
    );
    let machine = machine(stdout, status).with_file("/home/user/.config/ee-auth/ee-auth.toml", toml);
    came(&machine, "corp")
}

/// The members of a success, changed: `null` takes one away.
fn success(changes: Value) -> String {
    let mut answer = json!({
        "version": 1, "success": true, "token_type": format!("{TYPE}id_token"), "id_token": "a.s3cret.c",
        "expiration_time": 1_798_000_000,
    });
    change(&mut answer, changes);
    answer.to_string()
}

fn failure(changes: Value) -> String {
    let mut answer = json!({"version": 1, "success": false, "code": "401", "message": "not signed in"});
    change(&mut answer, changes);
    answer.to_string()
}

fn change(answer: &mut Value, changes: Value) {
    let members = answer.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
}

#[test]
fn both_readers_accept_the_same_answers() {
    let jwt = format!("{TYPE}jwt");
    let saml = format!("{TYPE}saml2");
    for (stdout, kind, token) in [
        (success(json!({})), "id_token", "a.s3cret.c"),
        (success(json!({"token_type": jwt})), "id_token", "a.s3cret.c"),
        (success(json!({"token_type": saml, "id_token": null, "saml_response": "PHg+"})), "saml2", "PHg+"),
        // Whichever tokens are there, the type says which one counts.
        (success(json!({"token_type": saml, "saml_response": "PHg+"})), "saml2", "PHg+"),
        (success(json!({"expiration_time": null})), "id_token", "a.s3cret.c"),
        (success(json!({"expiration_time": 9_999_999_999_u64})), "id_token", "a.s3cret.c"),
        // Python's time.time().
        (success(json!({"expiration_time": 1_798_000_000.75})), "id_token", "a.s3cret.c"),
        (success(json!({"more": ["of", "another", "version"], "code": 7})), "id_token", "a.s3cret.c"),
        (success(json!({"id_token": " a.s3cret.c\n"})), "id_token", "a.s3cret.c"),
        (format!("\n{}\r\n", success(json!({})).replace(',', ",\n  ")), "id_token", "a.s3cret.c"),
    ] {
        let expected = Came::Exchanged { kind: kind.to_owned(), token: token.to_owned() };
        assert_eq!(through_file(&stdout, 0, kind), expected, "{stdout}");
        assert_eq!(through_plugin(&stdout, 0), expected, "{stdout}");
    }
}

#[test]
fn both_readers_refuse_the_same_answers() {
    let whole = success(json!({}));
    for (stdout, status, outcome, words) in [
        (success(json!({"version": null})), 0, Outcome::Protocol, "no `version`"),
        (success(json!({"version": "1"})), 0, Outcome::Protocol, "no `version`"),
        (success(json!({"version": 2})), 0, Outcome::Protocol, "another `version` than 1"),
        (success(json!({"version": 0})), 0, Outcome::Protocol, "another `version` than 1"),
        (success(json!({"success": null})), 0, Outcome::Protocol, "no `success`"),
        (success(json!({"success": "true"})), 0, Outcome::Protocol, "no `success`"),
        (success(json!({"token_type": null})), 0, Outcome::Protocol, "no `token_type`"),
        (
            success(json!({"token_type": 7})),
            0,
            Outcome::Protocol,
            "`token_type` in its answer must be a string",
        ),
        (success(json!({"token_type": "id_token"})), 0, Outcome::Protocol, "not one that can be exchanged"),
        (
            success(json!({"token_type": format!("{TYPE}access_token"), "access_token": "x"})),
            0,
            Outcome::Protocol,
            "not one that can be exchanged",
        ),
        (success(json!({"id_token": null})), 0, Outcome::Protocol, "no `id_token`"),
        (success(json!({"id_token": " "})), 0, Outcome::Protocol, "`id_token` in its answer is empty"),
        (
            success(json!({"id_token": ["s3cret"]})),
            0,
            Outcome::Protocol,
            "`id_token` in its answer must be a string",
        ),
        (success(json!({"id_token": "a s3cret b"})), 0, Outcome::Protocol, "characters that no token has"),
        (success(json!({"token_type": format!("{TYPE}saml2")})), 0, Outcome::Protocol, "no `saml_response`"),
        (success(json!({"expiration_time": 1_700_000_000})), 0, Outcome::Protocol, "has expired"),
        (success(json!({"expiration_time": 1_700_000_000.5})), 0, Outcome::Protocol, "has expired"),
        (success(json!({"expiration_time": -1})), 0, Outcome::Protocol, "seconds since 1970"),
        (success(json!({"expiration_time": "1798000000"})), 0, Outcome::Protocol, "seconds since 1970"),
        (
            success(json!({"expiration_time": 1_798_000_000_000_u64})),
            0,
            Outcome::Protocol,
            "not in milliseconds",
        ),
        (success(json!({"expiration_time": 1e300})), 0, Outcome::Protocol, "not in milliseconds"),
        (failure(json!({})), 0, Outcome::Rejected, "401: not signed in"),
        (failure(json!({})), 1, Outcome::Rejected, "401: not signed in"),
        (failure(json!({"code": null})), 0, Outcome::Protocol, "no `code`"),
        (failure(json!({"code": 401})), 0, Outcome::Protocol, "`code` in its answer must be a string"),
        (failure(json!({"message": null})), 0, Outcome::Protocol, "no `message`"),
        (failure(json!({"message": ""})), 0, Outcome::Protocol, "`message` in its answer is empty"),
        (whole.clone(), 1, Outcome::Protocol, "status 1"),
        (whole[..whole.len() - 1].to_owned(), 0, Outcome::Protocol, "breaks off"),
        (format!("{whole}{whole}"), 0, Outcome::Protocol, "not one JSON object"),
        (format!("signing in…\n{whole}"), 0, Outcome::Protocol, "not one JSON object"),
        ("[]".to_owned(), 0, Outcome::Protocol, "not a JSON object"),
        ("null".to_owned(), 0, Outcome::Protocol, "not a JSON object"),
        ("s3cret".to_owned(), 0, Outcome::Protocol, "not one JSON object"),
    ] {
        for came in [through_file(&stdout, status, "id_token"), through_plugin(&stdout, status)] {
            let Came::Refused { outcome: actual, message } = came else { panic!("{stdout}: {came:?}") };
            assert_eq!(actual, outcome, "{stdout}: {message}");
            assert!(message.contains(words), "{stdout}: {message}");
        }
    }
}
