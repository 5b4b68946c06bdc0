use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ee_auth_core::ExposeSecret;
use ee_auth_core::ShowPath as _;
use ee_auth_core::host::ClientCertificate;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

/// TLS 1.2 and 1.3 with ring, and certificates checked against the platform's trust store. `own` is what is shown to a
/// server that asks who is there.
///
/// # Errors
/// A certificate or key that cannot be used. Else none is known; rustls reserves the right to refuse a provider.
pub(crate) fn config(own: Option<&ClientCertificate>) -> Result<ClientConfig, Box<dyn std::error::Error>> {
    // Handed over, never installed as the process's default: that would belong to the program, not to a library.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(LazyVerifier::new(provider)));
    let mut config = match own {
        None => config.with_no_client_auth(),
        Some(own) => {
            let damaged = |what: &str| format!("the client's {what} is damaged, or is no PEM");
            let chain = CertificateDer::pem_slice_iter(&own.chain)
                .map(|certificate| certificate.map(CertificateDer::into_owned))
                .collect::<Result<_, _>>()
                .map_err(|_| damaged("certificate"))?;
            let key = PrivateKeyDer::from_pem_slice(own.key.expose_secret().as_bytes())
                .map_err(|_| damaged("private key"))?;
            config
                .with_client_auth_cert(chain, key)
                .map_err(|_| "the client's private key is not that of its certificate, or of no known kind")?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Checks certificates as the platform does, and reads the trust store when the first certificate is to be checked: a
/// request to a metadata server or to a loopback address never does.
struct LazyVerifier {
    provider: Arc<CryptoProvider>,
    /// The platform's certificates in one file, where it has them so and no variable names others. They are looked at first:
    /// the whole store is in many files besides, which take ten times as long to read and as a rule hold the same.
    bundle: OnceLock<Option<Arc<dyn ServerCertVerifier>>>,
    /// The whole store. One that could not be read is tried again at the next connection.
    whole: Mutex<Option<Arc<dyn ServerCertVerifier>>>,
}

impl LazyVerifier {
    fn new(provider: Arc<CryptoProvider>) -> Self {
        Self { provider, bundle: OnceLock::new(), whole: Mutex::new(None) }
    }

    fn bundle(&self) -> Option<&dyn ServerCertVerifier> {
        self.bundle.get_or_init(|| bundle(self.provider.clone())).as_deref()
    }

    fn whole(&self) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
        let mut slot = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verifier) = &*slot {
            return Ok(verifier.clone());
        }
        let verifier = named_by_variables(|name| std::env::var_os(name).map(PathBuf::from))
            .and_then(|named| if named.is_empty() { past_empty_variables() } else { Ok(named) })
            .and_then(|named| verifier(named, self.provider.clone()))
            .map_err(|error| rustls::Error::Other(OtherError(Arc::new(error))))?;
        log::debug!("the trust store has been read");
        Ok(slot.insert(verifier).clone())
    }
}

impl ServerCertVerifier for LazyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verify = |verifier: &dyn ServerCertVerifier| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        match self.bundle().map(verify) {
            Some(Ok(verified)) => Ok(verified),
            // What is missing there may be in the rest of the store, and else it is the store's answer that counts.
            _ => verify(&*self.whole()?),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for LazyVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LazyVerifier")
    }
}

/// Verifies with the platform's bundle of certificates.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn bundle(provider: Arc<CryptoProvider>) -> Option<Arc<dyn ServerCertVerifier>> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(is_set) {
        return None;
    }
    let pem = fs::read(openssl_probe::probe().cert_file?).ok()?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .ok()?;
    log::debug!("the bundle of the trust store has been read");
    Some(verifier)
}

/// Elsewhere the platform checks certificates itself.
#[cfg(not(all(unix, not(target_vendor = "apple"))))]
fn bundle(_: Arc<CryptoProvider>) -> Option<Arc<dyn ServerCertVerifier>> {
    None
}

/// The platform's verifier. Where the platform has an interface of its own for checking certificates (Apple, Windows),
/// what the variables name is trusted beside it; elsewhere, in place of it, as OpenSSL does.
fn verifier(
    named: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TrustError> {
    let unusable =
        |reason: String| TrustError(format!("no certificate can be checked on this machine: {reason}"));
    #[cfg(not(any(windows, target_vendor = "apple")))]
    if !named.is_empty() {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(named);
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        return Ok(verifier.map_err(|error| unusable(error.to_string()))?);
    }
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(named, provider);
    Ok(Arc::new(verifier.map_err(|error| match error {
        rustls::Error::General(reason) => unusable(reason),
        other => unusable(other.to_string()),
    })?))
}

/// Nothing says whom to trust: the platform has no certificates, or `SSL_CERT_FILE` or `SSL_CERT_DIR` names something
/// that cannot be used.
#[derive(Debug)]
pub(crate) struct TrustError(String);

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TrustError {}

/// The certificates of the system where a variable is set and empty, which means unset: the verifier would take the empty name
/// for a file. None where no variable is in the way.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn past_empty_variables() -> Result<Vec<CertificateDer<'static>>, TrustError> {
    if ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().all(|name| std::env::var_os(name).is_none()) {
        return Ok(Vec::new());
    }
    let system = openssl_probe::probe();
    let directories = std::env::join_paths(system.cert_dir).ok();
    named_by_variables(|name| match name {
        "SSL_CERT_FILE" => system.cert_file.clone(),
        _ => directories.clone().map(PathBuf::from),
    })
}

#[cfg(not(all(unix, not(target_vendor = "apple"))))]
fn past_empty_variables() -> Result<Vec<CertificateDer<'static>>, TrustError> {
    Ok(Vec::new())
}

/// What other programs read where we read `SSL_CERT_FILE`: requests, curl, pip, Node, git, the AWS CLI and gcloud.
const BUNDLES: [&str; 7] = [
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
];

/// What to do about a certificate whose issuer is not trusted.
pub(crate) fn issuer_help() -> String {
    help_for(
        |name| std::env::var_os(name).map(PathBuf::from),
        || {
            "if a proxy or firewall opens TLS connections here, set SSL_CERT_FILE to a PEM file with its certificate authority"
            .to_owned()
        },
    )
}

/// What to do where nothing says whom to trust.
pub(crate) fn trust_help() -> String {
    help_for(
        |name| std::env::var_os(name).map(PathBuf::from),
        || {
            "install the package ca-certificates, or set SSL_CERT_FILE to a PEM file of certificate authorities".to_owned()
        },
    )
}

/// The variable of another program that names certificates leads to the line that makes us read them, too.
fn help_for(variable: impl Fn(&str) -> Option<PathBuf>, otherwise: impl Fn() -> String) -> String {
    let set = |name: &str| variable(name).filter(|path| !path.as_os_str().is_empty());
    let other = BUNDLES.iter().find_map(|name| Some((name, set(name)?)));
    match (set("SSL_CERT_FILE"), other) {
        (None, Some((name, path))) => {
            let ours = if path.is_dir() { "SSL_CERT_DIR" } else { "SSL_CERT_FILE" };
            format!("{name} is set, and ee-auth reads {ours}: `export {ours}=${name}`")
        }
        (Some(ours), Some((name, path))) if ours != path => format!(
            "SSL_CERT_FILE names {}, and {name} another file: `export SSL_CERT_FILE=${name}`",
            ours.shown()
        ),
        (Some(ours), _) => format!(
            "SSL_CERT_FILE names {}: see whether it holds the right certificate authority in PEM, or unset it",
            ours.shown()
        ),
        (None, None) => otherwise(),
    }
}

/// The certificates of the file that `SSL_CERT_FILE` names and of the files in the directories that `SSL_CERT_DIR`
/// lists: PEM, as OpenSSL has them. None where neither variable is set.
fn named_by_variables(
    variable: impl Fn(&str) -> Option<PathBuf>,
) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let mut certificates = Vec::new();
    if let Some(file) = variable("SSL_CERT_FILE").filter(|file| !file.as_os_str().is_empty()) {
        match read(&file) {
            Ok(found) if found.is_empty() => {
                return Err(TrustError(format!(
                    "SSL_CERT_FILE names {}, which holds no certificate (PEM is expected)",
                    file.shown()
                )));
            }
            Ok(found) => certificates.extend(found),
            Err(error) => {
                return Err(TrustError(format!(
                    "SSL_CERT_FILE names {}, which cannot be read: {error}",
                    file.shown()
                )));
            }
        }
    }
    if let Some(list) = variable("SSL_CERT_DIR").filter(|list| !list.as_os_str().is_empty()) {
        let before = certificates.len();
        for directory in std::env::split_paths(&list) {
            // As OpenSSL: what is not there, or is no certificate, is passed over.
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
            certificates.extend(files.filter_map(|file| read(&file).ok()).flatten());
        }
        // Beside a file that is right, a list of directories of which none exists does no harm.
        if certificates.len() == before && before == 0 {
            return Err(TrustError(format!(
                "SSL_CERT_DIR names {}, where there is no certificate (PEM is expected)",
                list.shown()
            )));
        }
        // `openssl rehash` gives every certificate several names.
        certificates.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
        certificates.dedup();
    }
    Ok(certificates)
}

/// The certificates in a PEM file that can be used as roots.
fn read(file: &Path) -> std::io::Result<Vec<CertificateDer<'static>>> {
    let pem = fs::read(file)?;
    let mut usable = RootCertStore::empty();
    Ok(CertificateDer::pem_slice_iter(&pem)
        .flatten()
        .map(CertificateDer::into_owned)
        .filter(|certificate| usable.add(certificate.clone()).is_ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem() -> String {
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem()
    }

    fn load(file: Option<&Path>, directories: Option<&Path>) -> Result<usize, String> {
        named_by_variables(|name| match name {
            "SSL_CERT_FILE" => file.map(Path::to_owned),
            _ => directories.map(Path::to_owned),
        })
        .map(|certificates| certificates.len())
        .map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_its_variable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let missing = load(Some(&path), None).unwrap_err();
        assert!(missing.contains("SSL_CERT_FILE") && missing.contains("ca.pem"), "{missing}");
        for content in [
            String::new(),
            "words".to_owned(),
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
        ] {
            fs::write(&path, content).unwrap();
            let empty = load(Some(&path), None).unwrap_err();
            assert!(empty.contains("SSL_CERT_FILE") && empty.contains("no certificate"), "{empty}");
        }
        assert_eq!(load(Some(Path::new("")), None), Ok(0), "an empty variable counts as unset");
        assert!(load(None, Some(directory.path())).unwrap_err().contains("SSL_CERT_DIR"));
    }

    #[test]
    fn certificates_come_from_the_file_and_the_directories() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (pem(), pem());
        fs::write(directory.path().join("one.pem"), format!("{one}junk\n{two}")).unwrap();
        fs::write(directory.path().join("again.0"), &one).unwrap();
        fs::write(directory.path().join("readme"), "words").unwrap();
        assert_eq!(load(None, None), Ok(0));
        assert_eq!(load(Some(&directory.path().join("one.pem")), None), Ok(2));
        assert_eq!(load(None, Some(directory.path())), Ok(2));
        assert_eq!(load(Some(&directory.path().join("again.0")), Some(Path::new("/nonexistent"))), Ok(1));
    }

    #[test]
    fn whom_the_bundle_does_not_know_the_rest_of_the_store_may() {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusting = |pem: &str| {
            let roots = CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect();
            verifier(roots, provider.clone()).unwrap()
        };
        let (bundled, other, unknown) = (pem(), pem(), pem());
        let verifier = LazyVerifier {
            provider: provider.clone(),
            bundle: OnceLock::from(Some(trusting(&bundled))),
            whole: Mutex::new(Some(trusting(&other))),
        };
        let is_trusted = |pem: &str| {
            let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::now()).is_ok()
        };
        assert_eq!([&bundled, &other, &unknown].map(|pem| is_trusted(pem)), [true, true, false]);
    }
}
