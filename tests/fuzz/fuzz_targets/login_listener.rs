//! What is asked of the listener of a login: a method, a target and a host, a line each. `STATE` is this login's.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::login_listener(bytes));
