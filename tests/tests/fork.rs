//! A child by fork, which has none of its parent's threads, gets tokens of its own.
//!
//! It is a program of one thread that forks after the private thread of exchanges has started.
#![allow(unsafe_code, reason = "fork")]
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a test program")]

#[cfg(unix)]
fn main() {
    use ee_auth::Credentials;
    use ee_auth_sandbox::{Options, Sandbox};

    let google = Sandbox::start(Options::default()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("ee-auth.toml");
    std::fs::write(&config, google.config_toml()).unwrap();
    let credential = Credentials::builder()
        .config_file(&config)
        .no_cache(true)
        .credential_json(google.service_account().key_json())
        .resolve()
        .unwrap();
    let token = credential.token().unwrap().clone();
    credential.invalidate(&token);

    // SAFETY: the child uses nothing that another thread of the parent could hold: the private thread has ended its work.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: the parent waits for the child; a child that waited for a thread that is not there would never end.
            unsafe { libc::alarm(30) };
            let fresh = credential.token().unwrap().secret() != token.secret();
            // SAFETY: nothing of the parent's is to be run at the end.
            unsafe { libc::_exit(if fresh { 0 } else { 1 }) };
        }
        -1 => panic!("fork failed"),
        child => {
            let mut status = 0;
            // SAFETY: `status` is a place for an int.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            assert_eq!(status, 0, "the child got no token of its own");
        }
    }
    // The parent's own thread is as it was.
    assert_ne!(credential.token().unwrap().secret(), token.secret());
    println!("ok");
}

#[cfg(not(unix))]
fn main() {}
