//! What gcloud writes to its standard output, and how it ends.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::gcloud_output(bytes));
