//! The provider `gcloud`: what gcloud, the program of the Google Cloud SDK, knows of its user.
//!
//! It finds, in this order:
//!
//! 1. gcloud's application-default credentials: `application_default_credentials.json` in its configuration directory,
//!    which is `CLOUDSDK_CONFIG` where that is set, else `~/.config/gcloud`, on Windows `%APPDATA%\gcloud`. gcloud itself is
//!    not needed for these.
//! 2. The account that is logged in to gcloud (`gcloud auth login`). Finding reads gcloud's configuration and runs nothing;
//!    tokens are asked of gcloud, which has to be on the `PATH`. `CLOUDSDK_ACTIVE_CONFIG_NAME`, `CLOUDSDK_CORE_ACCOUNT` and
//!    the rest of gcloud's variables mean what they mean to gcloud, since it is gcloud that reads them.
//!
//! Its login runs `gcloud auth application-default login`.

mod account;
mod client_file;
mod login;
mod token;

use std::path::PathBuf;
use std::sync::Arc;

use ee_auth_core::{
    BoxFuture, Error, Finding, Found, Kind, LoggedIn, Login, LoginRequest, Look, OptionSpec, OptionType,
    Options, Provider, Saw, Search,
};
use ee_auth_google::{Content, cloud_sdk, credential};

use crate::account::Account;

/// How `gcloud` is configured.
pub const KIND: Kind = Kind {
    name: "gcloud",
    summary: "gcloud's application-default credentials, or the account that is logged in to gcloud",
    interactive: false,
    declared_only: false,
    options: &[OptionSpec {
        name: "legacy",
        value: OptionType::Bool,
        summary: "logs in with Earth Engine's own OAuth client, as `--mode gcloud-legacy` does; gcloud's cannot have Drive",
    }],
    build: |_name, options: &Options| {
        Ok(Arc::new(Gcloud { legacy: options.bool("legacy").unwrap_or_default() }))
    },
};

/// The project that gcloud's application-default file says is to be charged, and the file.
pub fn quota_project(search: &Search) -> Option<(String, PathBuf)> {
    let path = cloud_sdk::application_default_file(search).ok()??;
    // A file that cannot be read is the provider's to report, if it is asked.
    let document = Content::read_if_present(search, &path).ok()??.document().ok()?;
    Some((document.text("quota_project_id").ok()??, path))
}

/// The account that gcloud itself acts as (`gcloud auth login`), where it is known by name. Nothing is run.
pub fn active_account(search: &Search) -> Option<String> {
    let directory = cloud_sdk::directory(search).ok()??;
    Account::active(search, &directory).ok()??.name
}

/// The provider.
#[derive(Debug)]
pub struct Gcloud {
    /// Whether a login uses Earth Engine's own OAuth client instead of gcloud's.
    pub legacy: bool,
}

impl Provider for Gcloud {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move { find(search).unwrap_or_else(Finding::from) })
    }

    fn login(&self) -> Option<&dyn Login> {
        Some(self)
    }
}

impl Login for Gcloud {
    fn log_in<'a>(&'a self, request: &'a LoginRequest) -> BoxFuture<'a, Result<LoggedIn, Error>> {
        Box::pin(login::log_in(self.legacy, request))
    }
}

fn find(search: &Search) -> Result<Finding, Error> {
    let Some(directory) = cloud_sdk::directory(search)? else {
        return Ok(
            Finding::not_found("no home directory is known, so gcloud has no configuration").hint("set HOME")
        );
    };
    let path = directory.join(cloud_sdk::APPLICATION_DEFAULT);
    if let Some(content) = Content::read_if_present(search, &path)? {
        let document = content.document()?;
        return Ok(Finding::from(credential::found(&document, search)));
    }
    let Some(account) = Account::active(search, &directory)? else {
        return Ok(Finding::not_found("gcloud has no application-default credentials, and no account")
            .hint("`ee-auth login --mode gcloud`, or `gcloud auth application-default login`, makes them"));
    };
    let program = search.host().processes.find("gcloud");
    let saw = if program.is_some() { Saw::Present } else { Saw::Missing };
    search.looked_at(Look::Program("gcloud".to_owned(), saw));
    let Some(program) = program else {
        return Ok(Finding::not_found(format!(
            "{account} is logged in to gcloud, and gcloud is not on the PATH"
        ))
        .hint("put the directory of gcloud on the PATH: it alone can use its logins"));
    };
    if search.is_offline() {
        return Ok(Finding::NotProbed(format!("gcloud was not asked for a token of {account}")));
    }
    Ok(Finding::Found(Box::new(found(account, program, search))))
}

/// An account of gcloud's, as something that was found.
fn found(account: Account, program: PathBuf, search: &Search) -> Found {
    let origin = format!("{account} in gcloud");
    let (principal, scopes) = (account.name.clone(), token::scopes());
    let unavailable = search.settings().scopes.as_ref().and_then(token::unavailable);
    let mut found = Found::new(token::Source::new(program, account), origin);
    found.principal = principal;
    found.scopes = scopes;
    // A file or a variable of gcloud's may hold any token.
    found.scopes_assumed = true;
    found.warnings.extend(unavailable.map(|missing| {
        format!(
            "gcloud's logins have cloud-platform, and not {missing}: `ee-auth login --mode localhost` can have it"
        )
    }));
    found
}
