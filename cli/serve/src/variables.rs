//! The variables that lead each client to the endpoint.
//!
//! Found by running the clients: google-auth (Python), earthengine-api, google-auth-library (Node.js, Java), Go's oauth2,
//! gcloud, gcp_auth, google-cloud-auth, gargle and GDAL.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::str::FromStr;

use ee_auth_core::host::{Environment, variable};
use ee_auth_core::{Error, ExposeSecret, Outcome, Secret, quoted};

/// How clients get to the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A credential file, which `GOOGLE_APPLICATION_CREDENTIALS` names.
    File,
    /// The metadata server: for clients that do not know the type of that file.
    Metadata,
    /// Both: each client takes what it looks for first.
    Both,
}

impl Via {
    /// Both where the user behind a request can be known, else the file, whose secret says that it is the right one.
    pub fn usual() -> Self {
        if crate::peers_can_be_checked() { Self::Both } else { Self::File }
    }

    /// Whether there is a credential file.
    pub fn uses_file(self) -> bool {
        self != Self::Metadata
    }

    /// Whether there is a metadata server.
    pub fn uses_metadata(self) -> bool {
        self != Self::File
    }
}

impl FromStr for Via {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "file" => Ok(Self::File),
            "metadata" => Ok(Self::Metadata),
            "both" => Ok(Self::Both),
            // What reads a command line shows no hint.
            _ => Err(Error::new(
                Outcome::Usage,
                "via",
                format!("{} is no way to a credential: the ways are file, metadata and both", quoted(text)),
            )),
        }
    }
}

/// Changes to a set of variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// What is set.
    pub set: BTreeMap<String, OsString>,
    /// What is taken away, of that which is set now: it would outrank what is set here.
    pub removed: Vec<String>,
}

/// Where the endpoint of one credential is, and what its clients need to know.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Address and port, with the profile's path: `127.0.0.1:8642`, `127.0.0.1:8642/profiles/work`.
    pub authority: &'a str,
    /// The credential file, where there is one.
    pub file: Option<&'a Path>,
    /// What stands in it as the refresh token.
    pub secret: &'a Secret,
    /// The name by which clients know the account.
    pub identity: &'a str,
    /// The project to use.
    pub project: Option<&'a str>,
}

/// Variables that hold or name another credential, and switches that turn the metadata server off.
const OUTRANKING: [&str; 20] = [
    // gcloud
    "CLOUDSDK_AUTH_ACCESS_TOKEN",
    "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
    "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
    "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT",
    // terraform
    "GOOGLE_OAUTH_ACCESS_TOKEN",
    "GOOGLE_CREDENTIALS",
    "GOOGLE_CLOUD_KEYFILE_JSON",
    "GCLOUD_KEYFILE_JSON",
    "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT",
    // GDAL
    "EEDA_BEARER",
    "EEDA_BEARER_FILE",
    "EEDA_PRIVATE_KEY",
    "EEDA_PRIVATE_KEY_FILE",
    "GS_SECRET_ACCESS_KEY",
    "GS_OAUTH2_PRIVATE_KEY",
    "GS_OAUTH2_PRIVATE_KEY_FILE",
    "CPL_GCE_SKIP",
    // google-auth, google-auth-library
    "NO_GCE_CHECK",
    "GCE_METADATA_MTLS_MODE",
    "GOOGLE_APPLICATION_CREDENTIALS",
];

/// The variables with which clients that look for the endpoint in any of these ways find it.
pub fn variables(place: &Place<'_>, via: Via, environment: &dyn Environment) -> Variables {
    let mut set = BTreeMap::new();
    let mut put = |name: &str, value: &str| {
        set.insert(name.to_owned(), OsString::from(value));
    };
    let base = format!("http://{}", place.authority);
    if via.uses_metadata() {
        // The last is gargle's, which wants no scheme in it.
        for name in ["GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT", "GCE_METADATA_URL"] {
            put(name, place.authority);
        }
        put("METADATA_SERVER_DETECTION", "assume-present");
        // GDAL's EEDA and EEDAI drivers.
        put("CPL_MACHINE_IS_GCE", "YES");
        put(
            "CPL_GCE_CREDENTIALS_URL",
            &format!("{base}/computeMetadata/v1/instance/service-accounts/default/token"),
        );
        // The account that gcloud has for the active one would be used in its place.
        if !via.uses_file() {
            put("CLOUDSDK_CORE_ACCOUNT", place.identity);
        }
    }
    if via.uses_file() {
        // GDAL does not know the file's type. It does ask another token endpoint: EEDA as a service account, /vsigs/ with a
        // refresh token.
        put("GO2A_AUD", &format!("{base}/v1/oauthtoken"));
        put("GOA2_AUTH_URL_TOKEN", &format!("{base}/v1/oauthtoken"));
        put("GS_OAUTH2_REFRESH_TOKEN", place.secret.expose_secret());
        put("GS_OAUTH2_CLIENT_ID", "ee-auth");
        put("GS_OAUTH2_CLIENT_SECRET", "none");
    }
    if let Some(project) = place.project {
        for name in PROJECT {
            put(name, project);
        }
    }
    for name in NO_PROXY {
        put(name, &without_proxy(name, place.authority, environment));
    }
    if let Some(file) = place.file.filter(|_| via.uses_file()) {
        for name in ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"] {
            set.insert(name.to_owned(), file.as_os_str().to_owned());
        }
    }
    let outranking =
        OUTRANKING.iter().chain(if via.uses_file() { &[][..] } else { &["GS_OAUTH2_REFRESH_TOKEN"] });
    let removed = outranking
        .filter(|name| !set.contains_key(**name) && environment.variable_os(name).is_some())
        .map(|name| (*name).to_owned())
        .collect();
    Variables { set, removed }
}

/// The variables for what can run neither under `exec` nor beside `serve`: an access token as it stands, which is not
/// refreshed, for each client that takes one, and the project.
pub fn token_variables(token: &str, project: Option<&str>) -> BTreeMap<String, String> {
    // gcloud, terraform, GDAL. Not EARTHENGINE_TOKEN: geemap takes that for a refresh token, and writes it over a login.
    let tokens =
        ["CLOUDSDK_AUTH_ACCESS_TOKEN", "GOOGLE_OAUTH_ACCESS_TOKEN", "EEDA_BEARER", "EE_AUTH_CREDENTIALS"];
    let tokens = tokens.map(|name| (name.to_owned(), token.to_owned()));
    let projects = project.into_iter().flat_map(|id| PROJECT.map(|name| (name.to_owned(), id.to_owned())));
    tokens.into_iter().chain(projects).collect()
}

/// The variables that name a project: for ee-auth and geemap; Google's libraries; earthengine-api with the metadata
/// server; gcloud.
const PROJECT: [&str; 4] =
    ["EARTHENGINE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT", "CLOUDSDK_CORE_PROJECT"];

/// The variables that name hosts to which no proxy leads. Programs differ in which spelling they read first.
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// What `name` is to be: this machine, the endpoint's own address, and the hosts that are reached without a proxy anyway.
/// Where only the other spelling is set, those that it names.
fn without_proxy(name: &str, authority: &str, environment: &dyn Environment) -> String {
    let known = [name].into_iter().chain(NO_PROXY).find_map(|name| variable(environment, name));
    // Next to other names, `*` no longer means all of them.
    if known.as_deref() == Some("*") {
        return "*".to_owned();
    }
    let known = known.unwrap_or_default();
    let mut hosts = vec!["127.0.0.1", "localhost"];
    let address = authority.split_once('/').map_or(authority, |(address, _)| address);
    if let Some((host, _)) = address.rsplit_once(':') {
        // Programs differ in whether an IPv6 address stands in brackets here.
        hosts.extend([host, host.trim_start_matches('[').trim_end_matches(']')]);
    }
    let mut missing: Vec<&str> = Vec::new();
    for host in hosts {
        if !missing.contains(&host) && !known.split(',').any(|other| other.trim() == host) {
            missing.push(host);
        }
    }
    missing.extend((!known.is_empty()).then_some(&*known));
    missing.join(",")
}

#[cfg(test)]
mod tests {
    use ee_auth_fake::Fake;

    use super::*;

    fn changes(via: Via, fake: &Fake) -> Variables {
        let secret = Secret::from("local");
        let place = Place {
            authority: "127.0.0.1:9",
            file: Some(Path::new("/tmp/file.json")),
            secret: &secret,
            identity: "ada@example.com",
            project: Some("my-project"),
        };
        variables(&place, via, &*fake.host().environment)
    }

    #[test]
    fn each_way_has_its_variables() {
        let fake = Fake::new();
        let names = |via| changes(via, &fake).set.into_keys().collect::<Vec<_>>();
        let (file, metadata, both) = (names(Via::File), names(Via::Metadata), names(Via::Both));
        for name in ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"] {
            assert!(file.contains(&name.to_owned()) && !metadata.contains(&name.to_owned()), "{name}");
        }
        for name in ["GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT", "GCE_METADATA_URL"] {
            assert!(!file.contains(&name.to_owned()) && metadata.contains(&name.to_owned()), "{name}");
        }
        assert!(file.iter().all(|name| both.contains(name)));
    }

    #[test]
    fn what_would_outrank_it_is_taken_away() {
        let fake = Fake::new()
            .with_variable("NO_GCE_CHECK", "true")
            .with_variable("GOOGLE_APPLICATION_CREDENTIALS", "x");
        assert_eq!(changes(Via::Both, &fake).removed, ["NO_GCE_CHECK"]);
        assert_eq!(changes(Via::Metadata, &fake).removed, ["NO_GCE_CHECK", "GOOGLE_APPLICATION_CREDENTIALS"]);
    }

    #[test]
    fn loopback_is_reached_without_a_proxy() {
        for (known, wanted) in [
            (None, "127.0.0.1,localhost"),
            (Some("intranet.example"), "127.0.0.1,localhost,intranet.example"),
            (Some("intranet.example, localhost"), "127.0.0.1,intranet.example, localhost"),
            (Some("127.0.0.1,localhost"), "127.0.0.1,localhost"),
            (Some("*"), "*"),
        ] {
            let fake =
                known.into_iter().fold(Fake::new(), |fake, value| fake.with_variable("no_proxy", value));
            for name in NO_PROXY {
                assert_eq!(changes(Via::File, &fake).set[name], wanted);
            }
        }
        // Each spelling keeps its own, where both are set.
        let both = Fake::new().with_variable("NO_PROXY", "a.example").with_variable("no_proxy", "*");
        let set = changes(Via::File, &both).set;
        assert_eq!(
            (&*set["NO_PROXY"], &*set["no_proxy"]),
            ("127.0.0.1,localhost,a.example".as_ref(), "*".as_ref())
        );
    }

    #[test]
    fn so_is_wherever_the_endpoint_is() {
        let fake = Fake::new();
        for (authority, wanted) in [
            ("127.0.0.1:9/profiles/work", "127.0.0.1,localhost"),
            ("127.0.0.7:9", "127.0.0.1,localhost,127.0.0.7"),
            ("[::1]:9/profiles/work", "127.0.0.1,localhost,[::1],::1"),
        ] {
            assert_eq!(without_proxy("no_proxy", authority, &*fake.host().environment), wanted);
        }
    }
}
