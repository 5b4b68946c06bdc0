//! Which login runs, when one runs at all, and what it replaces: on a machine in memory.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use ee_auth::{
    AttemptOutcome, Error, ExposeSecret, LoginOutcome, LoginReport, Outcome, Resolver, host::Body, stored,
};
use ee_auth_fake::{Fake, answer};
use serde_json::{Value, json};

const FILE: &str = "/home/user/.config/earthengine/credentials";
const CONFIG: &str = "/home/user/.config/ee-auth/ee-auth.toml";
const CODE: &str = "4/0Abcdefgh";

/// Google, for a person who has logged in: a refresh token that begins with `ended` is not good any more.
fn google(fake: Fake) -> Fake {
    fake.with_server(|request| {
        let body = match &request.body {
            Some(Body::Form(text) | Body::Json(text)) => text.expose_secret(),
            None => "",
        };
        let scope = "https://www.googleapis.com/auth/earthengine https://www.googleapis.com/auth/cloud-platform \
                     https://www.googleapis.com/auth/drive https://www.googleapis.com/auth/devstorage.full_control";
        let token = json!({ "access_token": "a", "expires_in": 3599, "scope": scope, "refresh_token": "new" });
        let (status, answer_body) = match request.url.path() {
            "/token" if body.contains("refresh_token=ended") => (400, json!({ "error": "invalid_grant" })),
            "/token" if body.contains("refresh_token=down") => (418, json!("what is this?")),
            "/token" => (200, token),
            "/client-auth/fetch" => (200, json!({ "client_id": "123456-x", "client_secret": "s" })),
            "/tokeninfo" => (200, json!({ "email": "ada@example.com", "scope": scope })),
            "/revoke" => (200, json!({})),
            path if path.ends_with("value:compute") => (200, json!({ "result": 2 })),
            path => panic!("nobody asks for {path}"),
        };
        Ok(answer(status, answer_body.to_string()))
    })
}

fn resolver(fake: &Fake) -> Resolver {
    Resolver::new(fake.host()).no_cache(true)
}

fn login_file(refresh_token: &str) -> String {
    json!({ "refresh_token": refresh_token, "project": "my-project" }).to_string()
}

#[track_caller]
fn refresh_token(fake: &Fake) -> Value {
    serde_json::from_str::<Value>(&fake.file(FILE).expect("a login is stored")).unwrap()["refresh_token"]
        .take()
}

/// The mode that is chosen, and what is said of it. Nobody can type here, and the browser's port is taken, so no login goes
/// further than that.
fn chosen(fake: Fake, login: impl FnOnce(Resolver) -> Resolver) -> (String, String) {
    let fake = fake.with_watcher().with_taken_port(8085);
    let error = login(resolver(&fake)).login().run().expect_err("nobody is there");
    let told = fake.told().into_iter().find(|told| told.starts_with("Logging in")).expect("it says so");
    (error.provider().expect("a provider").to_owned(), told)
}

#[test]
fn the_mode_is_chosen_as_earthengine_api_chooses() {
    let same = |resolver: Resolver| resolver;
    let client = r#"{"installed": {"client_id": "1-x", "client_secret": "s"}}"#;
    let own =
        || Fake::new().with_file("/c.json", client).with_file(CONFIG, "[login]\nclient_file = \"/c.json\"");
    let colab = |fake: Fake| fake.with_variable("COLAB_RELEASE_TAG", "release-colab_1");
    let jupyter = |fake: Fake| fake.with_variable("JPY_PARENT_PID", "1");
    let gcloud = |fake: Fake| fake.with_program("gcloud", "/usr/bin/gcloud");
    for (fake, mode, because) in [
        (Fake::new(), "notebook", "browser on any machine"),
        (gcloud(Fake::new()), "gcloud", "there is gcloud"),
        (gcloud(Fake::new()).with_browser(), "localhost", "there is a browser on this machine"),
        (jupyter(gcloud(Fake::new())).with_browser(), "notebook", "this is a Jupyter notebook"),
        (Fake::new().with_variable("JPY_SESSION_NAME", "x.ipynb"), "notebook", "this is a Jupyter notebook"),
        (jupyter(colab(Fake::new())).with_browser(), "colab", "this is Colab"),
        (own(), "localhost", "your own OAuth client"),
        (jupyter(colab(own())), "localhost", "your own OAuth client"),
        (own().with_browser(), "localhost", "there is a browser"),
    ] {
        let (chosen, told) = chosen(fake, same);
        assert_eq!(chosen, mode, "{told}");
        assert!(told.contains(mode) && told.contains(because), "{told}");
    }
    // What a mode cannot do it is not chosen for.
    let fewer = |resolver: Resolver| resolver.scopes("earthengine");
    assert_eq!(chosen(gcloud(Fake::new()), fewer).0, "notebook");
    assert_eq!(chosen(colab(Fake::new()), fewer).0, "notebook");
}

#[test]
fn a_mode_that_is_named_is_the_one() {
    let named = |mode: &str| {
        let fake = Fake::new().with_watcher().with_taken_port(8085).with_taken_port(9);
        let error = resolver(&fake).login().mode(mode).run().expect_err("nobody is there");
        assert!(!fake.told().iter().any(|told| told.starts_with("Logging in")), "it was asked for");
        error
    };
    for mode in ["notebook", "localhost", "localhost:9", "gcloud", "gcloud-legacy", "colab", "appdefault"] {
        assert_eq!(named(mode).provider(), Some(mode));
    }
    assert!(named("localhost:9").message().contains("port 9"));
    assert!(named("colab").message().contains("not Colab"));
    for (mode, said) in [("netbook", "no login mode"), ("localhost:x", "no port"), ("persistent", "no login")]
    {
        let error = named(mode);
        assert_eq!((error.outcome(), error.detail().name()), (Outcome::Usage, "mode"));
        assert!(error.message().contains(said), "{error}");
    }
}

fn kept(fake: &Fake, change: impl FnOnce(Resolver) -> Resolver) -> Result<LoginReport, Error> {
    match change(resolver(fake)).login().mode("notebook").run()? {
        LoginOutcome::Kept(report) => Ok(report),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_login_is_kept_if_it_works_and_has_the_scopes() {
    let same = |resolver: Resolver| resolver;
    // A file that does not say has the usual scopes.
    let fake = google(Fake::new().with_file(FILE, login_file("good")));
    let report = kept(&fake, same).unwrap();
    assert_eq!((report.mode.as_str(), report.principal.as_deref()), ("persistent", Some("ada@example.com")));
    assert!(report.usable.is_ok() && report.warnings.is_empty(), "{report:?}");
    assert!(fake.changes().is_empty() && fake.asked().is_empty());
    assert!(kept(&fake, |resolver| resolver.scopes("drive")).is_ok());

    let nobody = |fake: &Fake, change: fn(Resolver) -> Resolver| {
        let error = kept(fake, change).unwrap_err();
        assert_eq!(error.outcome(), Outcome::InteractionRequired, "a login is needed");
        assert!(fake.changes().is_empty());
    };
    nobody(&fake, |resolver| resolver.scopes("earthengine,email"));
    nobody(&google(Fake::new().with_file(FILE, login_file("ended"))), same);
    nobody(&google(Fake::new().with_file(FILE, "{")), same);
    nobody(&google(Fake::new().with_file(FILE, r#"{"project": "my-project"}"#)), same);
    // Whether it works is not known then.
    let fake = google(Fake::new().with_file(FILE, login_file("down")));
    assert_eq!(kept(&fake, same).unwrap_err().outcome(), Outcome::Unavailable);
    assert_eq!(fake.requests().len(), 1);
}

#[test]
fn force_asks_again_and_the_project_stays() {
    let fake = google(Fake::new().with_file(FILE, login_file("good")).with_person([CODE]));
    let report = match resolver(&fake).login().mode("notebook").force(true).run().unwrap() {
        LoginOutcome::LoggedIn(report) => report,
        other => panic!("{other:?}"),
    };
    assert_eq!(refresh_token(&fake), "new");
    assert_eq!(report.project.unwrap().unwrap().id, "123456", "the one that was chosen on the page");
    // Nobody who refuses loses anything.
    let fake = google(Fake::new().with_file(FILE, login_file("good")).with_person(["{}", "{}", "{}"]));
    resolver(&fake).login().mode("notebook").force(true).run().unwrap_err();
    assert_eq!(refresh_token(&fake), "good");
}

#[test]
fn a_credential_that_comes_first_is_told() {
    let fake =
        google(Fake::new().with_variable("EARTHENGINE_TOKEN", format!("ya29{}", ".token-of-somebody")));
    let fake = fake.with_person([CODE]);
    match resolver(&fake).login().mode("notebook").run().unwrap() {
        LoginOutcome::LoggedIn(report) => assert!(report.warnings[0].contains("environment"), "{report:?}"),
        other => panic!("{other:?}"),
    }
    // `appdefault` stores nothing, and what is stored comes before it.
    let user = json!({ "type": "authorized_user", "client_id": "1-x", "client_secret": "s", "refresh_token": "adc" });
    let fake = google(Fake::new().with_file(FILE, login_file("good")));
    let fake =
        fake.with_file("/home/user/.config/gcloud/application_default_credentials.json", user.to_string());
    match resolver(&fake).login().mode("appdefault").force(true).run().unwrap() {
        LoginOutcome::LoggedIn(report) => assert!(report.warnings[0].contains("persistent"), "{report:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_a_login_that_is_stored_creates_a_profile() {
    let user = json!({ "type": "authorized_user", "client_id": "1-x", "client_secret": "s", "refresh_token": "adc" });
    let fake = google(Fake::new().with_person([CODE]));
    fake.set_file("/home/user/.config/gcloud/application_default_credentials.json", user.to_string());
    let error = resolver(&fake).profile("new").login().mode("appdefault").run().unwrap_err();
    assert_eq!(error.code(), "invalid.profile");
    assert!(error.next_step().is_some_and(|hint| hint.contains("--mode notebook")), "{error:?}");
    // Nor does anybody log in on the way to a token.
    let error = resolver(&fake).profile("new").interactive(true).resolve().unwrap_err();
    assert_eq!(error.code(), "invalid.profile");
    assert!(fake.asked().is_empty() && fake.shown().is_empty() && fake.changes().is_empty());
    resolver(&fake).profile("new").login().mode("notebook").run().unwrap();
    assert_eq!(resolver(&fake).profile("new").resolve().unwrap().provider(), "persistent");
    // A typo is met with the name that was meant.
    let error = resolver(&fake).profile("nwe").resolve().unwrap_err();
    assert_eq!(error.message(), "profile `nwe` does not exist; did you mean `new`?");
}

#[test]
fn the_second_pass_logs_in_as_the_person_who_impersonates() {
    let fake = google(Fake::new().with_person([CODE]));
    fake.set_file(CONFIG, "chain = [\"persistent\", \"notebook\"]");
    let robot = "robot@my-project.iam.gserviceaccount.com";
    let resolver = resolver(&fake).impersonate(robot).scopes("earthengine.readonly").interactive(true);
    let credential = resolver.resolve().unwrap();
    assert_eq!((credential.provider(), credential.principal().as_deref()), ("notebook", Some(robot)));
    assert_eq!(credential.impersonates().map(|named| &*named.named_by), Some("--as"));
    assert_eq!(credential.scopes().to_string(), "earthengine.readonly");
    // The login is asked for what it needs as the source, not for the scopes of the account.
    let page: String = fake.shown().iter().map(ToString::to_string).collect();
    assert!(page.contains("cloud-platform") && !page.contains("earthengine.readonly"), "{page}");
}

/// What the second pass comes to with this configuration.
fn second_pass(fake: &Fake, config: &str, interactive: bool) -> Result<String, Error> {
    fake.set_file(CONFIG, config);
    let credential = resolver(fake).interactive(interactive).resolve()?;
    Ok(credential.provider().to_owned())
}

#[test]
fn the_second_pass_logs_in_where_the_whole_chain_has_nothing() {
    let chain =
        "chain = [\"environment\", \"persistent\", \"page\"]\n[providers.page]\nkind = \"notebook\"\n";
    let fake = google(Fake::new().with_person([CODE]));
    fake.set_file(CONFIG, chain);
    let resolved = resolver(&fake).interactive(true).look().unwrap();
    assert_eq!(resolved.credential.unwrap().provider(), "page");
    let found: Vec<_> =
        resolved.attempts.iter().map(|a| matches!(a.outcome, AttemptOutcome::Found(_))).collect();
    assert_eq!(found, [false, false, true]);
    assert_eq!(refresh_token(&fake), "new");
    assert!(fake.told().iter().any(|told| told.contains("No provider of the chain has a credential")));
    // And then it is there.
    assert_eq!(second_pass(&fake, chain, true).unwrap(), "persistent");

    let asked_nobody = |fake: Fake, config: &str, interactive: bool, outcome: Outcome| {
        let error = second_pass(&google(fake.clone()), config, interactive).unwrap_err();
        assert_eq!(error.outcome(), outcome, "{config}: {error}");
        assert!(fake.asked().is_empty() && fake.shown().is_empty() && fake.file(FILE).is_none(), "{config}");
        error
    };
    use Outcome::{InteractionRequired, Invalid, NotFound};
    let person = || Fake::new().with_person([CODE]);
    asked_nobody(person(), chain, false, InteractionRequired);
    asked_nobody(Fake::new(), chain, true, InteractionRequired);
    asked_nobody(Fake::new().with_watcher(), chain, true, InteractionRequired);
    asked_nobody(person(), "chain = [\"environment\", \"persistent\"]", true, NotFound);
    asked_nobody(person().with_variable("EE_AUTH_CREDENTIALS", "what?"), chain, true, Invalid);
}

#[test]
fn the_second_pass_holds_what_it_got_against_expect() {
    let config = |project: &str| {
        format!(
            "chain = [\"page\"]\n[providers.page]\nkind = \"notebook\"\nexpect = {{ project = \"{project}\" }}"
        )
    };
    let fake = google(Fake::new().with_person([CODE]));
    let error = second_pass(&fake, &config("another-project"), true).unwrap_err();
    assert_eq!((error.code(), error.provider()), ("rejected.unexpected".parse().unwrap(), Some("page")));
    assert_eq!(error.attempts().len(), 1);
}

#[test]
fn the_second_pass_chooses_among_those_in_the_chain() {
    let fake = Fake::new().with_person([CODE]).with_taken_port(8085);
    let error = second_pass(&fake, "chain = [\"localhost\"]", true).unwrap_err();
    assert_eq!(error.provider(), Some("localhost"));
    let told = fake.told().join("\n");
    assert!(told.contains("Logging in with localhost: it is the one that the chain has"), "{told}");
}

#[test]
fn logging_out_tells_google_first_or_not_at_all() {
    let fake = google(Fake::new().with_file(FILE, login_file("good")));
    let out = stored::log_out(&resolver(&fake), true).unwrap();
    assert_eq!((out.revoked, out.project.as_deref()), (Some(true), Some("my-project")));
    assert!(fake.file(FILE).is_none());
    let [revocation] = &fake.requests()[..] else { panic!("one request is wanted") };
    assert!(revocation.url.query().is_none(), "an address ends up in logs");

    let ended = Fake::new().with_file(FILE, login_file("good"));
    let ended = ended.with_response(answer(400, r#"{"error": "invalid_token"}"#));
    assert_eq!(stored::log_out(&resolver(&ended), true).unwrap().revoked, Some(false));
    assert!(ended.file(FILE).is_none());

    for (status, body) in [(503, ""), (400, r#"{"error": "invalid_request"}"#), (407, "")] {
        let fake = Fake::new().with_file(FILE, login_file("good"));
        let fake = fake.with_server(move |_| Ok(answer(status, body)));
        let error = stored::log_out(&resolver(&fake), true).unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unavailable);
        assert!(error.next_step().unwrap().contains("nothing was removed"), "{error:?}");
        assert_eq!(refresh_token(&fake), "good");
        let out = stored::log_out(&resolver(&fake), false).unwrap();
        assert_eq!((out.revoked, fake.file(FILE)), (None, None));
    }
    for damaged in ["{", r#"{"refresh_token": 1}"#] {
        let fake = Fake::new().with_file(FILE, damaged);
        assert_eq!(stored::log_out(&resolver(&fake), true).unwrap_err().outcome(), Outcome::Invalid);
        assert!(stored::log_out(&resolver(&fake), false).unwrap().removed.file.is_some());
    }
}
