//! Google's own clients under `ee-auth exec`, unmodified, as their registries have them.
//!
//! Each is a small program in this directory that answers one line for each that it reads. All go through the same three
//! situations: a token in time, one that is replaced in mid-run, a token endpoint that fails. `run` installs the
//! clients and starts this; by itself it skips what is not there, and says so.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "the tests are the world outside: they start the clients")]

#[allow(dead_code, reason = "it is shared with the other tests of the program")]
#[path = "../../../cli/tests/it/support.rs"]
mod support;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use support::Machine;

/// For how long Google's tokens are valid here: every client takes one for almost expired. On a machine that is too slow for
/// the first, a client does not come to use its token before it expires: then all is done again with the next.
const LIFETIMES: [Duration; 3] = [Duration::from_secs(12), Duration::from_secs(48), Duration::from_secs(192)];

/// The machine is too slow for tokens that are valid for so short a time, and what was seen says nothing.
struct TooSlow;

/// A client that answers a line for each that it reads.
struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Client {
    /// Starts `program` with a script of this directory under `exec`.
    fn start(machine: &Machine, via: &str, program: &Path, script: Option<&str>) -> Self {
        let mut command = machine.command(["exec", "--via", via, "--"]);
        // What is no interpreter is called by a script.
        let shell = script.is_some_and(|script| script.ends_with(".sh"));
        command
            .arg(if shell { Path::new("sh") } else { program })
            .args(script.map(|script| here().join(script)));
        if let Some(clients) = clients() {
            command.env("EE_AUTH_CLIENTS", &clients);
            command.env("NODE_PATH", clients.join("node/node_modules"));
            let path = path();
            let paths = [clients.join("python/bin")].into_iter().chain(std::env::split_paths(&path));
            command.env("PATH", std::env::join_paths(paths).expect("paths"));
        }
        command.env("EARTH_ENGINE", machine.google().base_url());
        command
            .env("CLOUDSDK_CONFIG", machine.home().join("gcloud"))
            .env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it can be run");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, input, output }
    }

    fn ask(&mut self, question: impl Display) -> String {
        writeln!(self.input, "{question}").expect("it reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it answers");
        line.trim().to_owned()
    }

    /// Asks, and sees that the answer begins like this. What the client has to ask with is as old as `token`, or younger:
    /// another answer is a failure while such a token is young, and only then.
    #[track_caller]
    fn expect(&mut self, answer: &str, number: u32, token: &Age) -> Result<(), TooSlow> {
        let said = self.ask(number);
        if said.starts_with(answer) {
            return Ok(());
        }
        assert!(!token.is_young(), "{answer} is wanted: {said}");
        Err(TooSlow)
    }

    /// Asks again where the client itself did not wait long enough for an answer: these give up after some seconds.
    fn ask_patiently(&mut self, question: impl Display) -> String {
        let begun = Instant::now();
        loop {
            let asked = Instant::now();
            let said = self.ask(&question);
            let gave_up = said.starts_with("error") && asked.elapsed() > Duration::from_secs(2);
            if !gave_up || begun.elapsed() > Duration::from_secs(120) {
                return said;
            }
        }
    }

    fn end(self) {
        let Self { mut child, input, .. } = self;
        drop(input);
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
    }
}

/// How old a token is, at the most.
struct Age {
    made: Instant,
    lifetime: Duration,
}

impl Age {
    fn now(lifetime: Duration) -> Self {
        Self { made: Instant::now(), lifetime }
    }

    /// Whether it is good for a long time yet, as these go.
    fn is_young(&self) -> bool {
        self.made.elapsed() < self.lifetime / 4
    }
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients/exec")
}

fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// Where `run` has put the clients.
fn clients() -> Option<PathBuf> {
    std::env::var_os("EE_AUTH_CLIENTS").map(PathBuf::from)
}

/// The program, if it is there; else says so.
fn find(name: &str, program: &str) -> Option<PathBuf> {
    let path = path();
    let found = clients().and_then(|clients| {
        let directories = [clients.clone(), clients.join("python/bin"), clients.join("rust/debug")];
        let mut directories = directories.into_iter().chain(std::env::split_paths(&path));
        directories.find_map(|directory| Some(directory.join(program)).filter(|file| file.is_file()))
    });
    if found.is_none() {
        // Past the harness, which shows no words of a test that passes.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {name} is not here; tests/clients/exec/run installs what it can"
        );
    }
    found
}

/// How often Google was asked for a token.
fn exchanges(machine: &Machine) -> usize {
    machine.google().requests().iter().filter(|request| request.path == "/token").count()
}

/// The three situations.
fn situations(name: &str, via: &str, program: &str, script: Option<&str>) {
    let Some(program) = find(name, program) else { return };
    let done = LIFETIMES.iter().any(|lifetime| in_situations(name, via, &program, script, *lifetime).is_ok());
    assert!(done, "{name}: this machine is too slow for tokens that are valid for {:?}", LIFETIMES[2]);
}

fn in_situations(
    name: &str,
    via: &str,
    program: &Path,
    script: Option<&str>,
    lifetime: Duration,
) -> Result<(), TooSlow> {
    let machine = Machine::with_google().with_key();
    let google = machine.google();
    google.set_token_lifetime(lifetime);
    // Expiry is a matter of time, which these clients have from the system.
    let wait_for_expiry = || std::thread::sleep(lifetime + Duration::from_secs(1));

    // A token in time.
    let token = Age::now(lifetime);
    let mut client = Client::start(&machine, via, program, script);
    client.expect("ok", 1, &token)?;
    let before = exchanges(&machine);

    // One that is replaced while it runs.
    wait_for_expiry();
    let token = Age::now(lifetime);
    client.expect("ok", 2, &token)?;
    assert!(exchanges(&machine) > before, "{name}: there must have been an exchange");

    // The token endpoint fails while there is a valid one.
    client.expect("ok", 3, &token)?;
    google.fail("token=503".parse().expect("a fault"));
    client.expect("ok", 4, &token)?;

    // And thereafter: the client hears why, and what to do.
    google.heal();
    google.fail("token=invalid_grant".parse().expect("a fault"));
    wait_for_expiry();
    let said = client.ask(5);
    assert!(said.starts_with("error"), "{name}: {said}");

    // It gets over it, but for one that never asks again once it was refused.
    google.heal();
    if name != "google-cloud-auth" {
        client.expect("ok", 6, &Age::now(lifetime))?;
    }
    client.end();

    // It has talked to us and to Earth Engine: whatever the machine's Google was asked for besides was a token for us.
    for request in google.requests() {
        let known =
            request.path == "/token" || request.path.starts_with("/v1") || request.path.contains("discovery");
        assert!(known, "{name} asked for {}", request.path);
    }
    Ok(())
}

/// An ID token for each audience, as Compute Engine's metadata server gives them.
fn id_tokens(name: &str, program: &str, script: &str) {
    let Some(program) = find(name, program) else { return };
    let machine = Machine::with_google().with_key();
    let mut client = Client::start(&machine, "metadata", &program, Some(script));
    for audience in ["https://one.example/a?b=c", "https://two.example"] {
        let said = client.ask_patiently(audience);
        let token = said.strip_prefix("ok ").unwrap_or_else(|| panic!("{name}: {said}"));
        let claims = token.split('.').nth(1).expect("a JWT");
        let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64");
        let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
        assert_eq!(claims["aud"], audience, "{name}");
    }
    assert_eq!(exchanges(&machine), 3, "{name}: a token when it started, and one for each audience");
    client.end();
}

macro_rules! clients {
    ($($test:ident: $name:literal, $via:literal, $program:literal, $script:expr;)+) => {
        $(#[test]
        fn $test() {
            situations($name, $via, $program, $script);
        })+
    };
}

clients! {
    earthengine_api_by_file: "earthengine-api", "file", "python3", Some("earthengine_api.py");
    earthengine_api_by_metadata: "earthengine-api", "metadata", "python3", Some("earthengine_api.py");
    earthengine_api_by_both: "earthengine-api", "both", "python3", Some("earthengine_api.py");
    google_auth_by_file: "google-auth", "file", "python3", Some("google_auth.py");
    google_auth_by_metadata: "google-auth", "metadata", "python3", Some("google_auth.py");
    google_auth_library_by_file: "google-auth-library", "file", "node", Some("google_auth_library.cjs");
    google_auth_library_by_metadata: "google-auth-library", "metadata", "node", Some("google_auth_library.cjs");
    earthengine_of_node: "@google/earthengine", "both", "node", Some("earthengine.cjs");
    google_cloud_auth: "google-cloud-auth", "metadata", "google_cloud_auth", None;
    gcp_auth_by_file: "gcp_auth", "file", "gcp_auth", None;
    gcp_auth_by_both: "gcp_auth", "both", "gcp_auth", None;
    go: "golang.org/x/oauth2/google", "metadata", "oauth2", None;
    java: "google-auth-library for Java", "metadata", "java/GoogleAuth.class", Some("google_auth_java.sh");
    gargle: "gargle", "metadata", "r/gargle", Some("gargle.sh");
    rgee: "earthengine-api in R", "both", "r/reticulate", Some("reticulate.sh");
    gdal_by_file: "GDAL's EEDA driver", "file", "ogrinfo", Some("gdal.sh");
    gdal_by_metadata: "GDAL's EEDA driver", "metadata", "ogrinfo", Some("gdal.sh");
    gdal_by_both: "GDAL's EEDA driver", "both", "ogrinfo", Some("gdal.sh");
    gcloud: "gcloud", "both", "gcloud", Some("gcloud.sh");
    earthengine_command: "the command earthengine", "both", "earthengine", Some("earthengine.sh");
}

#[test]
fn id_tokens_for_google_auth() {
    id_tokens("google-auth", "python3", "id_token.py");
}

#[test]
fn id_tokens_for_google_auth_library() {
    id_tokens("google-auth-library", "node", "id_token.cjs");
}
