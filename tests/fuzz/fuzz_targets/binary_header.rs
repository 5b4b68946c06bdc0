//! The beginning of a file that should be a shared library.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::binary_header(bytes));
