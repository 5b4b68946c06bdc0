//! The configuration of a workload's certificate, and the certificate and key that it names, in blocks that an empty line parts.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::certificate_configuration(bytes));
