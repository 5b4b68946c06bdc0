//! Whether there is a metadata server to ask, without asking the network.

use std::path::Path;

use ee_auth_core::{Error, Look, Saw, Search};
use url::Url;

/// Variables that Cloud Run, Colab and Kubernetes set. The last is set outside Google, too, as Colab's are where its
/// runtime was put on another machine; so a server that they speak of may be missing.
const GOOGLES: [&str; 5] =
    ["K_SERVICE", "CLOUD_RUN_JOB", "COLAB_RELEASE_TAG", "COLAB_BACKEND_VERSION", "KUBERNETES_SERVICE_HOST"];

/// Where Linux says who made the machine; containers on GKE see it too.
const PRODUCT_NAME: &str = "/sys/class/dmi/id/product_name";

pub(crate) enum Server {
    /// Somebody says that it is there: it has to answer.
    Named(Url),
    /// The machine looks like one of Google's: it may be there.
    Likely(Url),
    None(String),
}

/// The address of the metadata server, if there is reason to believe in one.
///
/// `GCE_METADATA_HOST` (a name or number with an optional port) is somebody's word. `NO_GCE_CHECK=true`, which
/// google-auth knows too, is somebody's word to the contrary.
pub(crate) fn server(search: &Search) -> Result<Server, Error> {
    if let Some(host) = search.variable("GCE_METADATA_HOST")? {
        let address = if host.contains("://") { host.clone() } else { format!("http://{host}") };
        let bad = || {
            Error::invalid("url", "GCE_METADATA_HOST is not the address of a server")
                .hint("set it to HOST or HOST:PORT, or unset it")
        };
        let mut url = Url::parse(&address).map_err(|_| bad())?;
        if url.scheme() != "http"
            || url.host().is_none()
            || !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
        {
            return Err(bad());
        }
        url.set_path("/");
        return Ok(Server::Named(url));
    }
    if search.variable("NO_GCE_CHECK")?.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(Server::None("NO_GCE_CHECK says that this is no machine of Google's".to_owned()));
    }
    let by_variable = GOOGLES.iter().any(|name| search.path_variable(name).is_some());
    if by_variable || made_by_google(search) {
        return Ok(Server::Likely(search.settings().endpoints.metadata.clone()));
    }
    Ok(Server::None("this is no machine of Google's".to_owned()))
}

fn made_by_google(search: &Search) -> bool {
    let path = Path::new(PRODUCT_NAME);
    let read = search.host().files.read(path, 4096);
    let saw = if read.is_ok() { Saw::Present } else { Saw::Missing };
    search.looked_at(Look::File(path.to_owned(), saw));
    // Compute Engine says "Google Compute Engine", older machines "Google".
    read.is_ok_and(|read| read.bytes.trim_ascii().starts_with(b"Google"))
}
