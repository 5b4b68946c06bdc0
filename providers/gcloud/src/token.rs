//! Tokens of the account that is logged in to gcloud.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ee_auth_core::host::{Command, Output, ProcessError, Variables};
use ee_auth_core::time::{later, rfc3339};
use ee_auth_core::{BoxFuture, Error, Exchange, Scopes, Secret, Settings, Token, TokenSource, json, redact};
use ee_auth_google::access_token::is_bearer_token;
use serde::Deserialize;

use crate::account::Account;

/// How long gcloud may take. It starts in a second, and gives up on an unreachable network by itself.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a token must be valid still, or gcloud gets a new one: more than the 225 seconds before its expiry at which a
/// token is replaced, or gcloud would give the same one again.
const MIN_EXPIRY: &str = "--min-expiry=5m";

/// How long a token is kept of which gcloud does not know when it expires, as one that a variable gives: gcloud is to be
/// asked again before long.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(300);

/// What every account of gcloud's has, of that which concerns Earth Engine: `CLOUDSDK_SCOPES` in gcloud's `config.py`.
pub(crate) fn scopes() -> Scopes {
    Scopes::new(["cloud-platform"]).unwrap_or_default()
}

/// Those of `asked` for which `cloud-platform` does not stand.
pub(crate) fn unavailable(asked: &Scopes) -> Option<Scopes> {
    const COVERED: [&str; 3] = ["earthengine", "cloud-platform", "devstorage"];
    let covered = |name: &&str| COVERED.contains(&name.split('.').next().unwrap_or_default());
    let missing = Scopes::new(asked.short_names().filter(|name| !covered(name))).ok()?;
    (!missing.is_empty()).then_some(missing)
}

/// Keeps gcloud from impersonating by itself where ee-auth was told whom to impersonate, perhaps by the same variable. Set
/// and empty, it also outranks gcloud's property `auth/impersonate_service_account`.
pub(crate) fn without_impersonation(settings: &Settings) -> Option<(OsString, OsString)> {
    settings
        .impersonate
        .as_ref()
        .map(|_| ("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT".into(), OsString::new()))
}

/// Asks gcloud.
///
/// `gcloud config config-helper` is made for other programs to get tokens with: unlike `gcloud auth print-access-token` it
/// says when the token expires. Its tokens belong to gcloud, which keeps them itself; they are not stored.
#[derive(Debug)]
pub(crate) struct Source {
    program: PathBuf,
    account: Account,
    /// The token of the last exchange.
    last: Mutex<Option<Secret>>,
}

impl Source {
    pub(crate) fn new(program: PathBuf, account: Account) -> Self {
        Self { program, account, last: Mutex::new(None) }
    }

    async fn ask(&self, exchange: &Exchange, freshness: &str) -> Result<Token, Error> {
        let mut arguments: Vec<OsString> =
            ["config", "config-helper", "--format=json", freshness].map(OsString::from).into();
        if let Some(account) = &self.account.name {
            // The one that was found, whatever has become gcloud's active account since.
            arguments.push(format!("--account={account}").into());
        }
        let mut variables = vec![("CLOUDSDK_CORE_DISABLE_PROMPTS".into(), "1".into())];
        variables.extend(without_impersonation(&exchange.settings));
        let asked_at = exchange.host.clock.now();
        let command = Command {
            program: self.program.clone(),
            arguments,
            variables: Variables::Inherit(variables),
            input: None,
            timeout: TIMEOUT,
            output_limit: 1 << 20,
        };
        match exchange.host.processes.run(command).await {
            Ok(output) if output.status == Some(0) => self.read(&output, asked_at),
            Ok(output) => Err(self.refusal(&output)),
            Err(error) => Err(unavailable_because(&error)),
        }
    }

    fn read(&self, output: &Output, asked_at: SystemTime) -> Result<Token, Error> {
        let malformed = |what: &str| {
            Error::unavailable("malformed", format!("gcloud answered {what}"))
                .hint("see what `gcloud config config-helper --format=json` says; `gcloud components update` may mend it")
        };
        let answer: Answer =
            json::object(&output.stdout).map_err(|_| malformed("not with the JSON of a token"))?;
        let token = answer.credential.access_token.filter(|token| is_bearer_token(token));
        let token = token.ok_or_else(|| malformed("without an access token"))?;
        let expires_at = match &answer.credential.token_expiry {
            None => later(asked_at, UNKNOWN_LIFETIME),
            Some(text) => humantime::parse_rfc3339(text)
                .map_err(|_| malformed("with an expiry that is no RFC 3339 time"))?,
        };
        if expires_at <= asked_at {
            return Err(Error::unavailable(
                "expired",
                format!("gcloud gave a token that expired at {}", rfc3339(expires_at)),
            )
            .hint("see whether the clock of this machine is right, and run it again"));
        }
        Ok(Token::new(token, asked_at, expires_at).with_principal(self.account.name.clone()))
    }

    /// What it means that gcloud gave none.
    fn refusal(&self, output: &Output) -> Error {
        /// gcloud says "Please run: gcloud auth login" where the network failed, too.
        const NETWORK: [&str; 6] = [
            "Max retries exceeded",
            "Failed to resolve",
            "Connection refused",
            "Connection aborted",
            "Unable to find the server",
            "timed out",
        ];
        let said = &output.stderr;
        let status =
            output.status.map_or_else(|| "a signal".to_owned(), |status| format!("exit status {status}"));
        let words =
            redact(said.split("\nPlease run:").next().unwrap_or_default().trim_start_matches("ERROR: "));
        let message = match words.as_str() {
            "" => format!("{}: gcloud ended with {status}", self.account),
            words => format!("{}: gcloud ended with {status}: {words}", self.account),
        };
        if does_not_run(output) {
            let words = last_words(output);
            return Error::unavailable(
                "gcloud",
                format!("{}: gcloud does not run: it ended with {status}{words}", self.account),
            )
            .hint(MEND);
        }
        if NETWORK.iter().any(|mark| said.contains(mark)) {
            return Error::unavailable("network", message)
                .hint("see whether this machine can reach Google, and run it again");
        }
        Error::rejected("gcloud", message).hint("log in to gcloud again: `gcloud auth login`")
    }
}

impl TokenSource for Source {
    fn exchange<'a>(&'a self, exchange: &'a Exchange) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let mut token = self.ask(exchange, MIN_EXPIRY).await?;
            // Nobody asks again for a token that serves, so the one that gcloud remembers has been taken back.
            if self.is_last(token.secret()) {
                token = self.ask(exchange, "--force-auth-refresh").await?;
            }
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Secret::from(token.secret()));
            Ok(token)
        })
    }
}

impl Source {
    fn is_last(&self, token: &str) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().is_some_and(|last| last.same_as(&Secret::from(token)))
    }
}

/// What to do about a gcloud that does not run.
pub(crate) const MEND: &str = "see what `gcloud version` says; a Python that gcloud supports is named by `export \
                               CLOUDSDK_PYTHON=/usr/bin/python3`, or install gcloud again; without gcloud: `ee-auth login \
                               --mode notebook`";

/// The last that gcloud said, behind a colon; empty where it said nothing.
pub(crate) fn last_words(output: &Output) -> String {
    let said = output.stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let earlier = said.clone().count().saturating_sub(3);
    match redact(&said.skip(earlier).collect::<Vec<_>>().join("; ")).as_str() {
        "" => String::new(),
        words => format!(": {words}"),
    }
}

/// Whether gcloud itself did not run, rather than refused: its Python is missing, of another version or broken. What gcloud
/// says by itself begins with `ERROR: (gcloud.COMMAND)`.
fn does_not_run(output: &Output) -> bool {
    const MARKS: [&str; 14] = [
        "Traceback (most recent call last)",
        "ModuleNotFoundError",
        "ImportError",
        "SyntaxError",
        "No module named",
        "bad interpreter",
        "command not found",
        ": not found",
        "No such file or directory",
        "exec format error",
        "cannot execute",
        "gcloud failed to load",
        "you must have Python",
        "not compatible with Python",
    ];
    // Of a shell: found and not executable; not found.
    if matches!(output.status, Some(126 | 127)) {
        return true;
    }
    let said = output.stderr.to_ascii_lowercase();
    !said.contains("error: (gcloud.") && MARKS.iter().any(|mark| said.contains(&mark.to_ascii_lowercase()))
}

fn unavailable_because(error: &ProcessError) -> Error {
    let (detail, hint) = match error {
        ProcessError::Timeout(_) => {
            ("timeout", "see what `gcloud config config-helper --format=json` waits for")
        }
        _ => ("gcloud", MEND),
    };
    Error::unavailable(detail, format!("asking gcloud for a token: it {error}")).hint(hint)
}

/// `ConfigHelperResult` in gcloud's `command_lib/config/config_helper.py`.
#[derive(Deserialize)]
struct Answer {
    credential: Credential,
}

#[derive(Deserialize)]
struct Credential {
    access_token: Option<String>,
    token_expiry: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gcloud_that_does_not_run_is_told_from_one_that_refuses() {
        let runs = |status, stderr: &str| {
            !does_not_run(&Output { status, stdout: Vec::new().into(), stderr: stderr.to_owned() })
        };
        for (status, stderr) in [
            (
                1,
                "Traceback (most recent call last):\n  File \"gcloud.py\"\nModuleNotFoundError: No module named 'imp'",
            ),
            (
                1,
                "ERROR: gcloud failed to load. This usually indicates corruption in your gcloud installation",
            ),
            (126, "sh: 1: /opt/gcloud: Permission denied"),
            (127, "/usr/bin/env: 'python2': No such file or directory"),
            (1, "sh: /usr/bin/gcloud: /usr/bin/python2: bad interpreter: No such file or directory"),
            (1, "/opt/sdk/bin/gcloud: 192: exec: python: not found"),
            (1, "SyntaxError: invalid syntax"),
            (1, "To use the Google Cloud CLI, you must have Python installed and on your PATH."),
        ] {
            assert!(!runs(Some(status), stderr), "{stderr}");
        }
        for stderr in [
            "",
            "ERROR: (gcloud.config.config-helper) You do not currently have an active account selected.",
            "ERROR: (gcloud.config.config-helper) There was a problem refreshing your current auth tokens: no such file or directory",
            "Reauthentication failed.",
        ] {
            assert!(runs(Some(1), stderr), "{stderr}");
        }
    }
}
