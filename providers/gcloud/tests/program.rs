//! gcloud as a real program, run by the real host: once one of the test's own in a directory with spaces, once Google's, where
//! it is installed. Both log in at the sandbox.
//!
//! Variables belong to a whole process, so each test starts this program again and tells it by [`ACT`] what to be.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "a test sets up the world outside")]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ee_auth_core::host::{Body, Method, Request};
use ee_auth_core::{
    Exchange, ExposeSecret, Finding, Host, LoggedIn, Login, LoginRequest, Provider, Search, Secret, Settings,
};
use ee_auth_fake::Fake;
use ee_auth_gcloud::Gcloud;
use ee_auth_google::earth_engine_client;
use ee_auth_sandbox::{Options, Sandbox, visit};
use url::Url;

/// What the program is to be in a process of its own.
const ACT: &str = "EE_AUTH_TEST_ACT";
/// Where the sandbox is.
const SANDBOX: &str = "EE_AUTH_TEST_SANDBOX";
/// Whether the login is that of `gcloud-legacy`.
const LEGACY: &str = "EE_AUTH_TEST_LEGACY";

/// gcloud's own client, with a secret of the test's.
const GCLOUDS_CLIENT: (&str, &str) = ("764086051850-gcloud.apps.googleusercontent.com", "not-a-secret");

/// A home directory, in which gcloud's configuration has a space in its name.
struct Machine {
    sandbox: Sandbox,
    home: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let sandbox = Sandbox::start(Options::default()).unwrap();
        sandbox.add_client(GCLOUDS_CLIENT.0, GCLOUDS_CLIENT.1);
        sandbox.add_client(earth_engine_client::ID, earth_engine_client::SECRET);
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("my gcloud")).unwrap();
        Self { sandbox, home }
    }

    fn config(&self) -> PathBuf {
        self.home.path().join("my gcloud")
    }

    /// Puts a program there that is this one in another part.
    fn install(&self, name: &str, act: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let script = format!(
            "#!/bin/sh\necho \"{act} speaks\"\nprintf '%s\\n' \"$@\" > \"$CLOUDSDK_CONFIG/{act} arguments\"\n\
             test \"$1\" = config && exec cat \"$CLOUDSDK_CONFIG/helper.json\"\n\
             {ACT}={act} exec '{}' --exact acts --nocapture\n",
            std::env::current_exe().unwrap().display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// This program in another part, on this machine.
    fn act(&self, act: &str, path: &Path, more: &[(&str, &str)]) -> Output {
        let path = format!("{}:/usr/bin:/bin", path.display());
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "acts", "--nocapture"])
            .env(ACT, act)
            .env(SANDBOX, self.sandbox.base_url())
            .env("PATH", path)
            .env("HOME", self.home.path())
            .env("CLOUDSDK_CONFIG", self.config())
            .env("NO_PROXY", "127.0.0.1,localhost")
            .envs(more.iter().copied())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}\n{said}", String::from_utf8_lossy(&output.stdout));
        output
    }

    fn arguments(&self, act: &str) -> Vec<String> {
        let text = fs::read_to_string(self.config().join(format!("{act} arguments"))).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn gcloud_is_found_and_run_in_a_directory_with_spaces() {
    for legacy in ["", "1"] {
        let machine = Machine::new();
        machine.install("google cloud sdk/bin/gcloud", "gcloud");
        let output =
            machine.act("login", &machine.home.path().join("google cloud sdk/bin"), &[(LEGACY, legacy)]);
        // Standard output is for data.
        assert!(String::from_utf8_lossy(&output.stderr).contains("gcloud speaks"));
        assert!(!String::from_utf8_lossy(&output.stdout).contains("gcloud speaks"));
        let arguments = machine.arguments("gcloud");
        assert_eq!(arguments[..3], ["auth", "application-default", "login"]);
        assert_eq!(arguments[3].contains("auth/drive,"), legacy == "1", "{arguments:?}");
        let client_file = machine.config().join("ee-auth-client-id.json");
        let argument = format!("--client-id-file={}", client_file.display());
        assert_eq!(arguments.contains(&argument), legacy == "1", "{arguments:?}");
        assert!(!client_file.exists());
    }
}

#[test]
fn gcloud_is_asked_for_a_token() {
    let machine = Machine::new();
    let bin = machine.install("google cloud sdk/bin/gcloud", "gcloud").with_file_name("");
    let put = |name: &str, text: &str| {
        let path = machine.config().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("credentials.db", "");
    put("active_config", "work");
    put("configurations/config_work", "[core]\naccount = ada@example.com\n");
    put(
        "helper.json",
        r#"{"credential": {"access_token": "of-gcloud", "token_expiry": "2999-01-01T00:00:00Z"}}"#,
    );
    // What the script says before would be no JSON.
    let script = fs::read_to_string(bin.join("gcloud")).unwrap().replace("echo \"gcloud speaks\"\n", "");
    fs::write(bin.join("gcloud"), script).unwrap();
    machine.act("token", &bin, &[]);
    assert_eq!(
        machine.arguments("gcloud"),
        ["config", "config-helper", "--format=json", "--min-expiry=5m", "--account=ada@example.com"]
    );
}

#[test]
fn googles_own_gcloud_logs_in() {
    let Some(path) = std::env::var_os("PATH") else { return };
    let Some(gcloud) = std::env::split_paths(&path).map(|dir| dir.join("gcloud")).find(|file| file.exists())
    else {
        return;
    };
    let machine = Machine::new();
    let browser = machine.install("browser", "browser");
    machine.act(
        "login",
        gcloud.parent().unwrap(),
        &[
            (LEGACY, "1"),
            // In the background: gcloud answers only once the program that it starts has ended.
            ("BROWSER", &format!("{} %s &", browser.display())),
            // gcloud starts no browser where nothing could show it, and none without TLS.
            ("DISPLAY", ":0"),
            ("OAUTHLIB_INSECURE_TRANSPORT", "1"),
            ("CLOUDSDK_CORE_CHECK_GCE_METADATA", "false"),
            ("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "1"),
            ("CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "1"),
        ],
    );
    assert!(machine.arguments("browser")[0].starts_with(&machine.sandbox.base_url()));
}

/// Not a test by itself: what the tests above start in a process of its own.
#[test]
fn acts() {
    match std::env::var(ACT).as_deref() {
        Ok("login") => act_login(),
        Ok("token") => act_token(),
        Ok("gcloud") => act_gcloud(),
        Ok("browser") => act_browser(),
        _ => {}
    }
}

fn sandbox(path: &str) -> Url {
    Url::parse(&format!("{}{path}", std::env::var(SANDBOX).unwrap())).unwrap()
}

/// The real machine, with somebody in front of it who has a browser.
fn exchange() -> Exchange {
    let person = Fake::new().with_person(Vec::<Secret>::new()).with_browser().host().person;
    let mut settings = Settings::default();
    settings.endpoints.set("token", sandbox("/token"));
    settings.endpoints.set("authorize", sandbox("/o/oauth2/v2/auth"));
    Exchange { host: Host { person, ..ee_auth_host::system() }, settings }
}

fn act_login() {
    let legacy = std::env::var(LEGACY).is_ok_and(|value| value == "1");
    let request = LoginRequest::new(exchange());
    let LoggedIn::Granted(grant) = pollster::block_on(Gcloud { legacy }.log_in(&request)).unwrap() else {
        panic!("no login came of it");
    };
    assert!(grant.refresh_token.expose_secret().starts_with("1//"));
    assert!(grant.warnings.is_empty(), "{:?}", grant.warnings);
    let client = grant.client.unwrap();
    let has_drive = grant.scopes.short_names().any(|name| name == "drive");
    assert_eq!((client.id == earth_engine_client::ID, has_drive), (legacy, legacy));
}

fn act_token() {
    let Exchange { host, settings } = exchange();
    let search = Search::new(host, settings);
    let Finding::Found(found) = pollster::block_on(Gcloud { legacy: false }.find(&search)) else {
        panic!("nothing was found");
    };
    assert_eq!(found.principal.as_deref(), Some("ada@example.com"));
    let token = pollster::block_on(found.source.exchange(&exchange())).unwrap();
    assert_eq!(token.secret(), "of-gcloud");
}

/// What a browser does: gcloud's address leads to the sandbox, and from there back to gcloud.
fn act_browser() {
    let config = PathBuf::from(std::env::var_os("CLOUDSDK_CONFIG").unwrap());
    let address = fs::read_to_string(config.join("browser arguments")).unwrap();
    visit(address.trim()).unwrap();
}

/// What gcloud does: the loopback flow, with the client that it is given or its own, and the file at the end.
fn act_gcloud() {
    let config = PathBuf::from(std::env::var_os("CLOUDSDK_CONFIG").unwrap());
    let arguments = fs::read_to_string(config.join("gcloud arguments")).unwrap();
    let option = |name: &str| arguments.lines().find_map(|line| line.strip_prefix(name));
    let scopes = option("--scopes=").unwrap().replace(',', " ");
    let own = (GCLOUDS_CLIENT.0.to_owned(), GCLOUDS_CLIENT.1.to_owned());
    let (id, secret) = option("--client-id-file=").map_or(own, |path| {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let file: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let text = |field: &str| file["installed"][field].as_str().unwrap().to_owned();
        assert_eq!(text("token_uri"), sandbox("/token").as_str());
        (text("client_id"), text("client_secret"))
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let redirect = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    let mut address = sandbox("/o/oauth2/v2/auth");
    address
        .query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &id)
        .append_pair("redirect_uri", &redirect)
        .append_pair("scope", &scopes)
        .append_pair("state", "s");
    let browser = std::thread::spawn(move || visit(address.as_str()).unwrap());
    let (mut visitor, _) = listener.accept().unwrap();
    let mut head = String::new();
    let mut lines = BufReader::new(&visitor);
    while lines.read_line(&mut head).unwrap() > 2 {}
    visitor.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").unwrap();
    drop(visitor);
    browser.join().unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    let answer = Url::parse(&redirect).unwrap().join(&target).unwrap();
    let code = answer.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let form = Body::form([
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("client_id", &id),
        ("client_secret", &secret),
        ("redirect_uri", &redirect),
    ]);
    let request = Request::new(Method::Post, sandbox("/token")).with_body(form);
    let response = pollster::block_on(ee_auth_host::system().http.send(request)).unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let login = serde_json::json!({
        "account": "", "client_id": id, "client_secret": secret, "type": "authorized_user",
        "refresh_token": answer["refresh_token"], "universe_domain": "googleapis.com",
    });
    let path = config.join("application_default_credentials.json");
    fs::write(&path, login.to_string()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
