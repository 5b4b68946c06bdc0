//! A login through gcloud.
//!
//! `gcloud auth application-default login` does it all: it speaks with the person and writes its own file, whose content
//! is the login. As in earthengine-api's `oauth.py`, the mode `gcloud-legacy` has it use Earth Engine's OAuth client.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{Command, FileLock, Host, Presence, ProcessError, Variables};
use ee_auth_core::{
    Error, ExposeSecret, Grant, LoggedIn, LoginRequest, OAuthClient, Outcome, Scopes, Search, Token,
};
use ee_auth_google::authorization_code::fewer;
use ee_auth_google::{Content, Document, cloud_sdk, credential, oauth_client};

use crate::client_file::ClientFile;
use crate::token::{self, MEND, last_words};

/// How long a person may take.
const TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// How long gcloud may take to tell its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(30);

/// What gcloud refuses to log in without (`surface/auth/application_default/login.py`).
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// What Google has refused gcloud's own client since June 2025: `_DEPRECATED_SCOPES` in the same file, those of Drive.
const DRIVE: [&str; 6] = [
    "drive",
    "drive.readonly",
    "drive.metadata",
    "drive.metadata.readonly",
    "drive.photos.readonly",
    "drive.scripts",
];

pub(crate) async fn log_in(legacy: bool, request: &LoginRequest) -> Result<LoggedIn, Error> {
    let login = Login::new(legacy, request)?;
    let _turn = login.take_turn()?;
    let before = Content::read_if_present(&login.search, &login.file);
    login.ask_to_replace(&before).await?;
    login.run().await?;
    let after = login.written(&before)?;
    login.read(&before, &after).await
}

/// A login that can begin.
struct Login<'a> {
    request: &'a LoginRequest,
    search: Search,
    mode: &'static str,
    /// The client that gcloud is to use; `None` for its own.
    client: Option<OAuthClient>,
    scopes: Scopes,
    /// Whether the person has to carry an address to another machine, and the answer back.
    no_browser: bool,
    program: PathBuf,
    /// gcloud's configuration directory.
    directory: PathBuf,
    /// The file that gcloud will write.
    file: PathBuf,
}

impl<'a> Login<'a> {
    fn new(legacy: bool, request: &'a LoginRequest) -> Result<Self, Error> {
        let mode = if legacy { "gcloud-legacy" } else { "gcloud" };
        let host = &request.exchange.host;
        let search = Search::new(host.clone(), request.exchange.settings.clone());
        let client = request.client.clone().or_else(|| legacy.then(oauth_client::earth_engine));
        refuse_without_cloud_platform(&request.scopes)?;
        let no_browser = request.quiet || !host.person.has_browser();
        let needed = if no_browser { Presence::Answering } else { Presence::Watching };
        request.require(needed, mode).map_err(|error| {
            error.hint(format!(
                "run `ee-auth login --mode {mode}` in a terminal; without one, `ee-auth login --mode notebook --quiet` \
                 prints an address and the command that finishes the login"
            ))
        })?;
        let program = host.processes.find("gcloud").ok_or_else(|| {
            Error::new(Outcome::NotFound, "gcloud", "gcloud is not on the PATH").hint(
                "`ee-auth login --mode localhost` and `--mode notebook` log in without it; or install it: \
                 https://cloud.google.com/sdk/docs/install",
            )
        })?;
        let directory = cloud_sdk::directory(&search)?.ok_or_else(|| {
            Error::invalid("no_home", "no home directory is known, so gcloud has no place for a login")
                .hint("set HOME, or CLOUDSDK_CONFIG to a directory of yours")
        })?;
        let scopes = match client {
            Some(_) => request.scopes.clone(),
            None => without_drive(&request.scopes, host),
        };
        let file = directory.join(cloud_sdk::APPLICATION_DEFAULT);
        Ok(Self { request, search, mode, client, scopes, no_browser, program, directory, file })
    }

    fn host(&self) -> &Host {
        &self.request.exchange.host
    }

    fn place(&self) -> String {
        self.file.shown()
    }

    /// Two logins at once would each take the other's file for their own.
    fn take_turn(&self) -> Result<Option<FileLock>, Error> {
        match self.host().files.try_lock(&self.directory.join("ee-auth-login.lock")) {
            Ok(Some(turn)) => Ok(Some(turn)),
            Ok(None) => Err(Error::unavailable("busy", "another login through gcloud is under way")
                .hint("finish it, or stop it with Ctrl-C, and log in again")),
            Err(error) => {
                log::debug!("no lock for the login: {error}");
                Ok(None)
            }
        }
    }

    /// Warns of what gcloud is about to replace.
    async fn ask_to_replace(&self, before: &Result<Option<Content>, Error>) -> Result<(), Error> {
        let what = match before {
            Ok(None) => return Ok(()),
            Ok(Some(content)) => describe(content),
            Err(_) => "what stands there cannot be read".to_owned(),
        };
        let person = &self.host().person;
        person.tell(&format!("gcloud will replace {}, which other programs use too: {what}", self.place()));
        if self.request.quiet || person.presence() < Presence::Answering {
            return Ok(());
        }
        let kept = |why: &str| {
            Error::new(Outcome::InteractionRequired, "kept", format!("{} was kept: {why}", self.place()))
                .hint("`ee-auth login --mode localhost` and `--mode notebook` leave it as it is")
        };
        let answer = person.ask("Press Enter to go on, or type n to keep it:").await;
        match answer.map_err(|_| kept("nobody answered"))?.expose_secret().to_ascii_lowercase().as_str() {
            "" | "y" | "yes" => Ok(()),
            _ => Err(kept("you said so")),
        }
    }

    /// Has gcloud speak with the person.
    async fn run(&self) -> Result<(), Error> {
        let endpoints = &self.request.exchange.settings.endpoints;
        let client_file = match &self.client {
            Some(client) => Some(ClientFile::write(self.host(), &self.directory, client, endpoints)?),
            None => {
                ClientFile::remove(self.host(), &self.directory);
                None
            }
        };
        let command = Command {
            program: self.program.clone(),
            arguments: self.arguments(client_file.as_ref().map(ClientFile::path)),
            variables: Variables::Inherit(
                token::without_impersonation(&self.request.exchange.settings).into_iter().collect(),
            ),
            input: None,
            timeout: TIMEOUT,
            output_limit: 0,
        };
        self.host().person.tell_progress("Starting gcloud; it says how to go on. Ctrl-C stops it.");
        match self.host().processes.run_with_person(command).await {
            Ok(Some(0)) => Ok(()),
            Ok(status) => Err(self.does_not_run().await.unwrap_or_else(|| self.failure(status))),
            Err(error) => Err(not_run(&error)),
        }
    }

    /// The error for a gcloud that does not even tell its version: its Python is missing or of another version. What it
    /// said to the person cannot be seen from here.
    async fn does_not_run(&self) -> Option<Error> {
        let command = Command {
            program: self.program.clone(),
            arguments: vec!["version".into()],
            variables: Variables::Inherit(Vec::new()),
            input: None,
            timeout: VERSION_TIMEOUT,
            output_limit: 1 << 16,
        };
        let output = self.host().processes.run(command).await.ok()?;
        let status = output.status.filter(|status| *status != 0)?;
        let words = last_words(&output);
        let message = format!("gcloud does not run: `gcloud version` ended with exit status {status}{words}");
        Some(Error::unavailable("gcloud", message).hint(MEND))
    }

    fn arguments(&self, client_file: Option<&Path>) -> Vec<OsString> {
        let scopes: Vec<_> = self.scopes.iter().collect();
        let mut arguments: Vec<OsString> =
            ["auth", "application-default", "login"].map(OsString::from).into();
        arguments.push(format!("--scopes={}", scopes.join(",")).into());
        if let Some(path) = client_file {
            let mut argument = OsString::from("--client-id-file=");
            argument.push(path);
            arguments.push(argument);
        }
        if self.no_browser {
            arguments.push("--no-browser".into());
        }
        arguments
    }

    /// What it means that gcloud gave up. Its own words stand above ours: it speaks with the person itself.
    fn failure(&self, status: Option<i32>) -> Error {
        let status =
            status.map_or_else(|| "by a signal".to_owned(), |status| format!("with exit status {status}"));
        let mode = self.mode;
        Error::rejected("gcloud", format!("gcloud ended {status}, and nobody was logged in")).hint(format!(
            "see what gcloud says above; after a page that says `redirect_uri_mismatch`, try `ee-auth login --mode {mode} \
             --quiet`; after `invalid_request`, run the whole command that gcloud shows; where an app is blocked, try \
             `ee-auth login --mode notebook`"
        ))
    }

    /// The file that gcloud wrote.
    fn written(&self, before: &Result<Option<Content>, Error>) -> Result<Content, Error> {
        let after = Content::read_if_present(&self.search, &self.file)?;
        let old = before.as_ref().ok().and_then(Option::as_ref).and_then(|content| content.text().ok());
        match after {
            // Every login has a refresh token of its own.
            Some(after) if old.is_none() || after.text().ok() != old => Ok(after),
            _ => Err(Error::rejected(
                "unchanged",
                format!("gcloud ended as if all were well, and wrote no login into {}", self.place()),
            )
            .hint(
                "gcloud may have another configuration directory than ee-auth sees: set CLOUDSDK_CONFIG; or \
                 `ee-auth login --mode localhost`, which needs no gcloud",
            )),
        }
    }

    /// The login in gcloud's file, once a token has been had with it.
    async fn read(
        &self,
        before: &Result<Option<Content>, Error>,
        after: &Content,
    ) -> Result<LoggedIn, Error> {
        let document = after.document()?;
        let found = credential::found(&document, &self.search.as_granted())?;
        let token = found.source.exchange(&self.request.exchange).await;
        if document.credential_type() != Some("authorized_user") {
            // With a workforce's `--login-config`, or a service account to impersonate, gcloud writes what is no login of
            // a person's. It can be used where it is, and nowhere else.
            token?;
            return Ok(LoggedIn::Elsewhere(found.origin));
        }
        let mut warnings = found.warnings;
        let (scopes, principal) = granted(token, &self.scopes, &mut warnings)?;
        warnings.extend(fewer(&self.scopes, &scopes));
        warnings.extend(lost_quota_project(before, &document));
        let secret = |field: &str| document.secret(field).map(|secret| secret.unwrap_or_else(|| "".into()));
        let client = OAuthClient {
            id: document.text("client_id")?.unwrap_or_default(),
            secret: Some(secret("client_secret")?),
            redirect_uris: Vec::new(),
            origin: self.client.as_ref().map_or_else(|| "gcloud".to_owned(), |client| client.origin.clone()),
        };
        Ok(LoggedIn::Granted(Grant {
            client: Some(client),
            refresh_token: secret("refresh_token")?,
            scopes,
            redirect_uri: None,
            project: None,
            principal: found.principal.or(principal),
            warnings,
        }))
    }
}

/// The scopes and the principal that the token endpoint tells. Where it cannot be asked, the login is good all the same.
fn granted(
    token: Result<Token, Error>,
    asked: &Scopes,
    warnings: &mut Vec<String>,
) -> Result<(Scopes, Option<String>), Error> {
    match token {
        Ok(token) => {
            let scopes = token.scopes().cloned().unwrap_or_else(|| asked.clone());
            Ok((scopes, token.principal().map(str::to_owned)))
        }
        Err(error) if error.outcome() == Outcome::Unavailable => {
            warnings
                .push(format!("what was granted is not known, and taken to be what was asked for: {error}"));
            Ok((asked.clone(), None))
        }
        Err(error) => Err(error),
    }
}

fn refuse_without_cloud_platform(scopes: &Scopes) -> Result<(), Error> {
    if scopes.iter().any(|scope| scope == CLOUD_PLATFORM) {
        return Ok(());
    }
    // Not added by itself: whoever asks for less, or to read only, does not want all of Google Cloud granted.
    Err(Error::new(
        Outcome::Usage,
        "scopes",
        format!("gcloud logs nobody in without the scope cloud-platform, which {scopes} leaves out"),
    )
    .hint(
        "`ee-auth login --mode localhost` and `--mode notebook` ask for exactly these scopes; or add cloud-platform to \
         --scopes",
    ))
}

fn without_drive(scopes: &Scopes, host: &Host) -> Scopes {
    let is_drive = |name: &&str| DRIVE.contains(name);
    let (drive, others): (Vec<_>, Vec<_>) = scopes.short_names().partition(is_drive);
    if drive.is_empty() {
        return scopes.clone();
    }
    host.person.tell(&format!(
        "Google does not give the scope {} to gcloud's own OAuth client, so it is not asked for. `ee-auth login --mode \
         gcloud-legacy` and `--mode localhost` can have it",
        drive.join(", ")
    ));
    Scopes::new(others).unwrap_or_default()
}

/// Whose a file is, as far as it says.
fn describe(content: &Content) -> String {
    let Ok(document) = content.document() else { return "it holds no credential".to_owned() };
    let text =
        |field: &str| document.text(field).ok().flatten().filter(|text| !text.contains(char::is_whitespace));
    let mut what = match text("type") {
        Some(kind) => format!("it holds a credential of the type {}", ee_auth_core::quoted(&kind)),
        None => "it holds a credential of no type".to_owned(),
    };
    for (field, words) in
        [("account", " of "), ("client_email", " of "), ("quota_project_id", ", quota project ")]
    {
        if let Some(value) = text(field) {
            what.push_str(words);
            what.push_str(&ee_auth_core::redact(&value));
        }
    }
    what
}

/// gcloud writes a quota project of its own choice, or none where it is given a client.
fn lost_quota_project(before: &Result<Option<Content>, Error>, after: &Document) -> Option<String> {
    let quota_project = |document: &Document| document.text("quota_project_id").ok().flatten();
    let before = quota_project(&before.as_ref().ok()?.as_ref()?.document().ok()?)?;
    let after = quota_project(after);
    if after.as_ref() == Some(&before) {
        return None;
    }
    let now = after.map_or_else(|| "none".to_owned(), |project| ee_auth_core::redact(&project));
    let before = ee_auth_core::redact(&before);
    Some(format!(
        "the quota project in gcloud's file was {before} and is {now}: `gcloud auth application-default set-quota-project \
         {before}` sets it again"
    ))
}

fn not_run(error: &ProcessError) -> Error {
    let (detail, hint) = match error {
        ProcessError::Timeout(_) => {
            ("timeout", "log in again; `ee-auth login --mode localhost` needs no gcloud")
        }
        _ => ("gcloud", MEND),
    };
    Error::unavailable(detail, format!("logging in with gcloud: it {error}")).hint(hint)
}
