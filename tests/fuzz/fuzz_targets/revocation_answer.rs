//! What a revocation endpoint answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::revocation_answer(bytes));
