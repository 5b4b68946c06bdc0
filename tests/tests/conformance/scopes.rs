//! A token that is handed out has no scope that was not asked for, whatever the kind, its credential and the server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ee_auth::host::{Body, Request, Response};
use ee_auth::{Credential, ExposeSecret, Kind, Secret};
use ee_auth_core::{Chain, Error, Exchange, Member, Passed, Scopes, Search, Settings};
use ee_auth_fake::{Fake, answer};
use ee_auth_tests::template::{ROBOT, Templates};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{COLAB_FILE, GCLOUD_FILE, KEY_FILE, LOGIN_FILE, Subject, full, ours};

/// The kinds whose server chooses the scopes of its tokens and does not say which it chose: a warning has to do.
const CANNOT_BE_KNOWN: [&str; 1] = ["metadata"];

/// How a server treats the scopes that it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// Gives them, and says so.
    Google,
    /// Gives them, and says nothing, as a server may (RFC 6749, section 5.1).
    Terse,
    /// Gives all that it has, and says so.
    Stubborn,
}

/// What a server gave, by token.
type Given = Arc<Mutex<BTreeMap<String, Scopes>>>;

fn scopes(names: &str) -> Scopes {
    names.parse().expect("scopes")
}

/// The scopes in a request for a token: of a form, an assertion, the IAM API or a metadata server.
fn asked_in(request: &Request) -> Option<Scopes> {
    let text = match &request.body {
        Some(Body::Form(form)) => {
            let fields: BTreeMap<_, _> =
                form_urlencoded::parse(form.expose_secret().as_bytes()).into_owned().collect();
            match fields.get("assertion") {
                Some(assertion) => {
                    let payload = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1)?).ok()?;
                    serde_json::from_slice::<Value>(&payload).ok()?["scope"].as_str()?.to_owned()
                }
                None => fields.get("scope")?.clone(),
            }
        }
        Some(Body::Json(json)) => {
            let json: Value = serde_json::from_str(json.expose_secret()).ok()?;
            json["scope"].as_array()?.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        _ => request.url.query_pairs().find(|(name, _)| name == "scopes")?.1.into_owned(),
    };
    Some(scopes(&text)).filter(|scopes| !scopes.is_empty())
}

impl Server {
    fn serve(self, request: &Request, given: &Given) -> Response {
        let all = Scopes::earth_engine();
        let path = request.url.path();
        let is_iam = path.ends_with(":generateAccessToken");
        let mut response = if is_iam || path.ends_with("/token") || path.ends_with("/oauthtoken") {
            let asked = asked_in(request);
            // The IAM API's answer has no field for scopes.
            let has = if self == Self::Stubborn && !is_iam { all } else { asked.unwrap_or(all) };
            let mut given = given.lock().expect("no panic");
            let token = format!("ya29.token-{}", given.len());
            let mut body = json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" });
            if is_iam {
                body = json!({ "accessToken": token, "expireTime": "2026-01-01T01:00:00Z" });
            } else if self != Self::Terse {
                body["scope"] = has.to_parameter().into();
            }
            given.insert(token, has);
            answer(200, body.to_string())
        } else {
            let listed: Vec<_> = all.iter().collect();
            match path {
                path if path.ends_with("/project-id") => answer(200, "my-project"),
                path if path.ends_with("/universe-domain") => answer(200, "googleapis.com"),
                _ => answer(200, json!({ "email": ROBOT, "scopes": listed }).to_string()),
            }
        };
        response.metadata_flavor = Some("Google".to_owned());
        response
    }
}

/// Credentials of every type, by name.
fn documents(templates: &Templates) -> Vec<(&'static str, String)> {
    let expand = |value: Value| templates.expand(&value.to_string());
    let of_login = |scopes: &[&str]| {
        expand(json!({
            "client_id": "123456789012-abc.apps.googleusercontent.com", "client_secret": "{{client_secret}}",
            "refresh_token": "{{refresh_token}}", "scopes": scopes,
        }))
    };
    let impersonation = format!(
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken"
    );
    let federation = |extra: (&str, &str)| {
        let mut file = json!({
            "type": "external_account", "token_url": "https://sts.googleapis.com/v1/token",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "credential_source": { "file": "/subject" },
        });
        file[extra.0] = extra.1.into();
        expand(file)
    };
    vec![
        ("key", templates.value("service_account_key")),
        ("login", templates.value("earthengine_file")),
        (
            "login of everything",
            of_login(&["earthengine", "earthengine.readonly", "cloud-platform", "drive"]),
        ),
        ("login to read", of_login(&["earthengine.readonly"])),
        ("login that does not say", of_login(&[])),
        ("gcloud's login", templates.value("authorized_user")),
        ("refresh token", templates.value("refresh_token")),
        ("federation", federation(("quota_project_id", "my-project"))),
        ("federation of an account", federation(("service_account_impersonation_url", &impersonation))),
        (
            "workforce login",
            expand(json!({
                "type": "external_account_authorized_user", "client_id": "1-client",
                "client_secret": "{{client_secret}}", "refresh_token": "{{refresh_token}}",
                "token_url": "https://sts.googleapis.com/v1/oauthtoken",
            })),
        ),
        (
            "impersonation",
            expand(json!({
                "type": "impersonated_service_account", "service_account_impersonation_url": impersonation,
                "source_credentials": serde_json::from_str::<Value>(&templates.value("authorized_user")).expect("JSON"),
            })),
        ),
    ]
}

fn credential(
    kind: &'static Kind,
    templates: &Templates,
    document: &str,
    asked: &Scopes,
    fake: &Fake,
) -> Result<Credential, Error> {
    let provider = Subject::set_up(kind, templates).provider();
    let settings = Settings {
        scopes: Some(asked.clone()),
        passed: Some(Passed::CredentialJson(Secret::from(document))),
        ..Settings::default()
    };
    let search = Search::new(fake.host(), settings.clone());
    let chain = Chain::new(vec![Member::new(kind.name, provider)]);
    let (_, found) = pollster::block_on(chain.resolve(&search)).result?;
    Ok(Credential::new(kind.name, kind, found, None, Exchange { host: fake.host(), settings }))
}

#[test]
fn no_kind_hands_out_a_token_with_a_scope_that_was_not_asked_for() {
    let templates = Templates::new();
    let mut handed_out = BTreeSet::new();
    for kind in ours().filter(|kind| !kind.interactive) {
        for (what, document) in documents(&templates) {
            for server in [Server::Google, Server::Terse, Server::Stubborn] {
                for asked in ["earthengine.readonly", "earthengine", "drive,gmail.readonly", "email"] {
                    let asked = scopes(asked);
                    let given = Given::default();
                    let served = given.clone();
                    let mut fake = full(&templates)
                        .with_variable("EE_AUTH_CREDENTIALS", document.as_str())
                        .with_file("/subject", templates.value("subject_token"))
                        .with_server(move |request| Ok(server.serve(request, &served)));
                    for file in [KEY_FILE, LOGIN_FILE, GCLOUD_FILE, COLAB_FILE] {
                        fake = fake.with_file(file, document.as_str());
                    }
                    let Ok(credential) = credential(kind, &templates, &document, &asked, &fake) else {
                        continue;
                    };
                    let Ok(token) = credential.token() else { continue };
                    let case = format!("{}, {what}, {server:?}, {asked}", kind.name);
                    let has = given.lock().expect("no panic")[token.secret()].clone();
                    let is_warned =
                        credential.warnings().iter().any(|warning| warning.contains("could not check"));
                    let may_warn = CANNOT_BE_KNOWN.contains(&kind.name);
                    assert_eq!(is_warned, is_warned && may_warn, "{case}: {:?}", credential.warnings());
                    assert!(is_warned || has.beyond(&asked).is_empty(), "{case}: it has {has}");
                    let told = token.scopes().unwrap_or(credential.scopes());
                    assert!(told.beyond(&asked).is_empty(), "{case}: it is said to have {told}");
                    handed_out.insert((kind.name, what, server != Server::Stubborn));
                }
            }
        }
    }
    for kind in ours().filter(|kind| !kind.interactive) {
        assert!(
            handed_out.iter().any(|(name, _, fair)| *name == kind.name && *fair),
            "{} gave none",
            kind.name
        );
    }
    for (what, _) in documents(&templates) {
        let is_used = handed_out.iter().any(|(_, used, fair)| *used == what && *fair);
        assert!(is_used, "no kind has made anything of a {what}");
    }
}
