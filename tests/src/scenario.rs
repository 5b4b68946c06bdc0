//! Runs a scenario: resolves on the machine in its directory, gets a token, and compares.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ee_auth::host::{Body, Directory};
use ee_auth::{
    Attempt, AttemptOutcome, Credential, Error, ExposeSecret, Project, Resolved, Resolver, Secret, Token,
};
use ee_auth_config::Flags;
use ee_auth_core::Passed;
use ee_auth_fake::Fake;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

use crate::case::{Ask, Case, Expected, Machine};
use crate::leak::Secrets;
use crate::template::Templates;
use crate::{keys, logs};

/// Runs the scenario in a directory.
///
/// # Errors
/// All that is not as `case.json` says, and every secret that was shown.
///
/// # Panics
/// Where the directory holds something else than a scenario.
pub fn run(directory: &Path) -> Result<(), String> {
    let templates = Templates::new();
    let case = read(directory, &templates);
    let fake = machine(directory, &case.machine, &templates);
    let mark = logs::mark();
    let result = Outcome::of(&fake, &case.ask);
    let mut wrong = Vec::new();
    if case.description.split_whitespace().count() < 4 || !case.description.ends_with('.') {
        wrong.push("`description` is no sentence".to_owned());
    }
    compare(&result, &fake, &case.expect, &mut wrong);
    look_for_secrets(&result, &fake, &case.expect, &templates, mark, &mut wrong);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| fake.assert_all_used())) {
        let text = panic.downcast_ref::<String>();
        wrong.push(text.cloned().unwrap_or_else(|| "the traffic is not as recorded".to_owned()));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let came_of_it = result.attempts().iter().map(answer).chain([result.ended()]);
    let came_of_it: Vec<_> = came_of_it.map(|line| format!("    {line}")).collect();
    Err(format!("{}\n  - {}\n{}", case.description, wrong.join("\n  - "), came_of_it.join("\n")))
}

fn read(directory: &Path, templates: &Templates) -> Case {
    let path = directory.join("case.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let parsed = serde_json::from_str(&text).and_then(|mut value| {
        expand(&mut value, templates);
        serde_json::from_value(value)
    });
    parsed.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn expand(value: &mut Value, templates: &Templates) {
    match value {
        Value::String(text) => *text = templates.expand(text),
        Value::Array(items) => items.iter_mut().for_each(|item| expand(item, templates)),
        Value::Object(object) => object.values_mut().for_each(|value| expand(value, templates)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn machine(directory: &Path, machine: &Machine, templates: &Templates) -> Fake {
    let fake = Fake::load(directory, &|text| templates.expand(&text));
    if let Some(time) = &machine.time {
        fake.set_time(humantime::parse_rfc3339(time).expect("`time` is RFC 3339"));
    }
    for name in &machine.without {
        let directories = match name.as_str() {
            "home" => {
                &[Directory::Home, Directory::Config, Directory::Cache, Directory::Data, Directory::State][..]
            }
            "working" => &[Directory::Working],
            other => panic!("`without` knows no directory {other}"),
        };
        directories.iter().for_each(|directory| fake.unset_directory(*directory));
    }
    fake
}

/// What a machine and a caller came to.
struct Outcome {
    /// The configuration and the attempts; `None` where the configuration was wrong.
    resolved: Option<Resolved>,
    /// The credential with its last token, or what stopped the first of finding, exchange and configuration.
    result: Result<(Credential, Token), Error>,
}

impl Outcome {
    fn of(fake: &Fake, ask: &Ask) -> Self {
        let mut resolver = Resolver::new(fake.host())
            .flags(Flags {
                config: ask.config.clone(),
                profile: ask.profile.clone(),
                project: ask.project.clone(),
                scopes: ask.scopes.clone(),
                impersonate: ask.impersonate.clone(),
                chain: ask.chain.clone(),
                ..Flags::default()
            })
            .offline(ask.offline);
        if let Some(token) = &ask.access_token {
            resolver = resolver.access_token(token.as_str());
        }
        if let Some(json) = &ask.credential_json {
            resolver = resolver.credential_json(json.as_str());
        }
        if let Some(code) = &ask.authorization_code {
            resolver = resolver.pass(Passed::AuthorizationCode {
                code: Secret::from(code.code.as_str()),
                verifier: Secret::from(code.verifier.as_str()),
                redirect_uri: code.redirect_uri.clone(),
            });
        }
        let resolved = match resolver.look() {
            Ok(resolved) => resolved,
            Err(error) => return Self { resolved: None, result: Err(error) },
        };
        let result = resolved.credential.clone().and_then(|credential| {
            let mut token = credential.token()?.clone();
            for _ in 1..ask.tokens.unwrap_or(1) {
                fake.set_time(token.expires_at());
                token = credential.token()?.clone();
            }
            Ok((credential, token))
        });
        Self { resolved: Some(resolved), result }
    }

    fn attempts(&self) -> &[Attempt] {
        self.resolved.as_ref().map_or(&[], |resolved| &resolved.attempts)
    }

    fn project(&self) -> Option<&Project> {
        self.resolved.as_ref()?.project.as_ref().ok()?.as_ref()
    }

    fn warnings(&self) -> Vec<String> {
        let of_config = self.resolved.iter().flat_map(|resolved| &resolved.config.warnings);
        let credential = self.resolved.as_ref().and_then(|resolved| resolved.credential.as_ref().ok());
        let of_credential = credential.into_iter().flat_map(Credential::warnings);
        of_config.chain(of_credential).cloned().collect()
    }

    fn ended(&self) -> String {
        match &self.result {
            Ok((credential, token)) => format!("{credential:?} {token:?}"),
            Err(error) => format!("{error:?}"),
        }
    }

    /// Everything that is there to be seen, tokens aside.
    fn shown(&self) -> String {
        let mut shown: Vec<String> = self.attempts().iter().map(|attempt| format!("{attempt:?}")).collect();
        shown.push(self.ended());
        shown.extend(self.warnings());
        if let Some(resolved) = &self.resolved {
            shown.push(format!("{resolved:?}"));
            shown.push(format!("{:?}", resolved.config.values()));
        }
        match &self.result {
            Ok((credential, _)) => shown.push(format!("{} {:?}", credential.origin(), credential.exchange())),
            Err(error) => {
                shown.push(format!("{}: {error}", error.code()));
                shown.push(format!("hint: {}", error.next_step().unwrap_or_default()));
                shown.extend(error.rendered().map(str::to_owned));
                shown.extend(error.attempts().iter().map(|attempt| format!("{attempt:?}")));
            }
        }
        shown.join("\n")
    }
}

/// What a provider answered, in a few words: `environment: found`, `persistent: skipped not_found`,
/// `gcloud: failed invalid.truncated`, `gcloud: continued after invalid.truncated`, `metadata: not_probed`,
/// `notebook: not_reached`.
pub fn answer(attempt: &Attempt) -> String {
    let answer = match &attempt.outcome {
        AttemptOutcome::Found(_) => "found".to_owned(),
        AttemptOutcome::Skipped(skip) => format!("skipped {}", skip.reason.name()),
        AttemptOutcome::Failed { error, continued: false } => format!("failed {}", error.code()),
        AttemptOutcome::Failed { error, continued: true } => format!("continued after {}", error.code()),
        AttemptOutcome::NotReached => "not_reached".to_owned(),
        AttemptOutcome::NotProbed(_) => "not_probed".to_owned(),
        other => format!("{other:?}"),
    };
    format!("{}: {answer}", attempt.provider)
}

fn compare(outcome: &Outcome, fake: &Fake, expect: &Expected, wrong: &mut Vec<String>) {
    let mut differs = |what: &str, expected: &dyn std::fmt::Debug, actual: &dyn std::fmt::Debug| {
        wrong.push(format!("{what}: expected {expected:?}, got {actual:?}"));
    };
    let exit = outcome.result.as_ref().map_or_else(|error| error.outcome().exit_status(), |_| 0);
    if exit != expect.exit {
        differs("exit", &expect.exit, &exit);
    }
    match &outcome.result {
        Ok((credential, token)) => compare_credential(credential, token, expect, &mut differs),
        Err(error) => compare_error(error, expect, &mut differs),
    }
    if let Some(expected) = &expect.attempts {
        let mut actual: Vec<_> = outcome.attempts().iter().map(answer).collect();
        let mut expected = expected.clone();
        if expected.last().is_some_and(|last| last == "…") {
            expected.pop();
            actual.truncate(expected.len());
        }
        if actual != expected {
            differs("attempts", &expected, &actual);
        }
    }
    for attempt in outcome.attempts() {
        let hint = match &attempt.outcome {
            AttemptOutcome::Skipped(skip) => skip.hint.as_deref(),
            _ => None,
        };
        match expect.skip_hints.get(&attempt.provider) {
            Some(expected) if !hint.unwrap_or_default().contains(expected) => {
                differs("skip_hints", expected, &hint);
            }
            _ => {}
        }
        let looks: Vec<_> =
            attempt.looked_at.iter().map(|look| format!("{} {}", look.place(), look.saw().word())).collect();
        match expect.looked_at.get(&attempt.provider) {
            Some(expected) if *expected != looks => differs("looked_at", expected, &looks),
            _ => {}
        }
    }
    let projects = (&expect.project, outcome.project());
    match projects {
        (None, _) | (Some(None), None) => {}
        (Some(Some(expected)), Some(actual))
            if expected.id == actual.id && actual.origin.contains(&expected.origin) => {}
        (Some(expected), actual) => differs("project", expected, &actual),
    }
    let warnings = outcome.warnings();
    let unforeseen = |warning: &&String| !expect.warnings.iter().any(|words| warning.contains(words));
    let missing = |words: &&String| !warnings.iter().any(|warning| warning.contains(*words));
    if warnings.iter().any(|warning| unforeseen(&warning))
        || expect.warnings.iter().any(|words| missing(&words))
    {
        differs("warnings", &expect.warnings, &warnings);
    }
    if let Some(expected) = &expect.assertion {
        match assertion(fake) {
            Ok(actual) => {
                for (name, expected) in expected {
                    let actual = &actual[name.as_str()];
                    if actual != expected {
                        differs(&format!("`{name}` of the assertion"), expected, actual);
                    }
                }
            }
            Err(why) => differs("assertion", expected, &why),
        }
    }
    let waited: Duration = fake.sleeps().iter().sum();
    if expect.pauses.is_some_and(|expected| expected != fake.sleeps().len()) {
        differs("pauses", &expect.pauses, &fake.sleeps());
    }
    if expect.waited.is_some_and(|expected| Duration::from_secs(expected) != waited) {
        differs("waited", &expect.waited, &waited);
    }
}

type Differs<'a> = dyn FnMut(&str, &dyn std::fmt::Debug, &dyn std::fmt::Debug) + 'a;

fn compare_credential(credential: &Credential, token: &Token, expect: &Expected, differs: &mut Differs<'_>) {
    if expect.provider.as_deref().is_some_and(|expected| expected != credential.provider()) {
        differs("provider", &expect.provider, &credential.provider());
    }
    if let Some(expected) = &expect.principal {
        if *expected != credential.principal() {
            differs("principal", expected, &credential.principal());
        }
    }
    if let Some(expected) = &expect.impersonates {
        let actual = credential.impersonates();
        let actual =
            actual.map(|impersonates| format!("{}, {}", impersonates.account, impersonates.named_by));
        if *expected != actual {
            differs("impersonates", expected, &actual);
        }
    }
    let scopes: Vec<_> = credential.scopes().short_names().map(str::to_owned).collect();
    if expect.scopes.as_ref().is_some_and(|expected| *expected != scopes) {
        differs("scopes", &expect.scopes, &scopes);
    }
    if expect.quota_project.is_some() && expect.quota_project.as_deref() != credential.quota_project() {
        differs("quota_project", &expect.quota_project, &credential.quota_project());
    }
    if expect.origin.as_ref().is_some_and(|expected| !credential.origin().contains(expected)) {
        differs("origin", &expect.origin, &credential.origin());
    }
    // Neither token is shown, in case both are real ones by some mistake.
    if expect.token.as_ref().is_some_and(|expected| expected != token.secret()) {
        differs("token", &"the one in `token`", &"another one");
    }
    let expires_in = token.lifetime().as_secs();
    if expect.expires_in.is_some_and(|expected| expected != expires_in) {
        differs("expires_in", &expect.expires_in, &expires_in);
    }
    if credential.held_token().is_none() {
        differs("a second call", &"the same token", &"none that is held");
    }
}

fn compare_error(error: &Error, expect: &Expected, differs: &mut Differs<'_>) {
    if expect.code.as_ref() != Some(&error.code().to_string()) {
        differs("code", &expect.code, &error.code());
    }
    if expect.provider.is_some() && expect.provider.as_deref() != error.provider() {
        differs("provider", &expect.provider, &error.provider());
    }
    if !says(error.message(), &expect.message) {
        differs("message", &expect.message, &error.message());
    }
    match error.next_step() {
        // What a source line with the mistake underlined says needs no more.
        None if error.rendered().is_some() && expect.hint.is_empty() => {}
        None => differs("hint", &"one in every error", &"none"),
        Some(hint) if !says(hint, &expect.hint) => differs("hint", &expect.hint, &hint),
        Some(_) => {}
    }
    if error.message().contains(['\n', '\r', '\u{1b}']) {
        differs("message", &"one line without control characters", &error.message());
    }
}

/// Whether `text` has all of `words`, in this order.
fn says(text: &str, words: &[String]) -> bool {
    let mut rest = text;
    words.iter().all(|word| match rest.split_once(word.as_str()) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// Header and claims of the last assertion that was sent, if its signature is right.
fn assertion(fake: &Fake) -> Result<Value, String> {
    let jwt = sent(fake)
        .into_iter()
        .rev()
        .find_map(|(name, value)| (name == "assertion").then_some(value))
        .ok_or("none was sent")?;
    let (signed, signature) = jwt.rsplit_once('.').ok_or("no JWT")?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|error| error.to_string());
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &keys::rsa().public)
        .verify(signed.as_bytes(), &decode(signature)?)
        .map_err(|_| "its signature is wrong")?;
    let mut all = serde_json::Map::new();
    for part in signed.split('.') {
        let object: Value = serde_json::from_slice(&decode(part)?).map_err(|error| error.to_string())?;
        all.extend(object.as_object().cloned().unwrap_or_default());
    }
    Ok(Value::Object(all))
}

/// The fields of all forms that were sent.
fn sent(fake: &Fake) -> Vec<(String, String)> {
    let requests = fake.requests();
    let forms = requests.iter().filter_map(|request| match &request.body {
        Some(Body::Form(form)) => Some(form.expose_secret().to_owned()),
        _ => None,
    });
    forms
        .flat_map(|form| url::form_urlencoded::parse(form.as_bytes()).into_owned().collect::<Vec<_>>())
        .collect()
}

/// Nothing that is shown or logged may have a part of a secret in it: of those that were made for the scenario, and of
/// those that were sent.
fn look_for_secrets(
    outcome: &Outcome,
    fake: &Fake,
    expect: &Expected,
    templates: &Templates,
    mark: usize,
    wrong: &mut Vec<String>,
) {
    let mut secrets: Secrets = templates.secrets();
    for (name, value) in sent(fake) {
        // AWS's signed request has words of every day in it; what is secret in it was made for the scenario.
        let spoken = name == "subject_token" && value.starts_with("%7B");
        if !spoken
            && ["assertion", "subject_token", "refresh_token", "client_secret", "code", "code_verifier"]
                .contains(&name.as_str())
        {
            secrets.add(&value);
        }
    }
    let shown = outcome.shown();
    let requests: Vec<_> = fake.requests().iter().map(|request| format!("{request:?}")).collect();
    let files: Vec<_> = fake.files_read().iter().map(|path| path.display().to_string()).collect();
    let texts = std::iter::once(shown).chain(requests).chain(files).chain(logs::since(mark));
    for text in texts {
        if let Some(around) = secrets.first_in(&text) {
            wrong.push(format!("a secret is shown: …{around}…"));
        }
        for absent in expect.absent.iter().filter(|absent| text.contains(absent.as_str())) {
            wrong.push(format!("{absent:?} is shown: {text}"));
        }
    }
}
