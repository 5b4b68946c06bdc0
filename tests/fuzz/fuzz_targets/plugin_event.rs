//! What a plugin writes while it is asked: events.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ee_auth_tests::fuzz::plugin_event(bytes));
