//! An OAuth client of a person's own, as Google's console gives it out.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::oauth_client_file(bytes));
