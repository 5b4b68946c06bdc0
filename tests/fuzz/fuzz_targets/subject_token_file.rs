//! A file with a subject token in it, alone and in JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::subject_token_file(bytes));
