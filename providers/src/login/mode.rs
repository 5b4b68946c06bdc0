//! The modes of a login, and which one is chosen where none is named.

use std::sync::Arc;

use ee_auth_config::Config;
use ee_auth_core::host::variable;
use ee_auth_core::{
    Error, ExposeSecret, Host, Kind, Login, LoginRequest, OptionValue, Outcome, Provider, Scopes, Secret,
    quoted,
};
use ee_auth_persistent::Persistent;

use crate::{kinds, resolver};

/// A provider to log in with.
pub(crate) struct Mode {
    /// What `--mode` calls it.
    pub(crate) name: String,
    /// The provider.
    pub(crate) provider: Arc<dyn Provider>,
    /// Why it was chosen.
    pub(crate) because: &'static str,
}

/// The modes of `ee.Authenticate()`.
pub(crate) const NAMES: &str =
    "notebook, localhost, localhost:PORT, gcloud, gcloud-legacy, colab and appdefault";

const NAMED: &str = "it was asked for";

impl Mode {
    /// The mode that somebody named.
    ///
    /// # Errors
    /// [`Outcome::Usage`] for a name that is no mode.
    pub(crate) fn named(name: &str, config: &Config) -> Result<Self, Error> {
        let (kind, setting) = match name.split_once(':') {
            Some(("localhost", port)) => {
                let port = port.parse::<u16>().map_err(|_| {
                    Error::new(Outcome::Usage, "mode", format!("{} is no port", quoted(port))).hint(
                        "write `--mode localhost:8085`, or `--mode localhost:0` for any port that is free",
                    )
                })?;
                ("localhost", Some(("port", OptionValue::Port(port))))
            }
            _ => match name {
                "gcloud-legacy" => ("gcloud", Some(("legacy", OptionValue::Bool(true)))),
                "appdefault" => ("application_default", None),
                other => (other, None),
            },
        };
        let Some(declared) = config.providers.get(kind) else {
            return Err(Error::new(
                Outcome::Usage,
                "mode",
                format!("there is no login mode {}", quoted(name)),
            )
            .hint(format!("the modes are {NAMES}, and the providers of ee-auth.toml that have a login")));
        };
        let mut declared = declared.clone();
        if let Some((option, value)) = setting {
            declared.options.set(option, value);
        }
        let provider = resolver::member(config, &declared)?.provider;
        Ok(Self { name: name.to_owned(), provider, because: NAMED })
    }

    /// The mode in which a verifier was given: Earth Engine's page gives three parts.
    pub(crate) fn of_verifier(verifier: &Secret, config: &Config) -> Result<Self, Error> {
        let page = verifier.expose_secret().contains(':');
        Self::named(if page { "notebook" } else { "localhost" }, config)
    }

    /// No login at all: what is stored already.
    pub(crate) fn stored() -> Self {
        Self { name: "persistent".to_owned(), provider: Arc::new(Persistent), because: NAMED }
    }

    /// Whether what it is granted is ours to store.
    pub(crate) fn is_stored(&self) -> bool {
        matches!(self.provider.kind().name, "notebook" | "localhost" | "gcloud")
    }

    /// Its login.
    ///
    /// # Errors
    /// [`Outcome::Usage`] where the provider has none.
    pub(crate) fn login(&self) -> Result<&dyn Login, Error> {
        self.provider.login().ok_or_else(|| {
            Error::new(Outcome::Usage, "mode", format!("{} has no login", self.name))
                .hint(format!("the modes are {NAMES}, and the providers of ee-auth.toml that have a login"))
        })
    }
}

/// The mode that is used where none is named, among those whose provider may be used, in the order of `ee.Authenticate()`:
/// Colab, Jupyter, a browser on this machine, gcloud, else Earth Engine's page, which works everywhere.
///
/// # Errors
/// [`Outcome::InteractionRequired`] where none may be used.
pub(crate) fn choose(
    config: &Config,
    request: &LoginRequest,
    may_be_used: impl Fn(&str) -> bool,
) -> Result<Mode, Error> {
    let host = &request.exchange.host;
    let own_client = request.client.is_some();
    // Colab asks for what it asks for, and gcloud for nothing without this scope.
    let all = Scopes::earth_engine();
    let usual_scopes = request.scopes.is_subset_of(&all) && all.is_subset_of(&request.scopes);
    let scopes_for_gcloud = Scopes::cloud_platform().is_subset_of(&request.scopes);
    let preferences = [
        ("colab", "this is Colab", !own_client && usual_scopes && is_colab(host)),
        ("notebook", "this is a Jupyter notebook", !own_client && is_jupyter(host)),
        ("localhost", "there is a browser on this machine", host.person.has_browser()),
        (
            "gcloud",
            "there is no browser on this machine, and there is gcloud",
            scopes_for_gcloud && host.processes.find("gcloud").is_some(),
        ),
        ("notebook", "it works with a browser on any machine", !own_client),
        ("localhost", "it is the one that can use your own OAuth client", own_client),
        ("localhost", "it is the one that the chain has", true),
    ];
    let known = |kind: &str| kinds().iter().any(|known: &&Kind| known.name == kind);
    let (kind, because, _) = preferences
        .into_iter()
        .find(|(kind, _, fits)| *fits && known(kind) && may_be_used(kind))
        .ok_or_else(|| {
            Error::new(Outcome::InteractionRequired, "", "no login can be run here")
                .hint("`ee-auth login --mode notebook` works wherever there is a terminal")
        })?;
    Ok(Mode { because, ..Mode::named(kind, config)? })
}

fn is_colab(host: &Host) -> bool {
    variable(&*host.environment, "COLAB_RELEASE_TAG").is_some()
}

/// Jupyter's kernels, and so what a cell runs, have the first of these from the kernel's launcher, the second from the
/// server.
fn is_jupyter(host: &Host) -> bool {
    ["JPY_PARENT_PID", "JPY_SESSION_NAME"].iter().any(|name| variable(&*host.environment, name).is_some())
}
