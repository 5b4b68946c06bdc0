//! No secret is ever shown: every command and every failure, at every level of noise, with secrets in every place that
//! can hold one.
//!
//! The secrets are the sandbox's own, random in every run, so that what works is tried as well as what fails. Seen
//! means: any eight characters in a row of one of them, as it is or in base64; or anything that has the form of one of
//! Google's, for the tokens and assertions that come into being on the way. What `token` prints on standard output is
//! what it is for.

mod logins;
mod places;
mod secrets;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;

use self::places::{Identities, bad_places, good_places};
use self::secrets::{Secrets, formed};
use crate::support::{Machine, Output, run};

/// The levels at which the program can speak.
const LEVELS: [&[&str]; 6] = [&["-q"], &[], &["-v"], &["-vv"], &["-vvv"], &["EE_AUTH_LOG=trace"]];

/// What works is run in all of these ways.
const COMMANDS: [&[&str]; 28] = [
    &["token"],
    &["token", "--format", "json"],
    &["token", "--format", "header"],
    &["token", "--format", "curl"],
    &["token", "--min-ttl", "2h"],
    &["token", "--no-cache"],
    &["status"],
    &["status", "--format", "json"],
    &["status", "--online"],
    &["status", "--offline"],
    &["explain"],
    &["explain", "--format", "json"],
    &["explain", "--offline", "--color", "always"],
    &["doctor"],
    &["doctor", "--format", "json"],
    &["doctor", "--online"],
    &["doctor", "--offline"],
    &["doctor", "--ci"],
    &["providers"],
    &["config", "show", "--origin"],
    &["config", "show", "--format", "json"],
    &["config", "path"],
    &["config", "validate"],
    &["trust", "--list"],
    &["cache", "clear"],
    &["completions", "bash"],
    &["man"],
    &["token", "--no-such-flag"],
];

/// What fails, in these.
const QUESTIONS: [&[&str]; 6] = [
    &["token"],
    &["explain", "--format", "json"],
    &["doctor", "--format", "json"],
    &["doctor", "--online", "--ci"],
    &["status", "--online"],
    &["config", "show", "--format", "json"],
];

/// A machine with secrets on it.
struct Place {
    what: String,
    machine: Machine,
    secrets: Secrets,
    /// The status of `token`, where it is known.
    status: Option<i32>,
}

impl Place {
    /// What is wrong with a run, if anything is.
    fn check(&self, arguments: &[&str], level: &[&str]) -> Option<String> {
        let flags = level.iter().filter(|flag| flag.starts_with('-'));
        let mut command = self.machine.command(arguments.iter().chain(flags));
        for variable in level.iter().filter_map(|word| word.split_once('=')) {
            command.env(variable.0, variable.1);
        }
        let output = run(&mut command);
        let mut secrets = self.secrets.clone();
        for request in self.machine.google().requests() {
            secrets.add_request(&request);
        }
        let prints_a_token = arguments[0] == "token" && output.status == 0;
        let shown =
            if prints_a_token { &output.stderr } else { &format!("{}\n{}", output.stdout, output.stderr) };
        let mut seen = secrets.first_in(shown).or_else(|| formed(shown)).map(str::to_owned);
        if prints_a_token {
            seen = seen.or_else(|| self.check_stdout(&output));
        }
        if let Some(seen) = seen {
            return Some(format!("{}: a secret is shown: …{seen}…\n{output}", self.what));
        }
        let wanted = self.status.filter(|_| arguments == ["token"]);
        let wrong = wanted.is_some_and(|status| status != output.status);
        wrong.then(|| format!("{}: {wanted:?} is the status it should have\n{output}", self.what))
    }

    /// What standard output has beside the token that is wanted.
    fn check_stdout(&self, output: &Output) -> Option<String> {
        let (before, token) = output.stdout.split_once("ya29.").expect("a token");
        let end = token.find(['"', '\n']).expect("an end");
        let rest = format!("{before}{}", &token[end..]);
        self.secrets.first_in(&rest).or_else(|| formed(&rest)).map(str::to_owned)
    }
}

/// Runs what is to be run on as many threads as make sense where most wait for a process. All that is wrong is told at
/// once, the first of each place.
fn check_all(runs: Vec<(&Place, Vec<&str>, &[&str])>) {
    let runs = Mutex::new(runs.into_iter());
    let wrong = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let next = runs.lock().expect("no run has failed").next();
                    let Some((place, command, level)) = next else { break };
                    if let Some(what) = place.check(&command, level) {
                        wrong.lock().expect("no run has failed").entry(&place.what).or_insert(what);
                    }
                }
            });
        }
    });
    let wrong: Vec<_> = wrong.into_inner().expect("no run has failed").into_values().collect();
    assert!(wrong.is_empty(), "{} places\n{}", wrong.len(), wrong.join("\n\n"));
}

/// Each of these commands at every level.
fn every<'a>(
    place: &'a Place,
    commands: &[&'static [&'static str]],
) -> Vec<(&'a Place, Vec<&'static str>, &'static [&'static str])> {
    let runs = commands.iter();
    runs.flat_map(|command| LEVELS.into_iter().map(|level| (place, command.to_vec(), level))).collect()
}

#[test]
fn whatever_works_shows_no_secret_but_the_token() {
    let places = good_places();
    let at_all_levels = |place| COMMANDS.iter().flat_map(move |command| every(place, &[command]));
    // A key and a login speak of all there is; the others are like one of them.
    let (all, most) = places.split_at(2);
    check_all(
        all.iter()
            .flat_map(at_all_levels)
            .chain(most.iter().flat_map(|place| every(place, &COMMANDS)))
            .collect(),
    );
    assert!(places.iter().all(|place| !place.machine.google().requests().is_empty()), "tokens were got");
}

#[test]
fn whatever_fails_shows_no_secret() {
    let places = bad_places();
    check_all(places.iter().flat_map(|place| every(place, &QUESTIONS)).collect());
}

/// Nothing listens there, which takes some seconds to be sure of.
#[test]
fn a_proxys_password_is_a_secret() {
    let all = Identities::new();
    let (key, password) = (all.key.clone(), all.user.client().secret().to_owned());
    let place = all.place("a proxy with a password", Some(6), |machine| {
        let proxy = format!("http://user:{password}@127.0.0.1:1");
        machine.with("EE_AUTH_CREDENTIALS", key).with("HTTP_PROXY", &proxy).with("http_proxy", proxy)
    });
    check_all(every(&place, &QUESTIONS[..1]));
}

/// A file that is checked by itself, and a key where a configuration is wanted.
#[test]
fn what_is_named_on_the_command_line_shows_no_secret() {
    let all = Identities::new();
    let (key, pem) = (all.key.clone(), all.pem.clone());
    let token = all.user.refresh_token().to_owned();
    let [key_file, pem_file] =
        [("key.json", key), ("key.pem", pem)].map(|(name, text)| all.machine.write(name, text));
    let (key_file, pem_file) = (key_file.to_str().expect("UTF-8"), pem_file.to_str().expect("UTF-8"));
    let json = all.key.clone();
    let place = all.place("arguments", None, |machine| machine);
    let mut runs = Vec::new();
    for line in [
        &["config", "validate", key_file][..],
        &["config", "validate", pem_file],
        &["token", "--config", key_file],
        &["trust", pem_file],
        &["token", "--project", &token],
        &["token", "--profile", &token],
        &["token", "--scopes", &token],
        &["token", "--as", &token],
        &["token", "--as", &json],
    ] {
        for level in LEVELS {
            runs.push((&place, line.to_vec(), level));
            runs.push((&place, [line, &["--format", "json"]].concat(), level));
        }
    }
    check_all(runs);
}

/// Its secrets are not known here; their form is.
#[cfg(feature = "sandbox")]
#[test]
fn the_sandbox_shows_no_secret_but_the_token() {
    use crate::support::PROGRAM;
    const LINES: [&[&str]; 8] = [
        &["sandbox"],
        &["sandbox", "--list-faults"],
        &["sandbox", "--fail", "token=invalid_grant", "--", PROGRAM, "token", "-vvv"],
        &["sandbox", "--", PROGRAM, "explain", "-vvv", "--format", "json"],
        &["sandbox", "--", PROGRAM, "status", "--online", "-vvv"],
        &["sandbox", "--", "env"],
        &["sandbox", "--fail", "token=html"],
        &["sandbox", "--fail", "all=reset", "--", "/no/such/program"],
    ];
    let all = Identities::new();
    let key = all.key.clone();
    let place = all.place("the sandbox", None, |machine| machine.with("EE_SERVICE_ACCOUNT_KEY", key));
    // The flags stand before what is to be run.
    let mut runs = every(&place, &LINES);
    for (_, line, level) in &mut runs {
        if !level.iter().any(|word| word.contains('=')) {
            line.splice(..0, std::mem::take(level).iter().copied());
        }
    }
    check_all(runs);
}
