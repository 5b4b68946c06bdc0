//! The pages in a real browser: headless Chromium, where there is one on `PATH`.
//!
//! `EE_AUTH_SCREENSHOTS=DIRECTORY` keeps the pictures.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "the tests run a browser, and say so when there is none"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use ee_auth_sandbox::{Consent, Options, Sandbox};
use serde_json::Value;
use support::{log_in, redirect_uri};

fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .flat_map(|directory| names.map(|name| directory.join(name)))
        .find(|file| file.is_file());
    if found.is_none() {
        eprintln!("skipped: none of {} is on PATH", names.join(", "));
    }
    found
}

/// What became of an address in the browser.
struct Shown {
    /// The document, after scripts would have run.
    dom: String,
    /// Who asked for what: an origin, or the browser itself, which has errands of its own.
    requests: Vec<(String, String)>,
}

/// Opens `address` in a browser of its own, keeps a picture under `name`, and makes sure that the browser had nothing to
/// complain of.
fn open(browser: &Path, address: &str, name: &str, size: &str, dark: bool) -> Shown {
    let directory = tempfile::tempdir().unwrap();
    let picture = directory.path().join("picture.png");
    let network = directory.path().join("network.json");
    let mut command = Command::new(browser);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
        .args([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        // No other machine is reached, whatever the page or the browser wants.
        .args([
            "--no-proxy-server",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
        ])
        .args(["--enable-logging=stderr", "--dump-dom", &format!("--window-size={size}")])
        .arg(format!("--user-data-dir={}", directory.path().join("profile").display()))
        .arg(format!("--log-net-log={}", network.display()))
        .arg(format!("--screenshot={}", picture.display()))
        .args(dark.then_some("--blink-settings=preferredColorScheme=0"))
        .arg(address)
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(!errors.contains("CONSOLE"), "{name}: {errors}");
    let png = fs::read(&picture).unwrap_or_else(|error| panic!("{name}: {error}: {errors}"));
    assert!(png.starts_with(b"\x89PNG") && png.len() > 5_000, "{name}: a picture of nothing");
    if let Some(kept) = std::env::var_os("EE_AUTH_SCREENSHOTS") {
        fs::write(PathBuf::from(kept).join(format!("{name}.png")), png).unwrap();
    }
    let log: Value = serde_json::from_slice(&fs::read(network).unwrap()).unwrap();
    let requests = log["events"].as_array().unwrap().iter().map(|event| &event["params"]);
    let requests =
        requests.filter_map(|params| Some((params["initiator"].as_str()?, params["url"].as_str()?)));
    let requests = requests.map(|(by, url)| (by.to_owned(), url.to_owned())).collect();
    Shown { dom: String::from_utf8(output.stdout).unwrap(), requests }
}

impl Shown {
    fn is(&self, heading: &str, text: &str) {
        assert!(self.dom.contains(&format!("<h1>{heading}</h1>")), "{}", self.dom);
        assert!(self.dom.contains(text), "{text}: {}", self.dom);
    }

    /// Once for the page at `address`, and nothing by that page: no icon, style, script or picture.
    fn asked_for_nothing_else(&self, address: &str) {
        let asked = self.requests.iter().filter(|(_, url)| url.starts_with(address)).count();
        let by_page: Vec<_> = self.requests.iter().filter(|(by, _)| by.starts_with("http")).collect();
        assert!(asked == 1 && by_page.is_empty(), "{:?}", self.requests);
    }
}

#[test]
fn the_pages_are_seen_in_a_real_browser() {
    let Some(browser) = chromium() else { return };
    let sandbox = Sandbox::start(Options::default()).unwrap();
    for (consent, name, size, dark, heading, text) in [
        (Consent::Grant, "success", "1000,700", false, "You are logged in", "You can close this tab"),
        (Consent::Deny, "refused", "1000,700", true, "Access was not given", "What to do: "),
    ] {
        sandbox.set_consent(consent);
        let (sender, shown) = channel();
        let browser = browser.clone();
        let outcome = log_in(&sandbox, move |address| {
            thread::spawn(move || {
                let ours = redirect_uri(&address);
                let stray = open(&browser, &format!("{ours}/?code=x&state=theirs"), "stray", "500,800", dark);
                let answer = open(&browser, address.as_str(), name, size, dark);
                sender.send((ours, stray, answer)).unwrap();
            });
        });
        let (ours, stray, answer) = shown.recv().unwrap();
        stray.is("This page belongs to another login", "Nothing was done with it.");
        stray.asked_for_nothing_else(&ours);
        answer.is(heading, text);
        answer.asked_for_nothing_else(&ours);
        assert_eq!(outcome.is_ok(), name == "success");
    }
}
