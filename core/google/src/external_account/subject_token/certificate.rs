//! A client certificate in the place of a token: the connection to the STS proves who the workload is, and the subject
//! token says by which certificates (X.509 workload identity federation).
//!
//! The certificate configuration is the one that Google's libraries read: `cert_configs.workload` with `cert_path` and
//! `key_path`. It and what it names are read anew for every exchange, since such certificates live for hours.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ee_auth_core::ShowPath as _;
use ee_auth_core::host::{ClientCertificate, Directory, Files, MAX_CREDENTIAL_FILE};
use ee_auth_core::{Error, Exchange, Search, Secret, TokenKey};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::Subject;
use crate::{Document, cloud_sdk, path_in};

const CONFIG_VARIABLE: &str = "GOOGLE_API_CERTIFICATE_CONFIG";
const CONFIG_NAME: &str = "certificate_config.json";

/// A workload's certificate: `credential_source.certificate`.
#[derive(Debug)]
pub(super) struct Certificate {
    /// The certificate configuration.
    config: PathBuf,
    /// The certificates that vouch for the workload's: `trust_chain_path`.
    trust_chain: Option<PathBuf>,
    working: PathBuf,
    /// The certificate that was there when this was found, by which the identity is known: DER.
    leaf: Vec<u8>,
}

impl Certificate {
    pub(super) fn from_section(source: &Document, search: &Search) -> Result<Self, Error> {
        let section = source.object("certificate")?;
        let section = section.ok_or_else(|| Error::internal("`certificate` was there a moment ago"))?;
        let place = section.place();
        let working = search.host().environment.directory(Directory::Working).unwrap_or_default();
        let named = section.text("certificate_config_location")?;
        let config = match (named, section.switch("use_default_certificate_config")?) {
            (Some(path), false) => path_in(Path::new(&path), &working, place)?,
            (None, true) => usual_config(&working, search)?,
            (named, _) => {
                let what = if named.is_some() { "both" } else { "neither" };
                return Err(Error::invalid(
                    "contradiction",
                    format!(
                        "{place} has {what} of `certificate_config_location` and `use_default_certificate_config = true`"
                    ),
                )
                .hint("keep one of them"));
            }
        };
        let trust_chain = match section.text("trust_chain_path")? {
            Some(path) => Some(path_in(Path::new(&path), &working, place)?),
            None => None,
        };
        let mut certificate = Self { config, trust_chain, working, leaf: Vec::new() };
        search.read(&certificate.config).map_err(|error| unreadable(&certificate.config, &error))?;
        let (chain, _) = certificate.files(&*search.host().files)?;
        certificate.leaf = first(&certificates(&chain.0, &chain.1)?, &chain.1)?.to_vec();
        Ok(certificate)
    }

    /// The certificate configuration.
    pub(super) fn path(&self) -> &Path {
        &self.config
    }

    pub(super) fn get(&self, exchange: &Exchange) -> Result<Subject, Error> {
        let files = &*exchange.host.files;
        let ((chain, chain_path), (key, key_path)) = self.files(files)?;
        let own = certificates(&chain, &chain_path)?;
        let leaf = first(&own, &chain_path)?;
        let mut shown = vec![STANDARD.encode(leaf)];
        if let Some(path) = &self.trust_chain {
            for (index, certificate) in certificates(&read(files, path)?, path)?.iter().enumerate() {
                match (certificate.as_ref() == leaf.as_ref(), index) {
                    (true, 0) => {}
                    (true, _) => {
                        return Err(Error::invalid(
                            "certificate",
                            format!("{}: the workload's own certificate is not the first", path.shown()),
                        )
                        .hint("put it first, or leave it out of the trust chain"));
                    }
                    (false, _) => shown.push(STANDARD.encode(certificate)),
                }
            }
        }
        let key = std::str::from_utf8(&key).map_err(|_| {
            Error::invalid("certificate", format!("{} is no PEM", key_path.shown()))
                .hint("it has to hold one private key in PEM")
        })?;
        let certificate = ClientCertificate { chain: chain.to_vec(), key: Secret::from(key) };
        Ok(Subject {
            token: Secret::from(serde_json::Value::from(shown).to_string()),
            certificate: Some(Arc::new(certificate)),
        })
    }

    /// The certificates and the private key, each with the path that it was read from.
    fn files(&self, files: &dyn Files) -> Result<(Content, Content), Error> {
        let place = self.config.shown();
        let text = read(files, &self.config)?;
        let text = std::str::from_utf8(&text).map_err(|_| {
            Error::invalid("encoding", format!("{place} is not UTF-8 text"))
                .hint("save it as UTF-8 without a byte order mark")
        })?;
        let none = || {
            Error::invalid("certificate", format!("{place} names no workload certificate"))
                .hint("it needs `cert_configs.workload` with `cert_path` and `key_path`")
        };
        let config = Document::parse(text, &place)?;
        let workload =
            config.object("cert_configs")?.ok_or_else(none)?.object("workload")?.ok_or_else(none)?;
        let path = |field| match workload.text(field)? {
            Some(path) => path_in(Path::new(&path), &self.working, &place),
            None => Err(none()),
        };
        let content = |path: PathBuf| Ok::<_, Error>((read(files, &path)?, path));
        Ok((content(path("cert_path")?)?, content(path("key_path")?)?))
    }

    pub(super) fn add_to(&self, key: &mut TokenKey) {
        key.add("source", "certificate").add("certificate", &self.leaf);
        if let Some(path) = &self.trust_chain {
            key.add("trust_chain", path.to_string_lossy().as_bytes());
        }
    }
}

type Content = (Zeroizing<Vec<u8>>, PathBuf);

/// Where Google's libraries look: the variable, then gcloud's directory.
fn usual_config(working: &Path, search: &Search) -> Result<PathBuf, Error> {
    if let Some(path) = search.path_variable(CONFIG_VARIABLE) {
        return path_in(&path, working, CONFIG_VARIABLE);
    }
    match cloud_sdk::directory(search)? {
        Some(directory) => Ok(directory.join(CONFIG_NAME)),
        None => Err(Error::invalid(
            "certificate",
            "there is no certificate configuration: no home directory is known",
        )
        .hint(format!("set {CONFIG_VARIABLE} to its path"))),
    }
}

fn read(files: &dyn Files, path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    files.read(path, MAX_CREDENTIAL_FILE).map(|read| read.bytes).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &ee_auth_core::host::FileReadError) -> Error {
    Error::invalid("certificate", format!("{} cannot be used: {error}", path.shown())).hint(format!(
        "see whether what makes the workload's certificate runs; `certificate_config_location` or {CONFIG_VARIABLE} \
         names its configuration"
    ))
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem)
        .map(|certificate| certificate.map(CertificateDer::into_owned))
        .collect::<Result<_, _>>()
        .map_err(|_| damaged(path))
}

fn first<'a>(
    certificates: &'a [CertificateDer<'static>],
    path: &Path,
) -> Result<&'a CertificateDer<'static>, Error> {
    certificates.first().ok_or_else(|| damaged(path))
}

fn damaged(path: &Path) -> Error {
    Error::invalid("certificate", format!("{} holds no certificates in PEM, or damaged ones", path.shown()))
        .hint("have the workload's certificate made again")
}
