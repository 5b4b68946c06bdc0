//! Federation against the loopback Google: a machine in memory, requests over the wire.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "these are tests")]

use ee_auth::{Credential, Error, Host, Resolver};
use ee_auth_config::Flags;
use ee_auth_fake::Fake;
use ee_auth_sandbox::{DEFAULT_SCOPES, Options, Sandbox};
use serde_json::{Value, json};

const ADC: &str = "/home/user/adc.json";
const TOKEN: &str = "/var/run/token";
const CONFIG: &str = "/home/user/.config/ee-auth/ee-auth.toml";
const AWS_TYPE: &str = "urn:ietf:params:aws:token-type:aws4_request";

/// A loopback Google, and a machine whose user has put it in Google's place.
struct World {
    google: Sandbox,
    machine: Fake,
    robot: String,
}

impl World {
    fn new(more: &str) -> Self {
        let google = Sandbox::start(Options::default()).unwrap();
        let robot = google.service_account().email().to_owned();
        let machine = Fake::new().with_file(CONFIG, format!("{more}\n{}", google.config_toml()));
        Self { google, machine, robot }
    }

    /// The machine, with the system's clock and network.
    fn host(&self) -> Host {
        let system = ee_auth_host::system();
        let fake = self.machine.host();
        Host { http: system.http, clock: system.clock, tasks: system.tasks, ..fake }
    }

    fn resolve(&self, chain: &str) -> Result<Credential, Error> {
        Resolver::new(self.host())
            .flags(Flags { chain: Some(chain.to_owned()), ..Flags::default() })
            .no_cache(true)
            .resolve()
    }

    /// The credential in the file that `GOOGLE_APPLICATION_CREDENTIALS` names.
    fn adc(&self, json: &str) -> Result<Credential, Error> {
        self.machine.set_file(ADC, json);
        self.machine.set_variable("GOOGLE_APPLICATION_CREDENTIALS", ADC);
        self.resolve("application_default")
    }

    /// Whose token it is, as this Google sees it.
    fn owner(&self, credential: &Credential) -> String {
        let token = credential.token().unwrap_or_else(|error| panic!("{error:?}"));
        let url = format!("{}/v1/introspect", self.google.base_url()).parse().unwrap();
        let form = ee_auth::host::Body::form([("token", token.secret())]);
        let request = ee_auth::host::Request::new(ee_auth::host::Method::Post, url).with_body(form);
        let response = pollster::block_on(self.host().http.send(request)).unwrap();
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        answer["username"].as_str().unwrap_or_default().to_owned()
    }

    /// The same file, as Google would have written it: with Google's own addresses.
    fn googles_own(&self, json: &str) -> String {
        json.replace(&format!("{}/v1/token", self.google.base_url()), "https://sts.googleapis.com/v1/token")
            .replace(
                &format!("{}/v1/projects", self.google.base_url()),
                "https://iamcredentials.googleapis.com/v1/projects",
            )
    }
}

#[test]
fn a_token_in_a_file_becomes_the_service_accounts() {
    let world = World::new("");
    let workload = world.google.workload();
    world.machine.set_file(TOKEN, workload.subject_token());
    let json = workload.external_account_json(&json!({"file": TOKEN}), Some(&world.robot));
    for json in [world.googles_own(&json), json] {
        let credential = world.adc(&json).unwrap();
        assert_eq!(world.owner(&credential), world.robot);
        assert_eq!(credential.principal().as_deref(), Some(&*world.robot));
        assert!(credential.id_token("https://service.example").is_ok());
    }
    let itself = workload.external_account_json(&json!({"file": TOKEN}), None);
    let itself = world.adc(&itself).unwrap();
    assert_eq!(world.owner(&itself), workload.principal());
    assert_eq!(
        itself.id_token("https://service.example").map(|_| ()).unwrap_err().code(),
        "invalid.id_token"
    );
}

#[test]
fn a_file_is_read_again_at_each_exchange() {
    let world = World::new("");
    let workload = world.google.workload();
    world.machine.set_file(TOKEN, workload.subject_token());
    let credential = world.adc(&workload.external_account_json(&json!({"file": TOKEN}), None)).unwrap();
    world.machine.set_file(TOKEN, "not a token of anybody");
    let error = credential.token().unwrap_err();
    assert_eq!(error.code(), "rejected.invalid_grant", "{error:?}");
    // What Kubernetes does: another token of the same identity.
    world.machine.set_file(TOKEN, world.google.workload().subject_token());
    assert_eq!(world.owner(&credential), workload.principal());
}

#[test]
fn a_token_comes_from_a_server_with_the_files_own_headers() {
    let world = World::new("");
    let workload = world.google.workload();
    let source = json!({
        "url": workload.subject_token_url(),
        "headers": {"Authorization": format!("Bearer {}", workload.request_token())},
        "format": {"type": "json", "subject_token_field_name": "value"},
    });
    let credential = world.adc(&workload.external_account_json(&source, Some(&world.robot))).unwrap();
    assert_eq!(world.owner(&credential), world.robot);

    let wrong = json!({"url": workload.subject_token_url(), "headers": {"Authorization": "Bearer wrong"}});
    let error =
        world.adc(&workload.external_account_json(&wrong, None)).unwrap().token().map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "rejected.subject_token");
}

#[test]
fn in_github_actions_a_pool_a_provider_and_a_service_account_are_enough() {
    let world = World::new("");
    let workload = world.google.workload();
    let provider = workload.audience().trim_start_matches("//iam.googleapis.com/");
    let table = format!(
        "[providers.ci]\nkind = \"external_account\"\npreset = \"github\"\nprovider = \"{provider}\"\n\
         service_account = \"{}\"\n\n",
        world.robot
    );
    world.machine.set_file(CONFIG, table + &world.google.config_toml());
    assert_eq!(world.resolve("ci").unwrap_err().code(), "not_found");
    let url = format!("{}?api-version=2.0", workload.subject_token_url());
    world.machine.set_variable("ACTIONS_ID_TOKEN_REQUEST_URL", url);
    world.machine.set_variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN", workload.request_token());
    let credential = world.resolve("ci").unwrap();
    assert_eq!(world.owner(&credential), world.robot);
    let asked = world.google.requests();
    let asked = asked.iter().find(|request| format!("{request:?}").contains("subject-token")).unwrap();
    assert!(format!("{asked:?}").contains("audience"), "{asked:?}");
}

#[test]
fn a_program_gives_out_the_token() {
    let world = World::new("");
    let workload = world.google.workload();
    let json = workload.external_account_json(
        &json!({"executable": {"command": "/opt/get --this 'and that'"}}),
        Some(&world.robot),
    );
    assert_eq!(world.adc(&json).unwrap_err().code(), "untrusted.executable");
    world.machine.set_variable("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
    let credential = world.adc(&json).unwrap();
    let answer = json!({
        "version": 1, "success": true, "token_type": ee_auth_sandbox::JWT_TOKEN_TYPE,
        "id_token": workload.subject_token(),
    });
    let machine = world.machine.clone().with_output(0, answer.to_string(), "");
    assert_eq!(world.owner(&credential), world.robot);
    assert_eq!(machine.commands()[0].arguments, ["--this", "and that"]);
}

#[test]
fn a_person_is_asked_where_the_file_says_so_and_somebody_is_there() {
    let world = World::new("");
    let workload = world.google.workload();
    world.machine.set_variable("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
    let json = workload.external_account_json(
        &json!({"executable": {
            "command": "/opt/get", "interactive_timeout_millis": 30000, "output_file": "/home/user/kept.json",
        }}),
        None,
    );
    let credential = world.adc(&json).unwrap();
    let answer = json!({
        "version": 1, "success": true, "token_type": ee_auth_sandbox::JWT_TOKEN_TYPE,
        "id_token": workload.subject_token(), "expiration_time": 4_102_444_800_u64,
    });
    let files = world.machine.clone();
    let machine = world.machine.clone().with_person(Vec::<String>::new()).with_run(move |_| {
        files.set_file("/home/user/kept.json", answer.to_string());
        Ok(ee_auth::host::Output { status: Some(0), stdout: Vec::new().into(), stderr: String::new() })
    });
    assert_eq!(world.owner(&credential), workload.principal());
    let variables = format!("{:?}", machine.commands()[0].variables);
    assert!(variables.contains("(\"GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE\", \"1\")"), "{variables}");
}

#[test]
fn a_request_that_is_signed_for_aws_proves_who_asks() {
    let world = World::new("");
    let workload = world.google.workload();
    let (id, secret) = ("AKIDEXAMPLE-OF-A-TEST", "a secret of a test");
    let principal = workload.principal().replace("/job", "/aws-role");
    world.google.add_aws_identity(workload.audience(), id, secret, &principal);
    let mut file: Value = serde_json::from_str(&workload.external_account_json(
        &json!({
            "environment_id": "aws1",
            "regional_cred_verification_url":
                "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
        }),
        None,
    ))
    .unwrap();
    file["subject_token_type"] = AWS_TYPE.into();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", id),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_SESSION_TOKEN", "a session"),
        ("AWS_REGION", "eu-central-1"),
    ] {
        world.machine.set_variable(name, value);
    }
    assert_eq!(world.owner(&world.adc(&file.to_string()).unwrap()), principal);

    world.machine.set_variable("AWS_SECRET_ACCESS_KEY", "another secret");
    let error = world.adc(&file.to_string()).unwrap().token().map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "rejected.invalid_grant", "{error:?}");
}

#[test]
fn a_rotated_refresh_token_is_written_back_and_nothing_else_is_changed() {
    let world = World::new("");
    let user = world.google.add_user("ada@example.com", &world.google.client(), &DEFAULT_SCOPES);
    world.google.set_refresh_token_rotation(true);
    let mut before: Value = serde_json::from_str(&user.external_account_authorized_user_json()).unwrap();
    before["of_another_program"] = json!({"keep": ["me"]});
    let credential = world.adc(&before.to_string()).unwrap();
    assert_eq!(world.owner(&credential), "ada@example.com");

    let file = || -> Value {
        let read = world.machine.host().files.read(ADC.as_ref(), 1 << 20).unwrap();
        serde_json::from_slice(&read.bytes).unwrap()
    };
    let mut after = file();
    assert_ne!(after["refresh_token"], before["refresh_token"]);
    after["refresh_token"] = before["refresh_token"].clone();
    assert_eq!(after, before);

    // Another process, which read the file before this one used up what it had read there.
    let other = world.resolve("application_default").unwrap();
    let last = file()["refresh_token"].clone();
    let stale = credential.token().unwrap().clone();
    credential.invalidate(&stale);
    assert_eq!(world.owner(&credential), "ada@example.com");
    assert_ne!(file()["refresh_token"], last);
    assert_eq!(world.owner(&other), "ada@example.com");
    // No lock is left behind.
    assert_eq!(
        world
            .machine
            .host()
            .files
            .list("/home/user".as_ref())
            .unwrap()
            .iter()
            .filter(|name| name.to_string_lossy().contains("lock"))
            .count(),
        0
    );
}
