//! What a plugin says that it is.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::plugin_manifest(bytes));
