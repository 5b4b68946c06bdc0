//! What the tokeninfo endpoint answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::tokeninfo_answer(bytes));
