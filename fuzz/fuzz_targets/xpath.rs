//! libFuzzer's entry for `xpath_filter`. It checks nothing by itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| agentconf_fuzz::xpath_filter(octets));
