//! What the IAM credentials API answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::iam_answer(bytes));
