//! What every kind of provider keeps to, on machines of every sort.

mod as_plugin;
mod scopes;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ee_auth::host::{Directory, HttpErrorKind};
use ee_auth::{Attempt, AttemptOutcome, Kind, Outcome, Secret, SkipReason, kinds};
use ee_auth_core::{
    Chain, Exchange, Found, Member, OptionType, OptionValue, Options, Passed, Provider, Resolution, Search,
    Settings,
};
use ee_auth_fake::{Entry, Fake, Node, answer, failure};
use ee_auth_tests::template::{ROBOT, Templates};
use proptest::prelude::*;
use proptest::test_runner::Config;

/// The kinds that look for a server on the network.
const ASKS_THE_NETWORK: [&str; 1] = ["metadata"];
/// The kinds that have no advice to give when they skip: nobody can set them up.
const NO_ADVICE: [&str; 2] = ["explicit", "metadata"];
/// The kinds that find what a person's signing in leaves behind, and may have to ask for that.
const SIGNED_IN_ELSEWHERE: [&str; 1] = ["colab"];

/// The options that say what others say already, and contradict them: these are not set with the others.
const IN_PLACE_OF_OTHERS: [(&str, &str); 4] = [
    ("external_account", "audience"),
    ("external_account", "token_variable"),
    ("external_account", "token_audience"),
    ("external_account", "user_project"),
];

const KEY_FILE: &str = "/keys/ee.json";
const LOGIN_FILE: &str = "/home/user/.config/earthengine/credentials";
const GCLOUD_FILE: &str = "/home/user/.config/gcloud/application_default_credentials.json";
const COLAB_FILE: &str = "/content/.adc/adc.json";
const PRODUCT_NAME: &str = "/sys/class/dmi/id/product_name";

/// The kinds that need no declaration, and so no options.
fn undeclared() -> impl Iterator<Item = &'static Kind> {
    kinds().iter().copied().filter(|kind| !kind.declared_only)
}

/// The kinds that are not plugins: what these answer is their authors' matter, and `ee_auth_plugin_host::conformance` looks
/// at it, as it does at ours in [`as_plugin`].
fn ours() -> impl Iterator<Item = &'static Kind> {
    kinds().iter().copied().filter(|kind| !matches!(kind.name, "exec" | "dynamic"))
}

/// A provider of a kind on a machine, and what was passed to it.
struct Subject {
    kind: &'static Kind,
    options: Options,
    passed: Option<Passed>,
    offline: bool,
}

impl Subject {
    /// With nothing configured and nothing passed.
    fn plain(kind: &'static Kind) -> Self {
        Self { kind, options: Options::default(), passed: None, offline: false }
    }

    /// With every option set, and a credential passed.
    fn set_up(kind: &'static Kind, templates: &Templates) -> Self {
        let mut options = Options::default();
        for option in
            kind.options.iter().filter(|option| !IN_PLACE_OF_OTHERS.contains(&(kind.name, option.name)))
        {
            options.set(option.name, sample(option.name, option.value));
        }
        let passed = Passed::CredentialJson(Secret::from(templates.value("service_account_key")));
        Self { kind, options, passed: Some(passed), offline: false }
    }

    fn offline(self) -> Self {
        Self { offline: true, ..self }
    }

    fn provider(&self) -> Arc<dyn Provider> {
        (self.kind.build)(self.kind.name, &self.options)
            .unwrap_or_else(|error| panic!("{} cannot be built: {error}", self.kind.name))
    }

    fn find(&self, fake: &Fake) -> Resolution {
        let settings = Settings { passed: self.passed.clone(), ..Settings::default() };
        let search = Search::new(fake.host(), settings).offline(self.offline);
        let chain = Chain::new(vec![Member::new(self.kind.name, self.provider())]);
        pollster::block_on(chain.resolve(&search))
    }

    fn attempt(&self, fake: &Fake) -> Attempt {
        self.find(fake).attempts.remove(0)
    }
}

/// A provider that another may wrap: it finds the key in [`KEY_FILE`].
fn key_provider() -> Arc<dyn Provider> {
    let kind = kinds().iter().find(|kind| kind.name == "service_account").expect("it is always there");
    let mut options = Options::default();
    options.set("key_file", OptionValue::Path(PathBuf::from(KEY_FILE)));
    (kind.build)("source", &options).expect("the options are right")
}

/// A value that an option of this name and type may have.
fn sample(name: &str, value: OptionType) -> OptionValue {
    match value {
        OptionType::Path => OptionValue::Path(PathBuf::from(KEY_FILE)),
        OptionType::String if name == "protocol" => OptionValue::String("token-stdout".to_owned()),
        OptionType::String if name == "isolation" => OptionValue::String("process".to_owned()),
        OptionType::String if name == "sha256" => OptionValue::String("0".repeat(64)),
        OptionType::String if name == "preset" => OptionValue::String("kubernetes".to_owned()),
        OptionType::String if name == "pool" => OptionValue::String("123456789012/ci".to_owned()),
        OptionType::String if name == "provider" => OptionValue::String("cluster".to_owned()),
        OptionType::String if name == "project_number" => OptionValue::String("123456789012".to_owned()),
        OptionType::String if name == "service_account" => OptionValue::String(ROBOT.to_owned()),
        OptionType::String if name == "token_type" => OptionValue::String("jwt".to_owned()),
        OptionType::String if name == "token_field" => OptionValue::String("client_email".to_owned()),
        OptionType::String if name == "email" => OptionValue::String(ROBOT.to_owned()),
        OptionType::String => OptionValue::String("ada@example.com".to_owned()),
        OptionType::Provider => OptionValue::Provider(Member::new("source", key_provider())),
        OptionType::Strings if name == "delegates" => OptionValue::Strings(vec![ROBOT.to_owned()]),
        OptionType::Strings => OptionValue::Strings(vec!["/bin/true".to_owned()]),
        OptionType::Bool => OptionValue::Bool(true),
        OptionType::Duration => OptionValue::Duration(Duration::from_secs(10)),
        OptionType::Port => OptionValue::Port(8085),
        OptionType::Table => OptionValue::Table(serde_json::Map::new()),
        other => panic!("the suite has no value for an option of the type {other:?}"),
    }
}

/// A machine on which every kind that needs no person finds something.
fn full(templates: &Templates) -> Fake {
    Fake::new()
        .with_variable("EE_AUTH_CREDENTIALS", templates.value("base64:service_account_key"))
        .with_variable("GOOGLE_APPLICATION_CREDENTIALS", KEY_FILE)
        .with_variable("GCE_METADATA_HOST", "metadata.example")
        .with_variable("COLAB_RELEASE_TAG", "release")
        .with_file(KEY_FILE, templates.value("service_account_key"))
        .with_file(LOGIN_FILE, templates.value("earthengine_file"))
        .with_file(GCLOUD_FILE, templates.value("authorized_user"))
        .with_file(COLAB_FILE, templates.value("authorized_user"))
        .with_file(PRODUCT_NAME, "Google Compute Engine\n")
}

/// A server that is the metadata server and the token endpoint at once.
fn with_google(fake: Fake, templates: &Templates) -> Fake {
    let token = templates.value("access_token");
    fake.with_server(move |request| {
        let mut response = match request.url.path() {
            path if path.ends_with("/token") => answer(
                200,
                format!(r#"{{"access_token": "{token}", "expires_in": 3599, "token_type": "Bearer"}}"#),
            ),
            path if path.ends_with(":generateAccessToken") => {
                answer(200, format!(r#"{{"accessToken": "{token}", "expireTime": "2026-01-01T01:00:00Z"}}"#))
            }
            path if path.ends_with("/project-id") => answer(200, "my-project"),
            path if path.ends_with("/universe-domain") => answer(200, "googleapis.com"),
            _ => answer(200, format!(r#"{{"email": "{ROBOT}", "scopes": []}}"#)),
        };
        response.metadata_flavor = Some("Google".to_owned());
        Ok(response)
    })
}

/// A sentence for a person, or the part of one after a colon.
fn is_sentence(text: &str) -> bool {
    text.split_whitespace().count() >= 2
        && !text.ends_with(['.', ' '])
        && !text.contains(char::is_control)
        && text.chars().count() < 400
}

/// What every answer keeps to, whatever the machine.
fn check_answer(kind: &Kind, attempt: &Attempt) {
    let name = kind.name;
    match &attempt.outcome {
        AttemptOutcome::Found(origin) => assert!(is_sentence(origin), "{name}: {origin}"),
        AttemptOutcome::Skipped(skip) => {
            assert!(is_sentence(&skip.message), "{name}: {}", skip.message);
            let by_a_person = skip.reason == SkipReason::InteractionRequired;
            assert_eq!(kind.interactive, by_a_person && !SIGNED_IN_ELSEWHERE.contains(&name), "{name}");
            match &skip.hint {
                Some(hint) => assert!(is_sentence(hint), "{name}: {hint}"),
                None => assert!(NO_ADVICE.contains(&name), "{name} says not what would make it find one"),
            }
            // Where no home directory is known, there is nowhere to look.
            let has_looked = !attempt.looked_at.is_empty()
                || skip.reason != SkipReason::NotFound
                || skip.hint.as_deref() == Some("set HOME");
            assert!(has_looked, "{name} says not where it looked");
        }
        AttemptOutcome::Failed { error, .. } => {
            assert!(Outcome::FAILURES.contains(&error.outcome()), "{name}: {error:?}");
            assert!(!error.detail().name().is_empty(), "{name}: {error:?}");
            assert!(is_sentence(error.message()), "{name}: {error:?}");
            assert!(error.next_step().is_some_and(is_sentence), "{name}: {error:?}");
            assert_eq!(error.provider(), Some(name));
        }
        AttemptOutcome::NotProbed(reason) => assert!(is_sentence(reason), "{name}: {reason}"),
        other => panic!("{name}: {other:?}"),
    }
}

/// Finding uses the network only where the kind is there for that, and runs nothing.
fn check_quiet(kind: &Kind, fake: &Fake) {
    assert!(fake.commands().is_empty(), "{} has run a program", kind.name);
    assert!(fake.changes().is_empty(), "{} has changed files", kind.name);
    assert!(fake.sleeps().is_empty() || ASKS_THE_NETWORK.contains(&kind.name), "{} has waited", kind.name);
    let requests = fake.requests();
    assert!(requests.is_empty() || ASKS_THE_NETWORK.contains(&kind.name), "{}: {requests:?}", kind.name);
}

#[test]
fn a_kind_is_described() {
    let mut names = BTreeSet::new();
    let is_name = |name: &str| {
        name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') && !name.is_empty()
    };
    for kind in kinds() {
        assert!(is_name(kind.name) && names.insert(kind.name), "{}", kind.name);
        assert!(is_sentence(kind.summary), "{}: {}", kind.name, kind.summary);
        let mut options = BTreeSet::new();
        for option in kind.options {
            assert!(is_name(option.name) && options.insert(option.name), "{}: {}", kind.name, option.name);
            assert!(is_sentence(option.summary), "{}.{}: {}", kind.name, option.name, option.summary);
        }
    }
}

#[test]
fn a_provider_is_built_without_options_and_with_all_of_them() {
    let templates = Templates::new();
    for kind in kinds() {
        for subject in [Subject::plain(kind), Subject::set_up(kind, &templates)] {
            match (kind.build)("name", &subject.options) {
                Ok(provider) => assert!(provider.kind().name == kind.name, "{}", kind.name),
                // What has to be declared may need more than a name.
                Err(error) => {
                    assert!(kind.declared_only && subject.options.is_empty(), "{}: {error}", kind.name);
                    assert_eq!(error.outcome(), Outcome::Invalid, "{}", kind.name);
                }
            }
        }
    }
}

#[test]
fn every_option_is_accepted_in_a_file() {
    for kind in kinds() {
        for option in kind.options {
            let value = match option.value {
                OptionType::Strings => "[\"/bin/true\"]",
                OptionType::Bool => "true",
                OptionType::Duration => "\"10s\"",
                OptionType::Port => "8085",
                OptionType::Table => "{}",
                _ => "\"persistent\"",
            };
            let text = format!("[providers.x]\nkind = \"{}\"\n{} = {value}\n", kind.name, option.name);
            let host = Fake::new().with_file("/home/user/.config/ee-auth/ee-auth.toml", text).host();
            let config = ee_auth_config::load(&host, kinds(), &ee_auth_config::Flags::default())
                .unwrap_or_else(|error| panic!("{}.{}: {error}", kind.name, option.name));
            assert!(config.providers["x"].options.iter().any(|(name, _)| name == option.name));
        }
    }
}

#[test]
fn an_empty_machine_is_a_skip() {
    for kind in undeclared() {
        let fake = Fake::new();
        let attempt = Subject::plain(kind).attempt(&fake);
        check_answer(kind, &attempt);
        check_quiet(kind, &fake);
        assert!(matches!(attempt.outcome, AttemptOutcome::Skipped(_)), "{}: {attempt:?}", kind.name);
    }
}

#[test]
fn a_full_machine_has_a_credential_for_every_kind_that_asks_nobody() {
    let templates = Templates::new();
    let secrets = templates.secrets();
    for kind in ours() {
        let fake = with_google(full(&templates), &templates);
        let subject = Subject::set_up(kind, &templates);
        let resolution = subject.find(&fake);
        check_answer(kind, &resolution.attempts[0]);
        check_quiet(kind, &fake);
        let debug = format!("{resolution:?} {:?}", subject.provider());
        assert_eq!(secrets.first_in(&debug), None, "{}", kind.name);
        if kind.interactive {
            continue;
        }
        let (_, found) = resolution.result.unwrap_or_else(|error| panic!("{}: {error:?}", kind.name));
        let token = exchange(&found, &fake).unwrap_or_else(|error| panic!("{}: {error:?}", kind.name));
        assert_eq!(token.secret(), templates.value("access_token"), "{}", kind.name);
        assert_eq!(secrets.first_in(&format!("{token:?} {found:?}")), None, "{}", kind.name);
    }
}

fn exchange(found: &Found, fake: &Fake) -> Result<ee_auth::Token, ee_auth::Error> {
    let exchange = Exchange { host: fake.host(), settings: Settings::default() };
    pollster::block_on(found.source.exchange(&exchange))
}

#[test]
fn an_exchange_that_fails_says_why() {
    type Server = fn() -> Result<ee_auth::host::Response, ee_auth::host::HttpError>;
    let servers: [(Server, Outcome); 5] = [
        (|| Ok(answer(400, r#"{"error": "invalid_grant"}"#)), Outcome::Rejected),
        (|| Ok(answer(500, "")), Outcome::Unavailable),
        (|| Ok(answer(200, "<html>")), Outcome::Unavailable),
        (|| Err(failure(HttpErrorKind::Connect, "connection refused")), Outcome::Unavailable),
        (|| Err(failure(HttpErrorKind::Redirected, "it redirects")), Outcome::Unavailable),
    ];
    let templates = Templates::new();
    for kind in ours().filter(|kind| !kind.interactive) {
        let subject = Subject::set_up(kind, &templates);
        let found = subject.find(&with_google(full(&templates), &templates));
        let (_, found) = found.result.unwrap_or_else(|error| panic!("{}: {error:?}", kind.name));
        for (server, expected) in servers {
            // What is read anew for each exchange is still there.
            let fake = full(&templates).with_server(move |_| {
                server().map(|mut response| {
                    response.metadata_flavor = Some("Google".to_owned());
                    response
                })
            });
            let error = exchange(&found, &fake).expect_err("the server gives no token");
            assert_eq!(error.outcome(), expected, "{}: {error:?}", kind.name);
            assert!(is_sentence(error.message()), "{}: {error:?}", kind.name);
            assert!(error.next_step().is_some_and(is_sentence), "{}: {error:?}", kind.name);
        }
    }
}

#[test]
fn offline_neither_network_nor_programs_are_used() {
    let templates = Templates::new();
    for kind in kinds() {
        let fake = full(&templates);
        let attempt = Subject::set_up(kind, &templates).offline().attempt(&fake);
        check_answer(kind, &attempt);
        assert!(fake.requests().is_empty() && fake.commands().is_empty(), "{}", kind.name);
    }
}

#[test]
fn a_machine_without_directories_is_no_failure() {
    let all = [
        Directory::Home,
        Directory::Config,
        Directory::Cache,
        Directory::Data,
        Directory::State,
        Directory::Working,
    ];
    for kind in undeclared() {
        let fake = Fake::new();
        all.into_iter().for_each(|directory| fake.unset_directory(directory));
        // A relative path begins nowhere then.
        let subjects = [
            (fake.clone(), Subject::plain(kind)),
            (fake.with_variable("GOOGLE_APPLICATION_CREDENTIALS", "key.json"), Subject::plain(kind)),
        ];
        for (fake, subject) in subjects {
            check_answer(kind, &subject.attempt(&fake));
            check_quiet(kind, &fake);
        }
    }
}

#[test]
fn a_file_that_cannot_be_used_is_invalid() {
    let templates = Templates::new();
    let nodes = [
        Node::Unreadable(io::ErrorKind::PermissionDenied),
        Node::Unreadable(io::ErrorKind::Other),
        Node::Directory,
        Node::Fifo,
        Node::Device,
        Node::Zeros(10 << 20),
        Node::Zeros(0),
        Node::Zeros(100),
        Node::Link(PathBuf::from(KEY_FILE)),
        Node::File(b"\xff\xfe{\0}\0".to_vec()),
        Node::File(b"{".to_vec()),
    ];
    for kind in ours() {
        for node in &nodes {
            let fake = full(&templates).with_variable("EE_AUTH_CREDENTIALS", KEY_FILE);
            fake.unset_variable("GCE_METADATA_HOST");
            for file in [KEY_FILE, LOGIN_FILE, GCLOUD_FILE, COLAB_FILE, PRODUCT_NAME] {
                fake.set_entry(file, Entry::new(node.clone()));
            }
            let subject = Subject { passed: None, ..Subject::set_up(kind, &templates) };
            let attempt = subject.attempt(&fake);
            check_answer(kind, &attempt);
            check_quiet(kind, &fake);
            match &attempt.outcome {
                AttemptOutcome::Failed { error, .. } => {
                    assert_eq!(error.outcome(), Outcome::Invalid, "{}: {error:?}", kind.name);
                }
                AttemptOutcome::Skipped(_) => {}
                other => panic!("{} on {node:?}: {other:?}", kind.name),
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_no_panic() {
    use std::os::unix::ffi::OsStringExt;
    let templates = Templates::new();
    for kind in ours() {
        let fake = full(&templates);
        let subject = Subject { passed: None, ..Subject::set_up(kind, &templates) }.offline();
        subject.attempt(&fake);
        for name in fake.variables_read() {
            let fake = full(&templates);
            fake.set_variable(name, OsString::from_vec(b"/keys/\xff\xfe".to_vec()));
            check_answer(kind, &subject.attempt(&fake));
        }
    }
}

/// A machine by chance: variables and files, each with something by chance in it.
#[derive(Clone, Debug)]
struct Machine {
    variables: Vec<(&'static str, &'static str)>,
    files: Vec<(&'static str, &'static str)>,
}

const VARIABLES: [&str; 14] = [
    "EE_AUTH_CREDENTIALS",
    "EARTHENGINE_TOKEN",
    "EARTHENGINE_CREDENTIALS",
    "EE_SERVICE_ACCOUNT_KEY",
    "EARTHENGINE_CREDENTIALS_BASE64",
    "EE_SERVICE_ACCOUNT",
    "EE_SA_CREDENTIALS_FILE",
    "GEE_SERVICE_ACCOUNT",
    "GEE_KEY_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "CLOUDSDK_CONFIG",
    "GCE_METADATA_HOST",
    "K_SERVICE",
    "NO_GCE_CHECK",
];

/// As in `env.json` of a scenario.
const VALUES: [&str; 22] = [
    "",
    "  ",
    "true",
    "{{service_account_key}}",
    "{{other_service_account_key}}",
    "{{base64:authorized_user}}",
    "{{json:earthengine_file}}",
    "{{refresh_token}}",
    "{{other_refresh_token}}",
    "{{access_token}}",
    "{{pem}}",
    "{{password}}",
    "{{client_secret}}",
    "{{first_half:service_account_key}}",
    "{{first_half:base64:service_account_key}}",
    "{\"type\": \"{{password}}",
    "/keys/ee.json",
    "~/none.json",
    "/keys",
    "robot@my-project.iam.gserviceaccount.com",
    "metadata.example:80",
    "http://{{password}}@metadata.example",
];

const FILES: [&str; 5] =
    [KEY_FILE, LOGIN_FILE, GCLOUD_FILE, PRODUCT_NAME, "/keys/application_default_credentials.json"];

fn machine() -> impl Strategy<Value = Machine> {
    let variables =
        prop::collection::vec((prop::sample::select(&VARIABLES), prop::sample::select(&VALUES)), 0..5);
    let files = prop::collection::vec((prop::sample::select(&FILES), prop::sample::select(&VALUES)), 0..4);
    (variables, files).prop_map(|(variables, files)| Machine { variables, files })
}

/// Whether the variable is one that must not show this value. The values of settings are shown, and nobody keeps
/// secrets in them; in a path everything is hidden that does not look like one.
fn may_hold(name: &str, value: &str) -> bool {
    match name {
        "GCE_METADATA_HOST" | "K_SERVICE" | "NO_GCE_CHECK" => !value.contains("{{") || value.contains('@'),
        "GOOGLE_APPLICATION_CREDENTIALS" | "CLOUDSDK_CONFIG" => {
            !matches!(value, "{{password}}" | "{{client_secret}}")
        }
        _ => true,
    }
}

impl Machine {
    fn build(&self, templates: &Templates) -> Fake {
        let mut fake = with_google(Fake::new(), templates);
        for (name, value) in self.variables.iter().filter(|(name, value)| may_hold(name, value)) {
            fake = fake.with_variable(*name, templates.expand(value));
        }
        for (path, content) in &self.files {
            fake = fake.with_file(*path, templates.expand(content));
        }
        fake
    }
}

proptest! {
    #![proptest_config(Config { cases: 48, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_machine_gets_an_answer_that_shows_no_secret(machine in machine(), set_up in any::<bool>()) {
        let templates = Templates::new();
        for kind in ours() {
            let set_up = set_up || kind.declared_only;
            let subject = if set_up { Subject::set_up(kind, &templates) } else { Subject::plain(kind) };
            let fake = machine.build(&templates);
            let resolution = subject.find(&fake);
            check_answer(kind, &resolution.attempts[0]);
            check_quiet(kind, &fake);
            let shown = format!("{resolution:?}");
            prop_assert_eq!(templates.secrets().first_in(&shown), None, "{}", kind.name);
            // The same machine gets the same answer, also for the second time.
            let again = format!("{:?}", subject.find(&fake));
            let elsewhere = format!("{:?}", subject.find(&machine.build(&templates)));
            prop_assert_eq!(&shown, &again, "{}", kind.name);
            prop_assert_eq!(&shown, &elsewhere, "{}", kind.name);
        }
    }
}
