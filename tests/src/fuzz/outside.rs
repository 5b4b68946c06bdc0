//! Answers, files and requests from outside, through the public interface: a machine in memory, on which the bytes are what a
//! server, a program or a file says.
#![allow(clippy::disallowed_methods, reason = "the endpoint's credential file is a real one")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use ee_auth::host::{Directory, Presence, Response};
use ee_auth::{Credential, ExposeSecret, Outcome, Resolver, Secret};
use ee_auth_config::Flags;
use ee_auth_core::{
    Endpoints, Exchange, LoginRequest, OptionValue, Options, Scopes, Search, Settings, Token, TokenKey,
    TokenStore,
};
use ee_auth_fake::{Fake, answer};
use ee_auth_google::executable_answer::ExecutableAnswer;
use ee_auth_google::pasted::Pasted;
use ee_auth_google::{oauth_client, revocation};
use ee_auth_plugin_host::Answer;
use ee_auth_plugin_host::services::Services;
use ee_auth_serve::{Session, Via};
use serde_json::{Value, json};

use super::check_any;

const ADC: &str = "/home/user/adc.json";
const AUDIENCE: &str =
    "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/providers/corp";
const TYPE: &str = "urn:ietf:params:oauth:token-type:";
/// A token that stands in no input.
const TOKEN: &str = "ya29.what-the-endpoint-must-not-give-away";

/// A status, from the first byte, and the body.
fn status_and_body(bytes: &[u8]) -> (u16, &[u8]) {
    const STATUSES: [u16; 10] = [200, 200, 200, 400, 401, 403, 404, 429, 500, 503];
    match bytes.split_first() {
        Some((first, rest)) => (STATUSES[usize::from(*first) % STATUSES.len()], rest),
        None => (200, bytes),
    }
}

/// What a server answers to everything.
fn says(bytes: &[u8]) -> impl Fn() -> Response + Clone + Send + 'static {
    let (status, body) = status_and_body(bytes);
    let body = body.to_vec();
    move || answer(status, body.clone())
}

/// A machine whose servers say `bytes`.
fn machine_of(bytes: &[u8]) -> Fake {
    let says = says(bytes);
    Fake::new().with_server(move |_| Ok(says()))
}

/// Finds a credential and exchanges it.
fn token(fake: &Fake, chain: &str) {
    let resolver = Resolver::new(fake.host())
        .flags(Flags { chain: Some(chain.to_owned()), ..Flags::default() })
        .no_cache(true);
    match resolver.resolve().and_then(|credential| credential.token().map(drop)) {
        Ok(()) => {}
        Err(error) => check_any(&error),
    }
}

/// A credential that has a token and asks nobody for it.
fn credential(fake: &Fake) -> Option<Credential> {
    fake.set_variable("EE_AUTH_ACCESS_TOKEN", TOKEN);
    fake.set_variable("EE_AUTH_CREDENTIALS", TOKEN);
    fake.set_variable("EE_AUTH_PROJECT", "my-project");
    let flags = Flags { chain: Some("environment".to_owned()), ..Flags::default() };
    Resolver::new(fake.host()).flags(flags).no_cache(true).resolve().ok()
}

/// A machine with an external account that gets its subject token from `source`.
fn federated(fake: Fake, source: Value, kind: &str, more: Value) -> Fake {
    let mut file = json!({
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": kind,
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": source,
    });
    if let (Some(file), Some(more)) = (file.as_object_mut(), more.as_object()) {
        file.extend(more.clone());
    }
    fake.with_file(ADC, file.to_string())
        .with_variable("GOOGLE_APPLICATION_CREDENTIALS", ADC)
        .with_variable("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
}

/// An answer with a token, of the STS.
fn granted() -> Response {
    answer(200, r#"{"access_token":"t0ken","expires_in":3600,"token_type":"Bearer","issued_token_type":"x"}"#)
}

/// What a revocation endpoint answers.
pub fn revocation_answer(bytes: &[u8]) {
    let exchange = Exchange { host: machine_of(bytes).host(), settings: Settings::default() };
    match pollster::block_on(revocation::revoke(&exchange, &Secret::from("a refresh token"))) {
        Ok(_) => {}
        Err(error) => check_any(&error),
    }
}

/// What Earth Engine answers.
pub fn earth_engine_answer(bytes: &[u8]) {
    let fake = machine_of(bytes);
    let credential = credential(&fake).expect("an access token is a credential");
    if let Err(error) = ee_auth::earth_engine::compute(&credential, &json!({"result": "0", "values": {}})) {
        check_any(&error);
    }
}

/// What the tokeninfo endpoint answers.
pub fn tokeninfo_answer(bytes: &[u8]) {
    let fake = machine_of(bytes);
    let credential = credential(&fake).expect("an access token is a credential");
    match ee_auth::token_info(&credential) {
        Ok(info) => assert!(!info.email.unwrap_or_default().contains(char::is_control)),
        Err(error) => check_any(&error),
    }
}

/// What the STS answers.
pub fn sts_answer(bytes: &[u8]) {
    let fake = machine_of(bytes).with_file("/token", "a.b.c");
    token(
        &federated(fake, json!({"file": "/token"}), &format!("{TYPE}jwt"), json!({})),
        "application_default",
    );
}

/// What the IAM credentials API answers.
pub fn iam_answer(bytes: &[u8]) {
    let says = says(bytes);
    let fake = Fake::new()
        .with_server(move |request| {
            Ok(if request.url.host_str() == Some("sts.googleapis.com") { granted() } else { says() })
        })
        .with_file("/token", "a.b.c");
    let target = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/robot@my-project.iam.gserviceaccount.com:generateAccessToken";
    let more = json!({"service_account_impersonation_url": target});
    let fake = federated(fake, json!({"file": "/token"}), &format!("{TYPE}jwt"), more);
    token(&fake, "application_default");
}

/// What a metadata server answers to everything.
pub fn metadata_answer(bytes: &[u8]) {
    let says = says(bytes);
    let fake = Fake::new()
        .with_server(move |_| Ok(Response { metadata_flavor: Some("Google".to_owned()), ..says() }))
        .with_variable("GCE_METADATA_HOST", "169.254.169.254");
    token(&fake, "metadata");
}

/// What AWS's metadata server answers: a session, a zone, a role and its keys, in blocks that an empty line parts.
pub fn aws_metadata(bytes: &[u8]) {
    const HOST: &str = "http://169.254.169.254/latest";
    let parts: Vec<Vec<u8>> = split(bytes).into_iter().map(<[u8]>::to_vec).collect();
    let part = move |at: usize| parts.get(at).cloned().unwrap_or_default();
    let fake = Fake::new().with_server(move |request| {
        let path = request.url.path();
        Ok(match request.url.host_str() {
            Some("sts.googleapis.com") => granted(),
            _ if path.ends_with("/token") => answer(200, part(0)),
            _ if path.ends_with("availability-zone") => answer(200, part(1)),
            _ if path.ends_with("security-credentials") => answer(200, part(2)),
            _ => answer(200, part(3)),
        })
    });
    let source = json!({
        "environment_id": "aws1",
        "region_url": format!("{HOST}/meta-data/placement/availability-zone"),
        "url": format!("{HOST}/meta-data/iam/security-credentials"),
        "imdsv2_session_token_url": format!("{HOST}/api/token"),
        "regional_cred_verification_url":
            "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
    });
    token(
        &federated(fake, source, "urn:ietf:params:aws:token-type:aws4_request", json!({})),
        "application_default",
    );
}

/// The blocks of an input, which an empty line parts.
fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut parts = Vec::new();
    while let Some(at) = rest.windows(2).position(|two| two == b"\n\n") {
        parts.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    parts.push(rest);
    parts
}

/// What an executable for Google's clients answers, through both of its readers.
pub fn executable_answer(bytes: &[u8]) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let read = ExecutableAnswer::read(bytes, now);
    match (read, Answer::parse_google(bytes, now)) {
        (Ok(ExecutableAnswer::Token(token)), Ok(Answer::Granted(_))) => {
            assert!(!token.secret.expose_secret().is_empty());
            assert!(token.expires_at.is_none_or(|at| at > now));
        }
        (Ok(ExecutableAnswer::Failure { code, message }), Ok(Answer::Refused(refusal))) => {
            for text in [code, message, refusal.message] {
                assert!(!text.contains(char::is_control), "{text:?}");
            }
        }
        (Err(breach), Err(error)) => {
            assert_eq!(error.outcome(), Outcome::Protocol);
            assert_eq!(error.message(), breach.message);
        }
        (read, parsed) => panic!("{read:?} and {parsed:?}"),
    }
}

/// What an executable wrote into its output file.
pub fn executable_output_file(bytes: &[u8]) {
    let fake = Fake::new()
        .with_server(|_| Ok(granted()))
        .with_file("/home/user/output.json", bytes)
        .with_output(0, "", "");
    let source = json!({"executable": {"command": "/opt/get", "output_file": "/home/user/output.json"}});
    token(&federated(fake, source, &format!("{TYPE}jwt"), json!({})), "application_default");
}

/// A file with a subject token in it, alone and in JSON.
pub fn subject_token_file(bytes: &[u8]) {
    let json = json!({"type": "json", "subject_token_field_name": "id_token"});
    for source in [json!({"file": "/token"}), json!({"file": "/token", "format": json})] {
        let fake = Fake::new().with_server(|_| Ok(granted())).with_file("/token", bytes);
        token(&federated(fake, source, &format!("{TYPE}jwt"), json!({})), "application_default");
    }
}

/// The configuration of a workload's certificate, and the certificate and key that it names, in blocks that an empty line parts.
pub fn certificate_configuration(bytes: &[u8]) {
    let parts = split(bytes);
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    let fake = Fake::new()
        .with_server(|_| Ok(granted()))
        .with_file("/config.json", part(0))
        .with_file("/cert.pem", part(1))
        .with_file("/key.pem", part(2));
    let source = json!({"certificate": {"certificate_config_location": "/config.json"}});
    token(&federated(fake, source, &format!("{TYPE}mtls"), json!({})), "application_default");
}

/// The file of a cached token.
pub fn cache_entry(bytes: &[u8]) {
    let fake = Fake::new();
    let cache = ee_auth::cache::DiskCache::new(fake.host());
    let mut key = TokenKey::new("a way");
    key.complete("a kind", "googleapis.com");
    let now = fake.host().clock.now();
    cache.save(&key, &Token::new(TOKEN, now, now + Duration::from_secs(3600)));
    let written = fake.changes().into_iter().rev().find_map(|change| match change {
        ee_auth_fake::Change::WrittenPrivate(path)
            if path.extension().is_some_and(|ending| ending == "json") =>
        {
            Some(path)
        }
        _ => None,
    });
    let path = written.expect("the token is in a file");
    fake.set_file(&path, bytes);
    if let Some(token) = cache.load(&key) {
        assert!(token.is_valid_at(now) || token.expires_at() <= now);
    }
}

/// The record of trusted project files.
pub fn trust_file(bytes: &[u8]) {
    let fake = Fake::new().with_file("/project/ee-auth.toml", "project = \"my-project\"\n");
    let host = fake.host();
    let state = host.environment.directory(Directory::State).expect("a directory");
    fake.set_file(state.join("ee-auth/trust.json"), bytes);
    let path = Path::new("/project/ee-auth.toml");
    let outcomes = [
        ee_auth_config::trust::list(&host).map(drop),
        ee_auth_config::trust::is_trusted(&host, path).map(drop),
        ee_auth_config::trust::trust(&host, path).map(drop),
        ee_auth_config::trust::untrust(&host, path).map(drop),
    ];
    outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).for_each(check_any);
}

/// The files that say which profile is used and what is logged in to: in the state directory, and earthengine-api's.
pub fn profile_file(bytes: &[u8]) {
    let state = |fake: &Fake, name: &str| {
        let state = fake.host().environment.directory(Directory::State).expect("a directory");
        fake.set_file(state.join("ee-auth").join(name), bytes);
    };
    let chosen = machine_of(b"\0{}");
    state(&chosen, "profile");
    token(&chosen, "persistent");
    let stored = machine_of(b"\0{}").with_file("/home/user/.config/earthengine/credentials", bytes);
    token(&stored, "persistent");
    if let Err(error) = ee_auth::stored::profiles(&Resolver::new(stored.host())) {
        check_any(&error);
    }
    if let Err(error) = ee_auth::stored::set_project(&Resolver::new(stored.host()), Some("my-project")) {
        check_any(&error);
    }
}

/// gcloud's files: the active configuration's name, the configuration, and the application-default file, in blocks that an empty
/// line parts.
pub fn gcloud_files(bytes: &[u8]) {
    const DIRECTORY: &str = "/home/user/.config/gcloud";
    let parts = split(bytes);
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    let fake = machine_of(b"\0{}")
        .with_program("gcloud", "/usr/bin/gcloud")
        .with_processes(|_| {
            Ok(ee_auth::host::Output { status: Some(1), stdout: Vec::new().into(), stderr: String::new() })
        })
        .with_file(format!("{DIRECTORY}/active_config"), "default")
        .with_file(format!("{DIRECTORY}/configurations/config_default"), part(0))
        .with_file(format!("{DIRECTORY}/application_default_credentials.json"), part(1));
    token(&fake, "gcloud");
    let other = fake.with_file(format!("{DIRECTORY}/active_config"), part(2));
    let search = Search::with_defaults(other.host());
    let _ = ee_auth_gcloud::quota_project(&search);
    let _ = ee_auth_gcloud::active_account(&search);
}

/// What gcloud writes to its standard output, and how it ends.
pub fn gcloud_output(bytes: &[u8]) {
    let (status, output) = bytes.split_first().unwrap_or((&0, &[]));
    let (status, output) = (i32::from(status % 3), output.to_vec());
    let fake = Fake::new()
        .with_program("gcloud", "/usr/bin/gcloud")
        .with_file("/home/user/.config/gcloud/active_config", "default")
        .with_file(
            "/home/user/.config/gcloud/configurations/config_default",
            "[core]\naccount = ada@example.com\n",
        )
        .with_processes(move |_| {
            Ok(ee_auth::host::Output {
                status: Some(status),
                stdout: output.clone().into(),
                stderr: String::from_utf8_lossy(&output).into_owned(),
            })
        });
    token(&fake, "gcloud");
}

/// What a person pastes back.
pub fn pasted_code(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Pasted::parse(&Secret::from(text), &Endpoints::default()) {
        Ok(pasted) => assert!(!pasted.code.expose_secret().trim().is_empty()),
        Err(error) => check_any(&error),
    }
}

/// What is asked of the listener of a login: a method, a target and a host, a line each. `STATE` is this login's.
pub fn login_listener(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let fake = Fake::new().with_watcher().with_server(|_| Ok(granted())).with_visit(move |address| {
        let state = address.query_pairs().find(|(name, _)| name == "state");
        let state = state.map(|(_, state)| state.into_owned()).unwrap_or_default();
        let mut lines = text.lines();
        let mut line = || lines.next().unwrap_or_default().replace("STATE", &state);
        (line(), line(), Some(line()).filter(|host| !host.is_empty()))
    });
    // Then the answer, so that the login ends.
    let fake = fake.with_visit(|address| {
        let state = address.query_pairs().find(|(name, _)| name == "state");
        let state = state.map(|(_, state)| state.into_owned()).unwrap_or_default();
        ("GET".to_owned(), format!("/?error=access_denied&state={state}"), Some("localhost:8085".to_owned()))
    });
    let mut options = Options::default();
    options.set("timeout", OptionValue::Duration(Duration::from_secs(60)));
    let provider = (ee_auth_localhost::KIND.build)("localhost", &options).expect("these are options of its");
    let request = LoginRequest {
        exchange: Exchange { host: fake.host(), settings: Settings::default() },
        scopes: Scopes::earth_engine(),
        client: None,
        quiet: false,
    };
    assert_eq!(fake.host().person.presence(), Presence::Watching);
    let login = provider.login().expect("it logs in");
    if let Err(error) = pollster::block_on(login.log_in(&request)) {
        check_any(&error);
    }
    for page in fake.pages() {
        assert!(!page.html.contains("<script"), "{}", page.html);
    }
}

/// An endpoint that listens until the process ends, and its address.
static ENDPOINT: LazyLock<(Mutex<Session>, String)> = LazyLock::new(|| {
    let fake = Fake::new();
    let credential = credential(&fake).expect("an access token is a credential");
    let session = Session::start(credential, Via::File, &*fake.host().environment).expect("it listens");
    let path = session.file().expect("a file").to_owned();
    let file = std::fs::read(&path).expect("it can be read");
    // Nothing drops a static, so nothing else would remove it.
    let _ = std::fs::remove_file(&path);
    let file: Value = serde_json::from_slice(&file).expect("JSON");
    let address = file["token_url"].as_str().unwrap_or_default().trim_start_matches("http://");
    let address = address.split('/').next().unwrap_or_default().to_owned();
    (Mutex::new(session), address)
});

/// What is sent to the endpoint of `exec` and `serve`: requests and assertions, by one who does not know the secret.
pub fn endpoint_request(bytes: &[u8]) {
    let (_, address) = &*ENDPOINT;
    let mut answers = Vec::new();
    let mut ask = || -> std::io::Result<()> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let input = String::from_utf8_lossy(bytes);
        // `ADDRESS` is where it is, so that requests get past the check of the name.
        match input {
            std::borrow::Cow::Borrowed(text) => {
                stream.write_all(text.replace("ADDRESS", address).as_bytes())?
            }
            _ => stream.write_all(bytes)?,
        }
        stream.shutdown(std::net::Shutdown::Write)?;
        stream.read_to_end(&mut answers)?;
        Ok(())
    };
    // It may have closed the connection before everything was sent.
    let _ = ask();
    let answers = String::from_utf8_lossy(&answers);
    assert!(answers.is_empty() || answers.starts_with("HTTP/1."), "{answers}");
    assert!(!answers.contains(TOKEN), "the endpoint gave its token away: {answers}");
}

/// What a plugin writes while it is asked: events.
pub fn plugin_event(bytes: &[u8]) {
    let Ok(Value::Object(event)) = serde_json::from_slice(bytes) else { return };
    let fake = Fake::new().with_person(["an answer"]).with_server(|_| Ok(answer(200, "a body")));
    let services = Services::new(fake.host(), "vault", "/opt/vault", Duration::from_secs(10))
        .with_http_hosts(&["vault.example.com".to_owned()])
        .interactive(true);
    let reply = pollster::block_on(services.reply(&event));
    assert!(!reply.expose_secret().contains('\n'), "a reply is one line");
    let reply: Value = serde_json::from_str(reply.expose_secret()).expect("a reply is JSON");
    assert!(reply["ok"].is_boolean(), "{reply}");
    for request in fake.requests() {
        assert_eq!(request.url.host_str(), Some("vault.example.com"), "{request:?}");
    }
}

/// The beginning of a file that should be a shared library.
pub fn binary_header(bytes: &[u8]) {
    let Some(mismatch) = ee_auth::dynamic::foreign_binary(bytes) else { return };
    assert!(!mismatch.contains(char::is_control) && mismatch.chars().count() < 2000, "{mismatch}");
}

/// An OAuth client of a person's own, as Google's console gives it out.
pub fn oauth_client_file(bytes: &[u8]) {
    let search = Search::with_defaults(Fake::new().with_file("/client.json", bytes).host());
    match oauth_client::read(&search, Path::new("/client.json"), "login.client_file") {
        Ok(client) => assert!(!client.id.trim().is_empty()),
        Err(error) => check_any(&error),
    }
}
