//! The provider `impersonate`: stands for a service account with what another provider finds.
//!
//! | option | |
//! | --- | --- |
//! | `source` | the provider whose credential stands for the account: any of the configuration, plugins too |
//! | `target` | the service account's e-mail |
//! | `delegates` | accounts in between: the source stands for the first, each for the next, the last for the target |
//! | `lifetime` | how long a token lives: at most `1h`, or `12h` where the organisation allows it |
//!
//! The source is asked for a token with the scope `cloud-platform`, which the IAM credentials API wants, and the scopes that
//! are asked for go into the target's token. So a login has to have been granted `cloud-platform`, as that of
//! `ee.Authenticate()` is; and whoever logs in or holds the key needs the role Service Account Token Creator on the target.
//!
//! What the source answers, this answers: where it skips or fails, so does this, and its `expect` and `on` hold.

use std::sync::Arc;
use std::time::Duration;

use ee_auth_core::{
    BoxFuture, Error, Finding, Found, Kind, Member, OptionSpec, OptionType, Options, Provider, Scopes,
    Search, Settings, Skip,
};
use ee_auth_google::impersonated;
use ee_auth_google::impersonation::Impersonation;

/// What `source` is as the service account `email`, by way of `delegates`, as `place` says. The source is to be asked for
/// [`Scopes::cloud_platform`], the account's tokens for what `search` asks for.
///
/// # Errors
/// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid) where a name is not a service account's.
pub fn impersonate(
    source: Found,
    email: &str,
    delegates: &[String],
    place: &str,
    way_out: Option<String>,
    search: &Search,
) -> Result<Found, Error> {
    let impersonation = Impersonation::of(email, place, search.settings())?.with_delegates(delegates)?;
    let impersonation = match way_out {
        Some(way_out) => impersonation.with_way_out(way_out),
        None => impersonation,
    };
    Ok(impersonated::found(source, impersonation, search.scopes()))
}

/// How `impersonate` is configured.
pub const KIND: Kind = Kind {
    name: "impersonate",
    summary: "a service account that another provider's credential stands for",
    interactive: false,
    declared_only: true,
    options: &[
        OptionSpec {
            name: "source",
            value: OptionType::Provider,
            summary: "the provider whose credential stands for the account; it needs the scope `cloud-platform`",
        },
        OptionSpec { name: "target", value: OptionType::String, summary: "the service account's e-mail" },
        OptionSpec {
            name: "delegates",
            value: OptionType::Strings,
            summary: "accounts in between, from the source to the target; each stands for the next",
        },
        OptionSpec {
            name: "lifetime",
            value: OptionType::Duration,
            summary: "how long a token lives, `1h` by default; up to `12h` where the organisation allows it",
        },
    ],
    build: |name, options| Ok(Arc::new(Impersonate::new(name, options)?)),
};

/// The provider.
#[derive(Debug)]
pub struct Impersonate {
    place: String,
    source: Member,
    target: String,
    delegates: Vec<String>,
    lifetime: Option<Duration>,
}

impl Impersonate {
    fn new(name: &str, options: &Options) -> Result<Self, Error> {
        let place = format!("[providers.{name}]");
        let missing = |option: &str, example: &str| {
            Error::invalid(
                "missing_field",
                format!("{place} is of the kind `impersonate`, and `{option}` is missing"),
            )
            .hint(format!("add `{option} = \"{example}\"` under {place}"))
        };
        let source = options.provider("source").ok_or_else(|| missing("source", "persistent"))?;
        let target = options
            .string("target")
            .ok_or_else(|| missing("target", "NAME@PROJECT.iam.gserviceaccount.com"))?;
        let provider = Self {
            source,
            target,
            delegates: options.strings("delegates").unwrap_or_default(),
            lifetime: options.duration("lifetime"),
            place,
        };
        // What is wrong with the options is told before anybody is asked.
        provider.impersonation(&Settings::default())?;
        Ok(provider)
    }

    fn impersonation(&self, settings: &Settings) -> Result<Impersonation, Error> {
        let impersonation =
            Impersonation::of(&self.target, &self.place, settings)?.with_delegates(&self.delegates)?;
        match self.lifetime {
            Some(lifetime) => impersonation.with_lifetime(lifetime),
            None => Ok(impersonation),
        }
    }
}

impl Provider for Impersonate {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn find<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Finding> {
        Box::pin(async move {
            let impersonation = match self.impersonation(search.settings()) {
                Ok(impersonation) => impersonation,
                Err(error) => return Finding::from(error),
            };
            let of_source = format!("its source `{}`", self.source.name);
            match self.source.find(&search.asking_for(Scopes::cloud_platform())).await {
                Finding::Found(source) => {
                    Finding::from(Ok(impersonated::found(*source, impersonation, search.scopes())))
                }
                Finding::Skipped(skip) => {
                    Finding::Skipped(Skip { message: format!("{of_source}: {}", skip.message), ..skip })
                }
                Finding::Failed(error) => Finding::Failed(error.in_place(&of_source)),
                other => other,
            }
        })
    }

    fn source(&self) -> Option<&Member> {
        Some(&self.source)
    }
}
