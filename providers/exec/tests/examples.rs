//! The examples, and the template for Python: each is run, and keeps to the protocol.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests copy the examples, and write what these read"
)]

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ee_auth_core::host::{Directory, Environment, Host};
use ee_auth_core::{Exchange, Finding, OptionValue, Options, Provider, Search, Settings, Skip, Token};
use ee_auth_exec::provider;
use ee_auth_fake::Fake;
use ee_auth_plugin_host::conformance::{self, Verdict};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Machine {
    directory: TempDir,
    fake: Fake,
}

struct Variables(Fake, PathBuf);

impl Environment for Variables {
    fn variable_os(&self, name: &str) -> Option<OsString> {
        self.0.host().environment.variable_os(name)
    }

    fn names(&self) -> Vec<String> {
        self.0.host().environment.names()
    }

    fn directory(&self, which: Directory) -> Option<PathBuf> {
        Some(self.1.join(format!("{which:?}")))
    }

    fn user_id(&self) -> Option<u32> {
        ee_auth_host::system().environment.user_id()
    }
}

impl Machine {
    fn new() -> Self {
        let directory =
            tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let fake = Fake::new().with_variable("PATH", path).with_variable("HOME", directory.path());
        Self { directory, fake }
    }

    fn host(&self) -> Host {
        let variables = Variables(self.fake.clone(), self.directory.path().to_owned());
        Host { environment: Arc::new(variables), person: self.fake.host().person, ..ee_auth_host::system() }
    }

    /// A copy of a file of the repository where nobody else can write.
    fn installed(&self, file: &str) -> String {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
        let to = self.directory.path().join(from.file_name().unwrap());
        fs::copy(&from, &to).unwrap_or_else(|error| panic!("{file}: {error}"));
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
        to.to_str().unwrap().to_owned()
    }

    /// What the plugin answers to the chain.
    fn find(&self, command: &[String], env: &[&str], config: Value) -> Result<Token, Skip> {
        let provider = provider("example", &options(command, env, config)).unwrap();
        let search = Search::with_defaults(self.host());
        match pollster::block_on(provider.find(&search)) {
            Finding::Found(found) => {
                let exchange = Exchange { host: self.host(), settings: Settings::default() };
                Ok(pollster::block_on(found.source.exchange(&exchange)).unwrap())
            }
            Finding::Skipped(skip) => Err(skip),
            other => panic!("{other:?}"),
        }
    }

    fn failure(&self, command: &[String], env: &[&str], config: Value) -> ee_auth_core::Error {
        let provider = provider("example", &options(command, env, config)).unwrap();
        match pollster::block_on(provider.find(&Search::with_defaults(self.host()))) {
            Finding::Failed(error) => error,
            other => panic!("{other:?}"),
        }
    }

    /// Every check passes, in whatever state the plugin is.
    fn assert_conformant(&self, command: &[String], env: &[&str], config: Value) {
        let provider = provider("example", &options(command, env, config)).unwrap();
        let report = pollster::block_on(conformance::check(&provider, &self.host()));
        for check in &report.checks {
            assert!(!matches!(check.verdict, Verdict::Failed(_)), "{command:?}: {check:?}");
        }
        assert!(report.is_conformant() && report.manifest.is_some());
        assert_eq!(report.checks.len(), 10, "{:?}", report.checks);
    }
}

fn options(command: &[String], env: &[&str], config: Value) -> Options {
    let mut options = Options::default();
    options.set("command", OptionValue::Strings(command.to_vec()));
    options.set("env", OptionValue::Strings(env.iter().map(|name| (*name).to_owned()).collect()));
    let Value::Object(config) = config else { panic!("a table") };
    options.set("config", OptionValue::Table(config));
    options
}

fn in_an_hour() -> u64 {
    let now = ee_auth_host::system().clock.now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 3600
}

#[test]
fn python_hands_out_the_token_in_a_file() {
    let machine = Machine::new();
    let command = [machine.installed("examples/plugins/python/ee-auth-token-file")];
    let file = machine.directory.path().join("token.json");
    let config = json!({ "path": file });
    assert!(machine.find(&command, &[], config.clone()).unwrap_err().message.contains("is not there"));
    machine.assert_conformant(&command, &[], config.clone());
    let stored = json!({ "access_token": "t0ken", "expires_at": in_an_hour(), "email": "ada@example.com" });
    fs::write(&file, stored.to_string()).unwrap();
    let token = machine.find(&command, &[], config.clone()).unwrap();
    assert_eq!((token.secret(), token.principal()), ("t0ken", Some("ada@example.com")));
    machine.assert_conformant(&command, &[], config.clone());
    fs::write(&file, "{\"access_token\": \"t0ken\"").unwrap();
    let error = machine.failure(&command, &[], config);
    assert!(error.code() == "invalid.plugin" && !error.message().contains("t0ken"), "{error:?}");
}

#[test]
fn shell_hands_out_what_a_command_prints() {
    let machine = Machine::new();
    let plugin = machine.installed("examples/plugins/shell/ee-auth-command");
    let command = |words: &[&str]| -> Vec<String> {
        std::iter::once(plugin.clone()).chain(words.iter().map(|word| (*word).to_owned())).collect()
    };
    for words in [&["printf", "t0ken"][..], &["false"], &["no-such-command"], &[]] {
        machine.assert_conformant(&command(words), &[], json!({}));
    }
    assert_eq!(machine.find(&command(&["echo", "t0ken"]), &[], json!({})).unwrap().secret(), "t0ken");
    let skip = machine.find(&command(&["false"]), &[], json!({})).unwrap_err();
    assert_eq!(skip.message, "example says: false ended with status 1");
    let skip = machine.find(&command(&["no-such-command"]), &[], json!({})).unwrap_err();
    assert_eq!(skip.message, "example says: there is no no-such-command on this machine");
}

#[test]
fn the_template_for_python_keeps_to_the_protocol_as_written() {
    let machine = Machine::new();
    let command = [machine.installed("cli/templates/plugin/python/my-plugin")];
    machine.assert_conformant(&command, &[], json!({}));
    let file = machine.directory.path().join("token");
    fs::write(&file, "t0ken\n").unwrap();
    let config = json!({ "token_file": file });
    assert_eq!(machine.find(&command, &[], config.clone()).unwrap().secret(), "t0ken");
    machine.assert_conformant(&command, &[], config);
}

/// What HashiCorp documents of Vault's API, at an address of this machine: an imitation, since Vault itself is in no package
/// registry. Answers the address and what was asked.
fn vault() -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
                request.push(byte[0]);
            }
            let request = String::from_utf8(request).unwrap().to_lowercase();
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let (status, body) = if request.contains("x-vault-token: sealed") {
                (503, json!({ "errors": ["Vault is sealed"] }))
            } else if !request.contains("x-vault-token: s.root") {
                (403, json!({ "errors": ["permission denied"] }))
            } else if path == "/v1/gcp/roleset/earth-engine/token"
                || path == "/v1/cloud/static-account/ee/token"
            {
                let data =
                    json!({ "token": "vaults-t0ken", "token_ttl": 3599, "expires_at_seconds": in_an_hour() });
                (200, json!({ "request_id": "1", "lease_id": "", "lease_duration": 0, "data": data }))
            } else {
                (404, json!({ "errors": [] }))
            };
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            let _ = sender.send(request);
        }
    });
    (address, receiver)
}

#[test]
fn vault_hands_out_tokens_of_its_google_cloud_engine() {
    const ENV: [&str; 2] = ["VAULT_ADDR", "VAULT_TOKEN"];
    let machine = Machine::new();
    let command = [machine.installed("examples/plugins/vault/ee-auth-vault")];
    let config = json!({ "roleset": "earth-engine" });
    let skip = machine.find(&command, &ENV, config.clone()).unwrap_err();
    assert_eq!(skip.message, "example says: VAULT_ADDR is not set");
    let (address, requests) = vault();
    machine.fake.set_variable("VAULT_ADDR", &address);
    let skip = machine.find(&command, &ENV, config.clone()).unwrap_err();
    assert!(skip.message.contains("run `vault login`"), "{}", skip.message);
    machine.fake.set_variable("VAULT_TOKEN", "s.root");
    assert_eq!(machine.find(&command, &ENV, config.clone()).unwrap().secret(), "vaults-t0ken");
    assert!(requests.recv().unwrap().starts_with("get /v1/gcp/roleset/earth-engine/token "));
    machine.assert_conformant(&command, &ENV, config.clone());
    let other = json!({ "mount": "cloud", "static_account": "ee" });
    assert_eq!(machine.find(&command, &ENV, other).unwrap().secret(), "vaults-t0ken");
    for (config, token, code, words) in [
        (json!({ "roleset": "other" }), "s.root", "invalid.plugin", "nothing at /v1/gcp/roleset/other/token"),
        (json!({}), "s.root", "invalid.plugin", "must name one of"),
        (config.clone(), "s.expired", "rejected.plugin", "403: permission denied"),
        (config.clone(), "sealed", "unavailable.plugin", "503: Vault is sealed"),
    ] {
        machine.fake.set_variable("VAULT_TOKEN", token);
        let error = machine.failure(&command, &ENV, config);
        assert_eq!(error.code(), code, "{error:?}");
        assert!(error.message().contains(words), "{error:?}");
    }
    machine.fake.set_variable("VAULT_ADDR", "http://127.0.0.1:9");
    assert_eq!(machine.failure(&command, &ENV, config).code(), "unavailable.plugin");
    // The token of `vault login`.
    machine.fake.set_variable("VAULT_ADDR", &address);
    machine.fake.set_variable("VAULT_TOKEN", "");
    fs::write(machine.directory.path().join(".vault-token"), "s.root\n").unwrap();
    assert_eq!(
        machine.find(&command, &ENV, json!({ "roleset": "earth-engine" })).unwrap().secret(),
        "vaults-t0ken"
    );
}
