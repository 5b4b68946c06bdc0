//! What an executable wrote into its output file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::executable_output_file(bytes));
