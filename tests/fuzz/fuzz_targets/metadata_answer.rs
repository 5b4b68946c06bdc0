//! What a metadata server answers to everything.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::metadata_answer(bytes));
