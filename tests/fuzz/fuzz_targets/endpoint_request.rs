//! What is sent to the endpoint of `exec` and `serve`: requests and assertions, by one who does not know the secret.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::endpoint_request(bytes));
