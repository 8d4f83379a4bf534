//! libFuzzer's entry for `query_parameters`. It checks nothing by itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| agentconf_fuzz::query_parameters(octets));
