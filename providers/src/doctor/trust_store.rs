//! Which certificates are trusted.

use super::examination::Examination;
use super::{Check, Finding, Level, Rule, Run};
use crate::ShowPath as _;

pub(super) const CHECK: Check = Check {
    name: "trust_store",
    summary: "SSL_CERT_FILE, SSL_CERT_DIR and what Python's programs have in their place",
    rules: &[&MISSING, &NO_CERTIFICATE, &PYTHON_ONLY],
    run: Run::Look(look),
};

const MISSING: Rule = Rule {
    name: "trust_store.missing",
    level: Level::Warning,
    meaning: "The variable names certificates that are not there, so no secure connection can be made: \
              CERTIFICATE_VERIFY_FAILED",
    fix: "correct the path, or unset the variable",
};
const NO_CERTIFICATE: Rule = Rule {
    name: "trust_store.no_certificate",
    level: Level::Warning,
    meaning: "The file holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`), so no server is trusted",
    fix: "name a PEM file; from DER: `openssl x509 -inform der -in FILE -out FILE.pem`",
};
const PYTHON_ONLY: Rule = Rule {
    name: "trust_store.python_only",
    level: Level::Note,
    meaning: "Python's requests trust the certificates of REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, and ee-auth reads SSL_CERT_FILE: \
              behind a proxy that opens TLS, one of them works and the other does not",
    fix: "`export SSL_CERT_FILE=$REQUESTS_CA_BUNDLE`",
};

/// More than any list of authorities has: 16 MiB.
const MAX_FILE: u64 = 16 << 20;

fn look(examination: &Examination<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
        let Some(path) = examination.path_variable(name) else { continue };
        let place = path.shown();
        match examination.host().files.read(&path, MAX_FILE) {
            Ok(read) => {
                let text = String::from_utf8_lossy(&read.bytes);
                if !text.contains("-----BEGIN CERTIFICATE-----")
                    && !text.contains("-----BEGIN TRUSTED CERTIFICATE-----")
                {
                    let title = format!("{name} names {place}, which holds no certificate");
                    findings.push(Finding::of(&NO_CERTIFICATE, title).at(name));
                }
            }
            // A directory is what Python's requests take, too.
            Err(_) if name != "SSL_CERT_FILE" && examination.host().files.status(&path).is_ok() => {}
            Err(error) => {
                let title = format!("{name} names {place}, which cannot be read: {error}");
                findings.push(
                    Finding::of(&MISSING, title).fix(format!("correct the path, or `unset {name}`")).at(name),
                );
            }
        }
    }
    if let Some(list) = examination.variable("SSL_CERT_DIR") {
        let is_there = |path: &str| examination.host().files.list(path.as_ref()).is_ok();
        let separator = if cfg!(windows) { ';' } else { ':' };
        if !list.split(separator).any(is_there) {
            let title = "SSL_CERT_DIR names no directory that is there";
            findings.push(
                Finding::of(&MISSING, title)
                    .fix("correct the path, or `unset SSL_CERT_DIR`")
                    .at("SSL_CERT_DIR"),
            );
        }
    }
    let is_set = |name: &str| examination.variable(name).is_some();
    // requests reads them in this order.
    let others = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"].into_iter().find(|name| is_set(name));
    if let Some(name) = others.filter(|_| !is_set("SSL_CERT_FILE") && findings.is_empty()) {
        let title = format!("{name} is set, and SSL_CERT_FILE is not");
        findings
            .push(Finding::of(&PYTHON_ONLY, title).fix(format!("`export SSL_CERT_FILE=${name}`")).at(name));
    }
    if findings.is_empty() {
        let title = if is_set("SSL_CERT_FILE") { "that of SSL_CERT_FILE" } else { "the system's" };
        findings.push(Finding::ok(CHECK.name, title));
    }
    findings
}
