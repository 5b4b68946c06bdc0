//! The files that say which profile is used and what is logged in to: in the state directory, and earthengine-api's.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::profile_file(bytes));
