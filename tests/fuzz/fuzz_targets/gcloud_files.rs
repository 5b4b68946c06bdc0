//! gcloud's files: the active configuration's name, the configuration, and the application-default file, in blocks that an empty
//! line parts.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::gcloud_files(bytes));
