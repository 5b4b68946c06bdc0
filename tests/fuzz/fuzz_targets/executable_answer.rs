//! What an executable for Google's clients answers, through both of its readers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::executable_answer(bytes));
