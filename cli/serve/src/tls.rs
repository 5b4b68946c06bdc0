//! TLS in which both sides show a certificate: the one way in from another machine.

use std::fmt;
use std::io;
use std::sync::Arc;

use ee_auth_core::Error;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// What a server shows, and whose certificates it accepts.
#[derive(Clone)]
pub struct MutualTls(pub(crate) TlsAcceptor);

impl MutualTls {
    /// From PEM files' content: this server's certificate with those between it and its authority, its private key, and
    /// the certificates of the authorities whose clients are let in.
    ///
    /// # Errors
    /// [`Outcome::Invalid`](ee_auth_core::Outcome::Invalid), naming the part that is wrong.
    pub fn new(certificate: &[u8], key: &[u8], client_authorities: &[u8]) -> Result<Self, Error> {
        let invalid = |what: &str, error: &dyn fmt::Display| {
            Error::invalid("tls", format!("the {what} cannot be used: {error}"))
                .hint("give PEM files: --tls-cert, --tls-key, --tls-client-ca")
        };
        let certificates = |what: &str, pem: &[u8]| {
            let read = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
            let read = read.map_err(|error| invalid(what, &error))?;
            if read.is_empty() { Err(invalid(what, &"it holds none")) } else { Ok(read) }
        };
        let chain = certificates("server's certificate", certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| invalid("private key", &error))?;
        let mut authorities = RootCertStore::empty();
        for authority in certificates("clients' authority", client_authorities)? {
            authorities.add(authority).map_err(|error| invalid("clients' authority", &error))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider.clone())
            .build()
            .map_err(|error| invalid("clients' authority", &error))?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid("TLS library", &error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|error| invalid("server's certificate", &error))?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<tokio_rustls::server::TlsStream<S>>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        self.0.accept(stream).await
    }
}

impl fmt::Debug for MutualTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MutualTls")
    }
}
