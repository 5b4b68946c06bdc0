//! The provider `external_account`: workload and workforce identity federation (RFC 8693, AIP-4117) in TOML, without a
//! credential file.
//!
//! ```toml
//! [providers.ci]
//! kind            = "external_account"
//! preset          = "github"
//! pool            = "123456789012/ci"          # the project's number and the pool
//! provider        = "github"
//! service_account = "robot@my-project.iam.gserviceaccount.com"
//! ```
//!
//! A preset knows where its platform keeps the workload's token:
//!
//! | preset | the token |
//! | --- | --- |
//! | `github` | from the server that `ACTIONS_ID_TOKEN_REQUEST_URL` names, for the provider's usual audience; the job needs `permissions: id-token: write` |
//! | `gitlab` | in `GITLAB_OIDC_TOKEN`, which the job's `id_tokens` define, or in the variable `token_variable` |
//! | `kubernetes` | in `/var/run/service-account/token`, where Google's guide mounts it, or in the pod's usual token file, or in `token_file` |
//! | `aws` | a signed request, with the keys in the usual variables or of the EC2 instance's role |
//!
//! Without a preset, `token_file` or `token_variable` says where the token is. Where a preset's platform is not there, the
//! provider skips, so that one configuration serves a laptop and CI.

mod preset;
mod resource;

use std::sync::Arc;
use std::time::Duration;

use ee_auth_core::{
    BoxFuture, Error, Finding, Found, Kind, OptionSpec, OptionType, Options, Provider, Search, Settings,
};
use ee_auth_google::external_account::Federation;
use ee_auth_google::external_account::subject_token::Format;
use ee_auth_google::impersonation::Impersonation;

use preset::{Preset, Source};

/// How `external_account` is configured.
pub const KIND: Kind = Kind {
    name: "external_account",
    summary: "workload identity federation: GitHub Actions, GitLab CI, Kubernetes, AWS, and any token in a file or variable",
    interactive: false,
    declared_only: true,
    options: &[
        OptionSpec {
            name: "preset",
            value: OptionType::String,
            summary: "where the workload runs: `github`, `gitlab`, `kubernetes` or `aws`",
        },
        OptionSpec {
            name: "pool",
            value: OptionType::String,
            summary: "the pool: `PROJECT-NUMBER/POOL`, its full name, or its id alone with `project_number`",
        },
        OptionSpec {
            name: "provider",
            value: OptionType::String,
            summary: "the pool's provider: its id, or its full name, which needs no `pool`",
        },
        OptionSpec {
            name: "project_number",
            value: OptionType::String,
            summary: "the number of the pool's project",
        },
        OptionSpec {
            name: "audience",
            value: OptionType::String,
            summary: "the provider's full resource name, in place of `pool` and `provider`; for workforce pools too",
        },
        OptionSpec {
            name: "service_account",
            value: OptionType::String,
            summary: "the service account to stand for; without one, the federated identity itself is used",
        },
        OptionSpec {
            name: "lifetime",
            value: OptionType::Duration,
            summary: "how long a token of the service account lives, `1h` by default",
        },
        OptionSpec {
            name: "token_file",
            value: OptionType::Path,
            summary: "the file that holds the workload's token",
        },
        OptionSpec {
            name: "token_variable",
            value: OptionType::String,
            summary: "the variable that holds the workload's token",
        },
        OptionSpec {
            name: "token_field",
            value: OptionType::String,
            summary: "the field of the JSON in `token_file` that holds the token, where the file holds JSON",
        },
        OptionSpec {
            name: "token_type",
            value: OptionType::String,
            summary: "what the token is: `jwt` (the default), `id_token` or `saml2`",
        },
        OptionSpec {
            name: "token_audience",
            value: OptionType::String,
            summary: "the audience that GitHub's token is asked for, where the provider allows another than its own name",
        },
        OptionSpec {
            name: "user_project",
            value: OptionType::String,
            summary: "the project that is charged for the exchange of a workforce identity",
        },
    ],
    build: |name, options| Ok(Arc::new(ExternalAccount::new(name, options)?)),
};

/// The provider.
#[derive(Debug)]
pub struct ExternalAccount {
    place: String,
    audience: String,
    source: Source,
    service_account: Option<String>,
    lifetime: Option<Duration>,
    user_project: Option<String>,
}

impl ExternalAccount {
    fn new(name: &str, options: &Options) -> Result<Self, Error> {
        let place = format!("[providers.{name}]");
        let provider = Self {
            audience: resource::audience(options, &place)?,
            source: source(options, &place)?,
            service_account: options.string("service_account"),
            lifetime: options.duration("lifetime"),
            user_project: options.string("user_project"),
            place,
        };
        if provider.service_account.is_none() && provider.lifetime.is_some() {
            return Err(contradiction(
                &provider.place,
                "`lifetime` is of a service account's tokens, and there is no `service_account`",
                "add `service_account`, or remove `lifetime`",
            ));
        }
        if provider.user_project.is_some() && !provider.audience.contains("/workforcePools/") {
            return Err(contradiction(
                &provider.place,
                "`user_project` is for workforce pools, and the audience names none",
                "remove `user_project`, or correct `audience`",
            ));
        }
        // What is wrong with the options is told before anything is asked.
        provider.impersonation(&Settings::default())?;
        Ok(provider)
    }

    fn impersonation(&self, settings: &Settings) -> Result<Option<Impersonation>, Error> {
        let Some(email) = &self.service_account else { return Ok(None) };
        let impersonation = Impersonation::of(email, &self.place, settings)?;
        match self.lifetime {
            Some(lifetime) => impersonation.with_lifetime(lifetime).map(Some),
            None => Ok(Some(impersonation)),
        }
    }

    fn found(&self, search: &Search) -> Result<Result<Found, preset::Missing>, Error> {
        let subject_token = match self.source.look(&self.audience, &self.place, search)? {
            Ok(subject_token) => subject_token,
            Err(missing) => return Ok(Err(missing)),
        };
        let federation = Federation {
            audience: self.audience.clone(),
            subject_token_type: self.source.token_type().to_owned(),
            subject_token,
            sts: search.settings().endpoints.sts.clone(),
            client: None,
            user_project: self.user_project.clone(),
            place: self.place.clone(),
        };
        Ok(Ok(federation.found(self.impersonation(search.settings())?, search)))
    }
}

impl Provider for ExternalAccount {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            match self.found(search) {
                Ok(Ok(found)) => Finding::from(Ok(found)),
                Ok(Err(missing)) => Finding::not_found(missing.reason).hint(missing.hint),
                Err(error) => Finding::from(error),
            }
        })
    }
}

/// Where the token is, as the options say.
fn source(options: &Options, place: &str) -> Result<Source, Error> {
    let preset = match options.string("preset") {
        None => None,
        Some(name) => Some(Preset::named(&name, place)?),
    };
    let source = Source {
        preset,
        file: options.path("token_file"),
        variable: options.string("token_variable"),
        format: match options.string("token_field") {
            None => Format::Text,
            Some(field) => Format::Json { field },
        },
        token_type: token_type(options, place)?,
        token_audience: options.string("token_audience"),
    };
    check(&source, place)?;
    Ok(source)
}

/// Options that say nothing with others, or without.
fn check(source: &Source, place: &str) -> Result<(), Error> {
    let Source { preset, file, variable, format, token_audience, .. } = source;
    if preset.is_none() && file.is_none() && variable.is_none() {
        return Err(Error::invalid(
            "missing_field",
            format!("{place} does not say where the workload's token is"),
        )
        .hint("add `preset` (github, gitlab, kubernetes or aws), `token_file` or `token_variable`"));
    }
    if file.is_some() && variable.is_some() {
        return Err(contradiction(
            place,
            "`token_file` and `token_variable` are both set",
            "keep one of them",
        ));
    }
    let fixed = matches!(preset, Some(Preset::Github | Preset::Aws));
    if fixed && (file.is_some() || variable.is_some()) {
        return Err(contradiction(
            place,
            "this preset has its token from its platform, and `token_file` or `token_variable` says otherwise",
            "remove `preset`, or the other",
        ));
    }
    if *format != Format::Text && file.is_none() {
        return Err(contradiction(
            place,
            "`token_field` is for a `token_file`, and there is none",
            "remove it",
        ));
    }
    if token_audience.is_some() && *preset != Some(Preset::Github) {
        return Err(contradiction(
            place,
            "`token_audience` is for the preset `github`; elsewhere the token is there already",
            "remove it",
        ));
    }
    Ok(())
}

fn token_type(options: &Options, place: &str) -> Result<Option<&'static str>, Error> {
    match options.string("token_type").as_deref() {
        None => Ok(None),
        Some("jwt") => Ok(Some("urn:ietf:params:oauth:token-type:jwt")),
        Some("id_token") => Ok(Some("urn:ietf:params:oauth:token-type:id_token")),
        Some("saml2") => Ok(Some("urn:ietf:params:oauth:token-type:saml2")),
        Some(other) => Err(Error::invalid(
            "token_type",
            format!("{place}: {} is no `token_type`", ee_auth_core::quoted(other)),
        )
        .hint("it can be jwt, id_token or saml2")),
    }
}

fn contradiction(place: &str, what: &str, hint: &str) -> Error {
    Error::invalid("contradiction", format!("{place}: {what}")).hint(hint)
}
