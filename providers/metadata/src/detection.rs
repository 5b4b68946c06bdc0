//! Whether there is a metadata server to ask, without asking the network.

use std::path::Path;

use ee_auth_core::host::variable;
use ee_auth_core::{Error, Look, Saw, Search};
use ee_auth_google::metadata_server;
use url::Url;

/// Variables that Google's machines set: Cloud Run (services, jobs, worker pools), App Engine, Colab, Kubernetes. Knative sets
/// the first outside Google, every cluster the last, and Colab's are also where its runtime was put on another machine.
const HINTS: [&str; 7] = [
    "K_SERVICE",
    "CLOUD_RUN_JOB",
    "CLOUD_RUN_WORKER_POOL",
    "GAE_SERVICE",
    "COLAB_RELEASE_TAG",
    "COLAB_BACKEND_VERSION",
    "KUBERNETES_SERVICE_HOST",
];

/// Where Linux says what the machine is; containers on GKE see it too.
const PRODUCT_NAME: &str = "/sys/class/dmi/id/product_name";

/// The product names of Compute Engine, the second on older machines (AIP-4115). Google's laptops have others.
const PRODUCTS: [&[u8]; 2] = [b"Google Compute Engine", b"Google"];

/// Why a server is believed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Belief {
    /// Somebody says that it is there: it has to answer.
    Named,
    /// The machine says that it is Google's: it has to answer, and in a new container takes some seconds to start.
    Sure,
    /// Something is set that is set on Google's machines, and on others: nobody waits for it.
    Likely,
}

/// What there is to believe in.
pub(crate) enum Detected {
    /// A server at this address.
    Server(Url, Belief),
    /// None, why, and what to do if there is one all the same.
    None(&'static str, Option<&'static str>),
}

/// Variables by which google-auth finds a server and we do not.
const OTHER_NAMES: [(&str, &str, &str); 2] = [
    (
        "GCE_METADATA_ROOT",
        "GCE_METADATA_ROOT is set, and ee-auth reads GCE_METADATA_HOST",
        "set GCE_METADATA_HOST to what GCE_METADATA_ROOT is: `export GCE_METADATA_HOST=$GCE_METADATA_ROOT`",
    ),
    (
        "GCE_METADATA_IP",
        "GCE_METADATA_IP is set, and ee-auth reads GCE_METADATA_HOST",
        "set GCE_METADATA_HOST to what GCE_METADATA_IP is: `export GCE_METADATA_HOST=$GCE_METADATA_IP`",
    ),
];

/// Whether this is a pod of a cluster. On GKE the metadata server starts with the pod, and stands for the pod's account.
pub(crate) fn in_cluster(search: &Search) -> bool {
    variable(&*search.host().environment, "KUBERNETES_SERVICE_HOST").is_some()
}

/// The address of the metadata server, if there is reason to believe in one.
///
/// `GCE_METADATA_HOST` (a name or number with an optional port) is somebody's word. `NO_GCE_CHECK=true`, which
/// google-auth knows too, is somebody's word to the contrary.
pub(crate) fn server(search: &Search) -> Result<Detected, Error> {
    if let Some(url) = metadata_server::named(search)? {
        return Ok(Detected::Server(url, Belief::Named));
    }
    if search.variable("NO_GCE_CHECK")?.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(Detected::None("NO_GCE_CHECK says that this is no machine of Google's", None));
    }
    let usual = || search.settings().endpoints.metadata.clone();
    if made_by_google(search) {
        return Ok(Detected::Server(usual(), Belief::Sure));
    }
    if HINTS.iter().any(|name| search.path_variable(name).is_some()) {
        return Ok(Detected::Server(usual(), Belief::Likely));
    }
    for (name, reason, help) in OTHER_NAMES {
        if variable(&*search.host().environment, name).is_some() {
            return Ok(Detected::None(reason, Some(help)));
        }
    }
    Ok(Detected::None("this is no machine of Google's", None))
}

/// Whether a machine that Google made is a virtual machine of Compute Engine, whose tokens have the scopes that it was started
/// with, whatever is asked for. Clusters and serverless containers look at what is asked for.
pub(crate) fn is_compute_engine(search: &Search) -> bool {
    let environment = &search.host().environment;
    !HINTS.iter().any(|name| environment.variable_os(name).is_some_and(|value| !value.is_empty()))
}

fn made_by_google(search: &Search) -> bool {
    let path = Path::new(PRODUCT_NAME);
    let read = search.host().files.read(path, 4096);
    let saw = if read.is_ok() { Saw::Present } else { Saw::Missing };
    search.looked_at(Look::File(path.to_owned(), saw));
    read.is_ok_and(|read| PRODUCTS.contains(&read.bytes.trim_ascii()))
}
