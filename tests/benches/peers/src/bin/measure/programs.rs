//! `ee-auth token` and its peers as whole processes, one by one and two hundred at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::endpoint::Endpoint;
use crate::program::{Program, compare};
use crate::work::Work;
use crate::{Failure, Programs, print};

const CROWD: usize = 200;

/// Where the trust store of a system stands, on Linux.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Programs {
    fn floor_read(&self, work: &Work) -> Result<Program, Failure> {
        let kept = work.file("token");
        fs::write(&kept, format!("{:0>220}", 1))?;
        Ok(Program::new("floor: read a file, print it", self.at("floor_read")).argument(kept))
    }

    fn floor_exchange(&self, work: &Work) -> Program {
        let name = "floor: sign, connect, post, read, print";
        Program::new(name, self.at("floor_exchange")).argument(&work.key)
    }

    fn ee_auth(&self, name: &str, work: &Work, home: &str) -> Result<Program, Failure> {
        Ok(Program::new(name, self.ee_auth.clone()).argument("token").variables(work.variables(home)?))
    }

    /// The peers with one exchange each: a service account's, or a person's where they know no other.
    fn peers(&self, work: &Work) -> Vec<Program> {
        vec![
            Program::new("yup-oauth2", self.at("token_yup_oauth2")).argument(&work.key),
            Program::new("gcp_auth", self.at("token_gcp_auth")).argument(&work.key),
            Program::new("google-cloud-auth, a person's", self.at("token_google_cloud_auth"))
                .argument(&work.person),
            Program::new("object_store, a person's", self.at("token_object_store"))
                .argument(&work.person)
                .argument(&work.url),
        ]
    }

    /// The peers that sign a token themselves, without an exchange.
    fn signers(&self, work: &Work) -> [Program; 2] {
        [
            Program::new("google-cloud-auth, self-signed", self.at("token_google_cloud_auth"))
                .argument(&work.key),
            Program::new("object_store, self-signed", self.at("token_object_store"))
                .argument(&work.key)
                .argument(&work.url),
        ]
    }
}

/// One process after the other.
pub(crate) fn measure(programs: &Programs, directory: &Path, rounds: usize) -> Result<(), Failure> {
    let peak = programs.at("peak");
    let endpoint = Endpoint::start()?;
    let work = Work::new(directory.join("program"), &endpoint.url)?;
    let program =
        |name: &str| Program::new(&format!("`ee-auth {name}`"), programs.ee_auth.clone()).argument(name);
    let nothing = work.variables("nothing")?.into_iter().take(1);
    let started = [
        programs.floor_read(&work)?,
        program("--version"),
        program("explain").variables(nothing).ends_with(4),
    ];
    compare("A whole process: no token", &started, rounds, &peak)?;

    let cached = [
        programs.floor_read(&work)?,
        programs.ee_auth("`ee-auth token`", &work, "kept")?,
        Program::new("yup-oauth2, its file", programs.at("token_yup_oauth2"))
            .argument(&work.key)
            .argument(work.file("yup-oauth2.json")),
    ];
    compare("A whole process: a token that is kept", &cached, rounds * 2, &peak)?;

    let ee_auth = programs.ee_auth("`ee-auth token --no-cache`", &work, "plain")?.argument("--no-cache");
    let mut exchanged = vec![programs.floor_exchange(&work), ee_auth];
    exchanged.extend(programs.peers(&work));
    exchanged.extend(programs.signers(&work));
    compare("A whole process: one exchange over loopback http", &exchanged, rounds, &peak)?;

    let (endpoint, authority) = Endpoint::start_tls()?;
    let work = Work::new(directory.join("tls"), &endpoint.url)?;
    let bundle = work.file("bundle.pem");
    let system = BUNDLES.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    fs::write(&bundle, authority + &system)?;
    let certificates = system.matches("BEGIN CERTIFICATE").count();
    let trust = [("SSL_CERT_FILE".to_owned(), bundle.into_os_string())];
    let ee_auth = programs.ee_auth("`ee-auth token --no-cache`", &work, "tls")?.argument("--no-cache");
    let mut exchanged = vec![ee_auth.variables(trust.clone())];
    exchanged.extend(programs.peers(&work).into_iter().map(|program| program.variables(trust.clone())));
    let title = format!(
        "A whole process: one exchange over loopback https, the system's {certificates} certificates and ours; \
         against `ee-auth`"
    );
    compare(&title, &exchanged, rounds, &peak)
}

/// What came of starting so many at once.
struct Crowd {
    /// Until the last has ended.
    time: Duration,
    /// How many tokens they had between them.
    tokens: usize,
    failed: usize,
}

impl Crowd {
    fn start(program: &Program) -> Result<Self, Failure> {
        let mut commands: Vec<_> = (0..CROWD).map(|_| program.command()).collect();
        let start = Instant::now();
        let mut running = Vec::new();
        for command in &mut commands {
            running.push(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
        }
        let (mut tokens, mut failed) = (BTreeSet::new(), 0);
        for child in running {
            let output = child.wait_with_output()?;
            if output.status.success() {
                tokens.insert(output.stdout);
            } else {
                failed += 1;
            }
        }
        Ok(Self { time: start.elapsed(), tokens: tokens.len(), failed })
    }

    fn print(&self, name: &str, delay: u64, exchanges: usize, allowed: Option<Duration>) {
        let of_allowed = |allowed: Duration| self.time.as_secs_f64() / allowed.as_secs_f64();
        print::row(&[
            name.to_owned(),
            format!("{delay} ms"),
            exchanges.to_string(),
            self.tokens.to_string(),
            self.failed.to_string(),
            print::milliseconds(self.time),
            allowed.map(print::milliseconds).unwrap_or_default(),
            allowed.map(|allowed| format!("{:.2}", of_allowed(allowed))).unwrap_or_default(),
        ]);
    }
}

/// Two hundred processes at once, of which none finds a token.
pub(crate) fn measure_crowds(programs: &Programs, directory: &Path) -> Result<(), Failure> {
    let endpoint = Endpoint::start()?;
    let work = Work::new(directory.join("processes"), &endpoint.url)?;
    let (floor_read, floor_exchange) = (programs.floor_read(&work)?, programs.floor_exchange(&work));
    print::table(
        &format!("{CROWD} processes at once on an empty cache"),
        &[
            "what",
            "an exchange",
            "exchanges",
            "tokens",
            "failed",
            "time in all",
            "two exchanges and the starts",
            "of that",
        ],
    );
    for delay in [100, 500, 100, 500, 100, 500] {
        endpoint.set_delay(delay);
        let starts = Crowd::start(&floor_read)?.time;
        let start = Instant::now();
        floor_exchange.check()?;
        let allowed = start.elapsed() * 2 + starts;
        let program = programs.ee_auth("`ee-auth token`", &work, "crowd")?;
        endpoint.take_exchanges();
        let crowd = Crowd::start(&program)?;
        crowd.print(program.name(), delay, endpoint.take_exchanges(), Some(allowed));
    }
    endpoint.set_delay(100);
    let kept = Program::new("yup-oauth2, its file", programs.at("token_yup_oauth2"))
        .argument(&work.key)
        .argument(work.file("crowd.json"));
    for program in programs.peers(&work).into_iter().chain([kept]) {
        endpoint.take_exchanges();
        let crowd = Crowd::start(&program)?;
        crowd.print(program.name(), 100, endpoint.take_exchanges(), None);
    }
    Ok(())
}
