//! What Earth Engine answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::earth_engine_answer(bytes));
