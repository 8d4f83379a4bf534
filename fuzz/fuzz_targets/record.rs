//! libFuzzer's entry for `credentials::record`. It checks nothing by itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| agentconf_fuzz::credentials::record(octets));
