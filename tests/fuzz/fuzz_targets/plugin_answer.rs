//! What a plugin answers, whatever it was asked.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::plugin_answer(bytes));
