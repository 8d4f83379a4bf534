//! libFuzzer's entry for `metadata`. It checks nothing by itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| agentconf_fuzz::metadata(octets));
