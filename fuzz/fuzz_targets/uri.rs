//! libFuzzer's entry for `uri`. It checks nothing by itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| agentconf_fuzz::uri(octets));
