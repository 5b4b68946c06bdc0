//! Whether there is a metadata server to ask, without asking the network.

use std::path::Path;

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
    /// The machine says that it is Google's. In a new container the server takes some seconds to start.
    Sure,
    /// Something is set that is set on Google's machines, and on others: nobody waits for it.
    Likely,
}

/// What there is to believe in.
pub(crate) enum Detected {
    /// A server at this address.
    Server(Url, Belief),
    /// None, and why.
    None(&'static str),
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
        return Ok(Detected::None("NO_GCE_CHECK says that this is no machine of Google's"));
    }
    let usual = || search.settings().endpoints.metadata.clone();
    if made_by_google(search) {
        return Ok(Detected::Server(usual(), Belief::Sure));
    }
    if HINTS.iter().any(|name| search.path_variable(name).is_some()) {
        return Ok(Detected::Server(usual(), Belief::Likely));
    }
    Ok(Detected::None("this is no machine of Google's"))
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
