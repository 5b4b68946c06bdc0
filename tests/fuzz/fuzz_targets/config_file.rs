//! An `ee-auth.toml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::config_file(bytes));
