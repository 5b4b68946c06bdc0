//! The value of a variable that holds a credential.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::environment_value(bytes));
