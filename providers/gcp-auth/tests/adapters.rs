//! Our credential through the traits of other crates, and theirs through our chain, against a loopback Google.
#![cfg(any(feature = "gcp_auth", feature = "google_cloud_auth", feature = "object_store"))]
#![allow(
    clippy::disallowed_methods,
    reason = "the tests make files and run themselves with another environment"
)]

use ee_auth::{Credential, Credentials};
use ee_auth_sandbox::{Options, Sandbox};
use tempfile::TempDir;

/// A loopback Google and a credential of its service account, with these scopes.
fn robot(scopes: &str) -> (Sandbox, Credential, TempDir) {
    let google = Sandbox::start(Options::default()).expect("the sandbox starts");
    let directory = TempDir::new().expect("a directory");
    let config = directory.path().join("ee-auth.toml");
    std::fs::write(&config, google.config_toml()).expect("a file");
    let credential = Credentials::builder()
        .config_file(config)
        .no_cache(true)
        .project(google.project_id())
        .scopes(scopes)
        .credential_json(google.service_account().key_json())
        .resolve()
        .expect("a credential");
    (google, credential, directory)
}

/// How often a token was asked for.
fn exchanges(google: &Sandbox) -> usize {
    google.requests().iter().filter(|request| request.path == "/token").count()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

#[cfg(feature = "gcp_auth")]
mod gcp_auth {
    use std::process::Command;
    use std::sync::Arc;

    use ::gcp_auth::TokenProvider;
    use ee_auth_core::{AttemptOutcome, Chain, Exchange, Member, Search, Settings};
    use ee_auth_gcp_auth::{GcpAuth, KIND};

    use super::*;

    #[test]
    fn our_token_through_their_trait() {
        let (google, credential, _directory) = robot("earthengine");
        let provider: Arc<dyn TokenProvider> = Arc::new(GcpAuth::from(credential.clone()));
        let scopes = ["https://www.googleapis.com/auth/earthengine"];
        let token = block_on(provider.token(&scopes)).expect("a token");
        assert!(!token.has_expired());
        assert_eq!(token.as_str(), credential.token().expect("a token").secret());
        assert_eq!(block_on(provider.token(&scopes)).expect("a token").as_str(), token.as_str());
        assert_eq!(exchanges(&google), 1, "it was kept");
        assert_eq!(&*block_on(provider.project_id()).expect("a project"), google.project_id());
        assert!(!format!("{provider:?}", provider = GcpAuth::from(credential)).contains(token.as_str()));
    }

    #[test]
    fn scopes_that_the_token_has_not_are_refused_at_once() {
        let (google, credential, _directory) = robot("earthengine");
        let drive = ["https://www.googleapis.com/auth/drive"];
        let error = block_on(GcpAuth::from(credential).token(&drive)).expect_err("it has no such scope");
        let source = std::error::Error::source(&error).expect("ours").to_string();
        assert!(source.contains("earthengine") && source.contains("drive"), "{source}");
        assert_eq!(exchanges(&google), 0);
        let (_google, credential, _directory) = robot("cloud-platform");
        block_on(GcpAuth::from(credential).token(&drive)).expect("cloud-platform is enough for all");
    }

    #[test]
    fn a_refusal_keeps_its_explanation() {
        let (google, credential, _directory) = robot("earthengine");
        google.delete_keys(google.service_account().email());
        let error = block_on(GcpAuth::from(credential).token(&[])).expect_err("the key is gone");
        let source = std::error::Error::source(&error).expect("ours").to_string();
        assert!(source.contains("invalid_grant"), "{source}");
    }

    /// What is asked of the process in which [`find`] runs.
    const ASK: &str = "EE_AUTH_TEST_FIND";

    /// Runs [`find`] with nothing in the environment but what is given.
    fn run(variables: &[(&str, &str)]) -> String {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env_clear().args(["--exact", "gcp_auth::find", "--nocapture"]).env(ASK, "1");
        let output = command.envs(variables.iter().copied()).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// No test by itself: what [`run`] runs. gcp_auth reads the environment of the process that it is in.
    #[test]
    #[allow(clippy::print_stdout, reason = "what the parent reads")]
    fn find() {
        if std::env::var_os(ASK).is_none() {
            return;
        }
        let provider = (KIND.build)("gcp_auth", &Default::default()).expect("it needs no options");
        let settings = Settings::default();
        let search = Search::new(ee_auth_host::system(), settings.clone());
        let chain = Chain::new(vec![Member::new("gcp_auth", provider)]);
        let resolution = pollster(chain.resolve(&search));
        match resolution.result {
            Ok((member, found)) => {
                let exchange = Exchange { host: ee_auth_host::system(), settings };
                let credential = Credential::new(member.name, member.provider.kind(), found, None, exchange);
                println!("TOKEN {}", credential.token().expect("a token").secret());
            }
            Err(error) => {
                let skipped = matches!(resolution.attempts[0].outcome, AttemptOutcome::Skipped(_));
                println!("ERROR {} {skipped} {error}", error.code());
            }
        }
    }

    /// On no runtime at all.
    fn pollster<T>(future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let thread = std::thread::current();
        struct Unpark(std::thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Arc::new(Unpark(thread)).into();
        let mut context = std::task::Context::from_waker(&waker);
        loop {
            match future.as_mut().poll(&mut context) {
                std::task::Poll::Ready(value) => return value,
                std::task::Poll::Pending => std::thread::park(),
            }
        }
    }

    #[test]
    fn what_they_find_through_our_chain() {
        let google = Sandbox::start(Options::default()).expect("the sandbox starts");
        let directory = TempDir::new().expect("a directory");
        let key = directory.path().join("key.json");
        std::fs::write(&key, google.service_account().key_json()).expect("a file");
        let key = key.to_str().expect("UTF-8");
        let home = directory.path().to_str().expect("UTF-8");
        let said = run(&[("GOOGLE_APPLICATION_CREDENTIALS", key), ("HOME", home)]);
        let token = said.lines().find_map(|line| line.strip_prefix("TOKEN ")).expect("a token");
        assert!(token.starts_with("ya29."), "{said}");
        let [request] = &google.requests()[..] else { panic!("one request is wanted") };
        assert_eq!((request.path.as_str(), request.status), ("/token", Some(200)));
    }

    #[test]
    fn what_they_cannot_read_is_invalid() {
        let directory = TempDir::new().expect("a directory");
        let key = directory.path().join("key.json");
        std::fs::write(&key, "{}").expect("a file");
        let home = directory.path().to_str().expect("UTF-8");
        let said = run(&[("GOOGLE_APPLICATION_CREDENTIALS", key.to_str().expect("UTF-8")), ("HOME", home)]);
        assert!(said.contains("ERROR invalid.gcp_auth false gcp_auth: "), "{said}");
    }
}

#[cfg(feature = "google_cloud_auth")]
mod google_cloud_auth {
    use ::google_cloud_auth::credentials::{CacheableResource, Credentials};
    use ee_auth_gcp_auth::GoogleCloudAuth;
    use http::Extensions;

    use super::*;

    #[test]
    fn our_token_through_their_trait() {
        let (google, credential, _directory) = robot("cloud-platform");
        let theirs = Credentials::from(GoogleCloudAuth::from(credential.clone()));
        let first = block_on(theirs.headers(Extensions::new())).expect("headers");
        let CacheableResource::New { entity_tag, data } = first else { panic!("it is new") };
        let bearer = &data["authorization"];
        assert_eq!(bearer, &format!("Bearer {}", credential.token().expect("a token").secret()));
        assert!(bearer.is_sensitive());
        assert_eq!(block_on(theirs.universe_domain()).as_deref(), Some("googleapis.com"));

        let mut known = Extensions::new();
        known.insert(entity_tag);
        let again = block_on(theirs.headers(known.clone())).expect("headers");
        assert!(matches!(again, CacheableResource::NotModified));
        assert_eq!(exchanges(&google), 1, "it was kept");

        credential.invalidate(&credential.token().expect("a token"));
        let after = block_on(theirs.headers(known)).expect("headers");
        assert!(matches!(after, CacheableResource::New { .. }), "another token is another resource");
    }

    #[test]
    fn a_refusal_is_told_from_what_may_pass() {
        let (google, credential, _directory) = robot("cloud-platform");
        let theirs = Credentials::from(GoogleCloudAuth::from(credential));
        google.delete_keys(google.service_account().email());
        let refused = block_on(theirs.headers(Extensions::new())).expect_err("the key is gone");
        assert!(!refused.is_transient());
        drop(google);
        let gone = block_on(theirs.headers(Extensions::new())).expect_err("Google is gone");
        assert!(gone.is_transient());
    }
}

#[cfg(feature = "object_store")]
mod object_store {
    use std::sync::Arc;

    use ::object_store::CredentialProvider;
    use ::object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
    use ee_auth_gcp_auth::ObjectStore;

    use super::*;

    #[test]
    fn our_token_through_their_trait() {
        let (google, credential, _directory) = robot("devstorage.full_control");
        let provider: Arc<dyn CredentialProvider<Credential = GcpCredential>> =
            Arc::new(ObjectStore::from(credential.clone()));
        let theirs = block_on(provider.get_credential()).expect("a token");
        assert_eq!(theirs.bearer, credential.token().expect("a token").secret());
        assert_eq!(exchanges(&google), 1);
        // What takes such a provider.
        let _ = GoogleCloudStorageBuilder::new().with_bucket_name("bucket").with_credentials(provider);
    }

    #[test]
    fn a_refusal_keeps_its_explanation() {
        let (google, credential, _directory) = robot("devstorage.full_control");
        google.delete_keys(google.service_account().email());
        let error = block_on(ObjectStore::from(credential).get_credential()).expect_err("the key is gone");
        assert!(error.to_string().contains("invalid_grant"), "{error}");
    }
}
