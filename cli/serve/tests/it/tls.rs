//! Mutual TLS, as curl speaks it.

use std::fs;
use std::process::Command;

use ee_auth_serve::{MutualTls, Profiles, Served};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::support::{Machine, credential};

/// An authority, and a certificate of it for 127.0.0.1 with its key, all PEM.
fn certificates() -> (String, String, String) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    // Or else it has the name of what it signs.
    params.distinguished_name.push(DnType::CommonName, "An authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    (authority.pem(), certificate.pem(), key.serialize_pem())
}

#[test]
fn only_those_with_a_certificate_are_let_in() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no curl");
        return;
    }
    let (ours, certificate, key) = certificates();
    let tls = MutualTls::new(certificate.as_bytes(), key.as_bytes(), ours.as_bytes()).unwrap();
    let machine = Machine::with_tls(
        |fake, exchanges| Profiles::new(Served::new(credential(fake, exchanges, None))),
        Some(tls),
    );
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (authority, own, own_key) = (file("ca", &ours), file("cert", &certificate), file("key", &key));
    let (_, stranger, strangers_key) = certificates();
    let (stranger, strangers_key) = (file("other", &stranger), file("other-key", &strangers_key));
    let ask = |arguments: &[&str]| {
        let url =
            format!("https://{}/computeMetadata/v1/instance/service-accounts/default/token", machine.address);
        let output = Command::new("curl")
            .args([
                "--silent",
                "--noproxy",
                "*",
                "--cacert",
                &authority,
                "-H",
                "Metadata-Flavor: Google",
                &url,
            ])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(ask(&["--cert", &own, "--key", &own_key]).contains("token-1"));
    assert_eq!(ask(&[]), "");
    assert_eq!(ask(&["--cert", &stranger, "--key", &strangers_key]), "");
    assert_eq!(machine.get("/").status, 0, "plain HTTP gets nothing");
}

#[test]
fn what_is_no_certificate_is_named() {
    let (authority, certificate, key) = certificates();
    for (certificate, key, authority, named) in [
        ("", key.as_str(), authority.as_str(), "server's certificate"),
        (&certificate, "x", &authority, "private key"),
        (&certificate, &key, "-", "clients' authority"),
    ] {
        let error = MutualTls::new(certificate.as_bytes(), key.as_bytes(), authority.as_bytes()).unwrap_err();
        assert_eq!(error.code(), "invalid.tls");
        assert!(error.message().contains(named), "{error}");
    }
}
