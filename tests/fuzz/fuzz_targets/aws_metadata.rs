//! What AWS's metadata server answers: a session, a zone, a role and its keys, in blocks that an empty line parts.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::aws_metadata(bytes));
